"""Files and folders: their names for people, writing without leftovers, room on the disk, hashes.

What is written appears under its name as a whole or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from anomalygpt.errors import DataError, OutputError
from anomalygpt.images.pages import split_page

_CHUNK = 1 << 20


def shown(name: object) -> str:
    """A file name on one line, even with line breaks or bytes that are no text in it."""
    text = os.fsdecode(name) if isinstance(name, bytes) else str(name)
    return text if text.isprintable() else repr(text)


def reason_of(error: Exception) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def write_atomically(path: str | Path, write: Callable[[BinaryIO], Any]) -> Path:
    """Write a file so that it is there as a whole or not at all; missing folders are made.

    Args:
        path: the place of the file; an older file of that name is replaced.
        write: gets a binary file that can seek, and writes everything into it.

    Raises:
        OutputError: no space, no permission, or the place is taken by a folder.
    """
    path = Path(path)
    name = shown(path)
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
    return f"{name} cannot be written: {reason_of(error)}; choose another place"


def share_with_readers(folder: Path) -> None:
    """Give weight files the mode of any new file; safetensors lets only their owner read them."""
    probe = folder / f".{uuid4().hex}"
    probe.touch()
    mode = probe.stat().st_mode
    probe.unlink()
    for path in folder.rglob("*.safetensors"):
        path.chmod(mode)


@contextmanager
def staged_folder(output: Path, needed: int, files: bool = False) -> Iterator[Path]:
    """A folder beside `output` that takes its name when the block ends well.

    Args:
        output: the final place; it must be free, or an empty folder.
        needed: bytes that will be written.
        files: the block itself moves the files beside `output`; no folder takes its name.

    Raises:
        OutputError: the place is taken, the disk is full, or writing is not permitted. Whatever
            ends the block, Ctrl-C too, nothing half-written stays.
    """
    output = output.expanduser().resolve()
    staging = output.with_name(f".{output.name}.partial-{uuid4().hex[:8]}")
    try:
        if not files:
            require_vacant(output)
        require_space(output, needed)
        staging.mkdir(parents=True)
        yield staging
        if not files:
            if output.exists():
                output.rmdir()
            staging.rename(output)
    except OSError as error:
        raise output_error(output, needed, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def require_vacant(output: Path) -> None:
    """Refuse to overwrite.

    Raises:
        OutputError: there is a file, or a folder that holds something.
    """
    if output.is_dir():
        if any(output.iterdir()):
            raise OutputError(f"{output} is not empty; choose another folder or empty it first")
    elif output.exists() or output.is_symlink():
        raise OutputError(f"{output} is a file; choose another name for the output folder")


def require_space(output: Path, needed: int) -> None:
    """Refuse to begin what cannot end well.

    Raises:
        OutputError: the disk has fewer than `needed` bytes left.
    """
    free = free_space(output)
    if free < needed:
        raise OutputError(
            f"{output} needs {gigabytes(needed)}, but only {gigabytes(free)} are free; "
            "make room or choose another disk"
        )


def free_space(path: Path) -> int:
    """Bytes free where `path` is or would be."""
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    return shutil.disk_usage(existing).free


def output_error(output: Path, needed: int, error: OSError) -> OutputError:
    """What an error of the operating system means for the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(
            f"the disk is full: {output} needs {gigabytes(needed)}, "
            f"{gigabytes(free_space(output))} are free; make room or choose another disk"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"{output} cannot be written: no permission; choose another folder")
    return OutputError(f"{output} cannot be written: {error.strerror or error}")


def gigabytes(size: int) -> str:
    """A byte count for a person."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


def hash_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits; pages of a file differ.

    Raises:
        DataError: the file cannot be read.
    """
    file_path, page = split_page(Path(path))
    digest = hashlib.sha256(f"#{page}".encode() if page else b"")
    try:
        with file_path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise DataError(
            f"{shown(path)} cannot be read: {error.strerror}; check the path and its access rights"
        ) from None
    return digest.hexdigest()
