"""The names and shapes in the published files, as literal tables.

A table maps every name to the shape it must have, given the sizes of the model. The sizes are read
off a few tensors, so that models smaller than the published ones convert as well.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from anomalygpt.checkpoints.report import LoadReport, Mismatch, elide
from anomalygpt.errors import CheckpointError, ConfigError

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

CONTEXT_LENGTH = 77
VOCABULARY = 49408
LORA_RANK = 32
LORA_ALPHA = 32.0

# ----------------------------------------------------------------------------------- ImageBind

OTHER_MODALITIES = re.compile(
    r"modality_(?:preprocessors|trunks|heads|postprocessors)\.(audio|depth|thermal|imu)\."
)
# Each entry is a name with its shape; letters stand for sizes, see `_fill`.
IMAGEBIND_SHAPES: dict[str, tuple[str | int, ...]] = {
    "modality_preprocessors.vision.cls_token": (1, 1, "vision"),
    "modality_preprocessors.vision.rgbt_stem.proj.1.weight": ("vision", 3, 2, "patch", "patch"),
    "modality_preprocessors.vision.pos_embedding_helper.pos_embed": (1, "positions", "vision"),
    "modality_preprocessors.text.pos_embed": (1, CONTEXT_LENGTH, "text"),
    "modality_preprocessors.text.mask": (CONTEXT_LENGTH, CONTEXT_LENGTH),
    "modality_preprocessors.text.token_embedding.weight": (VOCABULARY, "text"),
    "modality_trunks.vision.pre_transformer_layer.0.weight": ("vision",),
    "modality_trunks.vision.pre_transformer_layer.0.bias": ("vision",),
    "modality_heads.vision.0.weight": ("vision",),
    "modality_heads.vision.0.bias": ("vision",),
    "modality_heads.vision.2.weight": ("output", "vision"),
    "modality_heads.text.proj.0.weight": ("text",),
    "modality_heads.text.proj.0.bias": ("text",),
    "modality_heads.text.proj.1.weight": ("output", "text"),
    "modality_postprocessors.text.1.log_logit_scale": (),
}
# Behind `modality_trunks.{vision,text}.blocks.{n}.`; "width" is the tower's own.
IMAGEBIND_BLOCK_SHAPES: dict[str, tuple[str | int, ...]] = {
    "attn.in_proj_weight": ("3 width", "width"),
    "attn.in_proj_bias": ("3 width",),
    "attn.out_proj.weight": ("width", "width"),
    "attn.out_proj.bias": ("width",),
    "norm_1.weight": ("width",),
    "norm_1.bias": ("width",),
    "mlp.fc1.weight": ("4 width", "width"),
    "mlp.fc1.bias": ("4 width",),
    "mlp.fc2.weight": ("width", "4 width"),
    "mlp.fc2.bias": ("width",),
    "norm_2.weight": ("width",),
    "norm_2.bias": ("width",),
}


@dataclass(frozen=True)
class ImageBindSizes:
    """What the shapes tell; the number of attention heads does not show in them."""

    vision_width: int = 1280
    vision_blocks: int = 32
    text_width: int = 1024
    text_blocks: int = 24
    output_width: int = 1024
    patch_size: int = 14
    grid: int = 16

    @property
    def input_size(self) -> int:
        return self.grid * self.patch_size

    @property
    def stages(self) -> tuple[int, ...]:
        """The last blocks of the four quarters, counted from 0."""
        return tuple(self.vision_blocks * quarter // 4 - 1 for quarter in (1, 2, 3, 4))


IMAGEBIND_HUGE = ImageBindSizes()


def imagebind_sizes(shapes: Shapes, source: object) -> ImageBindSizes:
    """Read the sizes of both towers off the shapes.

    Raises:
        CheckpointError: a tensor that tells a size is missing, or no size follows from it.
    """
    tellers = (
        "modality_preprocessors.vision.rgbt_stem.proj.1.weight",
        "modality_preprocessors.vision.pos_embedding_helper.pos_embed",
        "modality_preprocessors.text.pos_embed",
        "modality_heads.vision.2.weight",
    )
    if missing := [name for name in tellers if name not in shapes]:
        raise CheckpointError(
            f"{source} is not an ImageBind file: it lacks {elide(missing)}; give imagebind_huge.pth"
        )
    stem, positions, text, head = (shapes[name] for name in tellers)
    blocks = {
        tower: count_blocks(shapes, rf"modality_trunks\.{tower}\.blocks\.(\d+)\.")
        for tower in ("vision", "text")
    }
    grid = math.isqrt(max(positions[1] - 1, 0)) if len(positions) == 3 else 0
    if len(stem) != 5 or len(text) != 3 or len(head) != 2 or grid * grid + 1 != positions[1]:
        found = dict(zip(tellers, (stem, positions, text, head), strict=True))
        raise CheckpointError(f"{source} has shapes that no ImageBind has: {found}")
    if blocks["vision"] < 4:
        raise CheckpointError(
            f"{source} has {blocks['vision']} vision blocks; the decoder reads four stages, "
            "so at least 4 are needed"
        )
    return ImageBindSizes(
        vision_width=stem[0],
        vision_blocks=blocks["vision"],
        text_width=text[2],
        text_blocks=blocks["text"],
        output_width=head[0],
        patch_size=stem[-1],
        grid=grid,
    )


def imagebind_options(sizes: ImageBindSizes, given: Mapping[str, int]) -> dict[str, Any]:
    """The architecture options of the encoder: none for the huge model.

    Args:
        sizes: what the shapes told.
        given: "vision_heads" and "text_heads", needed for every other model.

    Raises:
        ConfigError: heads are missing, unknown options came, or heads do not divide the width.
    """
    heads = ("vision_heads", "text_heads")
    if unknown := sorted(set(given) - set(heads)):
        raise ConfigError(f"unknown ImageBind options {unknown}; known are {list(heads)}")
    if sizes == IMAGEBIND_HUGE and not given:
        return {}
    if missing := [name for name in heads if name not in given]:
        raise ConfigError(
            f"this ImageBind is not imagebind_huge (vision {sizes.vision_width} wide, "
            f"{sizes.vision_blocks} blocks), and its number of attention heads cannot be read "
            f"from the file; give {' and '.join(missing)} with --imagebind-option"
        )
    for tower, width in (("vision", sizes.vision_width), ("text", sizes.text_width)):
        if given[f"{tower}_heads"] < 1 or width % given[f"{tower}_heads"]:
            raise ConfigError(
                f"{tower}_heads must divide the width {width}, got {given[f'{tower}_heads']}"
            )
    options = {name: value for name, value in asdict(sizes).items() if name != "grid"}
    return options | {name: given[name] for name in heads}


def imagebind_shapes(sizes: ImageBindSizes) -> dict[str, Shape]:
    """Every name of the vision and text towers with its shape."""
    numbers = {
        "vision": sizes.vision_width,
        "text": sizes.text_width,
        "output": sizes.output_width,
        "patch": sizes.patch_size,
        "positions": sizes.grid**2 + 1,
    }
    table = {name: _fill(shape, numbers) for name, shape in IMAGEBIND_SHAPES.items()}
    for tower, width, blocks in (
        ("vision", sizes.vision_width, sizes.vision_blocks),
        ("text", sizes.text_width, sizes.text_blocks),
    ):
        numbers = {"width": width, "3 width": 3 * width, "4 width": 4 * width}
        for block in range(blocks):
            for name, shape in IMAGEBIND_BLOCK_SHAPES.items():
                table[f"modality_trunks.{tower}.blocks.{block}.{name}"] = _fill(shape, numbers)
    return table


def imagebind_skip(name: str) -> str | None:
    """Why a published ImageBind tensor is left out; None when it is not left out."""
    if match := OTHER_MODALITIES.match(name):
        return f"the {match[1]} modality is not used"
    return None


# ---------------------------------------------------------------------- AnomalyGPT and PandaGPT

# Positions of the convolutions in the published `nn.Sequential`; the last has a 5×5 kernel.
META_NET_CONVOLUTIONS = (0, 3, 6, 9, 12, 15)
BASE_PROMPTS = "prompt_learner.base_prompts"
PROJECTION = {"llama_proj.weight": "weight", "llama_proj.bias": "bias"}
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj")
LORA_NAME = re.compile(
    r"llama_model\.base_model\.model\.model\.layers\.(\d+)\.self_attn\.([qkvo]_proj)\."
    r"lora_([AB])\.default\.weight"
)


@dataclass(frozen=True)
class DeltaSizes:
    """What the shapes of an AnomalyGPT file tell.

    Attributes:
        stage_widths: channels that each projection of the decoder reads.
        text_width: channels that they all write.
        channels: channels after each convolution of the prompt learner but the last.
        width: channels of the prompts, the language model's width.
        base_prompts: prompts that do not depend on the map.
    """

    stage_widths: tuple[int, ...]
    text_width: int
    channels: tuple[int, ...]
    width: int
    base_prompts: int


def delta_sizes(shapes: Shapes, source: object) -> DeltaSizes:
    """Read the sizes of decoder and prompt learner off the shapes.

    Raises:
        CheckpointError: a tensor that tells a size is missing.
    """
    stages = count_blocks(shapes, r"image_decoder\.fc\.(\d+)\.weight")
    decoder = [f"image_decoder.fc.{stage}.weight" for stage in range(max(stages, 1))]
    learner = [f"prompt_learner.meta_net.{n}.weight" for n in META_NET_CONVOLUTIONS]
    tellers = [*decoder, *learner, BASE_PROMPTS]
    missing = [name for name in tellers if len(shapes.get(name, ())) < 2]
    if missing:
        raise CheckpointError(
            f"{source} is not an AnomalyGPT file: it lacks {elide(missing)}; give the "
            "pytorch_model.pt that AnomalyGPT published or trained"
        )
    widths = tuple(shapes[name][0] for name in learner)
    return DeltaSizes(
        stage_widths=tuple(shapes[name][1] for name in decoder),
        text_width=shapes[decoder[0]][0],
        channels=widths[:-1],
        width=widths[-1],
        base_prompts=shapes[BASE_PROMPTS][0],
    )


def decoder_names(sizes: DeltaSizes) -> dict[str, str]:
    """Published name → name in `decoder.safetensors`."""
    return {
        f"image_decoder.fc.{stage}.{part}": f"fc.{stage}.{part}"
        for stage in range(len(sizes.stage_widths))
        for part in ("weight", "bias")
    }


def prompt_learner_names() -> dict[str, str]:
    """Published name → name in `prompt_learner.safetensors`."""
    names = {
        f"prompt_learner.meta_net.{n}.{part}": f"meta_net.{n}.{part}"
        for n in META_NET_CONVOLUTIONS
        for part in ("weight", "bias")
    }
    return names | {BASE_PROMPTS: "base_prompts"}


def delta_shapes(sizes: DeltaSizes) -> dict[str, Shape]:
    """Every name of decoder and prompt learner with its shape."""
    table: dict[str, Shape] = {}
    for stage, width in enumerate(sizes.stage_widths):
        table[f"image_decoder.fc.{stage}.weight"] = (sizes.text_width, width)
        table[f"image_decoder.fc.{stage}.bias"] = (sizes.text_width,)
    outputs = (*sizes.channels, sizes.width)
    inputs = (1, *sizes.channels)
    kernels = (3, 3, 3, 3, 3, 5)
    for n, out, into, kernel in zip(META_NET_CONVOLUTIONS, outputs, inputs, kernels, strict=True):
        table[f"prompt_learner.meta_net.{n}.weight"] = (out, into, kernel, kernel)
        table[f"prompt_learner.meta_net.{n}.bias"] = (out,)
    table[BASE_PROMPTS] = (sizes.base_prompts, sizes.width)
    return table


def lora_name(layer: int, target: str, side: str) -> str:
    """The published name of one LoRA factor, `side` being "A" or "B"."""
    return (
        f"llama_model.base_model.model.model.layers.{layer}.self_attn.{target}."
        f"lora_{side}.default.weight"
    )


# --------------------------------------------------------------------------------- comparison


def compare(
    found: Shapes, expected: Shapes, skip: Callable[[str], str | None] | None = None
) -> LoadReport:
    """Hold the names and shapes of a file against a table.

    Args:
        found: what the file has.
        expected: what the model needs.
        skip: the reason to leave a name out on purpose, or None.
    """
    report = LoadReport(missing=[name for name in expected if name not in found])
    for name, shape in found.items():
        if name not in expected:
            if reason := skip(name) if skip else None:
                report.skipped[name] = reason
            else:
                report.unexpected.append(name)
        elif shape != expected[name]:
            report.mismatched.append(Mismatch(name, expected[name], shape))
        else:
            report.loaded.append(name)
    return report


def count_blocks(shapes: Shapes, pattern: str) -> int:
    """One more than the highest number that the pattern's group takes among the names."""
    numbers = [int(match[1]) for name in shapes if (match := re.match(pattern, name))]
    return max(numbers, default=-1) + 1


def _fill(shape: tuple[str | int, ...], numbers: Mapping[str, int]) -> Shape:
    return tuple(numbers[size] if isinstance(size, str) else size for size in shape)
