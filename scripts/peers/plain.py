"""PatchCore and SPADE, written plainly; they read the encoder's levels as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from peers.readings import SEED, Reading, encoder_levels

# As published for PatchCore (Roth et al., 2022) and in anomalib's defaults.
CORESET_SHARE = 0.1
SUPPORT = 9
BLUR_SIGMA = 4.0
# As published for SPADE (Cohen and Hoshen, 2020).
SPADE_NEIGHBOURS = 5

SEARCH_ROWS = 1024


class PatchCoreStyle:
    """PatchCore on the levels of our encoder.

    Levels are averaged over 3×3 cells and joined on the finest grid; a greedy coreset of the
    references' patches is kept; a patch is as odd as its distance to the nearest one kept, and
    the photo as its oddest patch, less where that one's nearest neighbour is itself on its own.
    """

    bounded = False
    name = "PatchCore-style"

    def __init__(self, encoder: Any, share: float = CORESET_SHARE) -> None:
        self.encoder = encoder
        self.share = share

    def fit(self, references: Sequence[Path], pixels: Tensor) -> None:
        patches = self._patches(pixels).permute(0, 2, 3, 1).flatten(0, 2)
        self.bank = patches[coreset(patches, max(1, int(len(patches) * self.share)))]

    def read(self, pixels: Tensor) -> Reading:
        grid = self._patches(pixels)
        patches = grid[0].flatten(1).T
        distances, found = nearest(patches, self.bank, 1)
        worst = int(distances[:, 0].argmax())
        _, support = nearest(self.bank[found[worst]], self.bank, min(SUPPORT, len(self.bank)))
        around = (self.bank[support[0]] - patches[worst]).norm(dim=1)
        weight = 1.0 - around.softmax(dim=0)[0]
        anomaly_map = smooth(distances.view(1, 1, *grid.shape[-2:]), pixels.shape[-1])
        return Reading(float(weight * distances[worst, 0]), anomaly_map)

    def _patches(self, pixels: Tensor) -> Tensor:
        """(B, C, H, W), all levels joined."""
        pooled = [F.avg_pool2d(level, 3, 1, 1) for level in encoder_levels(self.encoder, pixels)]
        size = _finest(pooled)
        return torch.cat([enlarge(level, size) for level in pooled], dim=1)


class SpadeStyle:
    """SPADE on the levels of our encoder.

    A patch is as odd as the mean distance to its K nearest patches of all references, level by
    level; the photo as the mean distance of its average deepest patch to those of the K nearest
    references. K is 5, and the number of references where there are fewer.
    """

    bounded = False
    name = "SPADE-style"

    def __init__(self, encoder: Any) -> None:
        self.encoder = encoder

    def fit(self, references: Sequence[Path], pixels: Tensor) -> None:
        levels = encoder_levels(self.encoder, pixels)
        self.neighbours = min(SPADE_NEIGHBOURS, len(pixels))
        self.banks = [level.permute(0, 2, 3, 1).flatten(0, 2).contiguous() for level in levels]
        self.whole = levels[-1].mean(dim=(2, 3))

    def read(self, pixels: Tensor) -> Reading:
        levels = encoder_levels(self.encoder, pixels)
        size, maps = _finest(levels), []
        for level, bank in zip(levels, self.banks, strict=True):
            distances, _ = nearest(level[0].flatten(1).T, bank, self.neighbours)
            plane = distances.mean(dim=1).view(1, 1, *level.shape[-2:])
            maps.append(enlarge(plane, size))
        whole, _ = nearest(levels[-1].mean(dim=(2, 3)), self.whole, self.neighbours)
        return Reading(float(whole.mean()), smooth(torch.stack(maps).mean(dim=0), pixels.shape[-1]))


def _finest(levels: Sequence[Tensor]) -> tuple[int, int]:
    """Rows and columns of the level that has most."""
    return max((level.shape[-2], level.shape[-1]) for level in levels)


def nearest(query: Tensor, bank: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Euclidean distances to the `count` nearest rows of a bank, nearest first, and which.

    Args:
        query: (N, C).
        bank: (M, C).

    Returns:
        (N, count) distances, exact ones: 0 for a row that the bank holds; (N, count) indices.
    """
    squares = bank.square().sum(dim=1)
    found, distances = [], []
    for rows in query.split(SEARCH_ROWS):
        indices = torch.addmm(squares, rows, bank.T, alpha=-2).topk(count, largest=False).indices
        found.append(indices)
        distances.append((bank[indices] - rows[:, None]).norm(dim=2))
    exact, order = torch.cat(distances).sort(dim=1)
    return exact, torch.cat(found).gather(1, order)


def coreset(patches: Tensor, count: int) -> Tensor:
    """Indices of `count` patches of (N, C): each time the one farthest from those taken."""
    generator = torch.Generator().manual_seed(SEED)
    taken = [torch.randint(len(patches), (), generator=generator)]
    distances = torch.full((len(patches),), torch.inf)
    for _ in range(count - 1):
        distances = torch.minimum(distances, (patches - patches[taken[-1]]).norm(dim=1))
        # Equal patches must not be taken twice before all others are.
        distances[taken[-1]] = -1.0
        taken.append(distances.argmax())
    return torch.stack(taken)


def enlarge(level: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) on a finer grid."""
    return F.interpolate(level, size=size, mode="bilinear", align_corners=False)


def smooth(plane: Tensor, side: int) -> np.ndarray:
    """Distances of a grid, (1, 1, H, W), as a map (side, side), blurred as PatchCore's."""
    pixels = enlarge(plane, (side, side))[0, 0].numpy()
    reach = 2 * int(4 * BLUR_SIGMA + 0.5) + 1
    return cv2.GaussianBlur(pixels, (reach, reach), BLUR_SIGMA)
