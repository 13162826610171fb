"""Which photos the embedded model learns from, and which it never sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anomalygpt.errors import DataError, SourceError
from anomalygpt.files import hash_file
from anomalygpt.images.listing import list_images

# Photos whose hash begins with a byte below this are held out: about 1 in 12, the same whatever
# the folder's order, and whoever adds photos later.
HELD_OUT_BELOW = 21


@dataclass(frozen=True)
class Photos:
    """Attributes: training and held_out photos, sorted; hashes of the training photos."""

    training: tuple[Path, ...]
    held_out: tuple[Path, ...]
    hashes: frozenset[str]


def split_photos(folders: Sequence[Path]) -> Photos:
    """Divide the photos of all folders.

    Raises:
        DataError: a folder is missing or has no photos, or they are too few to hold some out.
    """
    try:
        hashed = {path: hash_file(path) for folder in folders for path in list_images(folder)}
    except SourceError as error:
        raise DataError(f"no photos to learn from: {error}") from error
    held_out = {path for path, mark in hashed.items() if int(mark[:2], 16) < HELD_OUT_BELOW}
    training = sorted(set(hashed) - held_out)
    if not training or not held_out:
        raise DataError(
            f"{', '.join(map(str, folders))} have {len(training)} photos to learn from and "
            f"{len(held_out)} to hold out; give more, about 1 in 12 is held out"
        )
    # The same picture twice under different names is on one side, as its hash is the same.
    return Photos(
        tuple(training), tuple(sorted(held_out)), frozenset(hashed[path] for path in training)
    )
