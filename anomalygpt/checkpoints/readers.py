"""Reads weight files tensor by tensor: safetensors, torch files, and shards with an index.

Nothing in a file is ever executed: torch files are read with `weights_only=True`. Files are
mapped into memory, so that opening them costs no more than their headers.
"""

from __future__ import annotations

import json
import math
import pickle
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from anomalygpt.checkpoints.report import elide
from anomalygpt.errors import CheckpointError, SourceError

INDEX_SUFFIX = ".index.json"
# In the order of preference; `{stem}` is "model", "pytorch_model", "encoder" and so on.
FILE_PATTERNS = (
    "{stem}.safetensors",
    "{stem}.safetensors.index.json",
    "{stem}.bin",
    "{stem}.bin.index.json",
    "{stem}.pth",
    "{stem}.pt",
)
# Keys under which training programs nest the weights.
NESTING_KEYS = ("state_dict", "model", "module", "prompt_learner")

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class Weights(Protocol):
    """Named tensors on disk: shapes at once, values on demand."""

    path: Path
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, torch.dtype]

    def tensor(self, name: str) -> Tensor:
        """The values on the CPU. They may lie in the mapped file: do not write to them."""


class SafetensorsFile:
    """One `.safetensors` file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = safe_open(path, framework="pt", device="cpu")
            slices = {name: self._file.get_slice(name) for name in self._file.keys()}  # noqa: SIM118
            self.shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            formats = {name: part.get_dtype() for name, part in slices.items()}
        except (SafetensorError, OSError) as error:
            raise damaged(path, error) from error
        if unknown := sorted(set(formats.values()) - set(DTYPES)):
            raise CheckpointError(
                f"{path} holds numbers of the format {elide(unknown)}; "
                f"readable are {elide(sorted(DTYPES), len(DTYPES))}"
            )
        self.dtypes = {name: DTYPES[number_format] for name, number_format in formats.items()}

    def tensor(self, name: str) -> Tensor:
        try:
            return self._file.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise damaged(self.path, error) from error


class TorchFile:
    """One file of `torch.save`; the old format without zip is read as a whole."""

    def __init__(self, path: Path, mapped: bool) -> None:
        self.path = path
        self._tensors = unnest(load_torch(path, mapped), path)
        self.shapes = {name: tuple(value.shape) for name, value in self._tensors.items()}
        self.dtypes = {name: value.dtype for name, value in self._tensors.items()}

    def tensor(self, name: str) -> Tensor:
        return self._tensors[name]


class ShardedFiles:
    """Several files and the index that says which tensor is where."""

    def __init__(self, index: Path) -> None:
        self.path = index
        weight_map = read_json(index).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise CheckpointError(f"{index} has no 'weight_map'; download this file again")
        self._shard_of: dict[str, Weights] = {}
        for file_name in sorted(set(weight_map.values())):
            shard = _open_shard(index, file_name)
            promised = {name for name, place in weight_map.items() if place == file_name}
            if lacking := sorted(promised - set(shard.shapes)):
                raise CheckpointError(
                    f"{shard.path} lacks {elide(lacking)}, which {index.name} promises; "
                    "download both files again from one place"
                )
            if doubled := sorted(set(shard.shapes) & set(self._shard_of)):
                raise CheckpointError(f"{shard.path} repeats {elide(doubled)} of another shard")
            self._shard_of |= dict.fromkeys(shard.shapes, shard)
        self.shapes = {name: shard.shapes[name] for name, shard in self._shard_of.items()}
        self.dtypes = {name: shard.dtypes[name] for name, shard in self._shard_of.items()}

    def tensor(self, name: str) -> Tensor:
        return self._shard_of[name].tensor(name)


def _open_shard(index: Path, file_name: object) -> Weights:
    # An index may come from a stranger: it must not point outside its own folder.
    if not isinstance(file_name, str) or Path(file_name).name != file_name:
        raise CheckpointError(f"{index} names {file_name!r}, which is not a file beside it")
    path = index.parent / file_name
    if not path.is_file():
        raise CheckpointError(f"{path} is missing, {index.name} names it; download it to there")
    return open_file(path)


class TensorRef(NamedTuple):
    """One tensor of an open file."""

    weights: Weights
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        return self.weights.shapes[self.name]

    @property
    def dtype(self) -> torch.dtype:
        return self.weights.dtypes[self.name]

    def read(self) -> Tensor:
        return self.weights.tensor(self.name)


def open_weights(path: Path) -> Weights:
    """Open a weight file, an index of shards, or `folder/stem` of either.

    Args:
        path: `encoder.safetensors`, `pytorch_model.bin.index.json`, or `folder/encoder` for
            whichever of the known endings lies there.

    Raises:
        SourceError: there is no such file.
        CheckpointError: the file is damaged or is no weight file.
    """
    if path.is_file():
        return ShardedFiles(path) if path.name.endswith(INDEX_SUFFIX) else open_file(path)
    if path.is_dir():
        raise SourceError(f"{path} is a folder; give the weight file in it")
    # "weights/encoder.safetensors" may also have been written in shards.
    stem = path.name.removesuffix(".safetensors")
    if found := find_weights(path.parent, stem):
        return ShardedFiles(found) if found.name.endswith(INDEX_SUFFIX) else open_file(found)
    raise SourceError(f"{path} does not exist, neither as one file nor in shards with an index")


def find_weights(folder: Path, *stems: str) -> Path | None:
    """The weight file or shard index with one of these stems, or None."""
    names = [pattern.format(stem=stem) for stem in stems for pattern in FILE_PATTERNS]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def open_file(path: Path) -> Weights:
    """Open one weight file by what it holds, whatever it is called.

    Raises:
        CheckpointError: the file is damaged or is no weight file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    if size == 0:
        raise CheckpointError(f"{path} is empty (0 bytes); download it again")
    if head.startswith(b"version https://git-lfs"):
        raise CheckpointError(
            f"{path} is a git-lfs pointer, not the weights; run `git lfs pull` in its folder or "
            "download the file itself"
        )
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise CheckpointError(
            f"{path} is a web page, not weights: the download failed; download it again"
        )
    # First, because the length it begins with may look like the mark of a pickle or an archive.
    if size >= 8 and struct.unpack("<Q", head[:8])[0] < 2**32 and head[8:9] in (b"{", b""):
        return SafetensorsFile(path)
    if head.startswith(b"PK"):
        return TorchFile(path, mapped=True)
    if head.startswith(b"\x80"):
        return TorchFile(path, mapped=False)
    raise CheckpointError(
        f"{path} is neither a safetensors nor a torch file ({size:,} bytes); download it again"
    )


