"""What is true about a photo's defects, read off their masks: the ground of every answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from simulation.anomaly import PLACES, Defect

Size = Literal["tiny", "small", "medium-sized", "large", "very large"]
Severity = Literal["minor", "moderate", "severe"]

# Shares of the photo's area below which a word holds.
SIZE_LIMITS: tuple[tuple[Size, float], ...] = (
    ("tiny", 0.002),
    ("small", 0.015),
    ("medium-sized", 0.06),
    ("large", 0.2),
    ("very large", math.inf),
)
SEVERITY_LIMITS: tuple[tuple[Severity, float], ...] = (
    ("minor", 0.01),
    ("moderate", 0.05),
    ("severe", math.inf),
)

# A defect is elongated from this ratio of its spread along and across its long axis.
ELONGATED_RATIO = 2.5

# A defect reaches a cell from this share of the cell's area; less are stray pixels.
CELL_FRACTION = 0.005


@dataclass(frozen=True)
class DefectFacts:
    """What one mask says about its defect.

    Attributes:
        place: the cell of the 3×3 grid that holds most of it, one of `PLACES`.
        cells: the cells that it reaches, in reading order: its place, and every cell of which it
            covers at least 0.5 %. Fewer pixels are stray and leave a cell fine.
        area_fraction: share of the photo, in (0, 1].
        size: tiny below 0.2 % of the photo, small below 1.5 %, medium-sized below 6 %, large
            below 20 %, otherwise very large.
        severity: minor below 1 % of the photo, moderate below 5 %, otherwise severe. It follows
            from the area alone; nobody knows what the part is for.
        elongated: whether it spreads at least 2.5 times as far along its long axis as across.
        box: (x0, y0, x1, y1) in whole pixels, x1 and y1 not included.
        kind: what it is, as a noun ("scratch", "blowhole"); None where nobody knows.
    """

    place: str
    cells: tuple[str, ...]
    area_fraction: float
    size: Size
    severity: Severity
    elongated: bool
    box: tuple[int, int, int, int]
    kind: str | None = None


@dataclass(frozen=True)
class Facts:
    """What the masks say about a photo.

    Attributes:
        image_size: (height, width) in pixels.
        defects: one entry for each, in the order given; () for a good part.
        total_fraction: share of the photo under any of them, in [0, 1].
    """

    image_size: tuple[int, int]
    defects: tuple[DefectFacts, ...] = ()
    total_fraction: float = 0.0

    @property
    def count(self) -> int:
        """Number of defects."""
        return len(self.defects)

    @property
    def places(self) -> tuple[str, ...]:
        """Where the defects are: each place once, in reading order."""
        return tuple(place for place in PLACES if any(d.place == place for d in self.defects))

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells that any defect reaches, in reading order; the others are fine."""
        return tuple(cell for cell in PLACES if any(cell in d.cells for d in self.defects))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The known kinds, each once, in the order of the defects."""
        return tuple(dict.fromkeys(d.kind for d in self.defects if d.kind is not None))

    @property
    def largest(self) -> DefectFacts | None:
        """The defect with the largest area, the first of equals; None for a good part."""
        return max(self.defects, key=lambda d: d.area_fraction, default=None)

    @property
    def severity(self) -> Severity | None:
        """As for one defect, from the total share; None for a good part."""
        return severity_of(self.total_fraction) if self.defects else None


def size_of(area_fraction: float) -> Size:
    """The word for a share of the photo, in [0, 1]."""
    return next(word for word, limit in SIZE_LIMITS if area_fraction < limit)


def severity_of(area_fraction: float) -> Severity:
    """The severity of a share of the photo, in [0, 1]."""
    return next(word for word, limit in SEVERITY_LIMITS if area_fraction < limit)


def facts_of(defects: Sequence[Defect], image_size: tuple[int, int]) -> Facts:
    """Read the facts off the masks.

    Args:
        defects: of one photo; their masks may overlap, the total share counts a pixel once.
        image_size: (height, width) of that photo in pixels.

    Raises:
        ValueError: a mask has another size, or the photo has no pixels.
    """
    height, width = image_size
    if height < 1 or width < 1:
        raise ValueError(f"image_size is (height, width), both at least 1, got {image_size}")
    damaged = np.zeros((height, width), bool)
    for defect in defects:
        if defect.mask.shape != (height, width):
            raise ValueError(
                f"every mask has the photo's size {(height, width)}, got {defect.mask.shape}"
            )
        damaged |= defect.mask
    measured = tuple(_defect_facts(defect) for defect in defects)
    return Facts((height, width), measured, float(damaged.mean()))


def _defect_facts(defect: Defect) -> DefectFacts:
    area_fraction = defect.area / defect.mask.size
    return DefectFacts(
        place=defect.place,
        cells=_reached_cells(defect),
        area_fraction=area_fraction,
        size=size_of(area_fraction),
        severity=severity_of(area_fraction),
        elongated=_is_elongated(defect.mask),
        box=defect.box,
        kind=defect.kind,
    )


def _reached_cells(defect: Defect) -> tuple[str, ...]:
    height, width = defect.mask.shape
    row_of, column_of = (np.minimum(2, 3 * np.arange(side) // side) for side in (height, width))
    cell_of = row_of[:, None] * 3 + column_of[None, :]
    sizes = np.bincount(cell_of.ravel(), minlength=9)
    pixels = np.bincount(cell_of[defect.mask], minlength=9)
    reached = (pixels > 0) & (pixels >= CELL_FRACTION * sizes)
    return tuple(
        place
        for place, is_reached in zip(PLACES, reached, strict=True)
        if is_reached or place == defect.place
    )


def _is_elongated(mask: np.ndarray) -> bool:
    rows, columns = np.nonzero(mask)
    points = np.stack([columns - columns.mean(), rows - rows.mean()])
    # A pixel is a square and not a point: without its own spread a thin line has none across.
    spread = points @ points.T / points.shape[1] + np.eye(2) / 12
    across, along = np.linalg.eigvalsh(spread)
    return bool(along >= ELONGATED_RATIO**2 * across)
