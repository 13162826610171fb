"""Photos in, pictures out: reading whatever people hand over, and writing without leftovers.

A photo may be a file, a Pillow image or an array; it always becomes an upright 8-bit RGB image.
What cannot be used ends in an `ImageError` of one line that names the photo and the next step.
"""

from __future__ import annotations

import errno
import glob
import os
import secrets
import stat
import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from PIL import Image

from anomalygpt.errors import ImageError, OutputError, SourceError

ImageSource: TypeAlias = "str | Path | Image.Image | np.ndarray"

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm", ".jp2"}
)
MIN_SIDE = 16
BIT_DEPTHS = (8, 10, 12, 14, 16)

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


def load_image(source: ImageSource) -> Image.Image:
    """Read one photo as an upright 8-bit RGB image.

    EXIF rotation is applied, transparency is laid on white, the first frame of several counts.
    Grey values of more than 8 bits are divided by the range of the smallest depth out of 8, 10,
    12, 14 and 16 bits that holds the brightest pixel, because industrial cameras put 10 and 12
    bits into 16-bit files. Colour files of 16 bits per channel keep the upper 8 bits.

    Args:
        source: a file, a Pillow image, or an array (H, W) or (H, W, 1 | 3 | 4) of bool, integers
            in [0, 65535] or floats in [0, 1]; channels are RGB or RGBA.

    Returns:
        A Pillow image of mode RGB, H and W as the photo is looked at.

    Raises:
        ImageError: the photo is missing, unreadable, damaged, no image, too large (about 179
            megapixels), or has no side of at least 16 pixels.
    """
    if isinstance(source, np.ndarray):
        image = _from_array(source, "the given array")
        name = "the given array"
    elif isinstance(source, Image.Image):
        name = _printable(getattr(source, "filename", "")) or "the given image"
        image = _decode(source, name)
    elif isinstance(source, str | Path):
        name = _printable(source)
        image = _read_file(Path(source), name)
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


def _printable(name: object) -> str:
    """A file name on one line, even with line breaks or bytes that are no text in it."""
    text = os.fsdecode(name) if isinstance(name, bytes) else str(name)
    return text if text.isprintable() else repr(text)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _read_file(path: Path, name: str) -> Image.Image:
    _check_file(path, name)
    try:
        with _WARNINGS_LOCK, warnings.catch_warnings():
            # Pillow warns above 89 megapixels; photos up to its error at 179 are fine here.
            warnings.simplefilter("ignore")
            opened = Image.open(path)
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise ImageError(
            f"{name} is too large: more than {limit} megapixels; cut or scale it first"
        ) from None
    except PermissionError:
        raise ImageError(_no_permission(name)) from None
    except Exception as error:  # readers raise nearly anything on damaged files
        raise ImageError(_not_an_image(path, name, error)) from None
    with opened:
        return _decode(opened, name)


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
        return f"{name} cannot be read: {_reason(unreadable)}; copy the photo again"
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
        shown = head[:8].hex(" ")
        return (
            f"{name} is not an image that can be read, or its start is damaged (first bytes "
            f"{shown}); give a PNG, JPEG, BMP, TIFF or WebP photo"
        )
    return _damaged(name, error)


def _damaged(name: str, error: Exception) -> str:
    return f"{name} is damaged or cut short ({_reason(error)}); copy or export it again"


def _decode(image: Image.Image, name: str) -> Image.Image:
    """Pixels of an opened image as upright RGB, in a new object."""
    if image.format == "EPS":  # Pillow would start an external interpreter on it
        raise ImageError(f"{name} is a PostScript drawing; {_EXPORT}")
    if 0 in image.size:
        raise ImageError(f"{name} has no pixels: {image.width}×{image.height}; give a photo")
    try:
        image.load()
        pixels = _to_rgb(_upright(image), name)
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(f"{name} does not fit into memory; scale it down first") from None
    except Exception as error:  # readers raise nearly anything on damaged files
        raise ImageError(_damaged(name, error)) from None
    pixels.info.clear()  # or a second reading would turn the photo again
    return pixels


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION)
    except Exception:  # damaged EXIF says nothing about the pixels
        return image
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I"):
        return Image.fromarray(_eight_bit(np.asarray(image), name)).convert("RGB")
    if image.mode == "F":
        values = np.asarray(image)
        if np.isfinite(values).all() and values.max() > 1:  # counts, stored as floats
            values = np.rint(values).astype(np.int64)
        return Image.fromarray(_eight_bit(values, name)).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        return white.convert("RGB")
    if image.mode == "LAB":
        raise ImageError(f"{name} has LAB colours, which are not supported; save it as RGB")
    return image.convert("RGB")


