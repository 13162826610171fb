"""From a published AnomalyCLIP file and a CLIP file to one folder that `from_pretrained` reads.

`epoch_N.pth` holds the prompts alone; what reads them, and the photos, is the frozen CLIP that they
were learned with. Everything is checked before the first byte is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anomalygpt.checkpoints.clip import clip_sizes, left_out, open_clip_file, own_name
from anomalygpt.checkpoints.conversion import SMALL_FILES, open_delta
from anomalygpt.checkpoints.hub import resolve
from anomalygpt.checkpoints.llama import unchanged
from anomalygpt.checkpoints.published import Shape, Shapes, compare, count_blocks
from anomalygpt.checkpoints.readers import TensorRef, Weights
from anomalygpt.checkpoints.report import LoadReport, elide
from anomalygpt.checkpoints.writer import (
    MAX_SHARD_SIZE,
    Entry,
    cast,
    parse_dtype,
    progress_bar,
    write_shards,
)
from anomalygpt.config import AnomalyGPTConfig, EncoderConfig
from anomalygpt.encoders import build_encoder, encoder_config
from anomalygpt.errors import CheckpointError, ConfigError
from anomalygpt.files import require_vacant, staged_folder
from decoder import DecoderConfig, LearnedPrompts, LearnedPromptsConfig
from decoder.learned_prompts import PromptTower
from decoder.similarity import TEMPERATURE

# What a file of AnomalyCLIP holds. Letters stand for sizes: the text tower's width, the learned
# tokens in front, those in each deeper block, the tokens of a prompt, and what is left of them.
PROMPT_SHAPES: dict[str, tuple[str | int, ...]] = {
    "ctx_pos": (1, 1, "context", "width"),
    "ctx_neg": (1, 1, "context", "width"),
    "tokenized_prompts_pos": (1, 1, "length"),
    "tokenized_prompts_neg": (1, 1, "length"),
}
# Named after the number of the text block, from the second block on.
BLOCK_SHAPES: dict[str, tuple[str | int, ...]] = {
    "compound_prompts_text.{}": ("compound", "width"),
}
# The same that CLIP's own table of tokens gives: compared with it, then left out.
WORD_SHAPES: dict[str, tuple[str | int, ...]] = {
    "token_prefix_pos": (1, 1, 1, "width"),
    "token_suffix_pos": (1, 1, "rest", "width"),
    "token_prefix_neg": (1, 1, 1, "width"),
    "token_suffix_neg": (1, 1, "rest", "width"),
}
# Made by the published code for an image tower with learned tokens, which it does not have.
UNUSED_WIDTH = 896
UNUSED_SHAPES: dict[str, tuple[str | int, ...]] = {
    "compound_prompt_projections.{}.weight": (UNUSED_WIDTH, "width"),
    "compound_prompt_projections.{}.bias": (UNUSED_WIDTH,),
}
UNUSED = "compound_prompt_projections."
WHY_UNUSED = "projections that the published code makes and never uses"
WHY_WORDS = "embeddings of words, equal to those of the CLIP given"

# Rounding to float16, in which CLIP is published.
_RELATIVE, _ABSOLUTE = 1e-3, 1e-4


def prompt_shapes(config: LearnedPromptsConfig) -> dict[str, Shape]:
    """Every name in a file of AnomalyCLIP with its shape, also of what is left out."""
    numbers = {**asdict(config), "rest": config.length - 1 - config.context}
    one = {**PROMPT_SHAPES, **WORD_SHAPES}
    each = {**BLOCK_SHAPES, **UNUSED_SHAPES}
    names = {
        **one,
        **{
            name.format(block): shape
            for block in range(config.blocks)
            for name, shape in each.items()
        },
    }
    return {
        name: tuple(numbers[size] if isinstance(size, str) else size for size in shape)
        for name, shape in names.items()
    }


def prompt_sizes(shapes: Shapes, source: object) -> LearnedPromptsConfig:
    """The sizes of the prompts in a file.

    Raises:
        CheckpointError: it is no file of AnomalyCLIP.
    """
    tellers = ("ctx_pos", "tokenized_prompts_pos")
    if missing := [name for name in tellers if name not in shapes]:
        raise CheckpointError(
            f"{source} is no file of AnomalyCLIP: it lacks {elide(missing)}; give a file such as "
            "epoch_15.pth"
        )
    context, tokens = (shapes[name] for name in tellers)
    blocks = count_blocks(shapes, r"compound_prompts_text\.(\d+)$")
    compound = shapes.get("compound_prompts_text.0", (1,))
    try:
        return LearnedPromptsConfig(context[3], context[2], blocks, compound[0], tokens[-1])
    except (IndexError, ValueError) as error:
        raise CheckpointError(
            f"{source} has shapes that no AnomalyCLIP has: ctx_pos {context}, "
            f"tokenized_prompts_pos {tokens}, compound_prompts_text.0 {compound} ({error})"
        ) from error


def convert_anomalyclip(
    prompts: str | Path,
    clip: str | Path,
    output: Path,
    *,
    options: Mapping[str, Any] | None = None,
    dtype: str | None = None,
    allow_unknown: bool = False,
    max_shard_size: int = MAX_SHARD_SIZE,
    progress: bool = True,
) -> LoadReport:
    """Write the folder of an assistant that finds damage without a reference, mute.

    Args:
        prompts: `epoch_N.pth`, a path or a name on the hub.
        clip: OpenAI's or open_clip's file of the model that they were learned with.
        output: the folder to write; it must not exist or be empty.
        options: of the encoder `value_attention`: stages, input_size, value_blocks, activation
            ("quick_gelu" as OpenAI's models have it, or "gelu"), vision_heads, text_heads.
            As published by default, the last block alone included.
        dtype: "float16", "bfloat16" or "float32" for CLIP; None keeps what the file has.
        allow_unknown: leave out tensors with unknown names; they stay in the report.
        max_shard_size: bytes of one file.
        progress: show a bar on stderr when it takes a while.

    Returns:
        What happened to every tensor, under its published name.

    Raises:
        ConfigError: an option cannot be used.
        SourceError: a file is not there.
        CheckpointError: a file is damaged, of another model, or does not fit the other.
        OutputError: the folder cannot be written; nothing of it is left.
    """
    output = output.expanduser()
    number_format = None if dtype is None else parse_dtype(dtype)
    if max_shard_size < 1:
        raise ConfigError(f"max_shard_size must be positive, got {max_shard_size}")
    require_vacant(output)
    path = resolve(prompts, kind="file", what="AnomalyCLIP (epoch_15.pth)")
    weights = open_clip_file(resolve(clip, kind="file", what="CLIP (ViT-L-14-336px.pt)"))
    report = LoadReport()
    encoder, eyes = _plan_clip(weights, options or {}, number_format, allow_unknown, report)
    learned, words = _plan_prompts(path, weights, allow_unknown, report)
    config = AnomalyGPTConfig(encoder, prompted_decoder(encoder, weights, learned))
    total = sum(entry.size for entry in [*eyes, *words])
    with (
        staged_folder(output, total + SMALL_FILES) as folder,
        progress_bar(total, progress) as bar,
    ):
        write_shards(eyes, folder, "encoder", max_shard_size, bar)
        write_shards(words, folder, "decoder", max_shard_size, bar)
        config.save(folder)
    return report


def value_attention(clip: Weights, options: Mapping[str, Any]) -> Any:
    """The encoder of a CLIP file, on the meta device.

    Args:
        clip: an open file.
        options: see `convert_anomalyclip`.
    """
    config = encoder_config("value_attention/other", {**asdict(clip_sizes(clip)), **options})
    with torch.device("meta"):
        return build_encoder(config)


def prompted_decoder(
    encoder: EncoderConfig, clip: Weights, prompts: LearnedPromptsConfig
) -> DecoderConfig:
    """The decoder's configuration beside an encoder with its stages: the map as published."""
    width = clip_sizes(clip).output_width
    return DecoderConfig(
        stage_widths=(width,) * len(encoder.stages),
        text_width=width,
        logit_scale=1 / TEMPERATURE,
        map_size=encoder.input_size,
        prompts=prompts,
    )


def _plan_clip(
    weights: Weights,
    options: Mapping[str, Any],
    dtype: torch.dtype | None,
    allow_unknown: bool,
    report: LoadReport,
) -> tuple[EncoderConfig, list[Entry]]:
    """The encoder's configuration, with the stages that it reads, and its tensors."""
    encoder = value_attention(weights, options)
    state = encoder.state_dict()
    refs = {own_name(name): TensorRef(weights, name) for name in weights.shapes}
    if len(refs) != len(weights.shapes):
        raise CheckpointError(f"{weights.path} holds the same names with and without 'text.'")
    found = compare(
        {name: ref.shape for name, ref in refs.items()},
        {name: tuple(value.shape) for name, value in state.items()},
        left_out,
    )
    found.raise_if_bad(weights.path, allow_unknown)
    report.merge(found)

    def entry(name: str, ref: TensorRef) -> Entry:
        # The logit scale is a logarithm, which must not be rounded.
        kept = ref.dtype if dtype is None or not ref.shape else dtype
        return Entry(name, ref.shape, kept, lambda: cast(name, ref.read(), kept))

    return encoder.config, [entry(name, refs[name]) for name in state]


def _plan_prompts(
    path: Path, clip: Weights, allow_unknown: bool, report: LoadReport
) -> tuple[LearnedPromptsConfig, list[Entry]]:
    """The prompts' sizes, and what the decoder keeps of the file."""
    refs = open_delta(path)
    shapes = {name: ref.shape for name, ref in refs.items()}
    config = prompt_sizes(shapes, path)
    expected = {
        name: shape for name, shape in prompt_shapes(config).items() if not name.startswith(UNUSED)
    }
    found = compare(shapes, expected, lambda n: WHY_UNUSED if n.startswith(UNUSED) else None)
    found.raise_if_bad(path, allow_unknown)
    _check_words(path, refs, config, clip)
    found.loaded = [name for name in found.loaded if name not in WORD_SHAPES]
    found.skipped |= dict.fromkeys(WORD_SHAPES, WHY_WORDS)
    report.merge(found)
    own = LearnedPrompts(config).state_dict()
    for side in ("tokenized_prompts_pos", "tokenized_prompts_neg"):
        if not torch.equal(refs[side].read().long(), own[side].long()):
            report.notes.append(f"{side}: other words than the published ones; the file's are kept")
    return config, [unchanged(f"prompts.{name}", refs[name]) for name in own]


def _check_words(
    path: Path, refs: Mapping[str, TensorRef], config: LearnedPromptsConfig, clip: Weights
) -> None:
    """The prompts hold embeddings of their words: whether they are those of the CLIP given.

    Raises:
        CheckpointError: they are not.
    """
    names = {own_name(name): name for name in clip.shapes}
    sizes = clip_sizes(clip)
    if (config.width, config.length) != (sizes.text_width, sizes.length):
        raise CheckpointError(
            f"{path}: the prompts have {config.length} tokens of {config.width} channels, the text "
            f"tower in {clip.path} reads {sizes.length} of {sizes.text_width}; give the CLIP that "
            "they were learned with, for the published ones ViT-L-14-336px.pt"
        )
    table = clip.tensor(names["token_embedding.weight"])
    worst = 0.0
    for side in ("pos", "neg"):
        ids = refs[f"tokenized_prompts_{side}"].read().long().flatten()
        if int(ids.min()) < 0 or int(ids.max()) >= len(table):
            raise CheckpointError(
                f"{path}: tokenized_prompts_{side} holds numbers that are no tokens; "
                "download it again"
            )
        rows = table[ids].float()
        for name, own in (("prefix", rows[:1]), ("suffix", rows[1 + config.context :])):
            held = refs[f"token_{name}_{side}"].read().float().flatten(0, 2)
            far = (held - own).abs() - _RELATIVE * own.abs() - _ABSOLUTE
            worst = max(worst, float(far.detach().max()))
    if not worst <= 0:  # also where it is no number
        raise CheckpointError(
            f"{path}: the words of the prompts have other embeddings than in {clip.path}; give the "
            "CLIP that they were learned with, for the published ones ViT-L-14-336px.pt"
        )


def published_state(prompts: LearnedPrompts, tower: PromptTower) -> dict[str, Tensor]:
    """What a file of AnomalyCLIP holds of prompts, without the projections that nobody uses.

    Args:
        prompts: learned.
        tower: of the CLIP that they were learned with.
    """
    state = {name: value.detach().cpu() for name, value in prompts.state_dict().items()}
    behind = 1 + prompts.config.context
    with torch.no_grad():
        words = tower.embed_tokens(prompts.tokens).float().cpu()
    for side, row in zip(("pos", "neg"), words, strict=True):
        state[f"token_prefix_{side}"] = row[None, None, :1].clone()
        state[f"token_suffix_{side}"] = row[None, None, behind:].clone()
    return state
