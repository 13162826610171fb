"""Image encoders behind one small protocol.

`build_encoder` makes one from its configuration, without weights; `open_encoder` makes one from a
name as a person types it, with weights from a file or by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from anomalygpt.checkpoints import resolve
from anomalygpt.config import EncoderConfig, EncoderKind
from anomalygpt.encoders.base import Family, Grid, ImageEncoder, ImageFeatures, TextEncoder

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


# The module of each family: what it must offer is `Family`.
FAMILIES: dict[EncoderKind, str] = {
    "imagebind": "anomalygpt.encoders.imagebind",
    "timm": "anomalygpt.encoders.timm_backbone",
    "clip": "anomalygpt.encoders.clip",
    "compact": "anomalygpt.encoders.compact",
    "value_attention": "anomalygpt.encoders.value_attention",
}


def build_encoder(config: EncoderConfig) -> nn.Module:
    """The network of a configuration, with untrained weights."""
    return _family(config.kind).built(config)


def encoder_config(name: str, options: Mapping[str, Any] | None = None) -> EncoderConfig:
    """The configuration of an encoder as a person names it.

    Args:
        name: "imagebind_huge", a family such as "compact", a family and a name in it such as
            "clip/ViT-B-16", or a timm name with or without "timm/".
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
    kind, own_name = _named(name)
    return _family(kind).configured(own_name, **changes)


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
    family = _family(config.kind)
    if weights is None:
        return family.fetched(config, tag).eval()
    file = resolve(weights, kind="file", what=f"{config.name}'s weights")
    return family.from_file(config, file).eval()


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


def _family(kind: EncoderKind) -> Family:
    family: Any = import_module(FAMILIES[kind])  # what nobody asks for is not loaded
    return family


def _named(name: str) -> tuple[EncoderKind, str]:
    """The family of a name as people type it, and the name within it."""
    prefix, slash, rest = name.partition("/")
    for kind in FAMILIES:
        if kind == prefix:
            return kind, rest if slash else name
    return ("imagebind" if name == "imagebind_huge" else "timm"), name
