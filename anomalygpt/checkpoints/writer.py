"""Writes safetensors shard by shard, so that a model need not fit into memory.

Nothing half-written is ever left under the final name: files are written beside their place and
moved there at the end.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from anomalygpt.checkpoints.readers import INDEX_SUFFIX, byte_count
from anomalygpt.errors import CheckpointError, ConfigError, OutputError
from anomalygpt.files import share_with_readers, staged_folder

MAX_SHARD_SIZE = 2 * 1024**3
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
# Seconds before a progress bar appears; small models are done sooner.
BAR_DELAY = 2.0


@dataclass(frozen=True)
class Entry:
    """A tensor to write: its place in the file is known before its values are read."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[], Tensor]

    @property
    def size(self) -> int:
        return byte_count(self.shape, self.dtype)


def parse_dtype(name: str) -> torch.dtype:
    """The number format with this name.

    Raises:
        ConfigError: the name is not "float16", "bfloat16" or "float32".
    """
    if name not in DTYPES:
        raise ConfigError(f"dtype is one of {', '.join(DTYPES)}; got {name!r}")
    return DTYPES[name]


def cast(name: str, tensor: Tensor, dtype: torch.dtype, infinite: bool = False) -> Tensor:
    """A copy in another number format, checked for values that would silently turn wrong.

    Args:
        name: of the tensor, for messages.
        tensor: values to copy; they may lie in a mapped file.
        dtype: format of the copy.
        infinite: infinities are meant, as in an attention mask.

    Raises:
        CheckpointError: a value is no number, or is too large for `dtype`.
    """
    if tensor.numel() and tensor.is_floating_point():
        low, high = (bound.item() for bound in torch.aminmax(tensor))
        largest = max(abs(low), abs(high))
        if low != low or (largest == float("inf") and not infinite):
            raise CheckpointError(f"{name} holds values that are not numbers; download it again")
        if torch.finfo(dtype).max < largest < float("inf"):
            raise CheckpointError(
                f"{name} reaches {largest:.3g}, beyond {str(dtype).removeprefix('torch.')}; "
                "choose bfloat16 or float32"
            )
    return tensor.to(dtype, copy=True, memory_format=torch.contiguous_format)


def write_shards(
    entries: Sequence[Entry],
    folder: Path,
    stem: str,
    max_shard_size: int = MAX_SHARD_SIZE,
    bar: tqdm | None = None,
) -> list[Path]:
    """Write tensors as `stem.safetensors`, or as shards with an index.

    Only the tensors of one shard are in memory at a time.

    Args:
        entries: what to write, in this order.
        folder: an existing folder.
        stem: name of the files without their ending.
        max_shard_size: bytes of a shard; a larger tensor gets a shard of its own.
        bar: progress in bytes.

    Returns:
        The files, the index last.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    groups = _group(entries, max_shard_size)
    if len(groups) == 1:
        path = folder / f"{stem}.safetensors"
        _write_file(groups[0], path, bar)
        return [path]
    paths = []
    weight_map: dict[str, str] = {}
    for number, group in enumerate(groups, start=1):
        path = folder / f"{stem}-{number:05d}-of-{len(groups):05d}.safetensors"
        _write_file(group, path, bar)
        paths.append(path)
        weight_map |= dict.fromkeys((entry.name for entry in group), path.name)
    index = folder / f"{stem}.safetensors{INDEX_SUFFIX}"
    total = sum(entry.size for entry in entries)
    write_json(index, {"metadata": {"total_size": total}, "weight_map": weight_map})
    return [*paths, index]


def write_json(path: Path, values: object) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _group(entries: Iterable[Entry], max_shard_size: int) -> list[list[Entry]]:
    groups: list[list[Entry]] = [[]]
    room = max_shard_size
    for entry in entries:
        if entry.size > room and groups[-1]:
            groups.append([])
            room = max_shard_size
        groups[-1].append(entry)
        room -= entry.size
    return groups


def _write_file(entries: Iterable[Entry], path: Path, bar: tqdm | None) -> None:
    tensors = {}
    for entry in entries:
        tensors[entry.name] = entry.read()
        if bar is not None:
            bar.update(entry.size)
    try:
        save_file(tensors, path, metadata={"format": "pt"})
    except SafetensorError as error:
        found = re.search(r"os error (\d+)", str(error))
        number = int(found[1]) if found else errno.EIO
        raise OSError(number, os.strerror(number), str(path)) from error
    share_with_readers(path.parent)


def save_module(
    module_or_state: nn.Module | Mapping[str, Tensor],
    path: Path,
    max_shard_size: int = MAX_SHARD_SIZE,
) -> list[Path]:
    """Write a module's state, replacing what an earlier call wrote under the same name.

    Args:
        module_or_state: a module, or its tensors by name.
        path: `folder/stem.safetensors`; larger states become shards beside it with an index.
        max_shard_size: bytes of a shard.

    Returns:
        The files written.

    Raises:
        OutputError: the disk is full or cannot be written; the former files are still there.
    """
    if path.suffix != ".safetensors":
        raise OutputError(f"weights are written as .safetensors, got {path.name}")
    state = module_or_state
    if isinstance(state, nn.Module):
        state = state.state_dict()
    entries = [
        Entry(name, tuple(value.shape), value.dtype, partial(_on_cpu, value))
        for name, value in state.items()
    ]
    former = set(_files_of(path))
    with staged_folder(path, sum(entry.size for entry in entries), files=True) as staging:
        written = write_shards(entries, staging, path.stem, max_shard_size)
        # The index comes last: readers see either the old state or the new one.
        final = [file.replace(path.parent / file.name) for file in written]
        for file in former - set(final):
            file.unlink()
    return final


def _on_cpu(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def _files_of(path: Path) -> Iterator[Path]:
    index = path.with_name(path.name + INDEX_SUFFIX)
    shards = re.compile(re.escape(path.stem) + r"-\d{5}-of-\d{5}\.safetensors")
    if path.parent.is_dir():
        for file in path.parent.iterdir():
            if file in (path, index) or shards.fullmatch(file.name):
                yield file


def progress_bar(total: int, shown: bool) -> tqdm:
    """Progress over bytes with an estimate of the rest, on stderr, once it takes a while."""
    return tqdm(
        total=total,
        desc="converting",
        unit="B",
        unit_scale=True,
        delay=BAR_DELAY,
        disable=not shown,
        file=sys.stderr,
    )
