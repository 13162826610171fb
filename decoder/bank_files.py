"""References of a memory bank in one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from decoder.errors import DecoderError
from decoder.search import Reference

_CONTENT = "memory bank"
# Before the names of what a closer look gave.
_CLOSER = "closer."


def save_references(
    path: Path,
    references: Mapping[str, Reference],
    closer: Mapping[str, Reference],
    metadata: Mapping[str, str],
) -> None:
    """Write references by name, those looked at closely too, and what else is to be known of them.

    Raises:
        DecoderError: the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    known = {"content": _CONTENT, **metadata}
    for prefix, level in (("", references), (_CLOSER, closer)):
        for number, (name, reference) in enumerate(level.items()):
            key = f"{prefix}{number}"
            for part in ("stages", "varied"):
                for stage, tensor in enumerate(getattr(reference, part) or ()):
                    tensors[f"{key}.{part}.{stage}"] = tensor.contiguous().cpu()
            if reference.embedding is not None:
                tensors[f"{key}.embedding"] = reference.embedding.contiguous().cpu()
            known[f"{prefix}name.{number}"] = name
            known[f"{prefix}own.{number}"] = str(reference.own)
            known[f"{prefix}marks.{number}"] = " ".join(sorted(reference.marks))
            known[f"{prefix}grid.{number}"] = " ".join(map(str, reference.grid or ()))
    try:
        save_file(tensors, path, metadata=known)
    except (SafetensorError, OSError) as error:
        raise DecoderError(
            f"{path} cannot be written: {error}; check that its folder is there and has space"
        ) from error


def load_references(
    path: Path, device: torch.device | str
) -> tuple[dict[str, Reference], dict[str, Reference], dict[str, str]]:
    """Read what `save_references` wrote: references by name, those looked at closely, the metadata.

    Raises:
        DecoderError: the file is damaged or holds something else.
    """
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise DecoderError(f"{path} cannot be read as a memory bank: {error}") from error
    if metadata.get("content") != _CONTENT:
        raise DecoderError(f"{path} is not a memory bank; `MemoryBank.save` writes one")
    try:
        references, closer = (_level(tensors, metadata, prefix) for prefix in ("", _CLOSER))
    except (KeyError, ValueError) as error:
        raise DecoderError(f"{path} is not a complete memory bank: {error}") from error
    return references, closer, metadata


def _level(
    tensors: dict[str, Tensor], metadata: Mapping[str, str], prefix: str
) -> dict[str, Reference]:
    """References by name, of those whose keys begin so."""
    references: dict[str, Reference] = {}
    for number in range(sum(key.startswith(f"{prefix}name.") for key in metadata)):
        key = f"{prefix}{number}"
        stages, varied = (_numbered(tensors, f"{key}.{part}.") for part in ("stages", "varied"))
        own = int(metadata[f"{prefix}own.{number}"])
        marks = frozenset(metadata.get(f"{prefix}marks.{number}", "").split())
        sides = [int(side) for side in metadata.get(f"{prefix}grid.{number}", "").split()]
        grid = (sides[0], sides[1]) if len(sides) == 2 else None
        references[metadata[f"{prefix}name.{number}"]] = _checked(
            Reference(stages, own, varied or None, marks, tensors.get(f"{key}.embedding"), grid)
        )
    return references


def _checked(reference: Reference) -> Reference:
    """A reference as a file gives it, if it is one that `add` could have made."""
    widths = [stage.shape[-1:] for stage in reference.stages]
    copies = widths if reference.varied is None else [v.shape[-1:] for v in reference.varied]
    tensors = reference.stages + (reference.varied or ())
    if not widths or copies != widths or any(t.dim() != 2 or not len(t) for t in tensors):
        raise DecoderError(f"stages have shapes {[tuple(tensor.shape) for tensor in tensors]}")
    return reference


def _numbered(tensors: dict[str, Tensor], prefix: str) -> tuple[Tensor, ...]:
    count = sum(key.startswith(prefix) for key in tensors)
    return tuple(tensors[f"{prefix}{index}"] for index in range(count))
