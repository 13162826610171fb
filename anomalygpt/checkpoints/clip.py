"""CLIP models with a transformer for images, as OpenAI and open_clip publish them: sizes and names.

Sizes are read off the shapes, so that models smaller than the published ones can be read as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from anomalygpt.checkpoints.published import count_blocks
from anomalygpt.checkpoints.readers import Weights, open_weights
from anomalygpt.checkpoints.report import elide
from anomalygpt.checkpoints.torchscript import TorchScriptFile, is_torchscript
from anomalygpt.errors import CheckpointError

# Heads have so many channels in all published models; their number does not show in the shapes.
HEAD_WIDTH = 64

# Names in a file that are no weights, and why they are left out.
NO_WEIGHTS = {
    "input_resolution": "a number that the shapes tell",
    "context_length": "a number that the shapes tell",
    "vocab_size": "a number that the shapes tell",
    "attn_mask": "the causal mask, which is made anew",
}
# open_clip's later models keep the text tower under this name.
TEXT_PREFIX = "text."


@dataclass(frozen=True)
class ClipSizes:
    """What both towers are built from.

    Attributes:
        vision_width, vision_blocks, vision_heads, patch_size: of the image tower.
        grid: side of the grid of patches that its positions were trained for.
        text_width, text_blocks, text_heads, length, vocabulary: of the text tower.
        output_width: channels of the space that both share.
    """

    vision_width: int
    vision_blocks: int
    vision_heads: int
    patch_size: int
    grid: int
    text_width: int
    output_width: int
    text_heads: int
    text_blocks: int = 12
    length: int = 77
    vocabulary: int = 49408


ARCHITECTURES: dict[str, ClipSizes] = {
    "ViT-B-32": ClipSizes(768, 12, 12, 32, 7, 512, 512, 8),
    "ViT-B-16": ClipSizes(768, 12, 12, 16, 14, 512, 512, 8),
    "ViT-L-14": ClipSizes(1024, 24, 16, 14, 16, 768, 768, 12),
    "ViT-L-14-336": ClipSizes(1024, 24, 16, 14, 24, 768, 768, 12),
}


def left_out(name: str) -> str | None:
    """Why a name in a CLIP file is no weight; None where it is one."""
    return NO_WEIGHTS.get(name.removeprefix(TEXT_PREFIX))


def own_name(name: str) -> str:
    """A name in a CLIP file as OpenAI writes it."""
    return name.removeprefix(TEXT_PREFIX)


def clip_sizes(weights: Weights) -> ClipSizes:
    """The sizes of an open CLIP file; one attention head for every 64 channels, as published.

    Raises:
        CheckpointError: it is no CLIP with a transformer for images.
    """
    shapes = {own_name(name): shape for name, shape in weights.shapes.items()}
    tellers = (
        "visual.conv1.weight",
        "visual.positional_embedding",
        "visual.proj",
        "token_embedding.weight",
        "positional_embedding",
    )
    if missing := [name for name in tellers if name not in shapes]:
        raise CheckpointError(
            f"{weights.path} is no CLIP with a transformer for images: it lacks {elide(missing)}; "
            "give a file such as ViT-L-14-336px.pt"
        )
    stem, places, output, words, positions = (shapes[name] for name in tellers)
    grid = math.isqrt(max(places[0] - 1, 0)) if places else 0
    if [len(each) for each in (stem, places, output, words, positions)] != [4, 2, 2, 2, 2] or (
        grid * grid + 1 != places[0]
    ):
        found = {name: shapes[name] for name in tellers}
        raise CheckpointError(f"{weights.path} has shapes that no such CLIP has: {found}")
    return ClipSizes(
        vision_width=stem[0],
        vision_blocks=count_blocks(shapes, r"visual\.transformer\.resblocks\.(\d+)\."),
        vision_heads=max(1, stem[0] // HEAD_WIDTH),
        patch_size=stem[-1],
        grid=grid,
        text_width=words[1],
        output_width=output[1],
        text_heads=max(1, words[1] // HEAD_WIDTH),
        text_blocks=count_blocks(shapes, r"transformer\.resblocks\.(\d+)\."),
        length=positions[0],
        vocabulary=words[0],
    )


def architecture_name(sizes: ClipSizes) -> str | None:
    """The published architecture with these sizes."""
    return next((name for name, known in ARCHITECTURES.items() if known == sizes), None)


def open_clip_file(path: Path) -> Weights:
    """A CLIP file: tensors by name, or the TorchScript archive that OpenAI publishes.

    Raises:
        SourceError: there is no such file.
        CheckpointError: it is damaged.
    """
    return TorchScriptFile(path) if is_torchscript(path) else open_weights(path)
