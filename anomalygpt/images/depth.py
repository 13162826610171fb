"""What values above 8 bits mean: cameras put 10, 12 or 14 bits into 16-bit files.

The file's own word comes first (PGM's maxval, TIFF's BitsPerSample, PNG's sBIT). Where it says
nothing, the smallest depth is taken that holds the values, but for stray pixels: one hot pixel must
not make a photo four times darker. Photos that are compared need one depth for all of them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from anomalygpt.errors import ImageError

BIT_DEPTHS = (8, 10, 12, 14, 16)

# So many pixels may lie above a depth and say nothing: hot ones of the sensor, or dead lines.
_STRAY_PIXELS, _STRAY_SHARE = 4, 1e-5

_BITS_PER_SAMPLE, _MAX_SAMPLE_VALUES = 258, (281, 341)
_PNG_HEAD = 1 << 14


@dataclass(frozen=True)
class DeepPixels:
    """Values of more than 8 bits, with what is known about their range.

    Attributes:
        values: (H, W) or (H, W, 3), whole numbers in [0, 65535].
        alpha: (H, W), likewise; None without transparency.
        top: the value of white, where the file says so; None where it does not.
        bits: the depth that the file hints at or the values need, one of `BIT_DEPTHS`.
    """

    values: np.ndarray
    alpha: np.ndarray | None
    top: int | None
    bits: int

    def as_bytes(self, name: str, bit_depth: int | None) -> np.ndarray:
        """The values as uint8.

        Args:
            name: of the photo, for the error.
            bit_depth: how many bits are in use, where the file does not say; None takes `bits`.

        Raises:
            ImageError: more than stray pixels lie above that depth.
        """
        if self.top is not None:
            return _scaled(self.values, self.top)
        bits = bit_depth or self.bits
        if (needed := depth_of(self.values)) > bits:
            raise ImageError(
                f"{name} holds values up to {int(self.values.max())}, which need {needed} bits, "
                f"but it is read as a photo of {bits} bits, like those that it is compared with; "
                f"say --bit-depth {needed} (bit_depth={needed}) for all of them"
            )
        return _scaled(self.values, (1 << bits) - 1)

    def alpha_bytes(self) -> np.ndarray | None:
        """The transparency as uint8; it often has a depth of its own."""
        if self.alpha is None:
            return None
        return _scaled(self.alpha, (1 << _holding(int(self.alpha.max()))) - 1)


def depth_of(values: np.ndarray) -> int:
    """The smallest of `BIT_DEPTHS` that holds values in [0, 65535], but for stray pixels."""
    stray = max(_STRAY_PIXELS, int(_STRAY_SHARE * values.size))
    for bits in BIT_DEPTHS[:-1]:
        if np.count_nonzero(values >= 1 << bits) <= stray:
            return bits
    return BIT_DEPTHS[-1]


@dataclass(frozen=True)
class Hints:
    """What a file says about its values; to be asked before Pillow reads them, and forgets it.

    Attributes:
        top: the value of white; None where it is not said.
        bits: the depth that the file has at least; None where it is not said.
        significant: bits that a PNG calls significant; None where it names none.
        colour_file: a file with colours of 16 bits, of which Pillow keeps the upper 8 only.
        page: which of its pages.
    """

    top: int | None = None
    bits: int | None = None
    significant: int | None = None
    colour_file: Path | None = None
    page: int = 0

    @classmethod
    def of(cls, image: Image.Image, path: Path | None) -> Hints:
        """The hints of an image that was opened from a file, and is not yet read."""
        colour_file = path if path is not None and _is_deep_colour(image) else None
        page = image.tell() if colour_file else 0
        tile = getattr(image, "tile", None)
        if tile and tile[0][0].startswith("ppm") and colour_file is None:
            # Pillow stretches such values to 16 bits, or 8 of a colour, by itself.
            return cls(65535, _holding(tile[0][3][1]))
        if image.format == "TIFF":
            return cls(*_stated_by_tiff(image), None, colour_file, page)
        significant = _significant_bits(path) if image.format == "PNG" and path else None
        return cls(None, None, significant, colour_file, page)

    def grey(self, values: np.ndarray) -> DeepPixels:
        """Grey values of the image, whole numbers in [0, 65535]."""
        return self._pixels(values, None)

    def colour(self) -> DeepPixels | None:
        """Colours of the file; None where it has 8 bits, or only Pillow can read it."""
        pixels = None if self.colour_file is None else _decode(self.colour_file, self.page)
        if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
            return None
        alpha = pixels[..., 3] if pixels.shape[2] == 4 else None
        return self._pixels(np.ascontiguousarray(pixels[..., 2::-1]), alpha)

    def _pixels(self, values: np.ndarray, alpha: np.ndarray | None) -> DeepPixels:
        if self.significant is not None:
            white = (1 << self.significant) - 1
            top = 65535 if _fills(values, self.significant) else white
            return DeepPixels(values, alpha, top, _holding(white))
        bits = max(self.bits or 0, depth_of(values) if self.top is None else 0)
        return DeepPixels(values, alpha, self.top, bits)


def deep_pixels(values: np.ndarray, alpha: np.ndarray | None = None) -> DeepPixels:
    """Values that come without a word about their range, such as those of an array."""
    return DeepPixels(values, alpha, None, depth_of(values))


def _is_deep_colour(image: Image.Image) -> bool:
    if image.mode not in ("RGB", "RGBA", "LA") or not getattr(image, "tile", None):
        return False
    # Names of the fields came with Pillow 11.
    codec, _, _, arguments = image.tile[0]  # type: ignore[attr-defined]
    if codec.startswith("ppm"):
        return bool(arguments[1] == 65535)
    raw = arguments if isinstance(arguments, str) else arguments[0] if arguments else ""
    return codec == "jpeg2k" or ";16" in str(raw)


_ERRORS_ALONE = 2  # OpenCV's level of that name


def _decode(path: Path, page: int) -> np.ndarray | None:
    """(H, W) or (H, W, C) as in the file, blue first; None where OpenCV cannot read it."""
    logging = getattr(cv2.utils, "logging", cv2)  # it moved with OpenCV 5
    level = logging.getLogLevel()
    logging.setLogLevel(_ERRORS_ALONE)  # it would write into our output
    try:
        data = np.fromfile(path, np.uint8)
        _, pages = cv2.imdecodemulti(data, cv2.IMREAD_UNCHANGED, range=(page, page + 1))
    except (cv2.error, OSError, MemoryError):
        return None
    finally:
        logging.setLogLevel(level)
    return pages[0] if pages else None


def _stated_by_tiff(image: Image.Image) -> tuple[int | None, int | None]:
    tags = image.tag_v2  # type: ignore[attr-defined]
    bits = tags.get(_BITS_PER_SAMPLE)
    bits = bits[0] if isinstance(bits, tuple) else bits
    if isinstance(bits, int) and 8 < bits < 16:
        return (1 << bits) - 1, _holding((1 << bits) - 1)
    highest = 0
    for tag in _MAX_SAMPLE_VALUES:
        value = tags.get(tag)
        value = max(value) if isinstance(value, tuple) and value else value
        if isinstance(value, int | float) and 255 < value <= 65535:
            highest = max(highest, int(value))
    # Such a tag may as well name the brightest pixel: it says how deep the file is at least.
    return None, _holding(highest) if highest else None


def _significant_bits(path: Path) -> int | None:
    """The most significant bits per channel that a PNG of 16 bits names in its sBIT chunk."""
    try:
        with path.open("rb") as file:
            head = file.read(_PNG_HEAD)
    except OSError:
        return None
    place = 8
    while place + 8 <= len(head):
        length, kind = struct.unpack(">I4s", head[place : place + 8])
        if kind == b"IDAT":
            break
        if kind == b"sBIT" and 1 <= length <= 4:
            bits = max(head[place + 8 : place + 8 + length], default=16)
            return bits if 8 <= bits < 16 else None
        place += 12 + length
    return None


def _fills(values: np.ndarray, bits: int) -> bool:
    """Whether values were moved up to fill 16 bits, as PNG asks for: their low bits repeat."""
    shift = 16 - bits
    values = values.astype(np.int64)
    high = values >> shift
    copied = (high << shift) | (high >> max(bits - shift, 0))
    return bool((values == high << shift).all() or (values == copied).all())


def _holding(value: int) -> int:
    return next(bits for bits in BIT_DEPTHS if value < 1 << bits)


def _scaled(values: np.ndarray, top: int) -> np.ndarray:
    table = np.rint(np.minimum(np.arange(65536), top) * (255 / top)).astype(np.uint8)
    return table[values]
