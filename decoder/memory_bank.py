"""Patches of good parts, and how far a patch is from the nearest of them.

The search multiplies unit vectors in chunks, so its peak memory is bounded and does not grow with
the number of references (the published code holds every pair of patches at full width).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from decoder.errors import DecoderError, EmptyMemoryBankError
from decoder.places import Grid, distances_in_place, found_in_place, place_weight

# The similarities that are alive at one time: 1 M values, 4 MB in single precision. More is not
# faster on a CPU: it no longer fits the cache.
SIMILARITY_BUDGET = 1024 * 1024
BANK_CHUNK = 2048

# Normal patches vary; their own distance is read where only the oddest 2 % lie beyond.
SELF_QUANTILE = 0.98

# Simulated copies of a part are read where the oddest 10 % of their patches lie beyond: that comes
# nearest to where the oddest 2 % of other real parts do, times this factor (mean of three products
# and three encoders; single ones lie between 0.9 and 1.3, with a deviation of 15 %).
COPIES_QUANTILE = 0.90
COPIES_TO_PARTS = 1.12

# A part that is its own copy would have distance 0; below this, differences are rounding.
MINIMUM_SELF_DISTANCE = 1e-3


@dataclass(frozen=True)
class Reference:
    """Patches of one good part.

    Attributes:
        stages: unit patch vectors per stage, each (N, C); rotated copies are simply more patches.
        own: how many of the patches, from the first on, are those of the photo as it is.
        varied: the same part in simulated other photos, per stage (M, C); not searched, they only
            tell how much a good part differs from itself. None when not known.
    """

    stages: tuple[Tensor, ...]
    own: int
    varied: tuple[Tensor, ...] | None


class MemoryBank:
    """Patch vectors of 1..k references, searched by cosine distance.

    Several threads may search one bank, also while another adds to it.

    Attributes:
        encoder: what encoded the references, so that nobody compares them with features of
            another encoder; None when nobody said. It is saved with them.
        bit_depth: how many bits the references' values have, so that photos are read alike; None
            where all have 8, or nobody said. It is saved with them.
    """

    def __init__(self, encoder: str | None = None) -> None:
        self.encoder = encoder
        self.bit_depth: int | None = None
        self._lock = threading.RLock()
        self._references: dict[str, Reference] = {}
        self._searched: tuple[Tensor, ...] | None = None
        self._scales: dict[Grid | None, Tensor] = {}
        self._place_weights: dict[Grid, float] = {}
        # A bank made by `without` measures with the scale of the whole.
        self._whole: MemoryBank | None = None

    def __len__(self) -> int:
        return len(self._references)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the references, in the order in which they came."""
        return tuple(self._references)

    def add(
        self,
        stages: Sequence[Tensor],
        *,
        name: str | None = None,
        foreground: Tensor | None = None,
        varied: Sequence[Tensor] | None = None,
    ) -> str:
        """Remember one good part.

        Args:
            stages: patch tokens per stage, each (V, P, C), any scale: V views (the photo, and
                rotated or mirrored copies of it) of P patches.
            name: how to refer to it later; by default a number.
            foreground: (V, P) or (P,) bool; False patches are left out.
            varied: tokens (M, P, C) per stage of simulated other photos of the same part.

        Returns:
            The name.

        Raises:
            DecoderError: the name is taken, or shapes do not fit each other or the bank.
        """
        views = _unit_stages(stages)
        keep = _keep_mask(foreground, views[0].shape[:2])
        kept = tuple(view[keep] for view in views)
        copies = None
        if varied is not None:
            units = _unit_stages(varied)
            if [u.shape[-1] for u in units] != [v.shape[-1] for v in views]:
                raise DecoderError("varied copies need the same stages and widths as the reference")
            copies = tuple(unit.flatten(0, 1) for unit in units)
        with self._lock:
            name = self._new_name(name)
            self._check_widths(views, "the reference")
            own = int(keep[0].sum()) or len(kept[0])
            self._references[name] = Reference(kept, own, copies)
            self._forget_derived()
        return name

    def remove(self, name: str) -> None:
        """Forget one reference.

        Raises:
            DecoderError: no reference has this name.
        """
        with self._lock:
            if name not in self._references:
                raise DecoderError(f"no reference is called {name!r}; there are {list(self.names)}")
            del self._references[name]
            self._forget_derived()

    @property
    def stands_alone(self) -> bool:
        """Whether a single reference has to tell how far good parts lie apart."""
        return len(self if self._whole is None else self._whole) == 1

    def without(self, name: str) -> MemoryBank:
        """The bank without one reference, to measure that one; its scale stays that of all.

        Raises:
            DecoderError: no reference has this name, or no other is left.
        """
        with self._lock:
            others = {other: r for other, r in self._references.items() if other != name}
            if len(others) == len(self._references) or not others:
                raise DecoderError(
                    f"no reference is left without {name!r}; there are {list(self.names)}"
                )
            whole = MemoryBank(self.encoder)
            # Scales found later are kept for all parts of the same whole.
            whole._references = dict(self._references)
            whole._scales, whole._place_weights = self._scales, self._place_weights
        bank = MemoryBank(self.encoder)
        bank._references, bank._whole = others, whole
        return bank

    def distances(self, stages: Sequence[Tensor], grid: Grid | None = None) -> Tensor:
        """Cosine distance of every patch to the nearest patch of any reference.

        Args:
            stages: patch tokens per stage, each (B, P, C), any scale.
            grid: patch rows and columns, to compare place by place where all references lie
                alike; None asks for the nearest patch anywhere.

        Returns:
            (S, B, P) in [0, 2], float32; one plane for each stage.

        Raises:
            EmptyMemoryBankError: no reference has been added; call `add` first.
            DecoderError: stages or widths differ from those of the references.
        """
        queries = _unit_stages(stages)
        with self._lock:
            self._require_references()
            self._check_widths(queries, "the query")
            references = list(self._references.values())
            if self._searched is None or self._searched[0].device != queries[0].device:
                self._searched = tuple(part.to(queries[0].device) for part in _join(references))
            searched = self._searched
            weight = self._place_weight(grid)
        return _compared(queries, searched, references, grid, weight)

    def self_distances(self, grid: Grid | None = None) -> Tensor:
        """How far apart patches of good parts lie among themselves, for each stage.

        The larger of two readings: every reference against all others, at the 98 % quantile of
        the patches, and varied copies of every reference against all, at the 90 % quantile and a
        little enlarged. The second stands alone for a single reference, and keeps the scale
        where it was when the same photo is given twice.

        Args:
            grid: as in `distances`, to which the scale belongs.

        Returns:
            (S,) float32, at least 0.001.

        Raises:
            EmptyMemoryBankError: no reference has been added.
            DecoderError: one reference only, and no varied copies of it.
        """
        with self._lock:
            if self._whole is not None:
                return self._whole.self_distances(grid)
            self._require_references()
            if grid not in self._scales:
                readings = self._leave_one_out(grid) + self._against_copies(grid)
                if not readings:
                    raise DecoderError(
                        "one reference without varied copies cannot tell how good parts differ; "
                        "add a second reference, or pass `varied`"
                    )
                largest = torch.stack(readings).amax(dim=0)
                self._scales[grid] = largest.clamp_min(MINIMUM_SELF_DISTANCE)
            return self._scales[grid]

    def _leave_one_out(self, grid: Grid | None) -> list[Tensor]:
        if len(self._references) < 2:
            return []
        weight = self._place_weight(grid)
        per_reference = []
        for name, reference in self._references.items():
            others = [r for other, r in self._references.items() if other != name]
            # The photo as it is: its turned copies would only ask the same once more.
            photo = [stage[: reference.own] for stage in reference.stages]
            per_reference.append(_compared_photos(photo, others, grid, weight))
        return [_quantiles(per_reference, SELF_QUANTILE)]

    def _against_copies(self, grid: Grid | None) -> list[Tensor]:
        everything = list(self._references.values())
        weight = self._place_weight(grid)
        per_reference = [
            _compared_photos(reference.varied, everything, grid, weight)
            for reference in everything
            if reference.varied is not None
        ]
        if not per_reference:
            return []
        return [_quantiles(per_reference, COPIES_QUANTILE) * COPIES_TO_PARTS]

    def _place_weight(self, grid: Grid | None) -> float:
        """How much the comparison by place counts: how alike the references lie."""
        if grid is None:
            return 0.0
        if self._whole is not None:
            return self._whole._place_weight(grid)
        if grid not in self._place_weights:
            self._place_weights[grid] = _place_weight(self._references, grid)
        return self._place_weights[grid]

    def save(self, path: Path) -> None:
        """Write all references to one safetensors file.

        Raises:
            DecoderError: the file cannot be written.
        """
        tensors: dict[str, Tensor] = {}
        for number, reference in enumerate(self._references.values()):
            for part in ("stages", "varied"):
                for stage, tensor in enumerate(getattr(reference, part) or ()):
                    tensors[f"{number}.{part}.{stage}"] = tensor.contiguous().cpu()
        metadata = {"content": "memory bank", "encoder": self.encoder or ""}
        metadata["bit_depth"] = str(self.bit_depth or "")
        for number, (name, reference) in enumerate(self._references.items()):
            metadata |= {f"name.{number}": name, f"own.{number}": str(reference.own)}
        try:
            save_file(tensors, path, metadata=metadata)
        except (SafetensorError, OSError) as error:
            raise DecoderError(
                f"{path} cannot be written: {error}; check that its folder is there and has space"
            ) from error

    @classmethod
    def load(cls, path: Path, device: torch.device | str = "cpu") -> MemoryBank:
        """Read what `save` wrote.

        Raises:
            DecoderError: the file is damaged or holds something else.
        """
        try:
            with safe_open(path, framework="pt", device=str(device)) as file:
                metadata = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise DecoderError(f"{path} cannot be read as a memory bank: {error}") from error
        if metadata.get("content") != "memory bank":
            raise DecoderError(f"{path} is not a memory bank; `MemoryBank.save` writes one")
        bank = cls(metadata.get("encoder") or None)
        bank.bit_depth = int(metadata.get("bit_depth") or 0) or None
        try:
            for number in range(sum(key.startswith("name.") for key in metadata)):
                stages, varied = (
                    _numbered(tensors, f"{number}.{part}.") for part in ("stages", "varied")
                )
                name = metadata[f"name.{number}"]
                own = int(metadata[f"own.{number}"])
                bank._references[name] = _checked(Reference(stages, own, varied or None))
                bank._check_widths(stages, f"reference {name!r}")
        except (KeyError, ValueError) as error:
            raise DecoderError(f"{path} is not a complete memory bank: {error}") from error
        return bank

    def _new_name(self, name: str | None) -> str:
        if name is None:
            number = len(self._references)
            while str(number) in self._references:
                number += 1
            return str(number)
        if name in self._references:
            raise DecoderError(f"a reference called {name!r} is there already; remove it first")
        return name

    def _require_references(self) -> None:
        if not self._references:
            raise EmptyMemoryBankError(
                "the memory bank is empty; call `add` with a good part first"
            )

    def _check_widths(self, stages: Sequence[Tensor], what: str) -> None:
        if not self._references:
            return
        expected = [s.shape[-1] for s in next(iter(self._references.values())).stages]
        found = [s.shape[-1] for s in stages]
        if found != expected:
            raise DecoderError(
                f"{what} has stage widths {found}, the memory bank holds {expected}; "
                "encode both with the same encoder"
            )

    def _forget_derived(self) -> None:
        self._searched = None
        self._scales, self._place_weights = {}, {}
        self._whole = None


