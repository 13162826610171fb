"""Puts a weight file into a module, and accounts for every tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from anomalygpt.checkpoints.published import compare
from anomalygpt.checkpoints.readers import Weights, open_weights
from anomalygpt.checkpoints.report import LoadReport
from anomalygpt.errors import CheckpointError

Rename = Callable[[str], str] | Mapping[str, str]


def load_module(
    module: nn.Module,
    path: Path | Weights,
    *,
    rename: Rename | None = None,
    skip: Callable[[str], str | None] | None = None,
    allow_unknown: bool = False,
    dtype: torch.dtype | None = None,
) -> LoadReport:
    """Load all parameters and persistent buffers of a module from a file.

    The module is changed only when everything fits. Parameters on the meta device are created on
    the CPU; others keep their device.

    Args:
        module: where the weights go.
        path: a .safetensors, .pth, .pt or .bin file, an index of shards, or `folder/stem`; or one
            that is open already.
        rename: name in the file → name in the module; a mapping leaves other names as they are.
        skip: the reason to leave out a name of the file on purpose, or None.
        allow_unknown: leave out names that the module does not have; they stay in the report.
        dtype: number format of the loaded weights; None keeps the module's.

    Raises:
        SourceError: the file is not there.
        CheckpointError: the file is damaged, or tensors are missing, misshaped or unknown.
    """
    weights = open_weights(path) if isinstance(path, Path) else path
    path = weights.path
    sources = _renamed(weights, rename, skip)
    state = module.state_dict()
    found = {name: weights.shapes[source] for name, source in sources.items()}
    expected = {name: tuple(value.shape) for name, value in state.items()}
    report = compare(found, expected, skip)
    report.raise_if_bad(path, allow_unknown)
    for name in report.loaded:
        source = sources[name]
        if weights.dtypes[source].is_floating_point != state[name].is_floating_point():
            raise CheckpointError(
                f"{path}: {source} holds {weights.dtypes[source]}, the model needs "
                f"{state[name].dtype}; check that this is the file for this model"
            )
    for name in report.loaded:
        _place(module, name, state[name], weights.tensor(sources[name]), dtype)
    return report


def _renamed(
    weights: Weights, rename: Rename | None, skip: Callable[[str], str | None] | None
) -> dict[str, str]:
    """Name in the module → name in the file."""
    sources: dict[str, str] = {}
    for source in weights.shapes:
        if rename is None or (skip is not None and skip(source)):
            name = source
        elif isinstance(rename, Mapping):
            name = rename.get(source, source)
        else:
            name = rename(source)
        if name in sources:
            raise CheckpointError(f"{weights.path}: {source} and {sources[name]} are both {name}")
        sources[name] = source
    return sources


def _place(
    module: nn.Module, name: str, target: Tensor, values: Tensor, dtype: torch.dtype | None
) -> None:
    """Copy into the tensor that is there, or put a new one where the device or format changes."""
    wanted = dtype if dtype is not None and target.is_floating_point() else target.dtype
    if not target.is_meta and target.dtype == wanted:
        with torch.no_grad():
            target.copy_(values)
        return
    device = torch.device("cpu") if target.is_meta else target.device
    values = values.to(device=device, dtype=wanted, copy=True)
    owner_name, _, leaf = name.rpartition(".")
    owner = module.get_submodule(owner_name)
    former = getattr(owner, leaf)
    if isinstance(former, nn.Parameter):
        values = nn.Parameter(values, requires_grad=former.requires_grad)
    setattr(owner, leaf, values)
