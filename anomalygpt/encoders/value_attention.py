"""CLIP's image tower with value-value attention, and its text tower (AnomalyCLIP, DPAM).

What CLIP's patch tokens attend to says little about what lies where. From a chosen block on, a
second path is led beside the first one: its attention compares values with values, through the
weights of the same block, and adds to its own stream without an MLP. Patch tokens are read from the
second path, the photo as a whole from the first.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from anomalygpt.checkpoints import load_module
from anomalygpt.checkpoints.clip import (
    ARCHITECTURES,
    ClipSizes,
    architecture_name,
    left_out,
    open_clip_file,
    own_name,
)
from anomalygpt.checkpoints.readers import Weights
from anomalygpt.config import EncoderConfig
from anomalygpt.encoders.base import ImageFeatures
from anomalygpt.encoders.clip_blocks import ACTIVATIONS, Activation, Block, TextTower, Transformer
from anomalygpt.errors import ConfigError, SourceError

# The statistics that OpenAI's models expect.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
# As published for ViT-L/14@336: the last 19 of 24 blocks, photos of 518 pixels.
VALUE_SHARE = 19 / 24
PUBLISHED_SIZE = 518
# A model of other sizes than the published ones; `options` holds them.
OTHER = "other"

_SIZES = tuple(each.name for each in fields(ClipSizes))


class VisionTower(nn.Module):
    """The image tower; names of parameters are those of OpenAI's files.

    Args:
        sizes: of the towers.
        value_blocks: last blocks that have the second path; 0 for none.
        value_mlp: True for the variant in which the second path begins anew from the first one in
            every block but the first that has it, and goes through the MLP. The published weights
            were trained without.
        activation: of the MLPs.
    """

    def __init__(
        self, sizes: ClipSizes, value_blocks: int, value_mlp: bool, activation: Activation
    ) -> None:
        super().__init__()
        width, patch = sizes.vision_width, sizes.patch_size
        self.value_blocks, self.value_mlp, self.patch_size = value_blocks, value_mlp, patch
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width) * width**-0.5)
        self.positional_embedding = nn.Parameter(
            torch.randn(sizes.grid**2 + 1, width) * width**-0.5
        )
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(width, sizes.vision_blocks, sizes.vision_heads, activation)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.randn(width, sizes.output_width) * width**-0.5)

    def positions(self, grid: tuple[int, int]) -> Tensor:
        """The table of positions for a grid, (1 + H*W, C): bilinear, the class row as it is."""
        table = self.positional_embedding
        side = round((len(table) - 1) ** 0.5)
        if grid == (side, side):
            return table
        planes = rearrange(table[1:], "(h w) c -> 1 c h w", h=side)
        resized = F.interpolate(planes.float(), size=grid, mode="bilinear", align_corners=False)
        return torch.cat([table[:1], rearrange(resized, "1 c h w -> (h w) c").to(table)])

    def forward(
        self, pixels: Tensor, stages: tuple[int, ...]
    ) -> tuple[Tensor, list[Tensor], tuple[int, int]]:
        """Encode photos.

        Args:
            pixels: (B, 3, S, S), normalised.
            stages: blocks, counted from 0, after which the patch tokens are read.

        Returns:
            The photos as a whole (B, C), as published without the last normalisation; of each
            stage (B, 1 + H*W, C), the class token first; and H, W.
        """
        planes = self.conv1(pixels)
        grid = (planes.shape[-2], planes.shape[-1])
        patches = rearrange(planes, "b c h w -> b (h w) c")
        first = self.class_embedding.expand(len(patches), 1, -1)
        stream = self.ln_pre(torch.cat([first, patches], dim=1) + self.positions(grid))
        blocks = self.transformer.resblocks
        beside: Tensor | None = None
        found = []
        for number, block in enumerate(blocks):
            if number < len(blocks) - self.value_blocks:
                stream = block(stream)
            else:
                stream, beside = self._both_paths(block, stream, beside)
            if number in stages:
                read = stream if beside is None else beside
                found.append(self.ln_post(read) @ self.proj)
        return stream[:, 0] @ self.proj, found, grid

    def _both_paths(
        self, block: Any, stream: Tensor, beside: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """One block of both paths; the second begins as a copy of the first."""
        assert isinstance(block, Block)
        query, key, value = block.attn.heads_of(block.ln_1(stream))
        seen = block.attn.attended(value, value, value)
        if self.value_mlp and beside is not None:
            beside = block.fed(stream + seen)
        else:
            beside = (stream if beside is None else beside) + seen
        return block.fed(stream + block.attn.attended(query, key, value)), beside


class ValueAttentionEncoder(TextTower):
    """Both towers of a CLIP model; patch tokens lie in the space of its text features."""

    def __init__(self, config: EncoderConfig) -> None:
        sizes, rest = sizes_of(config)
        activation: Any = rest.pop("activation", "quick_gelu")
        if activation not in ACTIVATIONS:
            raise ConfigError(f"activation is {' or '.join(ACTIVATIONS)}, got {activation!r}")
        depth = sizes.vision_blocks
        value_blocks = rest.pop("value_blocks", round(VALUE_SHARE * depth))
        value_mlp = rest.pop("value_mlp", False)
        if rest:
            raise ConfigError(
                f"value attention has no options {', '.join(sorted(rest))}; it has activation, "
                f"value_blocks, value_mlp, {', '.join(_SIZES)}"
            )
        if type(value_blocks) is not int or not 0 <= value_blocks <= depth:
            raise ConfigError(f"value_blocks must be between 0 and {depth}, got {value_blocks!r}")
        if type(value_mlp) is not bool:
            raise ConfigError(f"value_mlp is true or false, got {value_mlp!r}")
        stages = tuple(sorted(set(config.stages or (depth - 1,))))
        if not all(0 <= stage < depth for stage in stages):
            raise ConfigError(f"stages {stages} must lie between 0 and {depth - 1}")
        if config.input_size < sizes.patch_size:
            raise ConfigError(
                f"input_size must be {sizes.patch_size} or more, one patch; got {config.input_size}"
            )
        super().__init__(sizes, activation)
        self.visual = VisionTower(sizes, value_blocks, value_mlp, activation)
        self.config = replace(config, stages=stages)
        self.embedding_width = sizes.output_width
        self.stage_widths = (sizes.output_width,) * len(stages)

    def forward(self, pixels: Tensor) -> ImageFeatures:
        """Encode photos, (B, 3, input_size, input_size), normalised."""
        embedding, stages, grid = self.visual(pixels, self.config.stages)
        return ImageFeatures(embedding, tuple(stage[:, 1:] for stage in stages), grid)

    def load_weights(self, weights: Path | Weights) -> None:
        """Load a CLIP file of OpenAI or open_clip.

        Raises:
            CheckpointError: a key is missing, unknown or of another shape; all are named.
        """
        opened = open_clip_file(weights) if isinstance(weights, Path) else weights
        load_module(self, opened, rename=own_name, skip=left_out)


def sizes_of(config: EncoderConfig) -> tuple[ClipSizes, dict[str, Any]]:
    """The sizes of a configuration, and the options that are none.

    Raises:
        ConfigError: an unknown architecture, or a size that none can have.
    """
    given = {key: value for key, value in config.options.items() if key in _SIZES}
    rest = {key: value for key, value in config.options.items() if key not in _SIZES}
    if wrong := {k: v for k, v in given.items() if type(v) is not int or v < 1}:
        raise ConfigError(f"sizes must be positive whole numbers, got {wrong}")
    if config.name in ARCHITECTURES:
        sizes = replace(ARCHITECTURES[config.name], **given)
    elif config.name == OTHER:
        try:
            sizes = ClipSizes(**given)
        except TypeError as error:
            raise ConfigError(f"the sizes of a CLIP are incomplete: {error}") from None
    else:
        raise ConfigError(
            f"value attention knows {', '.join(ARCHITECTURES)} and {OTHER!r} with its sizes as "
            f"options, got {config.name!r}"
        )
    for width, heads in (
        (sizes.vision_width, sizes.vision_heads),
        (sizes.text_width, sizes.text_heads),
    ):
        if width % heads:
            raise ConfigError(f"{heads} heads do not divide a width of {width}")
    return sizes, rest


def config_of_sizes(sizes: ClipSizes, **changes: Any) -> EncoderConfig:
    """The configuration of towers of these sizes; photos as large as published.

    Args:
        sizes: such as `clip_sizes` reads off a file.
        changes: fields of `EncoderConfig` to set otherwise.
    """
    name = architecture_name(sizes) or OTHER
    options = {} if name != OTHER else asdict(sizes)
    options |= changes.pop("options", {})
    cells = PUBLISHED_SIZE // sizes.patch_size
    own: dict[str, Any] = {"input_size": cells * sizes.patch_size, "mean": MEAN, "std": STD}
    return EncoderConfig("value_attention", name, options=options, **{**own, **changes})


# --- the family, see `encoders.base.Family` -------------------------------------------------------


def configured(name: str, **changes: Any) -> EncoderConfig:
    """The configuration of a published architecture, or of "other" with its sizes as options.

    Args:
        name: such as "ViT-L-14-336".
        changes: fields of `EncoderConfig` to set otherwise.
    """
    options = changes.pop("options", {})
    sizes, rest = sizes_of(EncoderConfig("value_attention", name, options=options))
    return config_of_sizes(sizes, options=rest, **changes)


def built(config: EncoderConfig) -> nn.Module:
    """The network with untrained weights."""
    return ValueAttentionEncoder(config)


def from_file(config: EncoderConfig, weights: Path) -> nn.Module:
    """One with the weights of a file that OpenAI or open_clip published."""
    encoder = ValueAttentionEncoder(config)
    encoder.load_weights(weights)
    return encoder


def fetched(config: EncoderConfig, tag: str) -> nn.Module:
    """
    Raises:
        SourceError: always; the weights are given as a file.
    """
    raise SourceError(
        f"value_attention/{config.name} needs CLIP's weights: pass a file such as "
        "ViT-L-14-336px.pt with --encoder-weights FILE"
    )
