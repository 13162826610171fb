"""Where photos of a run lie: files, folders and patterns here, or a store that fsspec reads."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from anomalygpt.errors import ImageError, MissingExtraError, SourceError
from anomalygpt.files import reason_of, shown
from anomalygpt.images.listing import IMAGE_SUFFIXES, find_images
from anomalygpt.images.pages import split_page
from anomalygpt.images.reading import load_image

# A store that does not answer is asked so often in all.
TRIES = 3

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """A photo that lies somewhere.

    Attributes:
        image: what it is called in results, each once.
        place: where it is read from: a whole path, or an address of a store.
        size: bytes of its file.
        version: changes when the file does: of files the time of change, of stores what they tell.
    """

    image: str
    place: str
    size: int
    version: str


def is_remote(source: str) -> bool:
    """Whether this is the address of a store, such as s3://bucket/night."""
    return _URL.match(source) is not None


def find_photos(sources: Sequence[str]) -> tuple[list[Found], str]:
    """The photos of files, folders and patterns, or those below one address of a store.

    Photos of a single folder or address are called by their path within it, others as given.

    Returns:
        They in order, each once, and in one line what was left out; "" where nothing was.

    Raises:
        SourceError: nothing is there, or no photo.
        MissingExtraError: a store needs a package that is not installed.
    """
    if any(map(is_remote, sources)):
        if len(sources) > 1:
            raise SourceError("an address of a store stands alone; inspect the others apart")
        return _in_store(sources[0]), ""
    listing = find_images(sources)
    root = Path(sources[0]) if len(sources) == 1 and Path(sources[0]).is_dir() else None
    found = [found_file(path, root) for path in listing.photos]
    return found, listing.note()


def found_file(path: Path, root: Path | None = None) -> Found:
    """A file, called by its path within a folder; one that is missing has no bytes."""
    name = path if root is None else PurePosixPath(path.relative_to(root).as_posix())
    place = os.path.abspath(path)  # noqa: PTH100 (keeps links)
    try:
        state = split_page(path)[0].stat()
    except OSError:
        return Found(shown(name), place, 0, "missing")
    return Found(shown(name), place, state.st_size, str(state.st_mtime_ns))


def read_photo(place: str, bit_depth: int | None = None) -> Image.Image:
    """One photo as `load_image` reads it; of a TIFF in a store, the first page.

    Raises:
        ImageError: it cannot be read; it is named.
    """
    if not is_remote(place):
        return load_image(place, bit_depth)
    content = _content(place)
    with tempfile.TemporaryDirectory() as folder:
        # Photos with more than 8 bits are read from files alone.
        path = Path(folder, f"photo{PurePosixPath(place).suffix}")
        path.write_bytes(content)
        try:
            return load_image(path, bit_depth)
        except ImageError as error:
            raise ImageError(str(error).replace(str(path), shown(place))) from None


def _in_store(url: str) -> list[Found]:
    store, path = _opened(url)
    try:
        listed = store.find(path, detail=True)
    except Exception as error:  # stores raise nearly anything
        raise SourceError(
            f"{shown(url)} cannot be listed: {reason_of(error)}; check the address and the access "
            "rights"
        ) from error
    found = []
    for name, known in sorted(listed.items()):
        inner = name.removeprefix(path).lstrip("/") or PurePosixPath(name).name
        hidden = any(part.startswith(".") for part in inner.split("/"))
        if not hidden and PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES:
            place = str(store.unstrip_protocol(name))
            found.append(Found(shown(inner), place, int(known.get("size") or 0), _version(known)))
    if not found:
        raise SourceError(f"{shown(url)} holds no photo; check the address")
    return found


def _version(known: dict[str, Any]) -> str:
    """What a store tells of an object that changes when it does."""
    keys = ("ETag", "etag", "content_hash", "mtime", "LastModified", "last_modified", "created")
    return next((str(known[key]) for key in keys if known.get(key)), str(known.get("size")))


def _content(place: str) -> bytes:
    store, path = _opened(place)
    for _ in range(TRIES):
        content = _tried(store, path)
        if isinstance(content, bytes):
            return content
        if isinstance(content, FileNotFoundError):
            raise ImageError(f"{shown(place)} does not exist; list the store again")
    reason = reason_of(content) if isinstance(content, Exception) else ""
    raise ImageError(f"{shown(place)} cannot be read: {reason}; check the store")


def _tried(store: Any, path: str) -> bytes | Exception:
    try:
        with store.open(path, "rb") as file:
            return bytes(file.read())
    except Exception as error:  # stores raise nearly anything
        return error


def _opened(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingExtraError(
            'addresses of stores need the package fsspec; pip install "anomalygpt[scale]" brings it'
        ) from None
    try:
        store, path = url_to_fs(url)
    except ImportError as error:  # s3fs and the like; fsspec says which
        raise MissingExtraError(f"{shown(url)}: {reason_of(error)}") from None
    except Exception as error:
        raise SourceError(
            f"{shown(url)} cannot be opened: {reason_of(error)}; check the address"
        ) from error
    return store, path
