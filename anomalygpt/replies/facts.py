"""What an inspection says about a photo, as the facts that answers are made of."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import Region
from simulation import Defect
from simulation.dialogues import DefectFacts, Facts, facts_of
from simulation.dialogues.facts import severity_of, size_of

# Longer side in pixels on which it is seen which cells of the 3×3 grid a region reaches.
_SIDE = 240


def facts_of_inspection(inspection: Inspection) -> Facts:
    """The regions as defects, in their order; places and shares are those of the regions."""
    defects = tuple(_defect(inspection, region) for region in inspection.regions)
    total = sum(region.area_fraction for region in inspection.regions)
    return Facts(inspection.image_size, defects, min(1.0, total))


def _defect(inspection: Inspection, region: Region) -> DefectFacts:
    mask = _mask(inspection, region)
    (measured,) = facts_of([Defect.from_mask(mask)], mask.shape).defects
    share = region.area_fraction
    cells = tuple(dict.fromkeys([*measured.cells, region.location]))
    return dataclasses.replace(
        measured,
        place=region.location,
        cells=cells,
        area_fraction=share,
        size=size_of(share),
        severity=severity_of(share),
        box=region.bbox,
    )


def _mask(inspection: Inspection, region: Region) -> np.ndarray:
    """The region on a small copy of the photo, bool, at least one pixel."""
    height, width = inspection.image_size
    scale = _SIDE / max(height, width)
    rows, columns = (max(3, round(side * scale)) for side in (height, width))
    points = np.array(region.polygon) * (columns / width, rows / height)
    filled = np.zeros((rows, columns), np.uint8)
    corners = np.clip(np.floor(points), 0, (columns - 1, rows - 1)).astype(np.int32)
    cv2.fillPoly(filled, [corners], 1)
    inside = filled > 0
    if inspection.small_map is not None:
        # A damaged rim has an outline around the whole part, and its middle is fine.
        above = inside & (inspection.map_at((rows, columns)) > inspection.level)
        inside = above if above.any() else inside
    return inside
