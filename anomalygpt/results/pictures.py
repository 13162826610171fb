"""Pictures of an inspection: heat over the photo, regions outlined."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from anomalygpt.errors import ConfigError, ImageError, OutputError
from anomalygpt.files import write_atomically
from anomalygpt.images.listing import result_mark
from anomalygpt.images.reading import ImageSource, load_image
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import Region

_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 92}),
    ".jpeg": ("JPEG", {"quality": 92}),
    ".webp": ("WEBP", {"quality": 90}),
    ".bmp": ("BMP", {}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
}
Palette = Literal["warm", "viridis"]
_PALETTES: dict[str, int] = {"warm": cv2.COLORMAP_TURBO, "viridis": cv2.COLORMAP_VIRIDIS}
_BOX_COLOUR = (255, 255, 255)
_EDGE_COLOUR = (0, 0, 0)
# A picture whose shorter side has fewer pixels would disappear under its numbers.
SMALLEST_WITH_NUMBERS = 96


def overlay(
    image: ImageSource,
    inspection: Inspection,
    *,
    opacity: float = 0.6,
    level: float | None = None,
    max_side: int = 2048,
) -> Image.Image:
    """Lay the anomaly map over the photo and outline its regions.

    Heat fades in from half of `level` on, so that an unremarkable part stays as it is. Colours
    stand for the same map values in every picture: orange at `level`, dark red from half as much
    again. Published maps have no such values: each is drawn over its own range.

    Args:
        image: the photo that was inspected.
        inspection: its findings.
        opacity: share of colour where the map is 1, in [0, 1].
        level: map value that counts as remarkable, by default the one of the regions.
        max_side: larger photos are scaled down to this side in pixels.

    Returns:
        A Pillow image of mode RGB, in the aspect of the photo.

    Raises:
        ImageError: the photo cannot be read, or is not the one that was inspected.
        ConfigError: opacity or level lies outside [0, 1], or max_side is below 1.
        MissingPartError: the inspection carries no map.
    """
    photo = inspected_photo(image, inspection)
    scale = min(1.0, max_side / max(photo.size))
    return _draw_overlay(scaled(photo, scale), inspection, opacity, level)


def heat_layer(
    inspection: Inspection, *, max_side: int = 512, palette: Palette = "warm"
) -> Image.Image:
    """The heat of `overlay` at full opacity by itself, to be laid over the photo elsewhere.

    Args:
        inspection: the findings.
        max_side: longer side in pixels at most.
        palette: "warm", or "viridis", which colour-blind people read as well.

    Returns:
        A Pillow image of mode RGBA, in the aspect of the photo, see-through where nothing is.

    Raises:
        ConfigError: another palette.
        MissingPartError: the inspection carries no map.
    """
    if palette not in _PALETTES:
        raise ConfigError(f"palette is one of {', '.join(_PALETTES)}, got {palette!r}")
    height, width = inspection.image_size
    scale = min(1.0, max_side / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    values, level = shown_map(inspection, size, inspection.level)
    heat, strength = _heat(values, level, _PALETTES[palette])
    alpha = np.rint(255 * strength).astype(np.uint8)
    return Image.fromarray(np.dstack([heat, alpha]))  # four channels of bytes are RGBA


def save_image(image: Image.Image, path: str | Path, *, is_result: bool = False) -> Path:
    """Write a picture as a whole or not at all; missing folders are made.

    Args:
        image: a Pillow image.
        path: the suffix names the format: png, jpg, webp, bmp or tif.
        is_result: True marks a PNG as drawn over a photo, so that nobody inspects it as one.

    Raises:
        OutputError: another suffix, no space, no permission, or the place is taken by a folder.
    """
    kind, options = picture_format(path)
    picture = image.convert("RGB") if kind == "JPEG" else image
    if kind == "PNG" and is_result:
        options = {**options, "pnginfo": result_mark()}
    try:
        return write_atomically(path, lambda file: picture.save(file, format=kind, **options))
    except ValueError as error:  # a side beyond what the format can hold
        raise OutputError(f"{path} cannot be written as {kind}: {error}; use .png") from error


def picture_format(path: str | Path) -> tuple[str, dict[str, Any]]:
    """The format that a picture's name asks for, and Pillow's options for it.

    Raises:
        OutputError: another suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise OutputError(f"a picture is saved as {known}; got {str(path)!r}")
    return _FORMATS[suffix]


def inspected_photo(image: ImageSource, inspection: Inspection) -> Image.Image:
    """The photo of an inspection, RGB.

    Raises:
        ImageError: it cannot be read, or is not the one that was inspected.
    """
    photo = load_image(image)
    if (photo.height, photo.width) != inspection.image_size:
        height, width = inspection.image_size
        raise ImageError(
            f"the photo has {photo.width}×{photo.height} pixels, the inspection is about one of "
            f"{width}×{height}; give the photo that was inspected"
        )
    return photo


def scaled(photo: Image.Image, scale: float) -> Image.Image:
    """The photo at a scale, no side below a pixel; itself where nothing changes.

    Raises:
        ConfigError: the scale is not above 0.
    """
    if scale <= 0:
        raise ConfigError("max_side and panel_side must be at least 1 pixel")
    width, height = (max(1, round(side * scale)) for side in photo.size)
    if (width, height) == photo.size:
        return photo
    return photo.resize((width, height), Image.Resampling.LANCZOS)


