"""Where the part is in a photo, so that damage is simulated on it and not beside it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

# Where the part lies needs no detail, and its cost should not grow with the photo.
_WORKING_SIDE = 112
# Lab distances: up to here a ground is plain; from here on a part stands out from it.
_PLAIN_GROUND = 12.0
_STANDS_OUT = 14.0
_SMALLEST_SHARE, _LARGEST_SHARE = 0.02, 0.92
# Pieces below this share of the largest one are specks of the ground.
_PIECE_SHARE = 0.1


def object_mask(
    image: np.ndarray, background: Sequence[tuple[float, float]] | None = None
) -> np.ndarray:
    """Find the part in a photo of it on a plain ground.

    Args:
        image: (H, W, 3) uint8, RGB.
        background: (brightness, tolerance) pairs in grey levels: a pixel belongs to the ground
            if its mean over the channels is within the tolerance of one of them. () means that
            no ground is seen. None finds a ground from the colours along the photo's border.

    Returns:
        (H, W) bool; all True where no plain ground or no part can be told apart, as on a
        texture that fills the photo.
    """
    height, width = image.shape[:2]
    everything = np.ones((height, width), bool)
    if background is not None and not len(background):
        return everything
    scale = min(1.0, _WORKING_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    found = _against_border(small) if background is None else _against(small, background)
    share = found.mean()
    if not _SMALLEST_SHARE <= share <= _LARGEST_SHARE:
        return everything
    large = cv2.resize(
        found.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_LINEAR
    )
    return large > 127


def _against(image: np.ndarray, background: Sequence[tuple[float, float]]) -> np.ndarray:
    """Part against a ground of known brightness, (h, w) bool."""
    grey = image.mean(axis=2)
    part = np.ones(grey.shape, bool)
    for brightness, tolerance in background:
        part &= np.abs(grey - brightness) > tolerance
    return _tidy(part)


def _against_border(image: np.ndarray) -> np.ndarray:
    """Part against the colour of the photo's border, (h, w) bool; none found gives all False."""
    # uint8 Lab stretches lightness by 2.55; a third of that keeps shadows from being parts.
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32) * (0.4, 1, 1)
    border = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    ground = np.median(border, axis=0)
    spread = np.linalg.norm(border - ground, axis=1)
    nothing = np.zeros(image.shape[:2], bool)
    # Up to a third of the border may be part: a part may reach out of the photo.
    if np.quantile(spread, 0.65) > _PLAIN_GROUND:
        return nothing
    distance = np.linalg.norm(lab - ground, axis=2)
    levels = np.clip(distance * 4, 0, 255).astype(np.uint8)
    threshold = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[0] / 4
    part = distance > threshold
    if not part.any() or part.all():
        return nothing
    on_border = float((spread > threshold).mean())
    apart = float(distance[part].mean() - distance[~part].mean())
    if on_border > 0.35 or apart < _STANDS_OUT:
        return nothing
    return _tidy(part)


def _tidy(part: np.ndarray) -> np.ndarray:
    """Close gaps, fill holes and drop specks, (h, w) bool."""
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    pixels = cv2.medianBlur(part.astype(np.uint8), 3)
    pixels = cv2.morphologyEx(pixels, cv2.MORPH_CLOSE, brush, iterations=2)
    contours, _ = cv2.findContours(pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = [cv2.contourArea(contour) for contour in contours]
    largest = max(areas, default=0.0)
    kept = [c for c, area in zip(contours, areas, strict=True) if area >= _PIECE_SHARE * largest]
    filled = np.zeros_like(pixels)
    cv2.drawContours(filled, kept, -1, 1, cv2.FILLED)
    return filled > 0
