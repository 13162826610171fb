"""What an inspection says about a photo, as the facts that answers are made of."""

from __future__ import annotations

import dataclasses

import numpy as np

from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import Region
from anomalygpt.results.shapes import region_masks, small_size
from simulation import Defect
from simulation.dialogues import DefectFacts, Facts, facts_of
from simulation.dialogues.facts import severity_of, size_of


def facts_of_inspection(inspection: Inspection) -> Facts:
    """The regions as defects, in their order; places and shares are those of the regions."""
    masks = region_masks(inspection, small_size(inspection))
    defects = tuple(map(_defect, inspection.regions, masks))
    total = sum(region.area_fraction for region in inspection.regions)
    return Facts(inspection.image_size, defects, min(1.0, total))


def _defect(region: Region, mask: np.ndarray) -> DefectFacts:
    """`mask` (H, W) bool is the region on a small copy of the photo."""
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