def _draw_overlay(
    photo: Image.Image,
    inspection: Inspection,
    opacity: float,
    level: float | None,
) -> Image.Image:
    level = inspection.level if level is None else level
    if not (0 <= opacity <= 1 and 0 <= level <= 1):
        raise ConfigError(f"opacity and level lie in [0, 1], got {opacity} and {level}")
    values, level = shown_map(inspection, (photo.height, photo.width), level)
    blended = Image.fromarray(_blend(np.asarray(photo), values, opacity, level))
    scale = (photo.width / inspection.image_size[1], photo.height / inspection.image_size[0])
    _draw_regions(blended, inspection.regions, scale)
    return blended


def shown_map(
    inspection: Inspection, size: tuple[int, int], level: float
) -> tuple[np.ndarray, float]:
    """The map at a height and width, in [0, 1], and its level.

    Published distances to references are stretched, with their level, over the range of the map;
    without references a published map is a probability, as any other.
    """
    values = inspection.map_at(size)
    if inspection.formulation == "normalised" or not inspection.references:
        return values, level
    low, high = float(values.min()), float(values.max())
    spread = max(high - low, 1e-6)
    return (values - low) / spread, min(1.0, max(0.0, (level - low) / spread))


def _blend(pixels: np.ndarray, values: np.ndarray, opacity: float, level: float) -> np.ndarray:
    """Heat colours over pixels (H, W, 3) uint8; `values` (H, W) in [0, 1] decide how much."""
    heat, strength = _heat(values, level, cv2.COLORMAP_TURBO)
    alpha = (opacity * strength)[..., None]
    return np.rint(pixels + alpha * (heat.astype(np.float32) - pixels)).astype(np.uint8)


def _heat(values: np.ndarray, level: float, palette: int) -> tuple[np.ndarray, np.ndarray]:
    """Colours (H, W, 3) uint8 and how strong they are, (H, W) in [0, 1]."""
    start = level / 2
    rise = np.clip((values - start) / max(min(3 * start, 1.0) - start, 1e-6), 0, 1)
    # Only the warm half of the colours: cold ones would read as "fine" and hide on cold parts.
    shades = np.rint((0.45 + 0.55 * rise) * 255).astype(np.uint8)
    heat = cv2.cvtColor(cv2.applyColorMap(shades, palette), cv2.COLOR_BGR2RGB)
    return heat, rise * (2 - rise)


def _draw_regions(
    picture: Image.Image, regions: Sequence[Region], scale: tuple[float, float]
) -> None:
    """Number the regions' boxes in place; lines and letters grow with the picture."""
    draw = ImageDraw.Draw(picture)
    line = max(1, round(max(picture.size) / 400))
    # The strongest comes last, so that its box lies on top.
    for number, region in reversed(list(enumerate(regions, start=1))):
        box = picture_box(region, scale, picture.size, 2 * line)
        x0, y0, x1, y1 = box
        draw.rectangle(
            (x0 - line, y0 - line, x1 + line, y1 + line), outline=_EDGE_COLOUR, width=line
        )
        draw.rectangle(box, outline=_BOX_COLOUR, width=line)
        if min(picture.size) >= SMALLEST_WITH_NUMBERS:
            draw_number(draw, str(number), box, picture.size)


def picture_box(
    region: Region, scale: tuple[float, float], size: tuple[int, int], margin: int
) -> tuple[int, int, int, int]:
    """The region's box in picture pixels, both ends included, grown by a margin of air."""
    x0, y0, x1, y1 = region.bbox
    return (
        max(0, int(x0 * scale[0]) - margin),
        max(0, int(y0 * scale[1]) - margin),
        min(size[0] - 1, max(int(x0 * scale[0]), round(x1 * scale[0]) - 1) + margin),
        min(size[1] - 1, max(int(y0 * scale[1]), round(y1 * scale[1]) - 1) + margin),
    )


def draw_number(
    draw: ImageDraw.ImageDraw,
    text: str,
    box: tuple[int, int, int, int],
    size: tuple[int, int],
    colour: tuple[int, int, int] = _BOX_COLOUR,
    letters: float = 1.0,
) -> None:
    """A label above the box's left corner, or inside of it where there is no room above.

    Args:
        draw: on the picture.
        text: the number.
        box: (x0, y0, x1, y1) in pixels of the picture.
        size: width and height of the picture.
        colour: of letters and frame.
        letters: their size, as a multiple of the usual one.
    """
    font = ImageFont.load_default(letters * max(11, max(size) / 45))
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    air = max(2, round((bottom - top) / 3))
    width, height = int(right - left) + 2 * air, int(bottom - top) + 2 * air
    x = min(box[0], size[0] - width)
    y = box[1] - height if box[1] >= height else box[1]
    label = (x, y, x + width - 1, y + height - 1)
    draw.rectangle(label, fill=_EDGE_COLOUR, outline=colour)
    draw.text((x + air - left, y + air - top), text, fill=colour, font=font)
