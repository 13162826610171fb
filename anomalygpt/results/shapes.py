"""Which pixels the regions of an inspection cover, and which cells of the grid they reach."""

from __future__ import annotations

import math

import cv2
import numpy as np

from anomalygpt.errors import ConfigError
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import Region
from simulation import Defect
from simulation.dialogues import facts_of

# Longer side in pixels on which it is seen which cells of the 3×3 grid a region reaches.
_SIDE = 480


def damaged_pixels(gt_mask: np.ndarray) -> np.ndarray:
    """(H, W) bool of a true mask (H, W) or (H, W, C), in which whatever is not 0 is damage.

    Raises:
        ConfigError: it has another shape.
    """
    damaged = np.asarray(gt_mask) != 0
    if damaged.ndim == 3:
        damaged = damaged.any(axis=2)
    if damaged.ndim != 2 or damaged.size == 0:
        raise ConfigError(f"gt_mask has the shape (H, W) or (H, W, C), got {np.shape(gt_mask)}")
    return damaged


def region_masks(inspection: Inspection, size: tuple[int, int]) -> list[np.ndarray]:
    """The regions on a copy of the photo: where the map is above its level, or, without a map or
    where a copy is too small for it, what their outlines enclose.

    Args:
        inspection: the findings.
        size: height and width of the copy.

    Returns:
        Of each region, in their order, (H, W) bool with at least one pixel.
    """
    if not inspection.regions:
        return []
    parts = None
    if inspection.small_map is not None:
        above = (inspection.map_at(size) > inspection.level).astype(np.uint8)
        _, parts = cv2.connectedComponents(above, connectivity=8)
    return [_region_mask(inspection, region, size, parts) for region in inspection.regions]


def small_size(inspection: Inspection) -> tuple[int, int]:
    """Height and width of a copy on which it is seen which cells a region reaches."""
    scale = _SIDE / max(inspection.image_size)
    rows, columns = (max(3, round(side * scale)) for side in inspection.image_size)
    return rows, columns


def reached_cells(inspection: Inspection) -> list[tuple[str, ...]]:
    """Of each region, the cells of the 3×3 grid that it reaches, in reading order: its own, and
    those of which it covers at least 0.5 %."""
    found = []
    masks = region_masks(inspection, small_size(inspection))
    for region, mask in zip(inspection.regions, masks, strict=True):
        (measured,) = facts_of([Defect.from_mask(mask)], mask.shape).defects
        found.append(tuple(dict.fromkeys([*measured.cells, region.location])))
    return found


def _region_mask(
    inspection: Inspection, region: Region, size: tuple[int, int], parts: np.ndarray | None
) -> np.ndarray:
    """`parts` (H, W) are the connected parts above the level, numbered from 1 on."""
    height, width = inspection.image_size
    scale = np.array([size[1] / width, size[0] / height])
    corners = np.floor(np.array(region.polygon) * scale)
    corners = np.clip(corners, 0, (size[1] - 1, size[0] - 1)).astype(np.int32)
    filled = np.zeros(size, np.uint8)
    cv2.fillPoly(filled, [corners], 1)
    x0, y0, x1, y1 = np.array(region.bbox) * np.tile(scale, 2)
    window = np.s_[math.floor(y0) : math.ceil(y1), math.floor(x0) : math.ceil(x1)]
    enclosed = np.zeros(size, bool)
    enclosed[window] = filled[window] > 0  # corners at the far edges are drawn one pixel outside
    if parts is None:
        return enclosed
    # Outlines have few points: the part itself tells more, and does not cover what a rim encloses.
    numbers = np.unique(parts[enclosed & (parts > 0)])
    covered = np.zeros(size, bool)
    covered[window] = np.isin(parts[window], numbers)
    return covered if covered.any() else enclosed
