"""Our own small image encoder, the one that comes with the package.

Two branches look at the same photo: a convolutional network, which sees fine detail, and a
transformer, which knows what belongs together. Each of the four stages is a layer of one of them,
projected into a space in which a patch lies close to its counterpart in another photo of the same
part, and far from damage.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from anomalygpt.checkpoints import load_module
from anomalygpt.config import EncoderConfig
from anomalygpt.encoders.base import ImageFeatures
from anomalygpt.errors import ConfigError, SourceError

NAME = "compact"
INPUT_SIZE = 256
WIDTH = 64

# The transformer sees the photo a little smaller: finer patches told damage less well.
TRANSFORMER_SIZE = 224
# Blocks of it, counted from 0, that become stages.
BLOCKS = (4, 6)

# The convolutional branch began from weights that expect these statistics.
_CNN_MEAN, _CNN_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def compact_config(**changes: Any) -> EncoderConfig:
    """The configuration of the embedded encoder.

    Args:
        changes: fields of `EncoderConfig` to set otherwise.
    """
    half = (0.5, 0.5, 0.5)
    fields = {"input_size": INPUT_SIZE, "mean": half, "std": half, "options": {"width": WIDTH}}
    return EncoderConfig("compact", NAME, **{**fields, **changes})


class CompactEncoder(nn.Module):
    """Two small branches and four projections; 6.1 M parameters.

    Stages, fine to coarse: strides 8 and 16 of the convolutional network, blocks 4 and 6 of the
    transformer. All lie on one grid of input_size / 8 cells a side.
    """

    _scale: Tensor
    _shift: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        if config.name != NAME:
            raise ConfigError(f"the compact encoder is called {NAME!r}, got {config.name!r}")
        width = config.options.get("width", WIDTH)
        if type(width) is not int or width < 1:
            raise ConfigError(f"width is a positive whole number, got {width!r}")
        if config.input_size % 32:
            raise ConfigError(f"input_size must be a multiple of 32, got {config.input_size}")
        self.config = config
        self.cnn: Any = timm.create_model(
            "resnet18", pretrained=False, features_only=True, out_indices=(2, 3)
        )
        self.transformer: Any = timm.create_model("vit_tiny_patch16_224", pretrained=False)
        self.transformer.prune_intermediate_layers([max(BLOCKS)], prune_norm=True, prune_head=True)
        layer_widths = [*self.cnn.feature_info.channels(), *[self.transformer.embed_dim] * 2]
        self.projections = nn.ModuleList(nn.Linear(layer, width) for layer in layer_widths)
        self.stage_widths = (width,) * len(layer_widths)
        self.embedding_width = self.transformer.embed_dim
        scale = torch.tensor(config.std) / torch.tensor(_CNN_STD)
        shift = (torch.tensor(config.mean) - torch.tensor(_CNN_MEAN)) / torch.tensor(_CNN_STD)
        self.register_buffer("_scale", scale.view(1, 3, 1, 1), persistent=False)
        self.register_buffer("_shift", shift.view(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> ImageFeatures:
        """Encode photos, (B, 3, input_size, input_size), normalised by the config.

        Returns:
            Four stages of (B, (input_size / 8)², width). The embedding is the mean of the
            transformer's last block.
        """
        maps = self.layers(pixels)
        return ImageFeatures(maps[-1].mean(dim=(2, 3)), self.stages(maps), self._grid(maps))

    def layers(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """What the branches see before the projections: per stage (B, C, h, w), own grids."""
        fine, coarse = self.cnn(pixels * self._scale + self._shift)
        small = F.interpolate(pixels, size=(TRANSFORMER_SIZE,) * 2, mode="bilinear", antialias=True)
        blocks = self.transformer.forward_intermediates(
            small, indices=list(BLOCKS), output_fmt="NCHW", intermediates_only=True
        )
        return (fine, coarse, *blocks)

    def stages(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """`layers`, projected and brought to the finest grid, each (B, H*W, width)."""
        grid = self._grid(maps)
        return tuple(
            _on_grid(projection(rearrange(F.normalize(layer, dim=1), "b c h w -> b h w c")), grid)
            for projection, layer in zip(self.projections, maps, strict=True)
        )

    def _grid(self, maps: tuple[Tensor, ...]) -> tuple[int, int]:
        rows, columns = maps[0].shape[-2:]
        return rows, columns


def _on_grid(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, h, w, C) -> (B, H*W, C)."""
    if tokens.shape[1:3] == grid:
        return rearrange(tokens, "b h w c -> b (h w) c")
    planes = rearrange(tokens, "b h w c -> b c h w")
    planes = F.interpolate(planes, size=grid, mode="bilinear", align_corners=False)
    return rearrange(planes, "b c h w -> b (h w) c")


# --- the family, see `encoders.base.Family` -------------------------------------------------------


def configured(name: str, **changes: Any) -> EncoderConfig:
    """The configuration of the embedded encoder; it is the only one.

    Raises:
        ConfigError: another name.
    """
    if name != NAME:
        raise ConfigError(f"there is one compact encoder, called {NAME!r}; got {name!r}")
    options = changes.pop("options", {})
    if unknown := sorted(({"stages"} & set(changes)) | (set(options) - {"width"})):
        raise ConfigError(
            f"the compact encoder has its own stages, and the option width alone; leave out "
            f"{', '.join(unknown)}"
        )
    return compact_config(options={"width": WIDTH, **options}, **changes)


def built(config: EncoderConfig) -> nn.Module:
    """The network with untrained weights."""
    return CompactEncoder(config)


def from_file(config: EncoderConfig, weights: Path) -> nn.Module:
    """One with the weights of a file such as the embedded model's encoder.safetensors."""
    encoder = CompactEncoder(config)
    load_module(encoder, weights)
    return encoder


def fetched(config: EncoderConfig, tag: str) -> nn.Module:
    """
    Raises:
        SourceError: always; nobody offers these weights by name.
    """
    raise SourceError(
        "the compact encoder comes with the model `embedded`; pass a file of its weights with "
        "--encoder-weights FILE"
    )
