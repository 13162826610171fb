"""LabelMe: a JSON file for each photo, beside it."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from anomalygpt.data.tools.formats.labels import (
    LabelledPhoto,
    Shape,
    label_of,
    read_json,
    refused,
)
from anomalygpt.data.tools.formats.shapes import bridged, ellipse, rectangle, trace
from anomalygpt.data.tools.writing import write_json
from anomalygpt.errors import DataError
from anomalygpt.files import shown

# The version of the format that is written.
VERSION = "5.5.0"


def is_labelme(told: object) -> bool:
    """Whether a JSON file's content is LabelMe's."""
    return isinstance(told, dict) and {"shapes", "imagePath"} <= told.keys()


def read(path: Path) -> LabelledPhoto:
    """The photo of a file; a flag that is set and means good or bad is its label.

    Raises:
        DataError: it is no such file, or a shape of it cannot be used.
    """
    told = read_json(path)
    if not is_labelme(told):
        raise DataError(f"{shown(path)} is expected to hold shapes and imagePath, as LabelMe does")
    with refused(path, "its head"):
        size = (int(told["imageHeight"]), int(told["imageWidth"]))
        flags = told.get("flags") or {}
        said = [label_of(str(name)) for name, is_set in flags.items() if is_set]
    shapes = []
    for number, each in enumerate(told["shapes"], 1):
        with refused(path, f"shape {number}"):
            shapes.append(_shape(each, size))
    label = next((each for each in said if each), None)
    image = str(told["imagePath"]).replace("\\", "/")
    text = str(told.get("description") or "")
    return LabelledPhoto(image, size, label, text, tuple(shapes))


def _shape(told: Mapping[str, Any], size: tuple[int, int]) -> Shape:
    name, kind = str(told["label"]), told.get("shape_type") or "polygon"
    points = np.array(told["points"], dtype=float).reshape(-1, 2)
    if kind == "mask":
        content = base64.b64decode(told["mask"])
        with Image.open(io.BytesIO(content)) as picture:
            part = np.asarray(picture.convert("L")) > 0
        mask = np.zeros(size, dtype=bool)
        left, top = np.round(points[0]).astype(int)
        place = mask[max(top, 0) : top + part.shape[0], max(left, 0) : left + part.shape[1]]
        place |= part[: place.shape[0], : place.shape[1]]
        return Shape(name, mask=mask)
    if kind == "rectangle":
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        return Shape(name, (rectangle(left, top, right - left, bottom - top),))
    if kind == "circle":
        radius = float(np.hypot(*(points[1] - points[0])))
        return Shape(name, (ellipse(points[0, 0], points[0, 1], radius, radius),))
    if kind in ("linestrip", "line", "point", "points"):
        # There and back again: an outline without an inside is drawn as a line.
        return Shape(name, (np.concatenate([points, points[::-1]]),))
    if kind in ("polygon", "oriented_rectangle"):
        return Shape(name, (points,))
    raise ValueError(f"shape_type {kind!r} is not known")


def write(path: Path, photo: LabelledPhoto, file: Path, mask: np.ndarray | None, kind: str) -> Path:
    """Write the labels of one photo, as polygons; a flag `normal` or `anomaly` is set.

    Args:
        path: the JSON file.
        photo: with its size and label.
        file: where the photo lies; it is named relative to the JSON file.
        mask: (H, W) bool; None for a good part.
        kind: what the defect is called.

    Raises:
        OutputError: it cannot be written.
    """
    regions = trace(mask) if mask is not None else []
    shapes: list[dict[str, Any]] = [
        {
            "label": kind,
            "points": [[float(x), float(y)] for x, y in bridged(outer, holes)],
            "group_id": None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
            "mask": None,
        }
        for outer, holes in regions
    ]
    height, width = photo.size or (0, 0)
    content = {
        "version": VERSION,
        "flags": {"normal": photo.label == "normal", "anomaly": photo.label == "anomaly"},
        "shapes": shapes,
        "imagePath": Path(os.path.relpath(file, path.parent)).as_posix(),
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    return write_json(path, content)
