"""Reads the weights in a TorchScript archive, the form in which OpenAI publishes CLIP.

The program in the archive is not loaded, and nothing of it is run: only the tensors of its modules
are read, under the names that they have in a state dict.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from anomalygpt.checkpoints.readers import damaged
from anomalygpt.errors import CheckpointError

_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class _Module:
    """A module of the program: its attributes, and nothing that can be called."""


class _Place(NamedTuple):
    """Where the values of a tensor lie in the archive."""

    key: str
    dtype: torch.dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def is_torchscript(path: Path) -> bool:
    """Whether a file is an archive that `torch.jit.save` wrote."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.split("/")[1:] == ["constants.pkl"] for name in archive.namelist())


class TorchScriptFile:
    """One archive: `Weights`, see `readers`."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            CheckpointError: the file is damaged, or holds something that could run code.
        """
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
            names = self._archive.namelist()
            self._root = next(name for name in names if name.split("/")[1:] == ["data.pkl"])
            with self._archive.open(self._root) as file:
                program = _Unpickler(file).load()
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from error
        # A damaged pickle can fail anywhere inside the unpickler.
        except Exception as error:
            raise damaged(path, error) from error
        self._places = dict(_tensors(program, ""))
        self.shapes = {name: place.shape for name, place in self._places.items()}
        self.dtypes = {name: place.dtype for name, place in self._places.items()}

    def tensor(self, name: str) -> Tensor:
        """The values on the CPU, a copy.

        Raises:
            CheckpointError: the archive is damaged.
        """
        place = self._places[name]
        folder = self._root.removesuffix("data.pkl")
        try:
            stored = bytearray(self._archive.read(f"{folder}data/{place.key}"))
            flat = torch.frombuffer(stored, dtype=place.dtype)
            return flat.as_strided(place.shape, place.strides, place.offset)
        except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            raise damaged(self.path, error) from error


class _Unpickler(pickle.Unpickler):
    """Knows the few names that describe modules and tensors, and refuses all others."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _place
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if module == "torch.jit._pickle":
            return _no_tensor
        raise CheckpointError(
            f"the archive names {module}.{name}, which could run code; nothing was run; get the "
            "weights as plain tensors (safetensors or a state dict)"
        )

    def persistent_load(self, pid: Any) -> tuple[str, torch.dtype]:
        kind, dtype, key, _, _ = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or "/" in str(key):
            raise CheckpointError("the archive names values that are no tensors")
        return str(key), dtype


def _place(
    storage: tuple[str, torch.dtype],
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *_: object,
) -> _Place:
    return _Place(*storage, offset, tuple(shape), tuple(strides))


def _no_tensor(*_: object) -> None:
    """Lists of numbers among the attributes, which are no weights."""


def _tensors(module: Any, prefix: str) -> Iterator[tuple[str, _Place]]:
    for name, value in vars(module).items():
        if isinstance(value, _Place):
            yield prefix + name, value
        elif isinstance(value, _Module):
            yield from _tensors(value, f"{prefix}{name}.")
