"""Which cells of the 3×3 grid an answer names, and whether they are those of the defects."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from anomalygpt.constants import LOCATIONS
from anomalygpt.evaluation.figures.figures import Figures
from simulation import find_defects


def defect_places(mask: np.ndarray) -> tuple[list[str], set[str]]:
    """Where the defects of a mask lie.

    Args:
        mask: (H, W) bool.

    Returns:
        The cell that holds most of each defect, by the rule of simulated masks (what lies close
        together is one defect, dust is left out), so that a cell can come twice; and all cells
        with at least one defect pixel, dust included. Both are empty for an empty mask.

    Raises:
        ValueError: another shape or type.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_ or not mask.size:
        raise ValueError(f"a mask is (H, W) bool, got {mask.shape} {mask.dtype}")
    rows, columns = (
        np.minimum(2, 3 * positions // length)
        for positions, length in zip(np.nonzero(mask), mask.shape, strict=True)
    )
    cells = {LOCATIONS[cell] for cell in np.unique(3 * rows + columns)}
    return [defect.place for defect in find_defects(mask)], cells


def place_figures(
    records: Sequence[tuple[Collection[str], Sequence[str], Collection[str]]],
) -> Figures:
    """How many of the named cells are right, and how many defects are named.

    Cells and defects of all photos are counted together, so a photo counts as often as it has
    some.

    Args:
        records: for each photo of a defective part that has a mask, the cells that the answer
            names, and what `defect_places` tells about the mask.

    Returns:
        place_precision, the share of the named cells that hold defect pixels (None when nothing
        was named), and place_recall, the share of the defects whose cell is named (None without
        defects).
    """
    named = right = defects = found = 0
    for said, places, cells in records:
        # A cell that is named twice is still one claim.
        named += len(set(said))
        right += len(set(said) & set(cells))
        defects += len(places)
        found += sum(place in said for place in places)
    return {
        "place_precision": right / named if named else None,
        "place_recall": found / defects if defects else None,
    }
