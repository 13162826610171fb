"""Photos and maps as files that are called by what is in them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from anomalygpt.errors import RecordsError
from anomalygpt.files import write_atomically

_NAME = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """Files under their SHA-256; the same content is kept once.

    Several processes may share a folder: a file appears as a whole, and its name says what must be
    in it.
    """

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: made when it is needed.
        """
        self._folder = folder

    def put(self, content: bytes) -> str:
        """Keep some bytes; their name, 64 hexadecimal digits.

        Raises:
            OutputError: no space, or no permission.
        """
        name = self.name_of(content)
        path = self.path(name)
        if not path.exists():
            write_atomically(path, lambda file: file.write(content))
        return name

    @staticmethod
    def name_of(content: bytes) -> str:
        """What some bytes are called."""
        return hashlib.sha256(content).hexdigest()

    def get(self, name: str) -> bytes:
        """The bytes of a name.

        Raises:
            RecordsError: they were deleted, or the file is damaged.
        """
        try:
            content = self.path(name).read_bytes()
        except OSError as error:
            raise RecordsError(
                f"what is called {name[:12]}… is not kept any more ({error.strerror}); photos are "
                "deleted by age where the plant says so"
            ) from None
        if self.name_of(content) != name:
            raise RecordsError(
                f"{self.path(name)} is damaged: its content has another hash; put back a copy"
            )
        return content

    def has(self, name: str) -> bool:
        """Whether it is there."""
        return self.path(name).exists()

    def delete(self, name: str) -> bool:
        """Delete it; whether it was there."""
        try:
            self.path(name).unlink()
        except FileNotFoundError:
            return False
        return True

    def path(self, name: str) -> Path:
        """Where it is or would be.

        Raises:
            RecordsError: no name that `put` gives.
        """
        if not _NAME.fullmatch(name):
            raise RecordsError(f"{name!r} is no SHA-256 in hexadecimal digits")
        return self._folder / name[:2] / name
