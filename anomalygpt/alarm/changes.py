"""Changes of a photo that no verdict should depend on."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageFilter

_QUALITY = 90
_BRIGHTNESS = 0.01
_BLUR = 0.5
# Standard deviation, in levels of 255.
_NOISE = 1.0


def as_jpeg(photo: Image.Image, quality: int = _QUALITY) -> Image.Image:
    """The photo as a JPEG of a quality from 1 to 95 would show it.

    Args:
        photo: of mode RGB.
        quality: Pillow's.
    """
    packed = io.BytesIO()
    photo.save(packed, format="JPEG", quality=quality)
    return Image.open(packed).convert("RGB")


def _brighter(photo: Image.Image) -> Image.Image:
    return _with_values(photo, (1 + _BRIGHTNESS) * _values(photo))


def _darker(photo: Image.Image) -> Image.Image:
    return _with_values(photo, (1 - _BRIGHTNESS) * _values(photo))


def _moved(photo: Image.Image) -> Image.Image:
    """One pixel to the right; the left edge is repeated."""
    values = _values(photo)
    return _with_values(photo, np.concatenate([values[:, :1], values[:, :-1]], axis=1))


def _blurred(photo: Image.Image) -> Image.Image:
    return photo.filter(ImageFilter.GaussianBlur(_BLUR))


def _noisy(photo: Image.Image) -> Image.Image:
    """Always the same noise, so that an inspection can be repeated."""
    values = _values(photo)
    noise = np.random.default_rng(0).normal(0.0, _NOISE, values.shape)
    return _with_values(photo, values + noise)


# Names as results give them; photos are RGB, and keep their size.
HARMLESS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg": as_jpeg,
    "brighter": _brighter,
    "darker": _darker,
    "moved": _moved,
    "blurred": _blurred,
    "noisy": _noisy,
}


def _values(photo: Image.Image) -> np.ndarray:
    return np.asarray(photo, dtype=np.float32)


def _with_values(photo: Image.Image, values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
