"""Photos of a run compared with each other: what has no counterpart in most others stands out.

Nobody vouches for any of them. A patch of a good part finds its like in most photos; damage finds
it in few, even where many parts are damaged, as long as not most are damaged alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from decoder.errors import DecoderError
from decoder.places import REACH, Grid
from decoder.search import unit_stages

# Patches of fine grids are averaged over squares, so many cells along the shorter side: half of
# the embedded model's 32 rank parts as well, and cost a sixteenth.
MOST_CELLS = 16

# A patch is as odd as it is, on average, to this share of the other photos: those it is most like.
SHARE = 0.5

# Stages are measured in what the oddest 2 % of the patches of a photo lie beyond, in the middle of
# the photos.
QUANTILE = 0.98

# A part scores what the highest 1 % of its patches do.
SCORE_SHARE = 0.01

# Where about half of a run or more is good, this quantile of the scores is a good part's, and so
# many times that is as far as good parts go.
GOOD_QUANTILE, GOOD_FACTOR = 0.4, 1.1

# Photos that are like copies of each other do not show how parts vary: smaller distances are
# rounding, and no score, in units of the scale, counts as lower.
LEAST_SCALE, LEAST_SCORE = 1e-3, 0.5


class Peers:
    """Photos of a run, as what this and other photos of the run are compared with.

    Attributes:
        grid: rows and columns of the patches.
        marks: of each photo's pixels: no photo is compared with one of the same mark.
    """

    def __init__(self, stages: Sequence[Tensor], grid: Grid, marks: Sequence[str]) -> None:
        """
        Args:
            stages: patch tokens per stage, each (R, H*W, C), any scale, of R photos.
            grid: H and W.
            marks: R different ones.

        Raises:
            DecoderError: fewer than three photos, a mark twice, or shapes that do not fit.
        """
        if len(marks) < 3 or len(set(marks)) < len(marks):
            raise DecoderError(
                "three different photos or more can be compared with each other, got "
                f"{len(set(marks))} of {len(marks)}"
            )
        self.grid, self.marks = grid, tuple(marks)
        self._known, self._cells = _coarse(stages, grid)
        if any(len(stage) != len(marks) for stage in self._known):
            raise DecoderError(f"{len(marks)} marks were given for {len(self._known[0])} photos")
        self._near = _near(self._cells)
        among = self._distances(self._known, self.marks)
        count = max(1, round(QUANTILE * among.shape[2]))
        odd = among.kthvalue(count, dim=2).values
        self._scales = odd.median(dim=1).values.clamp_min(LEAST_SCALE)
        ratio = (among / self._scales[:, None, None]).mean(dim=0)
        count = max(1, round(SCORE_SHARE * ratio.shape[1]))
        scores = ratio.topk(count, dim=1).values.mean(dim=1)
        farthest = GOOD_FACTOR * torch.quantile(scores, GOOD_QUANTILE)
        self._scales = self._scales * farthest.clamp_min(LEAST_SCORE)

    def __len__(self) -> int:
        return len(self.marks)

    def ratio(self, stages: Sequence[Tensor], marks: Sequence[str]) -> tuple[Tensor, Grid]:
        """Distances in units of what good parts of the run keep among themselves.

        At each stage the mean over half of the other photos, those it is most like, of the
        distance to the nearest patch anywhere and to the nearest at the same place.

        Args:
            stages: patch tokens per stage, each (B, H*W, C), any scale.
            marks: of the pixels of each of the B photos.

        Returns:
            (B, h*w) from 0 on, the mean over stages; h and w, where fine grids are made coarser.

        Raises:
            DecoderError: stages, widths, patches or marks do not fit those of the run.
        """
        queries, cells = _coarse(stages, self.grid)
        if [q.shape[1:] for q in queries] != [known.shape[1:] for known in self._known]:
            raise DecoderError(
                f"photos have stages of {[tuple(q.shape[1:]) for q in queries]}, those of the run "
                f"{[tuple(known.shape[1:]) for known in self._known]}; encode both alike"
            )
        if len(marks) != len(queries[0]):
            raise DecoderError(f"{len(marks)} marks were given for {len(queries[0])} photos")
        distances = self._distances(queries, marks)
        return (distances / self._scales.to(distances.device)[:, None, None]).mean(dim=0), cells

    def _distances(self, queries: Sequence[Tensor], marks: Sequence[str]) -> Tensor:
        """(S, B, P) of unit patches (B, P, C) per stage."""
        near = self._near.to(queries[0].device)
        found = []
        for row, mark in enumerate(marks):
            others = [number for number, own in enumerate(self.marks) if own != mark]
            count = max(1, round(SHARE * len(others)))
            planes = []
            for query, known in zip(queries, self._known, strict=True):
                # One photo at a time, so that memory does not grow with the batch.
                likeness = query[row] @ known[others].to(query.device).transpose(1, 2)
                placed = likeness.masked_fill(~near, -1.0)
                planes.append((_nearest(likeness, count) + _nearest(placed, count)) / 2)
            found.append(torch.stack(planes))
        return torch.stack(found, dim=1)


def _nearest(likeness: Tensor, count: int) -> Tensor:
    """(P,): the mean distance to the nearest patch of the nearest photos, from cosines
    (R, P, patches of the photo)."""
    distances = (1.0 - likeness.amax(dim=2)).clamp(0.0, 2.0)
    return distances.topk(count, dim=0, largest=False).values.mean(dim=0)


def _near(grid: Grid) -> Tensor:
    """(P, P) bool: which patches lie at the same place, or beside it."""
    rows, columns = torch.meshgrid(*(torch.arange(cells) for cells in grid), indexing="ij")
    places = torch.stack([rows.flatten(), columns.flatten()], dim=1)
    reach = max(1, round(min(grid) * REACH))
    return (places[:, None] - places[None]).abs().amax(dim=2) <= reach


def _coarse(stages: Sequence[Tensor], grid: Grid) -> tuple[list[Tensor], Grid]:
    """Patches of length 1, (B, h*w, C) per stage, averaged where the grid is fine; h and w."""
    units = unit_stages(stages)
    if any(unit.shape[1] != grid[0] * grid[1] for unit in units):
        raise DecoderError(
            f"a grid of {grid[0]}×{grid[1]} needs {grid[0] * grid[1]} patches, stages have "
            f"{[unit.shape[1] for unit in units]}"
        )
    side = min(grid) // MOST_CELLS
    if side < 2:
        return units, grid
    # What is left over at the edge is part of the last squares, so that a map covers the photo.
    cells = (grid[0] // side, grid[1] // side)
    found = []
    for unit in units:
        plane = rearrange(unit, "b (h w) c -> b c h w", h=grid[0], w=grid[1])
        mean = rearrange(F.adaptive_avg_pool2d(plane, cells), "b c h w -> b (h w) c")
        found.append(F.normalize(mean, dim=-1))
    return found, cells
