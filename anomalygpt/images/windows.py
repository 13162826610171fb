"""Looking at a photo closely: windows at its own resolution, and one fine grid of their patches.

A model reads a small square. A photo that is larger is shown to it once more in overlapping
windows of that square, and their patches are put together as if one large square had been read:
each cell of the fine grid is taken from the window in which it lies most central, where a patch
sees as much to all sides. So what follows needs to know nothing of windows, and no seam is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from anomalygpt.images.detail import AUTO_WINDOWS, MOST_WINDOWS, Detail

if TYPE_CHECKING:  # torch takes a second to load, which settings need not
    from torch import Tensor

# Photos that are longer than so many times their width are looked at as if they were squeezed.
MOST_ASPECT = 4

# Neighbouring windows lie this share of their side apart; the rest they share.
APART = 0.75


def shrunk(photo: Image.Image, window: int) -> Image.Image:
    """The photo with no more pixels than its closest look needs, so that memory is bounded.

    Args:
        photo: of any size; a small one comes back as it is.
        window: side of a window in pixels.
    """
    most = pixels_along(MOST_WINDOWS, window)
    short = min(photo.size)
    if short <= most:
        return photo
    width, height = (max(1, round(side * most / short)) for side in photo.size)
    return photo.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)


def pixels_along(windows: int, window: int) -> int:
    """Pixels of a photo's shorter side that so many windows of a side of `window` see."""
    return round(window * (1 + APART * (windows - 1)))


def windows_along(detail: Detail, photo: tuple[int, int], window: int) -> int:
    """How many windows lie along the shorter side of a photo; 1 where it is looked at whole.

    Args:
        detail: what was asked for.
        photo: its height and width.
        window: side of a window in pixels.
    """
    if detail == "auto":
        return AUTO_WINDOWS if min(photo) >= pixels_along(AUTO_WINDOWS, window) else 1
    return detail if isinstance(detail, int) else 1


@dataclass(frozen=True)
class Windows:
    """Where windows lie over a photo.

    Attributes:
        grid: rows and columns of the fine grid of patches, in the photo's own proportions.
        cells: patches along the side of a window.
        pixels: side of a window.
    """

    grid: tuple[int, int]
    cells: int
    pixels: int

    @classmethod
    def over(cls, photo: tuple[int, int], along: int, cells: int, pixels: int) -> Windows:
        """Those over a photo of so many pixels (height, width), `along` of them on its shorter
        side."""
        short = cells + round(APART * cells) * (along - 1)
        long = round(short * min(max(photo) / min(photo), MOST_ASPECT))
        return cls((short, long) if photo[0] <= photo[1] else (long, short), cells, pixels)

    def __len__(self) -> int:
        return len(self._starts(0)) * len(self._starts(1))

    def cut(self, photo: Image.Image) -> list[Image.Image]:
        """The windows of a photo, row by row, each a square of `pixels`."""
        rows, columns = (cells * self.pixels // self.cells for cells in self.grid)
        large = photo.resize((columns, rows), Image.Resampling.BICUBIC)
        corners = [
            (x * self.pixels // self.cells, y * self.pixels // self.cells)
            for y in self._starts(0)
            for x in self._starts(1)
        ]
        return [large.crop((x, y, x + self.pixels, y + self.pixels)) for x, y in corners]

    def join(self, tokens: Tensor) -> Tensor:
        """Patches of all windows, (len(self), cells², C), on the fine grid: (1, H*W, C)."""
        down, across = self._starts(0), self._starts(1)
        planes = tokens.reshape(len(down), len(across), self.cells, self.cells, -1)
        row_window, row = _most_central(self.grid[0], down, self.cells)
        column_window, column = _most_central(self.grid[1], across, self.cells)
        fine = planes[row_window[:, None], column_window, row[:, None], column]
        return fine.reshape(1, self.grid[0] * self.grid[1], -1)

    def _starts(self, axis: int) -> list[int]:
        """First cells of the windows along an axis, evenly spread from edge to edge."""
        room = self.grid[axis] - self.cells
        count = 1 + math.ceil(room / round(APART * self.cells))
        return [round(number * room / (count - 1)) if number else 0 for number in range(count)]


def _most_central(cells: int, starts: Sequence[int], window: int) -> tuple[np.ndarray, np.ndarray]:
    """For each cell of an axis the window in which it lies most central, and where it lies there;
    (cells,) int64 both."""
    middles = np.array(starts) + window / 2
    chosen = np.abs(np.arange(cells)[:, None] + 0.5 - middles).argmin(axis=1)
    return chosen, np.arange(cells) - np.array(starts)[chosen]
