"""COCO: images, categories and annotations in one JSON file; also Roboflow's of this kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anomalygpt.data.tools.formats.labels import (
    LabelledPhoto,
    Shape,
    label_of,
    read_json,
    refused,
)
from anomalygpt.data.tools.formats.shapes import (
    from_run_lengths,
    rectangle,
    run_lengths,
    trace,
    unpacked,
)
from anomalygpt.data.tools.writing import write_json
from anomalygpt.errors import DataError
from anomalygpt.files import shown

# The answer of whoever looked at a photo, which COCO has no place for; other readers pass over it.
_LABEL = "label"


def is_coco(told: object) -> bool:
    """Whether a JSON file's content is COCO's."""
    return isinstance(told, dict) and {"images", "annotations"} <= told.keys()


def read(path: Path) -> list[LabelledPhoto]:
    """The photos of a file. A photo without an annotation has no label.

    Raises:
        DataError: it is no such file, or an annotation of it cannot be used.
    """
    told = read_json(path)
    if not is_coco(told):
        raise DataError(f"{shown(path)} is expected to hold images and annotations, as COCO does")
    with refused(path, "images or categories"):
        names = {each["id"]: str(each["name"]) for each in told.get("categories") or ()}
        sizes = {each["id"]: (int(each["height"]), int(each["width"])) for each in told["images"]}
        files = [str(each["file_name"]) for each in told["images"]]
    shapes: dict[Any, list[Shape]] = {key: [] for key in sizes}
    for number, each in enumerate(told["annotations"], 1):
        with refused(path, f"annotation {number}"):
            shapes[each["image_id"]].append(_shape(names[each["category_id"]], each))
    return [
        LabelledPhoto(
            file,
            sizes[each["id"]],
            label_of(str(each.get(_LABEL) or "")),
            "",
            tuple(shapes[each["id"]]),
        )
        for file, each in zip(files, told["images"], strict=True)
    ]


def _shape(name: str, told: Mapping[str, Any]) -> Shape:
    where = told.get("segmentation")
    if isinstance(where, Mapping):
        counts = where["counts"]
        runs = unpacked(counts) if isinstance(counts, str) else [int(run) for run in counts]
        height, width = where["size"]
        return Shape(name, mask=from_run_lengths(runs, (int(height), int(width))))
    if where:
        outlines = [np.array(points, dtype=float).reshape(-1, 2) for points in where]
        return Shape(name, tuple(outlines))
    x, y, width, height = map(float, told["bbox"])
    return Shape(name, (rectangle(x, y, width, height),))


def write(
    path: Path,
    photos: Sequence[tuple[LabelledPhoto, np.ndarray | None, str]],
    kinds: Sequence[str],
) -> Path:
    """Write photos as COCO: one annotation for each region, as a polygon, or as run lengths where
    it has holes.

    Args:
        path: the file.
        photos: each with its size; the mask (H, W) bool or None; and the kind of defect.
        kinds: the categories; files of one data set have the same.

    Raises:
        OutputError: it cannot be written.
    """
    annotations: list[dict[str, Any]] = []
    images = []
    for number, (photo, mask, kind) in enumerate(photos, 1):
        height, width = photo.size or (0, 0)
        images.append(
            {
                "id": number,
                "file_name": photo.image,
                "width": width,
                "height": height,
                _LABEL: photo.label,
            }
        )
        for outer, holes in trace(mask) if mask is not None else ():
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": kinds.index(kind) + 1,
                    "iscrowd": 0,
                    **_region(outer, holes, (height, width)),
                }
            )
    categories = [
        {"id": number, "name": kind, "supercategory": "defect"}
        for number, kind in enumerate(kinds, 1)
    ]
    content = {"images": images, "categories": categories, "annotations": annotations}
    return write_json(path, content)


def _region(
    outer: np.ndarray, holes: Sequence[np.ndarray], size: tuple[int, int]
) -> dict[str, Any]:
    region = Shape("", (outer,)).drawn(size)
    for hole in holes:
        region &= ~Shape("", (hole,)).drawn(size)
    left, top = outer.min(axis=0).tolist()
    right, bottom = outer.max(axis=0).tolist()
    where: Any = [outer.ravel().tolist()]
    if holes:
        where = {"size": list(size), "counts": run_lengths(region)}
    box = [left, top, right - left, bottom - top]
    return {"segmentation": where, "area": int(region.sum()), "bbox": box}
