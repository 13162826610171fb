"""Files and folders of a data set: listing them without what does not belong to it."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection
from pathlib import Path

from anomalygpt.errors import DataError
from anomalygpt.files import shown
from anomalygpt.images.listing import is_photo, is_result

# Left behind by desktops and archives.
_LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


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


def photos(folder: Path, suffixes: Collection[str] | None = None) -> list[Path]:
    """Photos directly in a folder, by name, or files of some suffixes, in capitals or not.

    Pictures that this program drew over photos are none.
    """
    files = [path for path in entries(folder) if is_file(path)]
    if suffixes is not None:
        return [path for path in files if path.suffix.lower() in suffixes]
    return [path for path in files if is_photo(path) and not is_result(path)]


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
