"""Connected parts of a photo where its map stands out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalygpt.constants import LOCATIONS
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.results.maps import checked_map

DEFAULT_LEVEL = 0.5
REGION_SIDE = 1024
MIN_AREA_FRACTION = 1e-4
MOST_REGIONS = 10


@dataclass(frozen=True)
class Region:
    """A connected part of the photo where the map is above its level.

    Attributes:
        bbox: (x0, y0, x1, y1) in whole pixels of the photo, x1 and y1 not included.
        location: the cell of the 3×3 grid over the photo, one of `constants.LOCATIONS`.
        area_fraction: share of the photo's area, in [0, 1].
        score: highest value of the map inside, in [0, 1].
        polygon: outline as points (x, y) in pixels of the photo, counted from pixel edges.
    """

    bbox: tuple[int, int, int, int]
    location: str
    area_fraction: float
    score: float
    polygon: tuple[tuple[float, float], ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "bbox": list(self.bbox),
            "location": self.location,
            "area_fraction": self.area_fraction,
            "score": self.score,
            "polygon": [list(point) for point in self.polygon],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Region:
        x0, y0, x1, y1 = (int(edge) for edge in values["bbox"])
        return cls(
            bbox=(x0, y0, x1, y1),
            location=str(values["location"]),
            area_fraction=float(values["area_fraction"]),
            score=float(values["score"]),
            polygon=tuple((float(x), float(y)) for x, y in values["polygon"]),
        )


def find_regions(
    anomaly_map: np.ndarray,
    geometry: ImageGeometry,
    level: float = DEFAULT_LEVEL,
    *,
    max_regions: int = MOST_REGIONS,
    min_area_fraction: float = MIN_AREA_FRACTION,
) -> list[Region]:
    """Connected parts of the photo where the map is above a level, the strongest first.

    The search runs on at most 1024 pixels per side, or the map's own resolution where that is
    finer, so that it costs the same for every photo.

    Args:
        anomaly_map: (h, w) in [0, 1], covering the model square.
        geometry: where the photo lies in the square.
        level: values above it belong to a region.
        max_regions: at most so many are returned.
        min_area_fraction: smaller parts are dropped, unless nothing larger is there: the part
            with the highest value always stays.

    Raises:
        DeviceError: the map holds NaN or infinite values.
        ConfigError: the map has another shape or lies outside [0, 1].
    """
    height, width = geometry.original
    cells = checked_map(anomaly_map)
    values = geometry.back_project(cells, _search_size(cells, geometry))
    above = (values > level).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
    if count < 2:
        return []
    peaks = np.zeros(count, dtype=np.float32)
    inside = labels > 0
    np.maximum.at(peaks, labels[inside], values[inside])
    order = [int(label) for label in np.argsort(-peaks[1:], kind="stable") + 1]
    smallest = min_area_fraction * values.size
    kept = [label for label in order if stats[label, cv2.CC_STAT_AREA] >= smallest] or order[:1]
    scale = (width / values.shape[1], height / values.shape[0])
    return [
        _region(values, labels, label, stats[label], level, scale) for label in kept[:max_regions]
    ]


def _search_size(anomaly_map: np.ndarray, geometry: ImageGeometry) -> tuple[int, int]:
    """Rows and columns for the search: the photo's, bounded, but never coarser than the map."""
    shrink = min(1.0, REGION_SIDE / max(geometry.original))
    y0, x0, y1, x1 = geometry.box
    covered = ((y1 - y0) / geometry.size, (x1 - x0) / geometry.size)
    rows, columns = (
        max(round(side * shrink), math.ceil(cells * share), 1)
        for side, cells, share in zip(geometry.original, anomaly_map.shape, covered, strict=True)
    )
    return rows, columns


def _region(
    values: np.ndarray,
    labels: np.ndarray,
    label: int,
    stats: np.ndarray,
    level: float,
    scale: tuple[float, float],
) -> Region:
    """Describe one component; `scale` is photo pixels per search pixel, (x, y)."""
    x, y, width, height, area = (int(number) for number in stats)
    window = np.s_[y : y + height, x : x + width]
    mask = labels[window] == label
    weights = np.where(mask, values[window] - level, 0.0)
    # The cell that holds most of it: a centre of gravity may lie where there is nothing, as in
    # the middle of a damaged rim.
    rows, columns = (
        np.minimum(2, 3 * (start + np.arange(length)) // total)
        for start, length, total in zip((y, x), (height, width), values.shape, strict=True)
    )
    cells = np.zeros((3, 3))
    np.add.at(cells, (rows[:, None], columns[None, :]), weights)
    return Region(
        bbox=(
            math.floor(x * scale[0] + 1e-6),
            math.floor(y * scale[1] + 1e-6),
            math.ceil((x + width) * scale[0] - 1e-6),
            math.ceil((y + height) * scale[1] - 1e-6),
        ),
        location=LOCATIONS[int(cells.argmax())],
        area_fraction=area / values.size,
        score=float(values[window][mask].max()),
        polygon=_outline(mask, (x, y), scale),
    )


def _outline(
    mask: np.ndarray, offset: tuple[int, int], scale: tuple[float, float]
) -> tuple[tuple[float, float], ...]:
    """Outer border of a component along pixel edges, with few points, in photo pixels."""
    # On a doubled mask the border through pixel centres tells left edges from right ones.
    doubled = np.repeat(np.repeat(mask.astype(np.uint8), 2, axis=0), 2, axis=1)
    contours, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    edges = (max(contours, key=len) + 1) // 2
    for tolerance in (0.015 * math.hypot(*mask.shape), 0.5, 0.0):
        points = cv2.approxPolyDP(edges, tolerance, True)
        if cv2.contourArea(points) >= 0.8 * cv2.contourArea(edges):
            break  # else a thin scratch would collapse into a line
    return tuple(
        (round(float(x + offset[0]) * scale[0], 2), round(float(y + offset[1]) * scale[1], 2))
        for x, y in points.reshape(-1, 2)
    )
