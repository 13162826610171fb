"""Inspections of made maps, for tests of what is said about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from anomalygpt.constants import LOCATIONS
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import find_regions
from anomalygpt.verdict import verdict_sentence

SIDE, LEVEL = 96, 0.43

Maker = Callable[..., Inspection]


def blobs(cells: Sequence[str], seed: int) -> np.ndarray:
    """(96, 96) map with a disc inside each of the cells, of different sizes and heights."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    values = np.full((SIDE, SIDE), 0.1, np.float32)
    for cell in cells:
        row, column = divmod(LOCATIONS.index(cell), 3)
        middle = (32 * row + 16 + generator.integers(-4, 5), 32 * column + 16)
        inside = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < generator.uniform(
            2, 10
        ) ** 2
        values[inside] = generator.uniform(0.6, 0.9)
    return values


@pytest.fixture
def made() -> Maker:
    """Makes the inspection of a photo with damage in some cells; without any it is good."""

    def make(*cells: str, seed: int = 0, references: int = 1, **changes: object) -> Inspection:
        small_map = blobs(cells, seed)
        geometry = ImageGeometry.fit((240, 320), SIDE, "square")
        found = Inspection(
            geometry=geometry,
            anomaly_score=float(small_map.max()),
            small_map=small_map,
            is_anomalous=bool(cells),
            anomaly_probability=0.97 if cells else 0.02,
            regions=find_regions(small_map, geometry, LEVEL) if cells else (),
            level=LEVEL,
            image="part.jpg",
            references=[f"good_{number}.jpg" for number in range(references)],
        )
        found = replace(found, **changes)
        return replace(found, answer=verdict_sentence(found))

    return make
