"""Comparing a patch with the same place of the references, where good parts all lie alike.

Anywhere in the references there may be a patch that looks like damage: an edge, a shadow, a hole
that belongs somewhere else. Parts that always lie the same are better compared place by place.
Whether they do is seen on the references themselves, so that all photos are measured alike: the
patches of one then find their best match at the same place of another.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Grid = tuple[int, int]

# The same place is so many cells around it, as a share of the grid's shorter side.
REACH = 1 / 16

# A match at the place counts as the best one when no other is nearer by more than this.
_TIE_FACTOR, _TIE_MARGIN = 1.02, 1e-3

# Shares of the references' patches with their best match at the same place of another reference:
# up to the first parts lie freely (an empty background alone reaches three quarters), from the
# second on they lie alike.
FREE, ALIKE = 0.77, 0.9


def distances_in_place(query: Tensor, references: Tensor, grid: Grid) -> Tensor:
    """1 - best cosine with any reference near the same place.

    Args:
        query: (B, P, C) of unit length, row by row.
        references: (R, P, C) of unit length, as they lie.
        grid: patch rows and columns.

    Returns:
        (B, P) in [0, 2].
    """
    rows, columns = grid
    reach = max(1, round(min(grid) * REACH))
    asked = query.unflatten(1, grid)
    best = query.new_full((len(query), rows, columns), -1.0)
    for reference in references:
        # Beyond the photo lies nothing: a vector of zeros, whose cosine never wins over a match.
        known = F.pad(reference.unflatten(0, grid), (0, 0, reach, reach, reach, reach))
        for down in range(2 * reach + 1):
            for right in range(2 * reach + 1):
                there = known[down : down + rows, right : right + columns]
                best = torch.maximum(best, (asked * there).sum(dim=-1))
    return (1.0 - best).clamp(0.0, 2.0).flatten(1)


def found_in_place(anywhere: Sequence[Tensor], in_place: Sequence[Tensor]) -> Tensor:
    """Share of patches whose best match lies at their place, a scalar in [0, 1].

    Args:
        anywhere: per stage (B, P), distance to the nearest patch anywhere.
        in_place: per stage (B, P), distance to the nearest patch at the same place.
    """
    free, bound = torch.stack(list(anywhere)), torch.stack(list(in_place))
    return (bound <= free * _TIE_FACTOR + _TIE_MARGIN).float().mean()


def place_weight(found: Tensor) -> float:
    """Weight of the comparison by place, from 0 for parts that lie freely to 1.

    Args:
        found: what `found_in_place` says about the references.
    """
    return float(((found - FREE) / (ALIKE - FREE)).clamp(0.0, 1.0))
