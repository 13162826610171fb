"""The window of a photo that one damage is drawn in, and where on the part it lies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

# Widths are given in pixels of a photo of this side and grow with the photo.
_REFERENCE_SIDE = 224


@dataclass(frozen=True)
class Spot:
    """The window of the photo that one damage is drawn in.

    Attributes:
        pixels: (h, w, 3) float32, the photo before.
        place: (h, w) bool, where the part is.
        rows: of the window in the photo.
        columns: of the window in the photo.
        centre: (x, y) of the damage in the window.
        unit: one pixel of a photo of 224 pixels side; at least 1.
        grey: True where the photo has no colours.
    """

    pixels: np.ndarray
    place: np.ndarray
    rows: slice
    columns: slice
    centre: tuple[int, int]
    unit: float
    grey: bool


def inner_point(
    place: np.ndarray, generator: np.random.Generator, radius: float
) -> tuple[int, int]:
    """(x, y) of the part with much of the part around it."""
    best, best_share = (0, 0), -1.0
    for _ in range(6):
        x, y = random_point(place, generator)
        reach = max(1, round(radius))
        around = place[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        share = np.count_nonzero(around) / (2 * reach + 1) ** 2
        if share > best_share:
            best, best_share = (x, y), share
        if share > 0.9:
            break
    return best


def random_point(mask: np.ndarray, generator: np.random.Generator) -> tuple[int, int]:
    """(x, y) of a set pixel, all equally likely."""
    # Row first, then column: the list of all set pixels of a large photo is not worth its memory.
    totals = np.cumsum(np.count_nonzero(mask, axis=1))
    y = int(np.searchsorted(totals, generator.integers(totals[-1]), side="right"))
    return int(generator.choice(np.flatnonzero(mask[y]))), y


def cut_out(image: np.ndarray, place: np.ndarray, point: tuple[int, int], reach: float) -> Spot:
    """The window around a point (x, y), as far as the damage reaches and a little more."""
    height, width = place.shape
    unit = max(1.0, math.sqrt(height * width) / _REFERENCE_SIDE)
    x, y = point
    margin = math.ceil(reach + 6 * unit)
    rows = slice(max(0, y - margin), min(height, y + margin + 1))
    columns = slice(max(0, x - margin), min(width, x + margin + 1))
    pixels = image[rows, columns]
    # A coarse look at the rest: a colour photo's damage may be coloured on its grey places too.
    coarse = image[:: max(1, height // 64), :: max(1, width // 64)]
    return Spot(
        pixels=pixels.astype(np.float32),
        place=place[rows, columns],
        rows=rows,
        columns=columns,
        centre=(x - columns.start, y - rows.start),
        unit=unit,
        grey=_is_grey(coarse) and _is_grey(pixels),
    )


def _is_grey(pixels: np.ndarray) -> bool:
    return bool((pixels[..., :1] == pixels[..., 1:]).all())


def keep_to_part(spot: Spot, after: np.ndarray) -> np.ndarray:
    """Fade the damage (h, w, 3) out towards the part's edge, and take it back beyond."""
    part = spot.place.astype(np.float32)
    soft = cv2.GaussianBlur(part, (0, 0), 0.8 * spot.unit, borderType=cv2.BORDER_REPLICATE)
    soft = np.clip(2 * soft - 1, 0, 1) * part
    if soft[spot.centre[1], spot.centre[0]] < 0.9:  # at the very edge, or the part is a thread
        soft = part
    return spot.pixels + soft[..., None] * (after - spot.pixels)
