"""Evidence about a photo for those who speak about it: pictures with marks, and words.

Marked are the regions of the inspection and nothing else, so a good part stays unmarked. How the
published evaluation marks is in `anomalygpt.results.published_highlights`.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw

from anomalygpt.errors import ConfigError
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.images.reading import ImageSource
from anomalygpt.results.certainty import how_sure
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.pictures import (
    SMALLEST_WITH_NUMBERS,
    draw_number,
    inspected_photo,
    picture_box,
    scaled,
    shown_map,
)
from anomalygpt.results.regions import MOST_REGIONS, Region, find_regions
from anomalygpt.results.sentences import percent
from anomalygpt.results.shapes import damaged_pixels, reached_cells, region_masks

NOTATIONS: tuple[str, ...] = ("bbox", "contour", "highlight", "mask", "heatmap", "words")
PICTURES = NOTATIONS[:-1]

# Red with a white edge shows on dark, bright and red parts.
_LINE_COLOUR, _EDGE_COLOUR = (255, 0, 0), (255, 255, 255)
_TINT_OPACITY = 0.4
# White stands for damage in a mask, so its numbers have a colour.
_NUMBER, _NUMBER_ON_MASK = (255, 255, 255), (255, 150, 0)
_LETTERS = 1.4
# Part of the palette at the level; what is below it is cold.
_HEAT_AT_LEVEL = 0.4
# A true mask is kept on so many pixels per side; the search for regions looks at no more.
_MASK_SIDE = 1024


def highlighted(
    image: ImageSource, inspection: Inspection, notation: str, *, max_side: int = 1024
) -> Image.Image:
    """A picture that shows where something stands out.

    bbox draws boxes on the photo, contour lines along the regions with a margin, highlight tints
    them; mask is white where they are and black elsewhere, heatmap shows how far the map exceeds
    its level there, in viridis. Each region has its number, the one of `inspection.regions`,
    on pictures of at least 96 pixels per side. Where nothing stands out, the photo stays as it is,
    a mask is black and a heatmap cold.

    Args:
        image: the photo that was inspected.
        inspection: its findings; without a map, as from JSON, outlines of regions are filled.
        notation: one of `NOTATIONS`, but "words".
        max_side: larger photos are scaled down to this side in pixels.

    Returns:
        A Pillow image of mode RGB, in the aspect of the photo.

    Raises:
        ConfigError: another notation, or max_side is below 1.
        ImageError: the photo cannot be read, or is not the one that was inspected.
        MissingPartError: a heatmap of regions without a map.
    """
    if notation not in PICTURES:
        hint = "; in_words says them" if notation == "words" else ""
        raise ConfigError(
            f"a picture of evidence is one of {', '.join(PICTURES)}, got {notation!r}{hint}"
        )
    photo = inspected_photo(image, inspection)
    photo = scaled(photo, min(1.0, max_side / max(photo.size)))
    scale = (photo.width / inspection.image_size[1], photo.height / inspection.image_size[0])
    masks = region_masks(inspection, (photo.height, photo.width))
    pixels = np.array(photo)
    if notation == "bbox":
        boxes = [_box(region, scale, photo) for region in inspection.regions]
        _draw_lines(pixels, boxes, cv2.MORPH_RECT)
    elif notation == "contour":
        _draw_lines(pixels, masks, cv2.MORPH_ELLIPSE)
    elif notation == "highlight":
        _tint(pixels, masks)
    elif notation == "mask":
        pixels = np.repeat(255 * _united(masks, photo)[..., None].astype(np.uint8), 3, axis=2)
    else:
        pixels = _heat(inspection, masks, photo)
    drawn = Image.fromarray(pixels)
    colour = _NUMBER_ON_MASK if notation == "mask" else _NUMBER
    _draw_numbers(drawn, inspection.regions, scale, colour)
    return drawn


def in_words(inspection: Inspection) -> str:
    """What was found, as text for somebody who does not see the photo.

    Returns:
        English lines: the photo's size; the verdict and how sure it is, where there is one; and
        of each region number, pixels, cells of the 3×3 grid, share of the photo and score. What
        the inspection does not know is not mentioned.
    """
    height, width = inspection.image_size
    lines = [
        f"The photo is {width} pixels wide and {height} pixels high; x counts from its left edge, "
        "y from its top edge."
    ]
    if inspection.is_anomalous is not None:
        lines.append(_verdict(inspection))
    regions = inspection.regions
    if regions:
        what = "1 region stands" if len(regions) == 1 else f"{len(regions)} regions stand"
        more = "; there may be weaker ones" if len(regions) >= MOST_REGIONS else ""
        lines.append(
            f"{what} out (map above {inspection.level:.2f} of 1), the strongest first{more}:"
        )
        lines += [
            _region(number, region, cells)
            for number, (region, cells) in enumerate(
                zip(regions, reached_cells(inspection), strict=True), start=1
            )
        ]
    else:
        lines.append("Nothing stands out.")
    return "\n".join([*lines, *inspection.cautions])


def inspection_of_mask(gt_mask: np.ndarray, *, image: str | None = None) -> Inspection:
    """A true mask as evidence: what an inspection without any error would have found.

    Args:
        gt_mask: (H, W) or (H, W, C); whatever is not 0 is damage.
        image: the photo's name.

    Returns:
        The mask as the map, its parts as regions and its verdict, without a probability.

    Raises:
        ConfigError: the mask has another shape.
    """
    damaged = damaged_pixels(gt_mask)
    size = (damaged.shape[0], damaged.shape[1])
    cells = damaged.astype(np.float32)
    if max(size) > _MASK_SIDE:
        rows, columns = (min(side, _MASK_SIDE) for side in size)
        smaller = cv2.resize(cells, (columns, rows), interpolation=cv2.INTER_AREA)
        cells = (smaller > 0).astype(np.float32)  # a thin scratch stays
    geometry = ImageGeometry.fit(size, _MASK_SIDE, "square")
    return Inspection(
        geometry=geometry,
        anomaly_score=float(cells.max()),
        small_map=cells,
        is_anomalous=bool(damaged.any()),
        regions=find_regions(cells, geometry),
        image=image,
    )


def _verdict(inspection: Inspection) -> str:
    said = "something is wrong" if inspection.is_anomalous else "a good part"
    found = f"Verdict: {said}"
    if inspection.anomaly_probability is not None:
        found += f", probability of an anomaly {inspection.anomaly_probability:.2f}"
    sure = how_sure(inspection)
    return f"{found} ({sure})." if sure else f"{found}."


def _region(number: int, region: Region, cells: Sequence[str]) -> str:
    x0, y0, x1, y1 = region.bbox
    others = [cell for cell in cells if cell != region.location]
    reached = f", reaching into {', '.join(others)}" if others else ""
    return (
        f"{number}. x {x0} to {x1}, y {y0} to {y1}; place in the 3x3 grid: {region.location}"
        f"{reached}; {percent(region.area_fraction)} of the photo; score {region.score:.2f} of 1."
    )


def _united(masks: Sequence[np.ndarray], photo: Image.Image) -> np.ndarray:
    """(H, W) bool of all regions."""
    united = np.zeros((photo.height, photo.width), bool)
    for mask in masks:
        united |= mask
    return united


def _box(region: Region, scale: tuple[float, float], photo: Image.Image) -> np.ndarray:
    """(H, W) bool of the region's box."""
    x0, y0, x1, y1 = picture_box(region, scale, photo.size, 0)
    inside = np.zeros((photo.height, photo.width), bool)
    inside[y0 : y1 + 1, x0 : x1 + 1] = True
    return inside


