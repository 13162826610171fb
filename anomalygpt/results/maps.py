"""An anomaly map as numbers and as a 16-bit PNG."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from anomalygpt.errors import ConfigError, DeviceError

_MAP_ENCODING = "png16-base64"


def checked_map(values: np.ndarray) -> np.ndarray:
    """The map as float32 in [0, 1]; rounding of half precision is forgiven."""
    cells = np.asarray(values, dtype=np.float32)
    if cells.ndim != 2 or cells.size == 0:
        raise ConfigError(f"an anomaly map has the shape (h, w), got {cells.shape}")
    broken = int(np.count_nonzero(~np.isfinite(cells)))
    if broken:
        raise DeviceError(
            f"the anomaly map has {broken} of {cells.size} values that are no finite numbers; "
            "the number format is too narrow for this model, use float32"
        )
    low, high = float(cells.min()), float(cells.max())
    if low < -1e-3 or high > 1 + 1e-3:
        raise ConfigError(f"an anomaly map lies in [0, 1], got values from {low:g} to {high:g}")
    return np.clip(cells, 0, 1)


def png16(values: np.ndarray, mark: PngInfo | None = None) -> bytes:
    """A map in [0, 1] as a 16-bit grey PNG, in strips so that a large one needs little more."""
    levels = np.empty(values.shape, dtype=np.uint16)
    for start in range(0, len(values), 256):
        levels[start : start + 256] = np.rint(values[start : start + 256] * 65535)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, format="PNG", pnginfo=mark)
    return buffer.getvalue()


def read_png16(content: bytes) -> np.ndarray:
    """What `png16` wrote: (h, w) float32 in [0, 1].

    Raises:
        ValueError: it is no such picture.
    """
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            if picture.mode != "I;16":
                raise ValueError(f"a map has 16 bits, this picture is {picture.mode}")
            levels = np.asarray(picture)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"the map cannot be decoded ({error})") from None
    return levels.astype(np.float32) / np.float32(65535)


def encode_map(values: np.ndarray) -> dict[str, Any]:
    height, width = values.shape
    data = base64.b64encode(png16(values)).decode("ascii")
    return {"encoding": _MAP_ENCODING, "height": height, "width": width, "data": data}


def decode_map(values: Mapping[str, Any]) -> np.ndarray:
    if values["encoding"] != _MAP_ENCODING:
        raise ValueError(f"map encoding {values['encoding']!r} is not {_MAP_ENCODING!r}")
    try:
        data = base64.b64decode(values["data"], validate=True)
    except binascii.Error as error:
        raise ValueError(f"its map cannot be decoded ({error})") from None
    cells = read_png16(data)
    if cells.shape != (values["height"], values["width"]):
        raise ValueError(f"its map has the shape {cells.shape}, not what it states")
    return cells