def _unit_stages(stages: Sequence[Tensor]) -> list[Tensor]:
    if not stages or any(stage.dim() != 3 for stage in stages):
        raise DecoderError(
            "expected patch tokens (B, P, C) per stage, got shapes "
            f"{[tuple(stage.shape) for stage in stages]}"
        )
    if len({stage.shape[:2] for stage in stages}) > 1:
        raise DecoderError(
            "all stages need the same photos and patches, got shapes "
            f"{[tuple(stage.shape) for stage in stages]}"
        )
    return [F.normalize(stage.float(), dim=-1) for stage in stages]


def _keep_mask(foreground: Tensor | None, views_and_patches: torch.Size) -> Tensor:
    if foreground is None:
        return torch.ones(views_and_patches, dtype=torch.bool)
    if tuple(foreground.shape) not in (tuple(views_and_patches), tuple(views_and_patches[1:])):
        raise DecoderError(
            f"foreground has shape {tuple(foreground.shape)}, the reference has "
            f"{tuple(views_and_patches)} (views, patches)"
        )
    keep = foreground.bool().expand(views_and_patches)
    if not keep.any():
        raise DecoderError("foreground leaves no patch of the reference; check the mask")
    return keep


def _join(references: Sequence[Reference]) -> tuple[Tensor, ...]:
    if len(references) == 1:
        return references[0].stages
    return tuple(torch.cat(stage) for stage in zip(*(r.stages for r in references), strict=True))