def _from_array(array: np.ndarray, name: str) -> Image.Image:
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4):
        hint = " (channels come last)" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        raise ImageError(
            f"{name} has shape {array.shape}; give (H, W), (H, W, 1), (H, W, 3) or (H, W, 4){hint}"
        )
    if array.size == 0:
        raise ImageError(f"{name} has no pixels: shape {array.shape}; give a photo")
    pixels = _eight_bit(array.squeeze(2) if array.ndim == 3 and channels == 1 else array, name)
    return _to_rgb(Image.fromarray(np.ascontiguousarray(pixels)), name)


def _eight_bit(values: np.ndarray, name: str) -> np.ndarray:
    """Grey or colour values of any accepted type as uint8 of the same shape."""
    if values.dtype == np.uint8:
        return values
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind not in "uif":
        raise ImageError(f"{name} holds {values.dtype}; give uint8, uint16, bool or floats")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ImageError(f"{name} holds NaN or infinite values; replace them before inspecting")
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind == "f":
        if low < -1e-3 or high > 1 + 1e-3:
            raise ImageError(
                f"{name} holds floats from {low:g} to {high:g}; scale them to [0, 1] first"
            )
        return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    if low < 0 or high > 65535:
        raise ImageError(
            f"{name} holds integers from {low:g} to {high:g}; scale them to 8 or 16 bit first"
        )
    depth = next(bits for bits in BIT_DEPTHS if high < 1 << bits)
    top = (1 << depth) - 1
    table = np.rint(np.arange(top + 1) * (255 / top)).astype(np.uint8)
    return table[values]


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


def try_load(image: ImageSource) -> Image.Image | ImageError:
    """`load_image`, with the error in place of a photo that cannot be used."""
    try:
        return load_image(image)
    except ImageError as error:
        return error


def list_images(sources: str | Path | Sequence[str | Path]) -> list[Path]:
    """Photos that file names, folders and patterns stand for, in order and each once.

    Folders are searched with their subfolders, hidden ones excepted, and sorted; a pattern is a
    name with `*`, `?` or `[` that the shell did not expand (`**` goes into subfolders). Names of
    single files pass unchanged, so that a batch can report the missing one and go on.

    Raises:
        SourceError: nothing was given, none of it exists, or a folder or pattern holds no photo.
    """
    given = [sources] if isinstance(sources, str | Path) else list(sources)
    if not given:
        raise SourceError("no photo was given; name at least one file, folder or pattern")
    found: dict[str, Path] = {}
    for source in given:
        for path in _expand(source):
            found.setdefault(os.path.abspath(path), path)  # noqa: PTH100 (keeps links apart)
    if not any(os.path.lexists(path) for path in found):
        names = ", ".join(_printable(path) for path in list(found.values())[:3])
        raise SourceError(
            f"{names} {'does' if len(found) == 1 else 'do'} not exist; "
            "check the spelling and the current folder"
        )
    return list(found.values())


def _expand(source: str | Path) -> Iterable[Path]:
    path, name = Path(source), _printable(source)
    if os.path.isdir(path):  # noqa: PTH112 (Path.is_dir raises on names that are too long)
        photos = _photos(entry for entry in path.rglob("*") if not _hidden(entry, path))
        if not photos:
            raise SourceError(
                f"{name} holds no photo; expected {_suffix_list()} files in it or its subfolders"
            )
        return photos
    if any(sign in str(source) for sign in "*?[") and not os.path.lexists(path):
        matches = glob.glob(str(source), recursive=True)  # noqa: PTH207 (takes absolute patterns)
        photos = _photos(Path(match) for match in matches)
        if not photos:
            raise SourceError(
                f"the pattern {name} matches no photo; expected {_suffix_list()} files"
            )
        return photos
    return [path]


def _photos(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES and _file(path))


def _file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 (Path.is_file raises where access is denied)


def _hidden(entry: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in entry.relative_to(folder).parts)


def _suffix_list() -> str:
    return ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))


def write_atomically(path: str | Path, write: Callable[[BinaryIO], Any]) -> Path:
    """Write a file so that it is there as a whole or not at all; missing folders are made.

    Args:
        path: the place of the file; an older file of that name is replaced.
        write: gets a binary file that can seek, and writes everything into it.

    Raises:
        OutputError: no space, no permission, or the place is taken by a folder.
    """
    path = Path(path)
    name = _printable(path)
    partial = path.parent / f".{secrets.token_hex(8)}.partial"
    try:
        if path.is_dir():
            raise OutputError(f"{name} is a folder; give the name of a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("xb") as file:
                write(file)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(_cannot_write(name, error)) from error
    return path


def _cannot_write(name: str, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{name} cannot be written: no space left; free some or choose another disk"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{name} cannot be written: no permission; choose another folder"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"{name} cannot be written: a file stands where a folder is needed"
    return f"{name} cannot be written: {_reason(error)}; choose another place"
