"""CLIP through open_clip, with its text tower (extra `clip`)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from einops import rearrange
from torch import Tensor, nn

from anomalygpt.checkpoints import LoadReport, load_module
from anomalygpt.checkpoints.hub import fetching_error, soon_offline
from anomalygpt.config import EncoderConfig
from anomalygpt.encoders.base import ImageFeatures
from anomalygpt.errors import ConfigError, MissingExtraError, SourceError


def _open_clip() -> Any:
    try:
        import open_clip
    except ImportError:
        raise MissingExtraError(
            "the CLIP encoder needs open_clip; run: pip install 'anomalygpt[clip]'"
        ) from None
    return open_clip


class ClipEncoder(nn.Module):
    """Both towers of a CLIP model with a transformer for images."""

    model: Any  # open_clip's towers have no common type

    def __init__(self, config: EncoderConfig, *, pretrained: str | None = None) -> None:
        """Build the model; `pretrained` is a tag of open_clip whose weights are fetched."""
        super().__init__()
        library = _open_clip()
        if config.name not in library.list_models():
            raise ConfigError(
                f"open_clip has no model {config.name!r}; it has for example "
                f"{', '.join(library.list_models()[:5])}"
            )
        self.model = _create(library, config, pretrained)
        self._tokenizer = library.get_tokenizer(config.name)
        visual = self.model.visual
        if not hasattr(visual, "transformer") or not hasattr(visual, "forward_intermediates"):
            raise ConfigError(f"{config.name} has no transformer for images; choose a ViT")
        depth = len(visual.transformer.resblocks)
        stages = tuple(sorted(set(config.stages or _quarters(depth))))
        if not all(0 <= stage < depth for stage in stages):
            raise ConfigError(
                f"stages {stages} of {config.name} must lie between 0 and {depth - 1}"
            )
        self.config = replace(config, stages=stages)
        self.stage_widths = (visual.transformer.width,) * len(stages)
        self.embedding_width = self.text_width = visual.output_dim

    def load_weights(self, path: Path) -> LoadReport:
        """Load a weight file as open_clip names its parameters.

        Raises:
            CheckpointError: a key is missing, unknown or of another shape; all are named.
        """
        return load_module(self.model, path)

    def forward(self, pixels: Tensor) -> ImageFeatures:
        """Encode photos, (B, 3, input_size, input_size), normalised."""
        outputs = self.model.visual.forward_intermediates(
            pixels, indices=list(self.config.stages), output_fmt="NCHW"
        )
        levels = outputs["image_intermediates"]
        rows, columns = levels[0].shape[-2:]
        stages = tuple(rearrange(level, "b c h w -> b (h w) c") for level in levels)
        return ImageFeatures(outputs["image_features"], stages, (rows, columns))

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """(N, text_width), each of length 1."""
        device = next(self.model.parameters()).device
        return self.model.encode_text(self._tokenizer(list(texts)).to(device), normalize=True)


def _create(library: Any, config: EncoderConfig, pretrained: str | None) -> Any:
    options = {"force_image_size": config.input_size, **config.options}
    try:
        with soon_offline() if pretrained is not None else nullcontext():
            return library.create_model(
                config.name, pretrained=pretrained, load_weights=pretrained is not None, **options
            )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{config.name} does not take these options: {error}") from None
    except Exception as error:
        if pretrained is None:
            raise
        raise fetching_error(f"the weights {pretrained!r} of {config.name}", error) from error


def _quarters(depth: int) -> tuple[int, ...]:
    return tuple(sorted({max(0, round(depth * share / 4) - 1) for share in (1, 2, 3, 4)}))


# --- the family, see `encoders.base.Family` -------------------------------------------------------


def configured(name: str, **changes: Any) -> EncoderConfig:
    """The configuration that open_clip records for an architecture.

    Args:
        name: open_clip's name, such as "ViT-B-16".
        changes: fields of `EncoderConfig` to set otherwise.
    """
    library = _open_clip()
    recorded = library.get_model_config(name) or {}
    size = recorded.get("vision_cfg", {}).get("image_size", 224)
    own = {
        "input_size": size,
        "mean": library.OPENAI_DATASET_MEAN,
        "std": library.OPENAI_DATASET_STD,
    }
    return EncoderConfig(kind="clip", name=name, **{**own, **changes})


def built(config: EncoderConfig) -> nn.Module:
    """The network with untrained weights."""
    return ClipEncoder(config)


def from_file(config: EncoderConfig, weights: Path) -> nn.Module:
    """One with the weights of a file that OpenAI or open_clip published."""
    encoder = ClipEncoder(config)
    encoder.load_weights(weights)
    return encoder


def fetched(config: EncoderConfig, tag: str) -> nn.Module:
    """One with the weights that open_clip knows by a tag.

    Raises:
        SourceError: no tag was named, or they cannot be fetched.
    """
    if not tag:
        name = f"clip/{config.name}"
        raise SourceError(
            f"{name} needs weights: name them as {name}:TAG, or pass --encoder-weights FILE"
        )
    return ClipEncoder(config, pretrained=tag)