def _nearest(query: Tensor, bank: Tensor) -> Tensor:
    """1 - best cosine similarity. query (..., C) and bank (N, C) of unit length -> (...)."""
    flat = query.reshape(-1, query.shape[-1])
    best = flat.new_full((len(flat),), -1.0)
    columns = min(len(bank), BANK_CHUNK)
    rows = max(1, min(len(flat), SIMILARITY_BUDGET // columns))
    # One buffer for all chunks: fresh memory for each costs more than the multiplication.
    buffer = flat.new_empty(rows * columns)
    for row in range(0, len(flat), rows):
        part, best_part = flat[row : row + rows], best[row : row + rows]
        for chunk in bank.split(columns):
            similarity = buffer[: len(part) * len(chunk)].view(len(part), len(chunk))
            torch.mm(part, chunk.T, out=similarity)
            torch.maximum(best_part, similarity.amax(dim=1), out=best_part)
    # Rounding can lift the cosine of a patch with itself above 1.
    return (1.0 - best).clamp_(0.0, 2.0).view(query.shape[:-1])


def _compared(
    queries: Sequence[Tensor],
    searched: Sequence[Tensor],
    references: Sequence[Reference],
    grid: Grid | None,
    weight: float,
) -> Tensor:
    """(S, B, P): stages (B, P, C) against all patches, by place as far as `weight` says."""
    anywhere = [_nearest(query, bank) for query, bank in zip(queries, searched, strict=True)]
    if grid is None or not weight or queries[0].shape[1] != grid[0] * grid[1]:
        return torch.stack(anywhere)
    in_place = _in_place(queries, references, grid)
    return torch.lerp(torch.stack(anywhere), torch.stack(in_place), weight)


def _compared_photos(
    stages: Sequence[Tensor], references: Sequence[Reference], grid: Grid | None, weight: float
) -> Tensor:
    """(S, N): patches (N, C) per stage of one or several whole photos, as `_compared`."""
    patches, cells = len(stages[0]), grid[0] * grid[1] if grid else 0
    photos = patches // cells if cells and patches % cells == 0 else 1
    queries = [stage.unflatten(0, (photos, -1)) for stage in stages]
    return _compared(queries, _join(references), references, grid, weight).flatten(1)


def _in_place(
    queries: Sequence[Tensor], references: Sequence[Reference], grid: Grid
) -> list[Tensor]:
    """Per stage (B, P): distance to the same place of whole references."""
    cells = grid[0] * grid[1]
    found = []
    for stage, query in enumerate(queries):
        known = torch.stack([reference.stages[stage][:cells] for reference in references])
        found.append(distances_in_place(query, known.to(query.device), grid))
    return found


def _place_weight(references: Mapping[str, Reference], grid: Grid) -> float:
    """How alike the references lie, each against all others; 0 where nobody can tell.

    A single reference does not tell, and one with patches left out does not say what lies where.
    """
    cells = grid[0] * grid[1]
    if len(references) < 2 or any(r.own != cells for r in references.values()):
        return 0.0
    shares = []
    for name, reference in references.items():
        others = [r for other, r in references.items() if other != name]
        photo = [stage[:cells].unsqueeze(0) for stage in reference.stages]
        anywhere = [_nearest(*pair) for pair in zip(photo, _join(others), strict=True)]
        shares.append(found_in_place(anywhere, _in_place(photo, others, grid)))
    return place_weight(torch.stack(shares).mean())


def _quantiles(per_reference: Sequence[Tensor], share: float) -> Tensor:
    """(S,): the quantile of each stage over the patches of all references, (S, N) each."""
    return torch.stack(
        [_upper_quantile(stage, share) for stage in torch.cat(list(per_reference), dim=1)]
    )


def _upper_quantile(values: Tensor, share: float) -> Tensor:
    # torch.quantile refuses more than 16 M values; kthvalue does not.
    return values.kthvalue(max(1, round(share * values.numel()))).values


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
