"""Files and folders of a data set: listing them without what does not belong to it."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Collection
from pathlib import Path

from anomalygpt.errors import DataError
from anomalygpt.image_io import IMAGE_SUFFIXES

# Left behind by desktops and archives.
_LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})

_CHUNK = 1 << 20


def entries(folder: Path) -> list[Path]:
    """Visible entries of a folder by name; [] where there is no such folder.

    Raises:
        DataError: the folder may not be listed.
    """
    if not is_folder(folder):
        return []
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(
            f"{shown(folder)} cannot be listed: {error.strerror}; change its access rights"
        ) from None
    return [
        path
        for path in found
        if not path.name.startswith(".") and path.name.casefold() not in _LITTER
    ]


def subfolders(folder: Path) -> list[Path]:
    """Folders directly in a folder, by name."""
    return [path for path in entries(folder) if is_folder(path)]


def photos(folder: Path, suffixes: Collection[str] = IMAGE_SUFFIXES) -> list[Path]:
    """Photos directly in a folder, by name; the suffix may have capital letters."""
    return [path for path in entries(folder) if path.suffix.lower() in suffixes and is_file(path)]


def photos_below(folder: Path) -> list[Path]:
    """Photos in a folder and its subfolders; links that lead in circles are followed once."""
    seen: set[str] = set()
    found: list[Path] = []
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        real = os.path.realpath(here)
        if real not in seen:
            seen.add(real)
            found += photos(here)
            waiting += subfolders(here)
    return sorted(found)


def is_folder(path: Path) -> bool:
    """Whether a folder is there; False, unlike `Path.is_dir`, for whatever cannot be asked."""
    return os.path.isdir(path)  # noqa: PTH112


def is_file(path: Path) -> bool:
    """Whether a file is there; False, unlike `Path.is_file`, for whatever cannot be asked."""
    return os.path.isfile(path)  # noqa: PTH113


def folder_name(folder: Path) -> str:
    """What a folder is called, also when it was given as "."."""
    return Path(os.path.abspath(folder)).name  # noqa: PTH100 (keeps links)


def name_key(name: str) -> str:
    """A name to compare with: some systems write "ü" as one sign and some as two."""
    return unicodedata.normalize("NFC", name)


def shown(path: str | Path) -> str:
    """A path on one line, even with line breaks or bytes that are no text in it."""
    text = str(path)
    return text if text.isprintable() else repr(text)


def hash_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits.

    Raises:
        DataError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise DataError(
            f"{shown(path)} cannot be read: {error.strerror}; check the path and its access rights"
        ) from None
    return digest.hexdigest()
