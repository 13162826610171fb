"""The language model: LLaMA in the Hugging Face layout, Vicuna's delta, PandaGPT's LoRA."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anomalygpt.checkpoints.published import (
    LORA_ALPHA,
    LORA_RANK,
    LORA_TARGETS,
    Shape,
    compare,
    lora_name,
)
from anomalygpt.checkpoints.readers import TensorRef, Weights, find_weights, open_weights, read_json
from anomalygpt.checkpoints.report import LoadReport
from anomalygpt.checkpoints.writer import Entry, cast
from anomalygpt.errors import CheckpointError, ConfigError

TOKENIZER_MODELS = ("tokenizer.model", "tokenizer.json")
COPIED_FILES = (
    *TOKENIZER_MODELS,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "generation_config.json",
)
EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"
FINAL_NORM = "model.norm.weight"
# The final norm of a whole LLaMA is above 1 on average; training moves it by some thousandths.
DELTA_NORM = 0.1
WHOLE_NORM = 0.5


@dataclass(frozen=True)
class LlamaFolder:
    """An opened folder: its configuration and its tensors."""

    path: Path
    config: Mapping[str, Any]
    weights: Weights

    @property
    def tied(self) -> bool:
        return bool(self.config.get("tie_word_embeddings", False))

    def size(self, name: str) -> int:
        """A positive number of the configuration.

        Raises:
            CheckpointError: it is not there.
        """
        value = self.config.get(name)
        if not isinstance(value, int) or value < 1:
            raise CheckpointError(f"{self.path / 'config.json'} lacks {name}; download it again")
        return value

    def mean_norm(self) -> float:
        if FINAL_NORM not in self.weights.shapes:
            raise CheckpointError(f"{self.path} lacks {FINAL_NORM}; it is not a LLaMA")
        return abs(float(self.weights.tensor(FINAL_NORM).float().mean()))


def open_llama(folder: Path) -> LlamaFolder:
    """Open a folder in the Hugging Face layout, safetensors or bin, one file or shards.

    Raises:
        SourceError: files are missing.
        CheckpointError: files are damaged, of Meta's own layout, or of another architecture.
    """
    if any(folder.glob("consolidated.*.pth")) or (folder / "params.json").is_file():
        raise CheckpointError(
            f"{folder} has Meta's layout (consolidated.*.pth); turn it into the Hugging Face "
            "layout first: python -m transformers.models.llama.convert_llama_weights_to_hf"
        )
    config = read_json(folder / "config.json")
    if config.get("model_type") != "llama":
        raise CheckpointError(
            f"{folder} holds a {config.get('model_type')!r} model, expected 'llama' (Vicuna)"
        )
    found = find_weights(folder, "model", "pytorch_model")
    if found is None:
        raise CheckpointError(
            f"{folder} has no weights: neither model.safetensors nor pytorch_model.bin, nor an "
            "index (.index.json) of shards; download the missing file to there"
        )
    return LlamaFolder(folder, config, open_weights(found))


def llama_shapes(folder: LlamaFolder) -> dict[str, Shape]:
    """Every name of the model that `config.json` describes, with its shape."""
    width, hidden = folder.size("hidden_size"), folder.size("intermediate_size")
    heads, rows = folder.size("num_attention_heads"), folder.size("vocab_size")
    head_width = folder.config.get("head_dim") or width // heads
    queries = heads * head_width
    keys = (folder.config.get("num_key_value_heads") or heads) * head_width
    block: dict[str, Shape] = {
        "self_attn.q_proj.weight": (queries, width),
        "self_attn.k_proj.weight": (keys, width),
        "self_attn.v_proj.weight": (keys, width),
        "self_attn.o_proj.weight": (width, queries),
        "mlp.gate_proj.weight": (hidden, width),
        "mlp.up_proj.weight": (hidden, width),
        "mlp.down_proj.weight": (width, hidden),
        "input_layernorm.weight": (width,),
        "post_attention_layernorm.weight": (width,),
    }
    table: dict[str, Shape] = {EMBEDDING: (rows, width)}
    for layer in range(folder.size("num_hidden_layers")):
        table |= {f"model.layers.{layer}.{name}": shape for name, shape in block.items()}
    table[FINAL_NORM] = (width,)
    if not folder.tied:
        table[HEAD] = (rows, width)
    return table


def check_llama(folder: LlamaFolder, expected: Mapping[str, Shape], base: bool) -> LoadReport:
    """Hold a folder's tensors against the table.

    Args:
        folder: an opened folder.
        expected: names and shapes of the model to write.
        base: the folder is a base to which a delta is added: it may have fewer words.
    """

    def skip(name: str) -> str | None:
        if name.endswith(".rotary_emb.inv_freq"):
            return "rotary frequencies are computed, not loaded"
        return "tied to the input embedding" if folder.tied and name == HEAD else None

    wanted = dict(expected)
    if base:
        for name in (EMBEDDING, HEAD):
            found = folder.weights.shapes.get(name, ())
            if name in wanted and len(found) == 2 and found[0] < wanted[name][0]:
                wanted[name] = (found[0], wanted[name][1])
    return compare(folder.weights.shapes, wanted, skip)


def check_whole(folder: LlamaFolder, option: str) -> None:
    """Refuse a delta where a whole model is needed: by itself it speaks nonsense.

    Raises:
        CheckpointError: the final norm is near 0, as only a difference has it.
    """
    if folder.mean_norm() < DELTA_NORM:
        raise CheckpointError(
            f"{folder.path} looks like a delta (its norm weights are near 0), but {option} needs "
            "a whole model; give it as --vicuna-delta together with --llama"
        )


def check_delta(folder: LlamaFolder) -> None:
    """Refuse a whole model where a delta is needed: the sum would be two models in one.

    Raises:
        CheckpointError: the final norm is far from 0.
    """
    if folder.mean_norm() > WHOLE_NORM:
        raise CheckpointError(
            f"{folder.path} looks like a whole model (its norm weights are far from 0), not like "
            "a delta; give it as --vicuna without --llama"
        )


@dataclass(frozen=True)
class Lora:
    """PandaGPT's low-rank additions: weight + alpha / rank · B @ A.

    Attributes:
        rank: rows of A.
        alpha: numerator of the scale.
        factors: (layer, projection) → A (rank, in) and B (out, rank).
    """

    rank: int
    alpha: float
    factors: Mapping[tuple[int, str], tuple[TensorRef, TensorRef]]

    def addition(self, name: str) -> Tensor | None:
        """What is added to the weight `name`, in float32; None for weights without LoRA."""
        match = re.fullmatch(r"model\.layers\.(\d+)\.self_attn\.(\w+)\.weight", name)
        if match is None or (int(match[1]), match[2]) not in self.factors:
            return None
        a, b = self.factors[int(match[1]), match[2]]
        return self.alpha / self.rank * (b.read().float() @ a.read().float())

    def adapter_entries(self) -> list[Entry]:
        """The tensors of peft's `adapter_model.safetensors`."""
        entries = []
        for (layer, target), pair in self.factors.items():
            for side, ref in zip("AB", pair, strict=True):
                name = (
                    f"base_model.model.model.layers.{layer}.self_attn.{target}.lora_{side}.weight"
                )
                entries.append(unchanged(name, ref))
        return entries

    def adapter_config(self) -> dict[str, Any]:
        """The content of peft's `adapter_config.json`."""
        return {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": None,
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": 0.1,
            "target_modules": list(LORA_TARGETS),
            "bias": "none",
            "fan_in_fan_out": False,
            "inference_mode": True,
        }


