"""How strongly each pixel of a simulated photo was changed, as a soft label."""

from __future__ import annotations

import math

import cv2
import numpy as np

from simulation.anomaly import GROUPING_GAP, LABEL_THRESHOLD

# Gaps narrower than about twice this share of the photo's side are closed inside a defect.
_CLOSING_RADIUS = 0.005
_LARGEST_ROUND_BRUSH = 8


def soft_label(
    before: np.ndarray,
    after: np.ndarray,
    region: np.ndarray,
    *,
    sharpness: float = 1 / 12,
    midpoint: float = 24.0,
) -> np.ndarray:
    """Logistic of the intensity change: 1 / (1 + exp(-sharpness · (d - midpoint))), as in NSA.

    d is the mean absolute change over the channels. Where two textures happen to agree, d falls
    to 0 in the middle of a defect, so it is closed first (a grey-level closing of half a
    per cent of the side): specks inside a defect are filled, its outline stays. NSA takes a
    median instead, which wipes out scratches thinner than its window and rounds corners off.

    Args:
        before: (H, W, 3) uint8.
        after: (H, W, 3) uint8, the changed photo.
        region: (H, W) bool, where a change counts.
        sharpness: steepness of the logistic, above 0, per grey level.
        midpoint: grey levels at which the label is one half.

    Returns:
        (H, W) float32 in [0, 1]; exactly 0 outside the region and where nothing was changed,
        except for specks of chance agreement inside a defect.

    Raises:
        ValueError: shapes disagree or sharpness is not above 0.
    """
    if before.shape != after.shape or region.shape != before.shape[:2]:
        raise ValueError(
            f"before {before.shape}, after {after.shape} and region {region.shape} must agree"
        )
    if not sharpness > 0:
        raise ValueError(f"sharpness must be above 0, got {sharpness}")
    label = np.zeros(region.shape, np.float32)
    window = bounding_window(region)
    if window is None:
        return label
    change = cv2.absdiff(before[window], after[window]).sum(axis=2, dtype=np.float32) / 3
    change[~region[window]] = 0
    brush = closing_brush(region.shape)
    radius = len(brush) // 2
    # Nothing changed around the window; without this rim its edge would count as a filled gap.
    closed = cv2.morphologyEx(np.pad(change, 2 * radius), cv2.MORPH_CLOSE, brush)
    change = closed[2 * radius : -2 * radius, 2 * radius : -2 * radius]
    logistic = 1 / (1 + np.exp(np.clip(-sharpness * (change - midpoint), -80, 80)))
    label[window] = np.where((change > 0) & region[window], logistic, 0)
    return label


def closing_brush(shape: tuple[int, ...]) -> np.ndarray:
    """The brush that closes gaps inside a defect, (2r+1, 2r+1) uint8; r is at least 1.

    Args:
        shape: (H, W) of the photo.
    """
    radius = max(1, round(_CLOSING_RADIUS * math.sqrt(shape[0] * shape[1])))
    # A round brush costs its area for every pixel, a square one nearly nothing.
    form = cv2.MORPH_ELLIPSE if radius <= _LARGEST_ROUND_BRUSH else cv2.MORPH_RECT
    return cv2.getStructuringElement(form, (2 * radius + 1, 2 * radius + 1))


def smallest_change(sharpness: float, midpoint: float) -> float:
    """Grey levels of change above which a pixel's label passes 0.3, at least 0.

    Args:
        sharpness: steepness of the logistic, above 0.
        midpoint: grey levels at which the label is one half.
    """
    return max(0.0, midpoint + math.log(LABEL_THRESHOLD / (1 - LABEL_THRESHOLD)) / sharpness)


def largest_group(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The largest group of damaged pixels, (h, w) bool, as `find_defects` would group them.

    Large photos are grouped by a square that fits into the brush of `find_defects`, because its
    cost does not grow: what is one group here is one group there, too.

    Args:
        mask: (h, w) bool, a window that holds all damaged pixels.
        shape: (H, W) of the whole photo, which sets the gap.
    """
    radius = grouping_radius(shape)
    if radius <= _LARGEST_ROUND_BRUSH:
        brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    else:
        brush = np.ones((2 * int(0.7 * radius) + 1,) * 2, np.uint8)
    # Groups may join just outside the window.
    padded = np.pad(mask.astype(np.uint8), radius)
    _, groups = cv2.connectedComponents(cv2.dilate(padded, brush), connectivity=8)
    groups = groups[radius : radius + mask.shape[0], radius : radius + mask.shape[1]]
    sizes = np.bincount(groups[mask], minlength=1)
    return mask & (groups == sizes.argmax())


def grouping_radius(shape: tuple[int, ...]) -> int:
    """Pixels by which `find_defects` widens a mask of (H, W) before it looks for groups."""
    return max(1, round(GROUPING_GAP * math.sqrt(shape[0] * shape[1]) / 2))


def bounding_window(mask: np.ndarray) -> tuple[slice, slice] | None:
    """Rows and columns that hold all set pixels of an (H, W) bool mask; None if none is set."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
