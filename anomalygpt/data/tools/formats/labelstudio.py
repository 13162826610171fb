"""Label Studio: a JSON list of tasks with polygons, boxes, ellipses, brushes and choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from anomalygpt.data.tools.formats.labels import (
    Label,
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

_LOCAL = "/data/local-files/?d="
# Names of the control and the picture in the labelling interface that results belong to.
_LABEL_NAME, _CHOICE_NAME, _IMAGE_NAME = "label", "choice", "image"


def is_labelstudio(told: object) -> bool:
    """Whether a JSON file's content is an export of Label Studio."""
    first = told[0] if isinstance(told, list) and told else None
    return isinstance(first, dict) and "data" in first and "annotations" in first


def read(path: Path) -> list[LabelledPhoto]:
    """The photos of an export (JSON, not JSON-MIN). Of several annotations of a task the last that
    was not cancelled counts; a choice that means good or bad is its label.

    Raises:
        DataError: it is no such file, or a task of it cannot be used.
    """
    told = read_json(path)
    if not is_labelstudio(told):
        raise DataError(
            f"{shown(path)} is expected to be a list of tasks with data and annotations; export "
            "as JSON, not as JSON-MIN"
        )
    found = []
    for number, task in enumerate(told, 1):
        with refused(path, f"task {number}"):
            found.append(_photo(task))
    return found


def _photo(task: Mapping[str, Any]) -> LabelledPhoto:
    values = [value for value in task["data"].values() if isinstance(value, str)]
    image = task["data"].get(_IMAGE_NAME) or values[0]
    image = unquote(str(image).split("?d=")[-1])
    done = [each for each in task["annotations"] if not each.get("was_cancelled")]
    if not done:
        return LabelledPhoto(image)
    label: Label | None = None
    size: tuple[int, int] | None = None
    shapes: list[Shape] = []
    texts: list[str] = []
    for result in done[-1]["result"]:
        value, kind = result["value"], result["type"]
        if kind == "choices":
            label = next(filter(None, map(label_of, value["choices"])), label)
        elif kind == "textarea":
            texts += [str(text) for text in value["text"]]
        elif kind.endswith("labels") and "original_height" in result:
            size = (int(result["original_height"]), int(result["original_width"]))
            shapes.append(_shape(kind, value, size))
    return LabelledPhoto(image, size, label, " ".join(texts), tuple(shapes))


def _shape(kind: str, value: Mapping[str, Any], size: tuple[int, int]) -> Shape:
    name = str((value.get(kind) or [""])[0])
    percent = np.array([size[1], size[0]]) / 100
    if kind == "polygonlabels":
        return Shape(name, (np.array(value["points"], dtype=float).reshape(-1, 2) * percent,))
    if kind == "brushlabels":
        flat = unpacked_brush(value["rle"], 4 * size[0] * size[1])
        return Shape(name, mask=flat.reshape(*size, 4)[..., 3] > 0)
    x, y = float(value["x"]) * percent[0], float(value["y"]) * percent[1]
    turned = float(value.get("rotation") or 0)
    if kind == "rectanglelabels":
        width, height = float(value["width"]) * percent[0], float(value["height"]) * percent[1]
        return Shape(name, (rectangle(x, y, width, height, turned),))
    if kind == "ellipselabels":
        across, down = value["radiusX"] * percent[0], value["radiusY"] * percent[1]
        return Shape(name, (ellipse(x, y, across, down, turned),))
    raise ValueError(f"a result of the type {kind!r} is not known")


def unpacked_brush(packed: Sequence[int], expected: int) -> np.ndarray:
    """The values of a brush, red, green, blue and alpha of each pixel in turn.

    The stream of bits: the number of values (32), their width minus one (5), four lengths minus one
    (4 each); then groups: one value repeated or several written out (1), which of the four lengths
    (2), the count minus one, and the value or the values.

    Args:
        packed: bytes.
        expected: how many values there must be.

    Returns:
        (expected,) uint8.

    Raises:
        ValueError: the stream ends too early, or has another number of values or wider ones.
    """
    bits = np.unpackbits(np.array(packed, dtype=np.uint8))
    place = 0

    def take(width: int) -> int:
        nonlocal place
        if place + width > len(bits):
            raise ValueError("a brush that ends too early")
        value = int("".join(map(str, bits[place : place + width])) or "0", 2)
        place += width
        return value

    number, width = take(32), take(5) + 1
    lengths = [take(4) + 1 for _ in range(4)]
    if number != expected or width != 8:
        raise ValueError(f"a brush of {number} values of {width} bits, expected {expected} of 8")
    values = np.zeros(number, dtype=np.uint8)
    at = 0
    while at < number:
        is_run = take(1)
        count = take(lengths[take(2)]) + 1
        if is_run:
            values[at : at + count] = take(width)
        else:
            values[at : at + count] = [take(width) for _ in range(min(count, number - at))]
        at += count
    return values


def write(path: Path, photos: Sequence[tuple[LabelledPhoto, np.ndarray | None, str]]) -> Path:
    """Write tasks with polygons and a choice `normal` or `anomaly`, for Label Studio's import with
    local files.

    Args:
        path: the file.
        photos: as for `coco.write`.

    Raises:
        OutputError: it cannot be written.
    """
    tasks = []
    for photo, mask, kind in photos:
        height, width = photo.size or (1, 1)
        frame = {"original_width": width, "original_height": height, "image_rotation": 0}
        names = {"to_name": _IMAGE_NAME, **frame}
        results: list[dict[str, Any]] = [
            {
                "type": "choices",
                "from_name": _CHOICE_NAME,
                "value": {"choices": [photo.label]},
                **names,
            }
        ]
        for outer, holes in trace(mask) if mask is not None else ():
            points = bridged(outer, holes) / (width, height) * 100
            value = {"points": points.tolist(), "closed": True, "polygonlabels": [kind]}
            results.append(
                {"type": "polygonlabels", "from_name": _LABEL_NAME, "value": value, **names}
            )
        tasks.append(
            {"data": {_IMAGE_NAME: _LOCAL + photo.image}, "annotations": [{"result": results}]}
        )
    return write_json(path, tasks)
