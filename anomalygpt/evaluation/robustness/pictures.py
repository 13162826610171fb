"""Pictures of an attacked photo: the photo, what was changed, and the map before and after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from anomalygpt.evaluation.robustness.wrapper import as_photo
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.pictures import overlay, save_image

FOLDER = "attacks"

_PANEL = 256
_TITLE = 18


def draw_case(
    path: Path,
    clean: Tensor,
    changed: Tensor,
    maps: tuple[np.ndarray, np.ndarray],
    geometry: ImageGeometry,
    titles: tuple[str, str],
) -> None:
    """Four panels side by side: photo, change enlarged around grey, overlay before and after.

    Args:
        path: where the picture is written, a PNG.
        clean, changed: (3, S, S) in [0, 1], before and after.
        maps: (M, M) in [0, 1], of each.
        geometry: where the photo lies in the square.
        titles: over the two overlays.

    Raises:
        OutputError: it cannot be written.
    """
    photo, other = as_photo(clean, geometry), as_photo(changed, geometry)
    difference = np.asarray(other, dtype=np.int16) - np.asarray(photo, dtype=np.int16)
    factor = 127 // max(1, int(np.abs(difference).max()))
    grey = Image.fromarray(np.clip(128 + factor * difference, 0, 255).astype(np.uint8))
    here = ImageGeometry((photo.height, photo.width), geometry.size, geometry.box)
    panels = [("photo", photo), (f"change, {factor} times enlarged", grey)]
    for title, values, shown in zip(titles, maps, (photo, other), strict=True):
        found = Inspection(geometry=here, anomaly_score=float(values.max()), small_map=values)
        panels.append((title, overlay(shown, found, max_side=_PANEL)))
    canvas = Image.new("RGB", (len(panels) * _PANEL, _PANEL + _TITLE), "white")
    draw = ImageDraw.Draw(canvas)
    for number, (title, picture) in enumerate(panels):
        fitted = picture.convert("RGB")
        fitted.thumbnail((_PANEL, _PANEL))
        canvas.paste(fitted, (number * _PANEL, _TITLE))
        draw.text((number * _PANEL + 4, 2), title, fill="black")
    save_image(canvas, path, is_result=True)