def collect_lora(
    refs: Mapping[str, TensorRef], expected: Mapping[str, Shape], layers: int, alpha: float | None
) -> tuple[Lora, LoadReport]:
    """Take the LoRA factors from among PandaGPT's tensors.

    Args:
        refs: published names, LoRA only.
        expected: names and shapes of the language model.
        layers: blocks of the language model.
        alpha: scale numerator; None for the published 32.

    Raises:
        ConfigError: the rank is not the published one, so that alpha cannot be known.
    """
    rank = next((ref.shape[0] for name, ref in refs.items() if ".lora_A." in name), LORA_RANK)
    if alpha is None:
        if rank != LORA_RANK:
            raise ConfigError(
                f"this LoRA has rank {rank}, the published one {LORA_RANK}; its alpha cannot be "
                "read from the file: give lora_alpha"
            )
        alpha = LORA_ALPHA
    table: dict[str, Shape] = {}
    factors = {}
    for layer in range(layers):
        for target in LORA_TARGETS:
            out, into = expected[f"model.layers.{layer}.self_attn.{target}.weight"]
            names = lora_name(layer, target, "A"), lora_name(layer, target, "B")
            table |= {names[0]: (rank, into), names[1]: (out, rank)}
            if names[0] in refs and names[1] in refs:
                factors[layer, target] = refs[names[0]], refs[names[1]]
    report = compare({name: ref.shape for name, ref in refs.items()}, table)
    return Lora(rank, alpha, factors), report


def unchanged(name: str, ref: TensorRef) -> Entry:
    """Write a tensor in the number format that it has."""
    return Entry(name, ref.shape, ref.dtype, lambda: cast(name, ref.read(), ref.dtype))


def llama_entries(
    model: LlamaFolder,
    expected: Mapping[str, Shape],
    dtype: torch.dtype,
    base: LlamaFolder | None = None,
    lora: Lora | None = None,
) -> list[Entry]:
    """The tensors to write: model, or base + delta, plus a LoRA to merge.

    Sums are made in float32 and rounded once. Words that the base lacks come from the delta alone.
    """

    def read(name: str) -> Tensor:
        values = model.weights.tensor(name)
        addition = lora.addition(name) if lora else None
        if base is None and addition is None:
            return cast(name, values, dtype)
        total = values.to(torch.float32, copy=True)
        if base is not None:
            values = base.weights.tensor(name)
            total[: values.shape[0]] += values
        if addition is not None:
            total += addition
        return cast(name, total, dtype)

    return [Entry(name, shape, dtype, partial(read, name)) for name, shape in expected.items()]


def llama_documents(folder: LlamaFolder, dtype: torch.dtype) -> tuple[dict[str, Any], list[Path]]:
    """The new `config.json`, and the tokenizer and generation files to copy.

    Raises:
        CheckpointError: the folder has no tokenizer.
    """
    if not any((folder.path / name).is_file() for name in TOKENIZER_MODELS):
        raise CheckpointError(
            f"{folder.path} has no tokenizer; put {' or '.join(TOKENIZER_MODELS)} there"
        )
    # Paths of the machine where the model was made say nothing here.
    dropped = ("_name_or_path", "dtype")
    config = {name: value for name, value in folder.config.items() if name not in dropped}
    config["torch_dtype"] = str(dtype).removeprefix("torch.")
    files = [folder.path / name for name in COPIED_FILES if (folder.path / name).is_file()]
    return config, files
