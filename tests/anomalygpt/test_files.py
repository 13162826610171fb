"""Writing files: as a whole or not at all."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from anomalygpt.errors import OutputError
from anomalygpt.files import write_atomically


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "result.bin"
    path.write_bytes(b"old")

    def fail(file: io.BufferedIOBase) -> None:
        file.write(b"half")
        raise OSError(28, os.strerror(28))

    with pytest.raises(OutputError, match="no space left"):
        write_atomically(path, fail)  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_places_that_are_taken(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        write_atomically(tmp_path, lambda file: file.write(b""))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        write_atomically(tmp_path / "file" / "x", lambda file: file.write(b""))
