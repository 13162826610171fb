"""Small damage as parts suffer it: scratches, stains, holes and missing pieces.

Cut-and-paste shows that something is out of place. This family shows what an inspector sees every
day, and mildly: it darkens or lightens what is there, so the part's own texture stays visible.

All damage is drawn inside a window around it, so a photo of any size costs no more than its damage.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import get_args

import cv2
import numpy as np

from simulation.anomaly import LABEL_THRESHOLD, DefectKind
from simulation.labels import grouping_radius, largest_group, soft_label
from simulation.missing_parts import missing_part
from simulation.spots import Spot, cut_out, inner_point, keep_to_part
from simulation.surface_damage import hole, scratch, stain

# Sizes below are drawn evenly in their logarithm. Areas are shares of the photo, a scratch's
# length is a share of the photo's side (the root of its area).
_AREAS = {"stain": (0.003, 0.08), "hole": (0.001, 0.015), "missing part": (0.005, 0.06)}
_SCRATCH_LENGTH = (0.15, 0.7)
_LARGEST_SHARE_OF_PART = 0.35
_SMALLEST_AREA = 9.0

_PAINTERS: dict[str, Callable[[Spot, np.random.Generator, float], np.ndarray]] = {
    "scratch": scratch,
    "stain": stain,
    "hole": hole,
}


def damage(
    image: np.ndarray, generator: np.random.Generator, kind: DefectKind, place: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Damage a photo in one place.

    Args:
        image: (H, W, 3) uint8, RGB; it is not modified.
        generator: source of chance; the same state gives the same damage.
        kind: "scratch", "stain", "hole" or "missing part".
        place: (H, W) bool, where the part is. The damage lies on it; a missing part is broken off
            at its edge and shows the ground around, or, where the part fills the photo or looks
            like its ground, is a chip with a rim.

    Returns:
        The damaged photo, (H, W, 3) uint8, without colours where the photo has none; and its soft
        label, (H, W) float32 in [0, 1], 0 where nothing changed. What is above 0.3 forms one
        defect.

    Raises:
        ValueError: the image or the place has another shape or type, the place is empty, or the
            kind is another one.
    """
    _check(image, kind, place)
    height, width = place.shape
    part_area = int(np.count_nonzero(place))
    low, high = _SCRATCH_LENGTH if kind == "scratch" else _AREAS[kind]
    size = float(np.exp(generator.uniform(math.log(low), math.log(high))))
    if kind == "scratch":
        radius = size * math.sqrt(height * width) / 2
    else:
        area = min(size * height * width, _LARGEST_SHARE_OF_PART * part_area)
        radius = math.sqrt(max(area, _SMALLEST_AREA) / math.pi)

    if kind == "missing part":
        after, spot = missing_part(image, place, part_area, generator, radius)
    else:
        reach = (1.1 if kind == "scratch" else 1.8) * radius
        spot = cut_out(image, place, inner_point(place, generator, radius), reach)
        after = keep_to_part(spot, _PAINTERS[kind](spot, generator, radius))
    return _finish(image, spot, after)


def _check(image: np.ndarray, kind: str, place: np.ndarray) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    kinds = [known for known in get_args(DefectKind) if known != "patch"]
    if kind not in kinds:
        raise ValueError(f"kind is one of {', '.join(kinds)}; got {kind!r}")
    if place.shape != image.shape[:2] or place.dtype != np.bool_:
        raise ValueError(
            f"place must be {image.shape[:2]} bool like the photo, got {place.shape} {place.dtype}"
        )
    if not place.any():
        raise ValueError(f"place is empty: none of its {place.size} pixels is set")


def _finish(image: np.ndarray, spot: Spot, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The whole photo and its label; `after` is the window (h, w, 3) as floats."""
    window = (spot.rows, spot.columns)
    before = image[window]
    changed = np.clip(np.rint(after), 0, 255).astype(np.uint8)
    if spot.grey:
        changed[...] = changed[..., :1]
    region = (changed != before).any(axis=2)
    damaged, whole = image.copy(), np.zeros(image.shape[:2], bool)
    damaged[window], whole[window] = changed, True
    # On the whole photo, because the label's brush depends on its size; with the unchanged
    # pixels around, because the brush fills up what touches the edge of the region.
    label = soft_label(image, damaged, whole)
    label[window][~region] = 0
    mask = label[window] > LABEL_THRESHOLD
    kept = largest_group(mask, whole.shape)
    stray = mask & ~kept
    if stray.any():
        # With their soft surroundings, which lie within the gap between two groups.
        reach = 2 * grouping_radius(whole.shape) + 1
        stray = cv2.dilate(stray.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
        damaged[window][stray & ~kept] = before[stray & ~kept]
        label[window][stray & ~kept] = 0
    return damaged, label
