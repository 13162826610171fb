"""Patches of good parts, and how far a patch is from the nearest of them."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from decoder.bank_files import load_references, save_references
from decoder.errors import DecoderError, EmptyMemoryBankError
from decoder.limits import Limit
from decoder.peers import Peers
from decoder.places import Grid
from decoder.search import Reference, anywhere, in_place, join, unit_stages
from decoder.spread import Spread


class MemoryBank:
    """Patch vectors of 1..k references, searched by cosine distance.

    Several threads may search one bank, also while another adds to it.

    Attributes:
        encoder: what encoded the references, so that nobody compares them with features of
            another encoder; None when nobody said. It is saved with them.
        fixed_pose: True when parts are known to lie alike, which one reference cannot tell: they
            are then compared place by place. Copies that are given as `varied` must lie alike too.
        bit_depth: how many bits the references' values have, so that photos are read alike; None
            where all have 8, or nobody said. It is saved with them.
        detail: how closely references, and photos that are compared with them, are looked at; it
            means nothing here, and is saved with them.
        factor: what distances of whole maps are multiplied by, because somebody knows better than
            the references how good parts vary; another reference sets it back to 1. It is saved
            with them.
        closer: the same references looked at closely, on a finer grid; None where they were not.
        limit: from which score on a part of this product is called anomalous, measured on good
            parts with these references; another reference sets it back to None. It is not saved.
        ignored: (h, w) bool over the square of the map, True where nothing counts; None where all
            does. It is not saved.
        peers: photos of a run that are compared with each other because there is no reference;
            another reference sets it back to None. They are not saved.
    """

    def __init__(self, encoder: str | None = None, *, fixed_pose: bool = False) -> None:
        self.encoder = encoder
        self.fixed_pose = fixed_pose
        self.bit_depth: int | None = None
        self.detail: int | str = "whole"
        self.factor = 1.0
        self.closer: MemoryBank | None = None
        self.limit: Limit | None = None
        self.ignored: Tensor | None = None
        self.peers: Peers | None = None
        self._lock = threading.RLock()
        self._references: dict[str, Reference] = {}
        self._searched: tuple[Tensor, ...] | None = None
        # A bank made by `without` measures with the spread of the whole.
        self._spread: Spread | None = None
        # How many references, the first ones, tell the scale; None for all.
        self._basis: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the lock, which belongs to one process."""
        with self._lock:
            return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._references)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the references, in the order in which they came."""
        return tuple(self._references)

    @property
    def marks(self) -> tuple[frozenset[str], ...]:
        """The marks that the references were added with, in the order in which they came."""
        return tuple(reference.marks for reference in self._references.values())

    def add(
        self,
        stages: Sequence[Tensor],
        *,
        name: str | None = None,
        foreground: Tensor | None = None,
        varied: Sequence[Tensor] | None = None,
        marks: Collection[str] = (),
        embedding: Tensor | None = None,
        grid: Grid | None = None,
    ) -> str:
        """Remember one good part.

        Args:
            stages: patch tokens per stage, each (V, P, C), any scale: V views (the photo, and
                rotated or mirrored copies of it) of P patches.
            name: how to refer to it later; by default a number.
            foreground: (V, P) or (P,) bool; False patches are left out.
            varied: tokens (M, P, C) per stage of simulated other photos of the same part.
            marks: by which the photo is known again, see `with_mark`; they mean nothing here.
            embedding: (D,), the photo as a whole, for `likeness`.
            grid: rows and columns of the patches; None takes any that has as many of them.

        Returns:
            The name.

        Raises:
            DecoderError: the name is taken, or shapes do not fit each other or the bank.
        """
        views = unit_stages(stages)
        keep = _keep_mask(foreground, views[0].shape[:2])
        kept = tuple(view[keep] for view in views)
        copies = None
        if varied is not None:
            units = unit_stages(varied)
            if [u.shape[-1] for u in units] != [v.shape[-1] for v in views]:
                raise DecoderError("varied copies need the same stages and widths as the reference")
            copies = tuple(unit.flatten(0, 1) for unit in units)
        with self._lock:
            name = self._new_name(name)
            self._check_widths(views, "the reference")
            own = int(keep[0].sum()) or len(kept[0])
            whole = None if embedding is None else F.normalize(embedding.float(), dim=0)
            self._references[name] = Reference(kept, own, copies, frozenset(marks), whole, grid)
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
            if self.closer and name in self.closer.names:
                self.closer.remove(name)
                self.closer = self.closer if len(self.closer) else None

    def look_closer(
        self, name: str, stages: Sequence[Tensor], varied: Sequence[Tensor], grid: Grid
    ) -> None:
        """Remember what a closer look at a reference gave, unless another one had none.

        Args:
            name: of a reference that was added.
            stages, varied, grid: as in `add`, of the finer grid.

        Raises:
            DecoderError: as `add`.
        """
        with self._lock:
            if self.closer is None and len(self) == 1:
                self.closer = MemoryBank(self.encoder, fixed_pose=self.fixed_pose)
            if self.closer is not None:
                self.closer.add(stages, name=name, varied=varied, grid=grid)

    @contextmanager
    def scale_kept(self) -> Iterator[None]:
        """References that are added in the block are searched, and do not tell how far good parts
        lie apart: odd ones would make everything else look good. It is saved with them; a
        reference that is removed or added elsewhere ends it."""
        basis = self._basis or len(self)
        closer_basis = (self.closer._basis or len(self.closer)) if self.closer else None
        factor = self.factor
        yield
        with self._lock:
            self._spread, self._basis, self.factor = None, basis, factor
            if self.closer:
                self.closer._spread, self.closer._basis = None, closer_basis

    def with_mark(self, marks: Collection[str]) -> tuple[str, ...]:
        """Names of the references that were added with one of these marks."""
        return tuple(n for n, r in self._references.items() if not r.marks.isdisjoint(marks))

    def likeness(self, embedding: Tensor) -> Tensor | None:
        """Cosine of photos as a whole with the reference that is most like each.

        Args:
            embedding: (B, D), any scale.

        Returns:
            (B,) in [-1, 1]; None where a reference came without an embedding, or none came.
        """
        known = [reference.embedding for reference in self._references.values()]
        wholes = [whole.to(embedding.device) for whole in known if whole is not None]
        if not wholes or len(wholes) < len(known):
            return None
        return (F.normalize(embedding.float(), dim=1) @ torch.stack(wholes).T).amax(dim=1)

    @property
    def grid(self) -> Grid | None:
        """Patch rows and columns of the references; None where they are unknown or differ."""
        grids = {reference.grid for reference in self._references.values()}
        return grids.pop() if len(grids) == 1 else None

    @property
    def stands_alone(self) -> bool:
        """Whether a single reference has to tell how far good parts lie apart."""
        return len(self._whole().references) == 1

    @property
    def lie_alike(self) -> bool:
        """Whether the references show that good parts lie alike in the photo, at least roughly;
        False where fewer than two are there, or some are without all patches of a square grid."""
        with self._lock:
            if not self._references:
                return False
            side = math.isqrt(next(iter(self._references.values())).own)
            return self._whole().place_weight((side, side)) > 0

    def place_weight(self, grid: Grid) -> float:
        """How much the comparison by place counts, in [0, 1]: how alike the references lie.

        Args:
            grid: patch rows and columns of all of them.
        """
        with self._lock:
            return self._whole().place_weight(grid)

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
            spread = self._whole()
        bank = MemoryBank(self.encoder, fixed_pose=self.fixed_pose)
        bank._references, bank._spread, bank.factor = others, spread, self.factor
        if self.closer and len(self.closer) > (name in self.closer.names):
            bank.closer = self.closer.without(name) if name in self.closer.names else self.closer
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
        queries = unit_stages(stages)
        with self._lock:
            self._require_references()
            self._check_widths(queries, "the query")
            references = list(self._references.values())
            if self._searched is None or self._searched[0].device != queries[0].device:
                self._searched = tuple(part.to(queries[0].device) for part in join(references))
            searched = self._searched
            weight = self._whole().place_weight(grid)
        if grid is None or not weight or queries[0].shape[1] != grid[0] * grid[1]:
            return anywhere(queries, searched)
        placed = in_place(queries, references, grid)
        return placed if weight == 1.0 else torch.lerp(anywhere(queries, searched), placed, weight)

    def left_out(self, grid: Grid | None = None) -> list[Tensor]:
        """`distances` of some references, as they are, each from all others.

        Args:
            grid: as in `distances`.

        Returns:
            One (S, 1, P) for each of them, of more than five only some; [] with a single one.
        """
        with self._lock:
            self._require_references()
            return self._whole().left_out(grid)

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
            self._require_references()
            return self._whole().self_distances(grid)

    def _whole(self) -> Spread:
        """What all references say about good parts, also those that `without` left out."""
        with self._lock:
            if self._spread is None:
                telling = list(self._references.values())[: self._basis]
                self._spread = Spread(telling, self.fixed_pose)
            return self._spread

    def save(self, path: Path) -> None:
        """Write all references to one safetensors file, with what was worked out from them so far.

        Raises:
            DecoderError: the file cannot be written.
        """
        settings = {
            "encoder": self.encoder or "",
            "pose": "fixed" if self.fixed_pose else "free",
            "bit_depth": str(self.bit_depth or ""),
            "detail": str(self.detail),
            "factor": str(self.factor),
            "spread": self._whole().worked_out() if self._references else "",
            "basis": str(self._basis or ""),
        }
        closer = self.closer._references if self.closer else {}
        if self.closer:
            settings["closer.spread"] = self.closer._whole().worked_out()
            settings["closer.basis"] = str(self.closer._basis or "")
        save_references(path, self._references, closer, settings)

    @classmethod
    def load(cls, path: Path, device: torch.device | str = "cpu") -> MemoryBank:
        """Read what `save` wrote.

        Raises:
            DecoderError: the file is damaged or holds something else.
        """
        references, closer, metadata = load_references(path, device)
        bank = cls._of(references, metadata)
        bank.bit_depth = int(metadata.get("bit_depth") or 0) or None
        detail = metadata.get("detail", "whole")
        bank.detail = int(detail) if detail.isdecimal() else detail
        try:
            bank.factor = float(metadata.get("factor", 1.0))
        except ValueError:
            bank.factor = math.nan
        if not 0.0 < bank.factor < math.inf:
            raise DecoderError(f"{path} is not a complete memory bank: its factor is no number")
        bank.closer = cls._of(closer, metadata) if closer else None
        try:
            for level, prefix in ((bank, ""), (bank.closer, "closer.")):
                if level:
                    level._basis = int(metadata.get(f"{prefix}basis") or 0) or None
                if level and (known := metadata.get(f"{prefix}spread")):
                    level._whole().take_over(known)
        except ValueError as error:
            raise DecoderError(f"{path} is not a complete memory bank: {error}") from None
        return bank

    @classmethod
    def _of(cls, references: Mapping[str, Reference], metadata: Mapping[str, str]) -> MemoryBank:
        fixed_pose = metadata.get("pose") == "fixed"
        bank = cls(metadata.get("encoder") or None, fixed_pose=fixed_pose)
        for name, reference in references.items():
            bank._check_widths(reference.stages, f"reference {name!r}")
            bank._references[name] = reference
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
        self._searched, self._spread, self.factor = None, None, 1.0
        self.limit, self.peers, self._basis = None, None, None


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
