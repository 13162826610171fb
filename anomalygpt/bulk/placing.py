"""Photos of a stream moved or copied by their verdict."""

from __future__ import annotations

import errno
import shutil
from dataclasses import dataclass
from pathlib import Path

from anomalygpt.bulk.table import Row
from anomalygpt.errors import OutputError
from anomalygpt.files import reason_of, shown, write_atomically

UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Placing:
    """Where photos go.

    Attributes:
        folder: holds good/, damaged/ and unreadable/.
        moves: False leaves the photo where it came, and copies it.
    """

    folder: Path
    moves: bool

    def place(self, photo: Path, image: str, row: Row) -> Path:
        """Move or copy one photo; nothing that lies there already is overwritten.

        Args:
            photo: its file.
            image: its path within the folder that is watched, which it keeps.
            row: its result.

        Returns:
            Where it lies now.

        Raises:
            OutputError: no space or no permission; the photo stays where it is.
        """
        kind = UNREADABLE if row["error"] is not None else str(row["verdict"])
        target = _free(self.folder / kind / image, photo)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if self.moves:
                try:
                    photo.rename(target)
                    return target
                except OSError as error:
                    if error.errno != errno.EXDEV:
                        raise
            if not target.exists():  # a copy from before a process was killed is whole
                with photo.open("rb") as content:
                    write_atomically(target, lambda file: shutil.copyfileobj(content, file))
                shutil.copystat(photo, target)
            if self.moves:
                photo.unlink()
        except OSError as error:
            raise OutputError(
                f"{shown(photo)} cannot be put into {shown(target.parent)}: {reason_of(error)}; "
                "free some space, or choose another folder"
            ) from error
        return target


def _free(target: Path, photo: Path) -> Path:
    """A name that is free, or that has a copy of this photo already."""
    wanted, number = target, 1
    while target.exists() and not _same(target, photo):
        number += 1
        target = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
    return target


def _same(one: Path, other: Path) -> bool:
    a, b = one.stat(), other.stat()
    return (a.st_size, a.st_mtime_ns) == (b.st_size, b.st_mtime_ns) and (
        one.read_bytes() == other.read_bytes()
    )
