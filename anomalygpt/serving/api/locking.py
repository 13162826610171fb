"""One server for each data folder: two would both go on with the same jobs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from anomalygpt.errors import ConfigError, OutputError

_NAME = "serve.lock"


@contextmanager
def only_server(folder: Path) -> Iterator[None]:
    """Hold a data folder; the operating system lets go of it also when the process is killed.

    Raises:
        ConfigError: another server holds it.
        OutputError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (folder / _NAME).open("ab")
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written: {error.strerror}; name another folder with --data"
        ) from error
    with file:
        if not _is_locked(file):
            raise ConfigError(
                f"another `anomalygpt serve` uses {folder}; stop it, or name another folder with "
                "--data"
            )
        yield


def _is_locked(file: BinaryIO) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
