"""How far good parts lie apart among themselves, and whether they all lie alike.

Both are read from the references. Each reading looks at a bounded number of photos, every one of
them against all references, so that the time grows with the references and not with their square.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from decoder.errors import DecoderError
from decoder.places import Grid, found_in_place, place_weight
from decoder.search import Reference, anywhere, in_place, join

# Normal patches vary; their own distance is read where only the oddest 2 % lie beyond.
SELF_QUANTILE = 0.98

# Simulated copies of a part are read where the oddest 10 % of their patches lie beyond: that comes
# nearest to where the oddest 2 % of other real parts do, times this factor (mean of three products
# and three encoders; single ones lie between 0.9 and 1.3, with a deviation of 15 %).
COPIES_QUANTILE = 0.90
COPIES_TO_PARTS = 1.12

# A part that is its own copy would have distance 0; below this, differences are rounding.
MINIMUM_SELF_DISTANCE = 1e-3

# Photos that are held against all references: so many, shared out among the references, and at
# least so many. Up to four references that is all of them; further ones tell little more of how
# good parts vary, and would cost time with their square.
LEFT_OUT_BUDGET, COPIES_BUDGET, LEAST_PHOTOS = 32, 64, 4

# Patches of simulated copies that are read; of fine grids, which have more, evenly spread ones.
MOST_COPY_PATCHES = 16 * 1024


class Spread:
    """What a set of references says about good parts; worked out once, on first use.

    Args:
        references: all of them, in any order.
        fixed_pose: True when parts are known to lie alike; otherwise the references tell.
    """

    def __init__(self, references: Sequence[Reference], fixed_pose: bool) -> None:
        self.references = list(references)
        self._fixed_pose = fixed_pose
        self._scales: dict[Grid | None, Tensor] = {}
        self._weights: dict[Grid, float] = {}
        self._among: dict[Grid | None, list[Tensor]] = {}
        self._free_copies: dict[int, Tensor] = {}

    def worked_out(self) -> str:
        """What is known so far, as JSON that `take_over` reads, so that it is not worked out again
        from the same references."""
        scales = [[grid, scale.tolist()] for grid, scale in self._scales.items()]
        return json.dumps({"scales": scales, "weights": [*self._weights.items()]})

    def take_over(self, known: str) -> None:
        """Know what a spread of the same references had worked out.

        Raises:
            ValueError: the text is not one that `worked_out` gave.
        """
        device = self.references[0].stages[0].device
        try:
            values = json.loads(known)
            self._scales = {
                _as_grid(grid): torch.tensor(scale, dtype=torch.float32, device=device)
                for grid, scale in values["scales"]
            }
            self._weights = {
                (int(r), int(c)): float(weight) for (r, c), weight in values["weights"]
            }
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"the spread of its references is damaged: {error}") from None

    def place_weight(self, grid: Grid | None) -> float:
        """How much the comparison by place counts, in [0, 1]: how alike the references lie.

        One with patches left out does not say what lies where; a single one does not tell how
        parts lie. Then it is 0, except that a single one in a fixed pose gives 1.
        """
        if grid is None or not all(_fits(reference, grid) for reference in self.references):
            return 0.0
        if self._fixed_pose:
            return 1.0
        if len(self.references) < 2:
            return 0.0
        if grid not in self._weights:
            pairs = zip(self._left_out(None), self._left_out(grid), strict=True)
            shares = [found_in_place(list(free), list(bound)) for free, bound in pairs]
            self._weights[grid] = place_weight(torch.stack(shares).mean())
        return self._weights[grid]

    def self_distances(self, grid: Grid | None) -> Tensor:
        """See `MemoryBank.self_distances`."""
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

    def left_out(self, grid: Grid | None) -> list[Tensor]:
        """See `MemoryBank.left_out`."""
        if len(self.references) < 2:
            return []
        weight = self.place_weight(grid)
        per_reference = self._left_out(None)
        if weight:
            bound = self._left_out(grid)
            pairs = zip(per_reference, bound, strict=True)
            per_reference = [torch.lerp(free, placed, weight) for free, placed in pairs]
        return per_reference

    def _leave_one_out(self, grid: Grid | None) -> list[Tensor]:
        per_reference = self.left_out(grid)
        return [_quantiles(per_reference, SELF_QUANTILE)] if per_reference else []

    def _left_out(self, grid: Grid | None) -> list[Tensor]:
        """(S, 1, P) of each reference, as it is, against all others: anywhere or by place."""
        if grid not in self._among:
            found = []
            count = max(LEAST_PHOTOS, LEFT_OUT_BUDGET // len(self.references))
            for reference in _some(self.references, count):
                others = [other for other in self.references if other is not reference]
                # The photo as it is: its turned copies would only ask the same once more.
                photo = [stage[: reference.own].unsqueeze(0) for stage in reference.stages]
                found.append(
                    anywhere(photo, join(others)) if grid is None else in_place(photo, others, grid)
                )
            self._among[grid] = found
        return self._among[grid]

    def _against_copies(self, grid: Grid | None) -> list[Tensor]:
        copies = self._copies()
        if not copies:
            return []
        step = math.ceil(sum(len(stages[0]) for stages in copies) / MOST_COPY_PATCHES)
        weight = self.place_weight(grid)
        cells = grid[0] * grid[1] if grid else 0
        per_reference = []
        for number, stages in enumerate(copies):
            is_whole = cells > 0 and len(stages[0]) % cells == 0
            share = weight if is_whole else 0.0
            placed = None
            if grid and share:
                photos = [stage.unflatten(0, (-1, cells)) for stage in stages]
                placed = in_place(photos, self.references, grid).flatten(1)[:, None, ::step]
            if placed is None:
                per_reference.append(self._copies_anywhere(number, stages, step))
            elif share == 1.0:
                per_reference.append(placed)
            else:
                free = self._copies_anywhere(number, stages, step)
                per_reference.append(torch.lerp(free, placed, share))
        return [_quantiles(per_reference, COPIES_QUANTILE) * COPIES_TO_PARTS]

    def _copies_anywhere(self, number: int, stages: Sequence[Tensor], step: int) -> Tensor:
        """(S, 1, N): every `step`-th patch of some copies against all references, kept."""
        if number not in self._free_copies:
            asked = [stage[None, ::step] for stage in stages]
            self._free_copies[number] = anywhere(asked, join(self.references))
        return self._free_copies[number]

    def _copies(self) -> list[tuple[Tensor, ...]]:
        """(M, C) per stage, the varied copies that are read: all, or some of some references."""
        known = [r for r in self.references if r.varied is not None]
        count = max(LEAST_PHOTOS, COPIES_BUDGET // len(self.references))
        found = []
        for number, reference in enumerate(_some(known, count)):
            assert reference.varied is not None
            copies = max(1, len(reference.varied[0]) // reference.own)
            share = max(1, count // len(known))
            if share >= copies:
                found.append(reference.varied)
                continue
            # The same simulated movement comes at the same place of each: not always that one.
            first = number % (copies - share + 1)
            rows = slice(first * reference.own, (first + share) * reference.own)
            found.append(tuple(stage[rows] for stage in reference.varied))
        return found


def _as_grid(sides: Sequence[int] | None) -> Grid | None:
    return None if sides is None else (int(sides[0]), int(sides[1]))


def _fits(reference: Reference, grid: Grid) -> bool:
    """Whether a reference has all patches of a grid: as many of another shape lie elsewhere."""
    return reference.own == grid[0] * grid[1] and reference.grid in (None, grid)


def _some(references: Sequence[Reference], most: int) -> Sequence[Reference]:
    """At most so many, evenly spread over an order that does not hang on which came first."""
    if len(references) <= most:
        return references
    ordered = sorted(references, key=lambda reference: reference.stages[0][0].tolist())
    return [ordered[(2 * index + 1) * len(ordered) // (2 * most)] for index in range(most)]


def _quantiles(per_reference: Sequence[Tensor], share: float) -> Tensor:
    """(S,): the quantile of each stage over the patches of all references, (S, 1, N) each."""
    values = torch.cat([distances.flatten(1) for distances in per_reference], dim=1)
    return torch.stack([_upper_quantile(stage, share) for stage in values])


def _upper_quantile(values: Tensor, share: float) -> Tensor:
    # torch.quantile refuses more than 16 M values; kthvalue does not.
    return values.kthvalue(max(1, round(share * values.numel()))).values
