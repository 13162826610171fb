"""Pictures of a finding, new ones and those on record."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
from PIL import Image

from anomalygpt.audit.journal import Entry
from anomalygpt.errors import RecordsError
from anomalygpt.images.listing import result_mark
from anomalygpt.images.reading import load_image
from anomalygpt.products.plant import Plant
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.maps import png16
from anomalygpt.results.pictures import overlay
from anomalygpt.serving.api.problems import Problem
from anomalygpt.serving.api.schemas import Picture

# The longer side of overlays, in pixels.
_SIDE = 2048


def picture(kind: Picture, inspection: Inspection, photo: Image.Image | None) -> bytes:
    """One picture as PNG.

    Args:
        kind: "map" has 16 bits over the photo's pixels, 65535 stands for 1; "mask" is 255 where
            the map is above the level of regions; "overlay" is drawn over the photo.
        inspection: with its map.
        photo: that was inspected; only for an overlay.

    Raises:
        AnomalyGPTError: it cannot be drawn.
    """
    if kind == "map":
        return png16(inspection.anomaly_map, result_mark())
    if kind == "mask":
        drawn = Image.fromarray(inspection.mask().astype(np.uint8) * 255)
    else:
        assert photo is not None
        drawn = overlay(photo, inspection, max_side=_SIDE)
    buffer = io.BytesIO()
    drawn.save(buffer, format="PNG", pnginfo=result_mark(), compress_level=3)
    return buffer.getvalue()


def as_text(content: bytes) -> str:
    """Base64."""
    return base64.b64encode(content).decode("ascii")


def drawn_again(plant: Plant, entry: Entry, kind: Picture) -> bytes:
    """A picture of an inspection on record, as PNG.

    Raises:
        Problem: its map or photo is not kept.
        AnomalyGPTError: it cannot be drawn.
    """
    inspection = recorded(plant, entry)
    if kind != "overlay":
        return picture(kind, inspection, None)
    if not entry.photo_kept:
        raise Problem(410, "gone", "the photo is not kept, so nothing can be drawn over it")
    return picture(kind, inspection, load_image(plant.blobs.path(entry.photo)))


def recorded(plant: Plant, entry: Entry) -> Inspection:
    """An inspection on record, with its map.

    Raises:
        Problem: its map is not kept.
    """
    if entry.map is None:
        raise Problem(410, "gone", "this inspection has no map on record")
    try:
        content = plant.blobs.get(entry.map)
    except RecordsError as error:
        raise Problem(410, "gone", f"its map: {error}") from None
    with Image.open(io.BytesIO(content), formats=["PNG"]) as opened:
        width, height = opened.size
    kept = {
        "encoding": "png16-base64",
        "height": height,
        "width": width,
        "data": as_text(content),
    }
    return Inspection.from_json(json.dumps({**entry.result, "map": kept}))