def load_torch(path: Path, mapped: bool) -> Any:
    """`torch.load` that runs no code from the file.

    Raises:
        CheckpointError: the file is damaged, or holds more than tensors.
    """
    try:
        if mapped:
            # Says plainly that the end is cut off; torch alone reports "Invalid argument".
            zipfile.ZipFile(path).close()
        with warnings.catch_warnings():
            # A foreign pickle ends in our one line; torch's remark on it would be a second.
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            return torch.load(path, map_location="cpu", mmap=mapped, weights_only=True)
    except pickle.UnpicklingError as error:
        if "operand" in str(error):
            raise damaged(path, ValueError("no pickle as torch.save writes it")) from error
        raise CheckpointError(
            f"{path} holds Python objects besides tensors, which could run code; nothing was "
            "run; get the weights as plain tensors (safetensors or a state dict)"
        ) from error
    # A damaged pickle can fail anywhere inside the unpickler.
    except Exception as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> CheckpointError:
    """The one-line error for a file that cannot be decoded."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
    return CheckpointError(f"{path} is damaged or incomplete ({reason}); download it again")


def unnest(content: Any, path: Path) -> dict[str, Tensor]:
    """The tensors by name, taken out of the `state_dict` that trainers wrap around them.

    Raises:
        CheckpointError: there is something else than tensors.
    """
    if isinstance(content, Mapping):
        for key in NESTING_KEYS:
            if isinstance(content.get(key), Mapping):
                content = content[key]
                break
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, expected tensors by name (a state dict)"
        )
    if foreign := [name for name, value in content.items() if not isinstance(value, Tensor)]:
        raise CheckpointError(f"{path} holds entries that are not tensors: {elide(foreign)}")
    return {str(name): value for name, value in content.items()}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        SourceError: the file is not there.
        CheckpointError: the file is not a JSON object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"{path} is missing; download it to there") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON; download it again") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} is not a JSON object; download it again")
    return values


def byte_count(shape: tuple[int, ...], dtype: torch.dtype) -> int:
    """Bytes of a dense tensor."""
    return math.prod(shape) * dtype.itemsize
