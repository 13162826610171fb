"""What a simulated anomaly is: the picture, where it differs, and each defect by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

DefectKind = Literal["patch", "scratch", "stain", "hole", "missing part"]

# A pixel counts as damaged where its soft label is above this, as published.
LABEL_THRESHOLD = 0.3

# Damaged pixels closer than this share of the photo's side belong to one defect.
GROUPING_GAP = 0.02

# Smaller groups, as a share of the photo's area, are dust, unless nothing larger is there.
DUST_FRACTION = 1e-4

# The 3×3 grid of places over the photo, row by row.
PLACES = (
    "top left",
    "top",
    "top right",
    "left",
    "center",
    "right",
    "bottom left",
    "bottom",
    "bottom right",
)


@dataclass(frozen=True)
class Defect:
    """One damaged place of a photo.

    Attributes:
        mask: (H, W) bool, its pixels.
        center: (x, y), mean of its pixel centres; the first pixel's centre is (0, 0).
        box: (x0, y0, x1, y1) in whole pixels, x1 and y1 not included.
        area: number of its pixels.
        place: the cell of the 3×3 grid that holds most of it, one of `PLACES`.
        kind: what was simulated, or what people called it; None where nobody knows.
    """

    mask: np.ndarray
    center: tuple[float, float]
    box: tuple[int, int, int, int]
    area: int
    place: str
    kind: str | None = None

    @classmethod
    def from_mask(cls, mask: np.ndarray, kind: str | None = None) -> Defect:
        """Measure a defect.

        Args:
            mask: (H, W) bool.
            kind: what it is.

        Raises:
            ValueError: no pixel is set.
        """
        rows, columns = np.nonzero(mask)
        if not len(rows):
            raise ValueError("a defect needs at least one pixel")
        height, width = mask.shape
        # Most of it, not its centre: the centre of a damaged rim is where nothing is wrong.
        cells = np.minimum(2, 3 * rows // height) * 3 + np.minimum(2, 3 * columns // width)
        return cls(
            mask=mask,
            center=(float(columns.mean()), float(rows.mean())),
            box=(
                int(columns.min()),
                int(rows.min()),
                int(columns.max()) + 1,
                int(rows.max()) + 1,
            ),
            area=len(rows),
            place=PLACES[int(np.bincount(cells, minlength=9).argmax())],
            kind=kind,
        )


@dataclass(frozen=True)
class SimulatedAnomaly:
    """A photo with simulated defects.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        label: (H, W) float32 in [0, 1], how strongly each pixel was changed; 0 where it was not.
        defects: each defect by itself, with its own centre, box and area; none is empty, and
            `find_defects(mask)` finds the same places.
    """

    image: np.ndarray
    label: np.ndarray
    defects: tuple[Defect, ...]

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool: where the label is above 0.3."""
        return self.label > LABEL_THRESHOLD


def find_defects(mask: np.ndarray, kind: str | None = None) -> tuple[Defect, ...]:
    """Split a mask into defects: groups of damaged pixels that lie close to each other.

    The same rule for simulated masks and for those that people drew.

    Args:
        mask: (H, W) bool.
        kind: what all of them are.

    Returns:
        The defects, row by row of the 3×3 grid, the larger first within a cell; () for an empty
        mask. Dust is left out, unless there is nothing else.
    """
    height, width = mask.shape
    radius = max(1, round(GROUPING_GAP * (height * width) ** 0.5 / 2))
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    joined = cv2.dilate(mask.astype(np.uint8), brush)
    count, groups = cv2.connectedComponents(joined, connectivity=8)
    found = [Defect.from_mask(mask & (groups == number), kind) for number in range(1, count)]
    large = [defect for defect in found if defect.area >= DUST_FRACTION * mask.size]
    return tuple(sorted(large or found, key=lambda d: (PLACES.index(d.place), -d.area)))