def _line(shape: Sequence[int]) -> int:
    """Thickness of lines in pixels; they grow with the picture."""
    return max(1, round(max(shape[:2]) / 300))


def _draw_lines(pixels: np.ndarray, masks: Sequence[np.ndarray], corners: int) -> None:
    """Lines around each mask in place, the strongest on top; what they enclose stays as it is."""
    line = _line(pixels.shape)
    for mask in reversed(masks):
        near, middle, far = (_grown(mask, margin, corners) for margin in (line, 2 * line, 3 * line))
        pixels[far & ~middle] = _EDGE_COLOUR
        pixels[middle & ~near] = _LINE_COLOUR


def _grown(mask: np.ndarray, margin: int, corners: int) -> np.ndarray:
    around = cv2.getStructuringElement(corners, (2 * margin + 1, 2 * margin + 1))
    return cv2.dilate(mask.astype(np.uint8), around) > 0


def _tint(pixels: np.ndarray, masks: Sequence[np.ndarray]) -> None:
    for mask in masks:
        own = (1 - _TINT_OPACITY) * pixels[mask] + _TINT_OPACITY * np.array(_LINE_COLOUR)
        pixels[mask] = np.rint(own).astype(np.uint8)


def _heat(inspection: Inspection, masks: Sequence[np.ndarray], photo: Image.Image) -> np.ndarray:
    """Colours (H, W, 3) of the map above its level, by the same scale for every photo."""
    shades = np.zeros((photo.height, photo.width), np.float32)
    if masks:
        values, level = shown_map(inspection, shades.shape, inspection.level)
        rise = np.clip((values - level) / max(1 - level, 1e-6), 0, 1)
        shades = np.where(_united(masks, photo), _HEAT_AT_LEVEL + (1 - _HEAT_AT_LEVEL) * rise, 0)
    palette = cv2.applyColorMap(np.rint(255 * shades).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
    return cv2.cvtColor(palette, cv2.COLOR_BGR2RGB)


def _draw_numbers(
    picture: Image.Image,
    regions: Sequence[Region],
    scale: tuple[float, float],
    colour: tuple[int, int, int],
) -> None:
    if min(picture.size) < SMALLEST_WITH_NUMBERS:
        return
    draw = ImageDraw.Draw(picture)
    margin = 3 * _line(picture.size)
    for number, region in reversed(list(enumerate(regions, start=1))):
        box = picture_box(region, scale, picture.size, margin)
        draw_number(draw, str(number), box, picture.size, colour, _LETTERS)
