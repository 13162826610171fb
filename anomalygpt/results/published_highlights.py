"""Evidence as the published evaluation with experts draws it, to measure ours against.

Every map is stretched over its own range, so something is marked on every good part as well.
`anomalygpt.results.highlights` has ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal, TypeAlias

import cv2
import numpy as np
from PIL import Image

from anomalygpt.errors import ConfigError
from anomalygpt.images.reading import ImageSource, load_image
from anomalygpt.results.shapes import damaged_pixels

Normalisation: TypeAlias = Literal["max", "min-max"]

MASK_NOTATIONS = ("bbox", "contour", "highlight", "mask")
MAP_NOTATIONS = ("bbox", "contour", "highlight", "heatmap")
LONGEST_SIDE = 512

_RED = (255, 0, 0)
_LINE = 2
_MOST_BOXES_OF_MASK, _MOST_BOXES_OF_MAP = 3, 2
_SMALLEST_SHARE = 0.001
_STEPS_OF_GRABCUT = 5
_SMALLEST_FOREGROUND = 0.05

_Box: TypeAlias = "tuple[int, int, int, int]"


def from_mask(picture: ImageSource, gt_mask: np.ndarray | None, notation: str) -> Image.Image:
    """What is drawn from a true mask.

    A picture of more than 512 pixels is scaled down to that. bbox and contour are red lines of 2
    pixels; of more than three boxes the two with the nearest centres become one until three are
    left. highlight is 0.6 of the picture and 0.4 of the mask in viridis, mask these colours alone.

    Args:
        picture: the photo.
        gt_mask: (H, W) or (H, W, C); whatever is not 0 is damage. None gives the picture as it is.
        notation: one of `MASK_NOTATIONS`.

    Returns:
        A Pillow image of mode RGB.

    Raises:
        ConfigError: another notation, or a mask of another shape.
        ImageError: the picture cannot be read.
    """
    _check(notation, MASK_NOTATIONS, "a mask")
    photo = _shrunk(load_image(picture))
    if gt_mask is None:
        return photo
    damaged = _fitted(damaged_pixels(gt_mask).astype(np.uint8), photo.size)
    pixels = np.array(photo)
    if notation == "contour":
        cv2.drawContours(pixels, _contours(damaged), -1, _RED, _LINE)
    elif notation == "bbox":
        _draw_boxes(pixels, _contours(damaged), _MOST_BOXES_OF_MASK)
    else:
        colours = _viridis(damaged.astype(np.float64))[..., :3]
        if notation == "mask":
            return Image.fromarray(np.ascontiguousarray(colours))
        pixels = np.rint(0.6 * pixels + 0.4 * colours).astype(np.uint8)
    return Image.fromarray(pixels)


def from_map(
    picture: ImageSource,
    anomaly_map: np.ndarray,
    notation: str,
    *,
    normalisation: Normalisation = "max",
    fitted: bool = True,
    foreground: np.ndarray | None = None,
    seed: int | None = 0,
) -> Image.Image:
    """What is drawn from an anomaly map.

    A picture of more than 512 pixels is scaled down to that. Marked is what lies above two thirds
    of the map's highest value, or above its median where that would be more than half; outlines
    around less than 0.1 % of the picture are left out. Boxes become two as in `from_mask`.

    Args:
        picture: the photo.
        anomaly_map: (H, W), finite, of any range.
        notation: one of `MAP_NOTATIONS`.
        normalisation: "max" as for PatchCore: what GrabCut holds for background becomes 0, then
            the map is divided by its maximum. "min-max" as for AnomalyCLIP: stretched over 0 to 1.
        fitted: False leaves a map of another size as it is, which is a published fault: for
            pictures of at most 512 pixels AnomalyCLIP's map keeps the network's size, so that
            outlines lie in the wrong place.
        foreground: from `foreground_of`, for who draws several maps of a picture; None looks
            for it, which takes seconds.
        seed: see there.

    Returns:
        A Pillow image of mode RGBA, opaque; a heatmap that is not fitted has the size of the map.

    Raises:
        ConfigError: another notation or normalisation, no map, or a map of another size that is
            not fitted, where colours would have to lie over the picture.
        ImageError: the picture cannot be read.
    """
    _check(notation, MAP_NOTATIONS, "a map")
    if normalisation not in ("max", "min-max"):
        raise ConfigError(f"normalisation is 'max' or 'min-max', got {normalisation!r}")
    photo = _shrunk(load_image(picture))
    values = _laid(anomaly_map, photo, fitted, notation == "highlight" or normalisation == "max")
    if normalisation == "max":
        kept = foreground_of(photo, seed=seed) if foreground is None else foreground
        values = _over(np.where(_of_size(kept, photo), values, 0.0), 0.0)
    else:
        values = _over(values, float(values.min()))
    if notation in ("bbox", "contour"):
        return _outlined(photo, values, notation)
    colours = _viridis(values)
    if notation == "heatmap":
        return Image.fromarray(colours)
    # Colours and opacity are both scaled, so the picture under it comes out darker, too.
    faint = (colours.astype(np.int64) * 7 // 10).astype(np.uint8)
    return Image.alpha_composite(photo.convert("RGBA"), Image.fromarray(faint))


def foreground_of(picture: ImageSource, *, seed: int | None = 0) -> np.ndarray:
    """All of a picture but what GrabCut holds for likely background. The border outside of its
    rectangle stays, and everything where less than 5 % would.

    Args:
        picture: the photo.
        seed: where OpenCV's random numbers start, which GrabCut draws from; 0 is how a program
            starts. None goes on where they are: published are pictures made one after another,
            each with another background.

    Returns:
        (H, W) bool, H and W of the picture, at most 512.

    Raises:
        ImageError: the picture cannot be read.
    """
    photo = _shrunk(load_image(picture))
    width, height = photo.size
    frame = (int(0.01 * width), int(0.01 * height), int(0.98 * width), int(0.98 * height))
    whole = np.ones((height, width), dtype=bool)
    if frame[2] < 1 or frame[3] < 1:
        return whole  # nothing lies inside
    if seed is not None:
        cv2.setRNGSeed(seed)
    kinds = np.zeros((height, width), np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    pixels = np.asarray(photo)
    cv2.grabCut(pixels, kinds, frame, *models, _STEPS_OF_GRABCUT, cv2.GC_INIT_WITH_RECT)
    kept = kinds != cv2.GC_PR_BGD
    return kept if kept.mean() >= _SMALLEST_FOREGROUND else whole


def _of_size(foreground: np.ndarray, photo: Image.Image) -> np.ndarray:
    if foreground.shape[::-1] != photo.size:
        raise ConfigError(
            f"foreground has the shape {foreground.shape}, the picture {photo.height}×"
            f"{photo.width}; take it from foreground_of for this picture"
        )
    return foreground


def _check(notation: str, known: Sequence[str], what: str) -> None:
    if notation not in known:
        raise ConfigError(
            f"from {what} is published {', '.join(known)}; there is no {notation!r} to reproduce"
        )


def _laid(anomaly_map: np.ndarray, photo: Image.Image, fitted: bool, covers: bool) -> np.ndarray:
    """The map as float64, at the size of the picture where it is fitted; who `covers` the picture
    needs that size."""
    values = np.asarray(anomaly_map, dtype=np.float64)
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise ConfigError(
            "an anomaly map has the shape (H, W) and finite values; got the shape "
            f"{values.shape}, {int(np.count_nonzero(~np.isfinite(values)))} values not finite"
        )
    if fitted:
        return _fitted(values, photo.size)
    if covers and values.shape[::-1] != photo.size:
        raise ConfigError(
            f"a map of {values.shape[1]}×{values.shape[0]} does not lie over a picture of "
            f"{photo.width}×{photo.height}; leave out fitted=False"
        )
    return values


def _shrunk(photo: Image.Image) -> Image.Image:
    scale = LONGEST_SIDE / max(photo.size)
    if scale >= 1:
        return photo
    width, height = (max(1, int(side * scale)) for side in photo.size)
    return photo.resize((width, height))


def _fitted(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) at a width and height, by the nearest cell."""
    if values.shape[::-1] == size:
        return values
    return cv2.resize(values, size, interpolation=cv2.INTER_NEAREST)


