"""A CLIP and prompts of AnomalyCLIP that are small enough for tests, as files of their makers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from anomalygpt.checkpoints.clip import ClipSizes
from anomalygpt.encoders import build_encoder, encoder_config
from decoder import LearnedPrompts, LearnedPromptsConfig

SIZES = ClipSizes(16, 4, 1, 8, 4, 8, 12, 1, text_blocks=3)
# What the file does not tell, and a size at which it is quick.
OPTIONS = {"input_size": 48, "value_blocks": 2}


def tiny_clip(seed: int = 0) -> Any:
    """Untrained towers of these sizes."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = encoder_config("value_attention/other", {**asdict(SIZES), **OPTIONS})
        return build_encoder(config).eval()


def tiny_prompts(seed: int = 1) -> LearnedPrompts:
    """Untrained prompts for them, far enough apart that a map shows something."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        prompts = LearnedPrompts(LearnedPromptsConfig(SIZES.text_width, blocks=2))
        for parameter in prompts.parameters():
            nn.init.normal_(parameter)
        return prompts


def published_prompts(prompts: LearnedPrompts, table: Tensor) -> dict[str, Tensor]:
    """What a file of AnomalyCLIP holds: also words, and projections that nobody uses."""
    state = dict(prompts.state_dict())
    behind = 1 + prompts.config.context
    for side in ("pos", "neg"):
        words = table.detach()[state[f"tokenized_prompts_{side}"].long()]
        state[f"token_prefix_{side}"] = words[:, :, :1].clone()
        state[f"token_suffix_{side}"] = words[:, :, behind:].clone()
    for block in range(prompts.config.blocks):
        state[f"compound_prompt_projections.{block}.weight"] = torch.ones(896, table.shape[1])
        state[f"compound_prompt_projections.{block}.bias"] = torch.ones(896)
    return state


def write_prompts(path: Path, state: Mapping[str, Tensor]) -> Path:
    torch.save({"prompt_learner": dict(state)}, path)
    return path


class _Shell(nn.Module):
    """Tensors under the names of a state dict, and no program."""


def write_torchscript(path: Path, state: Mapping[str, Tensor]) -> Path:
    """The form in which OpenAI publishes CLIP, its three numbers included."""
    root = _Shell()
    numbers = {"input_resolution": 32, "context_length": 77, "vocab_size": SIZES.vocabulary}
    for name, value in {**state, **{k: torch.tensor(v) for k, v in numbers.items()}}.items():
        *owners, leaf = name.split(".")
        module: nn.Module = root
        for owner in owners:
            if owner not in dict(module.named_children()):
                module.add_module(owner, _Shell())
            module = module.get_submodule(owner)
        if value.is_floating_point():
            module.register_parameter(leaf, nn.Parameter(value.detach().clone()))
        else:
            module.register_buffer(leaf, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have another format
        torch.jit.script(root).save(str(path))
    return path
