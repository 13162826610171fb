"""Any timm backbone as an image encoder: transformers and convolutional networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import timm
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from anomalygpt.checkpoints import LoadReport, load_module
from anomalygpt.checkpoints.hub import fetching_error, soon_offline
from anomalygpt.config import EncoderConfig
from anomalygpt.encoders.base import ImageFeatures
from anomalygpt.errors import ConfigError

# Strides that carry both detail and context when a network offers several; see docs/few-shot.md.
PREFERRED_STRIDES = (8, 16)

# Root of one half: what a fine level adds to the cosine is half of what the coarsest adds.
FINE_WEIGHT = 0.5**0.5


class TimmEncoder(nn.Module):
    """A timm network, cut after the last stage that is read.

    Transformers deliver one stage per chosen block. Convolutional networks deliver a single one,
    in which the chosen levels are joined on the finest one's grid.
    """

    backbone: Any  # timm's networks share methods, but no type that has them

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.backbone = _create(config)
        self._full_names = set(self.backbone.state_dict())
        widths = _stage_widths(self.backbone)
        stages = tuple(sorted(set(config.stages or default_stages(self.backbone))))
        if not all(0 <= stage < len(widths) for stage in stages):
            raise ConfigError(
                f"stages {stages} of {config.name} must lie between 0 and {len(widths) - 1}"
            )
        self.config = replace(config, stages=stages)
        self.backbone.prune_intermediate_layers(list(stages), prune_norm=True, prune_head=True)
        chosen = tuple(widths[stage] for stage in stages)
        # Equal strides everywhere: a plain transformer, whose blocks share one grid already.
        self._is_isotropic = len(set(_strides(self.backbone))) == 1
        self.stage_widths = chosen if self._is_isotropic else (sum(chosen),)
        self.embedding_width = self.stage_widths[-1]

    @classmethod
    def from_hub(cls, config: EncoderConfig) -> TimmEncoder:
        """Fetch the weights that timm knows for this name.

        Raises:
            SourceError: there are none, or they cannot be fetched now.
        """
        encoder = cls(config)
        try:
            with soon_offline():
                fetched = timm.create_model(config.name, pretrained=True, **config.options)
        except Exception as error:
            raise fetching_error(f"the weights of {config.name}", error) from error
        used = encoder.backbone.state_dict().keys()
        state = {name: value for name, value in fetched.state_dict().items() if name in used}
        encoder.backbone.load_state_dict(state)
        encoder.set_input_size()
        return encoder

    def set_input_size(self) -> None:
        """Fit the position embeddings to `config.input_size`.

        Called after weights of the network's own size were loaded.

        Raises:
            ConfigError: the network cannot take this size.
        """
        side = self.config.input_size
        if not hasattr(self.backbone, "patch_embed"):
            return  # convolutional: any size
        patch = self.backbone.patch_embed.patch_size[0]
        if side % patch:
            nearest = max(patch, round(side / patch) * patch)
            raise ConfigError(
                f"{self.config.name} cuts photos into patches of {patch} pixels; input size "
                f"{side} is not a multiple of it, {nearest} is"
            )
        if self.backbone.patch_embed.img_size == (side, side):
            return
        if not hasattr(self.backbone, "set_input_size"):
            own = self.backbone.patch_embed.img_size
            raise ConfigError(f"{self.config.name} takes {own} pixels only, got {side}")
        self.backbone.set_input_size(img_size=(side, side))

    def load_weights(self, path: Path) -> LoadReport:
        """Load a weight file of this architecture, as timm names it.

        Parts behind the last stage that is read may be there or not; everything else must fit.

        Raises:
            CheckpointError: a key is missing, unknown or of another shape; all are named.
        """

        def skip(name: str) -> str | None:
            return "not used by the stages that are read" if name in self._full_names else None

        report = load_module(self.backbone, path, skip=skip)
        self.set_input_size()
        return report

    def forward(self, pixels: Tensor) -> ImageFeatures:
        """Encode photos, (B, 3, input_size, input_size), normalised.

        Returns:
            The embedding is the mean of the last stage's tokens.
        """
        levels = self.backbone.forward_intermediates(
            pixels,
            indices=list(self.config.stages),
            stop_early=True,
            output_fmt="NCHW",
            intermediates_only=True,
        )
        if not self._is_isotropic:
            levels = [_joined(levels)]
        rows, columns = levels[0].shape[-2:]
        stages = tuple(rearrange(level, "b c h w -> b (h w) c") for level in levels)
        return ImageFeatures(stages[-1].mean(dim=1), stages, (rows, columns))


def _create(config: EncoderConfig) -> Any:
    try:
        model = timm.create_model(config.name, pretrained=False, **config.options)
    except RuntimeError as error:
        if "Unknown model" not in str(error):
            raise
        similar = timm.list_models(f"*{config.name.split('_')[0]}*")[:5]
        hint = f"; similar are {', '.join(similar)}" if similar else ""
        raise ConfigError(f"timm has no model {config.name!r}{hint}") from None
    except (TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"{config.name} does not take these options: {error}") from None
    if not hasattr(model, "forward_intermediates"):
        raise ConfigError(f"timm's {config.name} does not give its inner stages; choose another")
    return model


def default_stages(backbone: Any) -> tuple[int, ...]:
    """Stages to read when nobody chose: middle blocks, or the levels at strides 8 and 16.

    Middle blocks of a transformer tell parts from damage better than late ones, which have
    learned to overlook small things.
    """
    strides = _strides(backbone)
    if len(set(strides)) == 1:
        middle = len(strides) // 2
        return tuple(
            sorted({min(len(strides) - 1, max(0, middle + step)) for step in (-2, -1, 0, 1)})
        )
    chosen = tuple(i for i, stride in enumerate(strides) if stride in PREFERRED_STRIDES)
    return chosen or (len(strides) - 1,)


def _levels(backbone: Any) -> list[dict[str, int]]:
    info = backbone.feature_info
    # A list of dictionaries, or timm's FeatureInfo around one.
    return list(info if isinstance(info, list) else info.get_dicts())


def _stage_widths(backbone: Any) -> list[int]:
    return [level["num_chs"] for level in _levels(backbone)]


def _strides(backbone: Any) -> list[int]:
    return [level["reduction"] for level in _levels(backbone)]


def _joined(levels: Sequence[Tensor]) -> Tensor:
    """One vector per cell of the finest grid, from all levels: detail and context together.

    Matched together they tell more than matched one by one. A fine level alone is noisy: it is
    averaged over 3×3 neighbours, and has half the weight of the coarsest one.
    """
    size = max((level.shape[-2:] for level in levels), key=lambda shape: shape[0] * shape[1])
    coarsest = min(level.shape[-1] for level in levels)
    parts = []
    for level in levels:
        fine = len(levels) > 1 and level.shape[-1] > coarsest
        if fine:
            level = F.avg_pool2d(level, 3, stride=1, padding=1, count_include_pad=False)
        if level.shape[-2:] != size:
            level = F.interpolate(level, size=size, mode="bilinear", align_corners=False)
        parts.append(F.normalize(level, dim=1) * (FINE_WEIGHT if fine else 1.0))
    return torch.cat(parts, dim=1)


# --- the family, see `encoders.base.Family` -------------------------------------------------------


def configured(name: str, **changes: object) -> EncoderConfig:
    """The configuration that timm records for an architecture: its size, mean and std.

    Args:
        name: timm's name.
        changes: fields of `EncoderConfig` to set otherwise.

    Raises:
        ConfigError: timm knows the architecture, but no weights of this tag.
    """
    try:
        recorded = timm.models.get_pretrained_cfg(name, allow_unregistered=True)
    except RuntimeError:
        tags = timm.list_pretrained(f"{name.split('.')[0]}.*")[:5]
        raise ConfigError(f"timm has no weights {name!r}; it has {', '.join(tags)}") from None
    own = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "input_size": 224}
    if recorded is not None:
        own |= {"mean": recorded.mean, "std": recorded.std, "input_size": recorded.input_size[-1]}
    return EncoderConfig(kind="timm", name=name, **{**own, **changes})  # type: ignore[arg-type]


def built(config: EncoderConfig) -> nn.Module:
    """The network with untrained weights, for its input size."""
    encoder = TimmEncoder(config)
    encoder.set_input_size()
    return encoder


def from_file(config: EncoderConfig, weights: Path) -> nn.Module:
    """One with the weights of a file in timm's names."""
    encoder = TimmEncoder(config)
    encoder.load_weights(weights)
    return encoder


def fetched(config: EncoderConfig, tag: str) -> nn.Module:
    """One with the weights that timm knows by its name."""
    return TimmEncoder.from_hub(config)