def _over(values: np.ndarray, low: float) -> np.ndarray:
    """From `low` to the highest value as 0 to 1; a map without a range has nothing to show."""
    spread = float(values.max()) - low
    return (values - low) / spread if spread > 0 else np.zeros_like(values)


def _viridis(values: np.ndarray) -> np.ndarray:
    """Colours (H, W, 4) uint8 of values in [0, 1], as matplotlib has them."""
    from matplotlib import colormaps  # half a second, for pictures that few draw

    return (255 * colormaps["viridis"](values)).astype(np.uint8)


def _outlined(photo: Image.Image, values: np.ndarray, notation: str) -> Image.Image:
    level = 2 / 3 * values.max()
    if (values > level).mean() > 0.5:
        level = np.median(values)
    smallest = _SMALLEST_SHARE * photo.width * photo.height
    found = [each for each in _contours(values > level) if not cv2.contourArea(each) < smallest]
    pixels = np.array(photo)
    if notation == "contour":
        cv2.drawContours(pixels, found, -1, _RED, _LINE)
    else:
        _draw_boxes(pixels, found, _MOST_BOXES_OF_MAP)
    return Image.fromarray(pixels).convert("RGBA")


def _contours(inside: np.ndarray) -> Sequence[np.ndarray]:
    found, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return found


def _draw_boxes(pixels: np.ndarray, contours: Sequence[np.ndarray], most: int) -> None:
    """The boxes around contours, at most so many, in place. Their right and lower edges lie one
    pixel outside, as published."""
    boxes: list[_Box] = []
    for contour in contours:
        x, y, width, height = cv2.boundingRect(contour)
        boxes.append((x, y, x + width, y + height))
    while len(boxes) > most:
        first, second = min(combinations(boxes, 2), key=lambda pair: _distance(*pair))
        boxes.remove(first)
        boxes.remove(second)
        boxes.append(
            (
                min(first[0], second[0]),
                min(first[1], second[1]),
                max(first[2], second[2]),
                max(first[3], second[3]),
            )
        )
    for x0, y0, x1, y1 in boxes:
        cv2.rectangle(pixels, (x0, y0), (x1, y1), _RED, _LINE)


def _distance(first: _Box, second: _Box) -> float:
    """Between the centres of two boxes, squared and doubled."""
    across, down = (
        first[axis] + first[axis + 2] - second[axis] - second[axis + 2] for axis in (0, 1)
    )
    return float(across**2 + down**2)
