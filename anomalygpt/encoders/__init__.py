"""Image encoders behind one small protocol.

`build_encoder` makes one from its configuration, without weights; `open_encoder` makes one from a
name as a person types it, with weights from a file or by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from anomalygpt.checkpoints import load_module, resolve
from anomalygpt.checkpoints.published import IMAGEBIND_HUGE, imagebind_skip
from anomalygpt.config import EncoderConfig
from anomalygpt.encoders.base import Grid, ImageEncoder, ImageFeatures, TextEncoder
from anomalygpt.encoders.imagebind import ImageBindEncoder
from anomalygpt.errors import SourceError

__all__ = [
    "Grid",
    "ImageEncoder",
    "ImageFeatures",
    "TextEncoder",
    "build_encoder",
    "encoder_config",
    "encoder_mark",
    "open_encoder",
]


def build_encoder(config: EncoderConfig) -> nn.Module:
    """The network of a configuration, with untrained weights."""
    if config.kind == "imagebind":
        return ImageBindEncoder(config)
    if config.kind == "clip":
        from anomalygpt.encoders.clip import ClipEncoder

        return ClipEncoder(config)
    if config.kind == "compact":
        from anomalygpt.encoders.compact import CompactEncoder

        return CompactEncoder(config)
    from anomalygpt.encoders.timm_backbone import TimmEncoder

    encoder = TimmEncoder(config)
    encoder.set_input_size()
    return encoder


def encoder_config(name: str, options: Mapping[str, Any] | None = None) -> EncoderConfig:
    """The configuration of an encoder as a person names it.

    Args:
        name: "imagebind_huge", "clip/ViT-B-16", or a timm name with or without "timm/".
        options: fields of `EncoderConfig` (input_size, mean, std, stages, resize); anything else
            goes to the architecture.

    Raises:
        ConfigError: an unknown name, or a value out of range.
    """
    fields = {"input_size", "mean", "std", "stages", "resize"}
    given = dict(options or {})
    changes: dict[str, Any] = {key: given.pop(key) for key in list(given) if key in fields}
    for key in ("mean", "std"):
        if isinstance(changes.get(key), (int, float)):
            changes[key] = (float(changes[key]),) * 3
    if isinstance(changes.get("stages"), int):
        changes["stages"] = (changes["stages"],)
    if given:
        changes["options"] = given
    if name == "imagebind_huge":
        return EncoderConfig("imagebind", name, **{"stages": IMAGEBIND_HUGE.stages, **changes})
    if name.startswith("clip/"):
        from anomalygpt.encoders.clip import clip_config

        return clip_config(name.removeprefix("clip/"), **changes)
    from anomalygpt.encoders.timm_backbone import native_config

    return native_config(name.removeprefix("timm/"), **changes)


def open_encoder(
    name: str, weights: str | Path | None = None, options: Mapping[str, Any] | None = None
) -> nn.Module:
    """An encoder that is ready to use.

    Args:
        name: as in `encoder_config`; with CLIP, "clip/ViT-B-16:laion2b_s34b_b88k" names weights
            to fetch.
        weights: a weight file, or the name of one on the hub; None fetches them by the encoder's
            name where that is possible.
        options: as in `encoder_config`.

    Raises:
        ConfigError: an unknown name or option.
        SourceError: the weights are not there, or cannot be fetched.
        CheckpointError: the weights belong to something else, or are damaged.
    """
    name, _, tag = name.partition(":") if name.startswith("clip/") else (name, "", "")
    config = encoder_config(name, options)
    if weights is not None:
        return _with_file(config, resolve(weights, kind="file", what=f"{config.name}'s weights"))
    if config.kind == "imagebind":
        raise SourceError(
            "imagebind_huge needs its weights: pass imagebind_huge.pth with --encoder-weights FILE"
        )
    if config.kind == "clip":
        from anomalygpt.encoders.clip import ClipEncoder

        if not tag:
            raise SourceError(
                f"{name} needs weights: name them as {name}:TAG, or pass --encoder-weights FILE"
            )
        return ClipEncoder(config, pretrained=tag).eval()
    from anomalygpt.encoders.timm_backbone import TimmEncoder

    return TimmEncoder.from_hub(config).eval()


def encoder_mark(encoder: nn.Module) -> str:
    """A mark of an encoder's settings and weights, 16 hexadecimal digits.

    Taken from the settings, and from name, shape and the first values of every parameter, so that
    it costs milliseconds for any size.
    """
    settings = json.dumps(asdict(encoder.config), sort_keys=True)  # type: ignore[call-overload]
    mark = hashlib.sha256(settings.encode())
    for name, value in encoder.named_parameters():
        start = value.detach().flatten()[:64].float().cpu().numpy().tobytes()
        mark.update(f"{name}{tuple(value.shape)}".encode() + start)
    return mark.hexdigest()[:16]


def _with_file(config: EncoderConfig, weights: Path) -> nn.Module:
    if config.kind == "imagebind":
        encoder: Any = ImageBindEncoder(config)
        load_module(encoder, weights, skip=imagebind_skip)
    elif config.kind == "clip":
        encoder = build_encoder(config)
        encoder.load_weights(weights)
    else:
        from anomalygpt.encoders.timm_backbone import TimmEncoder

        encoder = TimmEncoder(config)
        encoder.load_weights(weights)
    return encoder.eval()
