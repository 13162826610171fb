"""Encoded references kept on the disk, so that the same photos are not encoded in every run.

What the cache cannot read or write is encoded again; it never stops an inspection.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from anomalygpt.errors import OutputError
from anomalygpt.files import write_atomically
from anomalygpt.references.encoded import EncodedReference

# Names the folder, or switches the cache off.
VARIABLE = "ANOMALYGPT_CACHE"
_OFF = frozenset({"", "0", "off", "no", "false"})

MOST_BYTES = 1024**3

_SUFFIX = ".safetensors"
# Before the names of what a closer look gave.
_CLOSER = "closer."

_LOG = logging.getLogger(__name__)


def cache_folder() -> Path | None:
    """Where encoded references are kept: ANOMALYGPT_CACHE, or `anomalygpt` in XDG_CACHE_HOME or
    `~/.cache`; None where the variable says "0" or "off", or nobody has a home."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return None if named.strip().lower() in _OFF else Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(base or Path.home() / ".cache") / "anomalygpt"
    except RuntimeError:
        return None


class ReferenceCache:
    """Encoded references by key, at most so many bytes; the longest unused are removed first.

    Several processes may share a folder: files appear as a whole, under names that say what is in
    them.
    """

    def __init__(self, folder: Path | None, most_bytes: int = MOST_BYTES) -> None:
        """
        Args:
            folder: made when it is needed; None keeps nothing.
            most_bytes: of all files together.
        """
        self._folder = None if folder is None else folder / "references"
        self._most_bytes = most_bytes

    def get(self, key: str, device: torch.device) -> EncodedReference | None:
        """What was put under a key; None where nothing is, or only a damaged file."""
        if self._folder is None:
            return None
        path = self._folder / (key + _SUFFIX)
        try:
            tensors = load(path.read_bytes())
            found = _from_tensors({name: tensor.to(device) for name, tensor in tensors.items()})
            os.utime(path)  # the youngest are kept
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            _LOG.info("%s is not used: %s", path, error)
            return None
        return found

    def put(self, key: str, reference: EncodedReference) -> None:
        """Keep a reference under a key, where that is possible."""
        if self._folder is None:
            return
        named = _to_tensors(reference)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(self._folder / (key + _SUFFIX), lambda file: file.write(save(named)))
            self._tidy()
        except (OutputError, OSError) as error:
            _LOG.info("references are not kept: %s", error)

    def _tidy(self) -> None:
        """Remove the longest unused, and what a killed process left half written."""
        assert self._folder is not None
        files = []
        for path in self._folder.iterdir():
            try:
                known = path.stat()
            except FileNotFoundError:  # another process was faster
                continue
            files.append((known.st_mtime, known.st_size, path))
        size = sum(each[1] for each in files)
        for _, bytes_, path in sorted(files):
            if size <= self._most_bytes:
                break
            path.unlink(missing_ok=True)
            size -= bytes_


def cache_key(photo: str, encoder: str, *settings: object) -> str:
    """A name for a file: the same for the same marks of photo and encoder, and settings."""
    text = "\n".join([photo, encoder, *map(repr, settings)])
    return hashlib.sha256(text.encode()).hexdigest()


def _to_tensors(reference: EncodedReference) -> dict[str, Tensor]:
    named = {
        f"{part}.{number}": tensor.contiguous().cpu()
        for part, tensors in zip(("stages", "varied"), reference[:2], strict=True)
        for number, tensor in enumerate(tensors)
    }
    named["embedding"] = reference.embedding.contiguous().cpu()
    named["grid"] = torch.tensor(reference.grid)
    closer = _to_tensors(reference.closer) if reference.closer else {}
    return named | {_CLOSER + name: tensor for name, tensor in closer.items()}


def _from_tensors(tensors: dict[str, Tensor]) -> EncodedReference:
    """What `_to_tensors` gave.

    Raises:
        KeyError, ValueError: it cannot have given them.
    """
    stages, varied = (_numbered(tensors, part) for part in ("stages", "varied"))
    closer = {
        name.removeprefix(_CLOSER): tensor
        for name, tensor in tensors.items()
        if name.startswith(_CLOSER)
    }
    rows, columns = map(int, tensors["grid"])
    finer = _from_tensors(closer) if closer else None
    found = EncodedReference(stages, varied, tensors["embedding"], (rows, columns), finer)
    _check(found)
    return found


def _numbered(tensors: dict[str, Tensor], part: str) -> tuple[Tensor, ...]:
    count = sum(name.startswith(f"{part}.") for name in tensors)
    return tuple(tensors[f"{part}.{number}"] for number in range(count))


def _check(reference: EncodedReference) -> None:
    """Refuse what `put` cannot have written."""
    stages, varied = reference[:2]
    for part in (stages, varied):
        if len({tensor.shape[:2] for tensor in part}) != 1 or any(t.dim() != 3 for t in part):
            raise ValueError("stages do not fit each other")
    if [tensor.shape[1:] for tensor in stages] != [tensor.shape[1:] for tensor in varied]:
        raise ValueError("copies do not fit the photo")
