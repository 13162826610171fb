"""Photos in, pictures out: reading whatever people hand over, and writing without leftovers.

A photo may be a file, a Pillow image or an array; it always becomes an upright 8-bit RGB image.
What cannot be used ends in an `ImageError` of one line that names the photo and the next step.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from anomalygpt.errors import ImageError
from anomalygpt.files import reason_of, shown
from anomalygpt.images import check_bit_depth
from anomalygpt.images.depth import (
    DeepPixels,
    Hints,
    deep_pixels,
    depth_of,
)
from anomalygpt.images.pages import split_page

ImageSource: TypeAlias = "str | Path | Image.Image | np.ndarray"

MIN_SIDE = 16

_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# What people give instead of a photo, by the first bytes in lower case:
# (offset, bytes, name, what to do).
_EXPORT = "export it as PNG or JPEG first"
_FOREIGN_KINDS = (
    (0, b"%pdf", "a PDF document", _EXPORT),
    (0, b"<svg", "an SVG drawing", _EXPORT),
    (0, b"<!doctype html", "a web page", "download the picture itself"),
    (0, b"<html", "a web page", "download the picture itself"),
    (4, b"ftyphei", "a HEIC photo", "convert it to JPEG or PNG first"),
    (4, b"ftyphev", "a HEIC photo", "convert it to JPEG or PNG first"),
    (4, b"ftypmif1", "a HEIC photo", "convert it to JPEG or PNG first"),
    (4, b"ftypmsf1", "a HEIC photo", "convert it to JPEG or PNG first"),
    (4, b"ftypavif", "an AVIF photo", "convert it to JPEG or PNG first"),
    (4, b"ftyp", "a video", "save one frame as PNG or JPEG first"),
    (0, b"\x93numpy", "a NumPy array", "load it with numpy.load and give the array"),
    (0, b"pk\x03\x04", "a ZIP archive", "unpack it and give the photos"),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it and give the photos"),
    (0, b"version https://git-lfs", "a Git LFS pointer", "fetch the file with `git lfs pull`"),
)

# `warnings.catch_warnings` swaps a list of the whole process; two threads must not interleave.
_WARNINGS_LOCK = threading.Lock()


def load_image(source: ImageSource, bit_depth: int | None = None) -> Image.Image:
    """Read one photo as an upright 8-bit RGB image.

    EXIF rotation is applied, transparency that differs within the photo is laid on white, the first
    frame of several counts; `part.tif#2` names the second page of a TIFF. Values of more than 8
    bits are divided by the range that the file states, else by that of the given bit depth, else by
    that of the smallest depth out of 8, 10, 12, 14 and 16 bits which holds them.

    Args:
        source: a file, a Pillow image, or an array (H, W) or (H, W, 1 | 3 | 4) of bool, integers
            in [0, 65535] or floats in [0, 1]; channels are RGB or RGBA.
        bit_depth: bits in use, from 8 to 16, where the file does not say; see `common_bit_depth`
            for photos that are compared. Photos of 8 bits are read as they are.

    Returns:
        A Pillow image of mode RGB, H and W as the photo is looked at.

    Raises:
        ImageError: the photo is missing, unreadable, damaged, no image, too large (about 179
            megapixels), has no side of at least 16 pixels, or uses more bits than given.
        ConfigError: a bit depth that is none.
    """
    check_bit_depth(bit_depth)
    if isinstance(source, np.ndarray):
        name = "the given array"
        image = _from_array(source, name, bit_depth)
    elif isinstance(source, Image.Image):
        name = shown(getattr(source, "filename", "")) or "the given image"
        image = _decode(source, name, _file_of(source), bit_depth)
    elif isinstance(source, str | Path):
        name = shown(source)
        with _open_file(Path(source), name) as opened:
            image = _decode(opened, name, _file_of(opened), bit_depth)
    else:
        raise ImageError(
            f"a photo is a path, a Pillow image or a NumPy array, got {type(source).__name__}"
        )
    if max(image.size) < MIN_SIDE:
        raise ImageError(
            f"{name} is too small to inspect: {image.width}×{image.height} pixels, "
            f"the longer side needs at least {MIN_SIDE}; give the photo in its full size"
        )
    return image


def common_bit_depth(sources: Iterable[ImageSource]) -> int | None:
    """One bit depth for photos that are compared with each other, references included.

    It holds what their files state and what their values need, hot pixels excepted; photos that
    cannot be read are passed over. Values of photos with more than 8 bits are decoded for it.

    Returns:
        One of 8, 10, 12, 14 and 16; None where no photo has more than 8 bits per channel.
    """
    return max((bits for source in sources if (bits := _bits(source))), default=None)


def _bits(source: ImageSource) -> int | None:
    try:
        if isinstance(source, np.ndarray):
            is_deep = source.dtype.kind in "iu" and source.dtype != np.uint8
            return depth_of(source[..., :3] if source.ndim == 3 else source) if is_deep else None
        if isinstance(source, Image.Image):
            deep = _deep(source, "", _file_of(source))
        else:
            with _open_file(Path(source), shown(source)) as opened:
                deep = _deep(opened, "", _file_of(opened))
    except Exception:  # whoever reads the photo says what is wrong
        return None
    return None if deep is None else deep.bits


def _file_of(image: Image.Image) -> Path | None:
    """The file that an image was opened from, as long as its pixels are not yet read."""
    name = getattr(image, "filename", "")
    return Path(os.fsdecode(name)) if name and getattr(image, "tile", None) else None


def _open_file(path: Path, name: str) -> Image.Image:
    """A file opened at its page; its pixels are not read."""
    file, page = split_page(path)
    _check_file(file, name)
    try:
        with _WARNINGS_LOCK, warnings.catch_warnings():
            # Pillow warns above 89 megapixels; photos up to its error at 179 are fine here.
            warnings.simplefilter("ignore")
            opened = Image.open(file)
            try:
                opened.seek(page)
            except BaseException:
                opened.close()
                raise
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise ImageError(
            f"{name} is too large: more than {limit} megapixels; cut or scale it first"
        ) from None
    except PermissionError:
        raise ImageError(_no_permission(name)) from None
    except EOFError:
        raise ImageError(f"{name} does not exist: the file has fewer pages") from None
    except Exception as error:  # readers raise nearly anything on damaged files
        raise ImageError(_not_an_image(file, name, error)) from None
    return opened


def _check_file(path: Path, name: str) -> None:
    """Say what is wrong with a path before Pillow says it less clearly."""
    if name.startswith(("http://", "https://")):
        raise ImageError(f"{name} is a web address; download the photo and give the file")
    try:
        info = path.stat()
    except PermissionError:
        raise ImageError(_no_permission(name)) from None
    except (OSError, ValueError):
        raise ImageError(
            f"{name} does not exist; check the spelling and the current folder"
        ) from None
    if stat.S_ISDIR(info.st_mode):
        raise ImageError(f"{name} is a folder, a photo was expected; give the files in it")
    if not stat.S_ISREG(info.st_mode):
        raise ImageError(f"{name} is no regular file; save the photo to disk and give that file")
    if info.st_size == 0:
        raise ImageError(f"{name} is empty (0 bytes); copy or export the photo again")


def _no_permission(name: str) -> str:
    return f"{name} cannot be read: no permission; change its access rights or copy it elsewhere"


def _not_an_image(path: Path, name: str, error: Exception) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as unreadable:
        return f"{name} cannot be read: {reason_of(unreadable)}; copy the photo again"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for offset, magic, kind, advice in _FOREIGN_KINDS:
        if start[offset:].startswith(magic):
            return f"{name} is {kind}, which cannot be read as a photo; {advice}"
    if start.startswith(b"<"):
        kind = "an SVG drawing" if b"<svg" in start else "an XML or HTML text"
        return f"{name} is {kind}, which cannot be read as a photo; {_EXPORT}"
    if head and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head):
        return f"{name} is a text file, not an image; give a PNG, JPEG, BMP, TIFF or WebP photo"
    if isinstance(error, Image.UnidentifiedImageError):
        first = head[:8].hex(" ")
        return (
            f"{name} is not an image that can be read, or its start is damaged (first bytes "
            f"{first}); give a PNG, JPEG, BMP, TIFF or WebP photo"
        )
    return _damaged(name, error)


def _damaged(name: str, error: Exception) -> str:
    return f"{name} is damaged or cut short ({reason_of(error)}); copy or export it again"


def _decode(image: Image.Image, name: str, path: Path | None, bit_depth: int | None) -> Image.Image:
    """Pixels of an opened image as upright RGB, in a new object."""
    if image.format == "EPS":  # Pillow would start an external interpreter on it
        raise ImageError(f"{name} is a PostScript drawing; {_EXPORT}")
    if 0 in image.size:
        raise ImageError(f"{name} has no pixels: {image.width}×{image.height}; give a photo")
    try:
        deep = _deep(image, name, path)
        image.load()
        rgb = _to_rgb(image, name) if deep is None else _deep_to_rgb(deep, name, bit_depth)
        pixels = _upright(image, rgb)
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(f"{name} does not fit into memory; scale it down first") from None
    except Exception as error:  # readers raise nearly anything on damaged files
        raise ImageError(_damaged(name, error)) from None
    pixels = pixels.copy() if pixels is image else pixels
    pixels.info.clear()  # or a second reading would turn the photo again
    return pixels


def _deep(image: Image.Image, name: str, path: Path | None) -> DeepPixels | None:
    """The values of an image of more than 8 bits, read here; None if it has 8."""
    hints = Hints.of(image, path)
    if not image.mode.startswith("I") and image.mode != "F" and hints.colour_file is None:
        return None  # before anything is decoded, because many files may be asked
    image.load()
    if image.mode.startswith("I"):
        return hints.grey(_whole_numbers(np.asarray(image), name))
    if image.mode == "F":
        values = np.asarray(image)
        if np.isfinite(values).all() and values.max() > 1:  # counts, stored as floats
            return hints.grey(_whole_numbers(values, name))
    return hints.colour()


def _deep_to_rgb(deep: DeepPixels, name: str, bit_depth: int | None) -> Image.Image:
    colours = Image.fromarray(deep.as_bytes(name, bit_depth)).convert("RGB")
    alpha = deep.alpha_bytes()
    return colours if alpha is None else _on_white(colours, Image.fromarray(alpha))


def _on_white(colours: Image.Image, alpha: Image.Image) -> Image.Image:
    """Colours where the photo is opaque, white where it is not.

    Cameras and converters write a fourth channel that nobody fills: transparency that is the same
    everywhere says nothing.
    """
    low, high = alpha.getextrema()
    if low == high:
        return colours
    return Image.composite(colours, Image.new("RGB", colours.size, "white"), alpha)


def _upright(image: Image.Image, pixels: Image.Image) -> Image.Image:
    """Pixels turned as the image that they come from asks for."""
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION)
    except Exception:  # damaged EXIF says nothing about the pixels
        return pixels
    return pixels.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else pixels


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "F":
        return Image.fromarray(_eight_bit(np.asarray(image), name, None)).convert("RGB")
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        return _on_white(layers.convert("RGB"), layers.getchannel("A"))
    if image.mode == "LAB":
        raise ImageError(f"{name} has LAB colours, which are not supported; save it as RGB")
    return image.convert("RGB")


def _from_array(array: np.ndarray, name: str, bit_depth: int | None) -> Image.Image:
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4):
        hint = " (channels come last)" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        raise ImageError(
            f"{name} has shape {array.shape}; give (H, W), (H, W, 1), (H, W, 3) or (H, W, 4){hint}"
        )
    if array.size == 0:
        raise ImageError(f"{name} has no pixels: shape {array.shape}; give a photo")
    colours = array.squeeze(2) if array.ndim == 3 and channels == 1 else array[..., :3]
    pixels = _eight_bit(colours if array.ndim == 3 else array, name, bit_depth)
    rgb = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    if channels < 4:
        return rgb
    # Transparency may use other bits than the colours.
    alpha = _eight_bit(array[..., 3], name, None)
    return _on_white(rgb, Image.fromarray(np.ascontiguousarray(alpha)))


def _eight_bit(values: np.ndarray, name: str, bit_depth: int | None) -> np.ndarray:
    """Grey or colour values of any accepted type as uint8 of the same shape."""
    if values.dtype == np.uint8:
        return values
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind == "f":
        return np.rint(np.clip(_shares(values, name), 0, 1) * 255).astype(np.uint8)
    return deep_pixels(_whole_numbers(values, name)).as_bytes(name, bit_depth)


def _shares(values: np.ndarray, name: str) -> np.ndarray:
    """Floats in [0, 1]."""
    if not np.isfinite(values).all():
        raise ImageError(f"{name} holds NaN or infinite values; replace them before inspecting")
    low, high = float(values.min()), float(values.max())
    if low < -1e-3 or high > 1 + 1e-3:
        raise ImageError(
            f"{name} holds floats from {low:g} to {high:g}; scale them to [0, 1] first"
        )
    return values


def _whole_numbers(values: np.ndarray, name: str) -> np.ndarray:
    """Whole numbers in [0, 65535]; floats are rounded."""
    if values.dtype.kind == "f" and np.isfinite(values).all():
        values = np.rint(values).astype(np.int64)
    if values.dtype.kind not in "ui":
        raise ImageError(f"{name} holds {values.dtype}; give uint8, uint16, bool or floats")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 65535:
        raise ImageError(
            f"{name} holds integers from {low:g} to {high:g}; scale them to 8 or 16 bit first"
        )
    return values


def is_single(images: object) -> bool:
    """Whether this is one photo, and not several."""
    return isinstance(images, str | Path | Image.Image | np.ndarray)


def listed(images: ImageSource | Iterable[ImageSource]) -> list[ImageSource]:
    """Photos as a list; a single one is a list of one, not of letters or rows of pixels."""
    return [images] if is_single(images) else list(images)  # type: ignore[list-item, arg-type]


def photo_name(image: ImageSource) -> str | None:
    """What a photo is called in results; None for pixels without a name."""
    if isinstance(image, str | Path):
        return str(image)
    return str(getattr(image, "filename", "")) or None


def try_load(image: ImageSource, bit_depth: int | None = None) -> Image.Image | ImageError:
    """`load_image`, with the error in place of a photo that cannot be used."""
    try:
        return load_image(image, bit_depth)
    except ImageError as error:
        return error


def pixels_mark(photo: Image.Image) -> str:
    """SHA-256 of a photo's size and pixels: the same for the same picture under any name."""
    return hashlib.sha256(repr(photo.size).encode() + photo.tobytes()).hexdigest()
