"""CVAT for images 1.1: one XML file with polygons, boxes, ellipses, masks and tags."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from anomalygpt.data.tools.formats.labels import Label, LabelledPhoto, Shape, label_of, refused
from anomalygpt.data.tools.formats.shapes import (
    bridged,
    ellipse,
    from_run_lengths,
    rectangle,
    trace,
)
from anomalygpt.data.tools.writing import write_text
from anomalygpt.errors import DataError
from anomalygpt.files import shown


def read(path: Path) -> list[LabelledPhoto]:
    """The photos of a file; a tag that means good or bad is a photo's label.

    Raises:
        DataError: it is no such file, or a shape of it cannot be used.
    """
    try:
        content = path.read_bytes()
        # Definitions of its own could make a small file fill the memory; CVAT writes none.
        if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
            raise ValueError("it has definitions of its own")
        root = ElementTree.fromstring(content)
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise DataError(f"{shown(path)} cannot be read ({error}); export it again") from None
    if root.tag != "annotations":
        raise DataError(
            f"{shown(path)} is no CVAT for images; expected <annotations>, found <{root.tag}>"
        )
    found = []
    for image in root.iter("image"):
        name = image.get("name", "")
        with refused(path, f"image {name!r}"):
            size = (int(image.attrib["height"]), int(image.attrib["width"]))
            tags = [each.get("label", "") for each in image.iter("tag")]
            shapes = [_shape(each, size) for each in image if each.tag != "tag"]
        label: Label | None = next(filter(None, map(label_of, tags)), None)
        found.append(LabelledPhoto(name, size, label, "", tuple(shapes)))
    return found


def _shape(told: ElementTree.Element, size: tuple[int, int]) -> Shape:
    given = told.attrib
    name, turned = given["label"], float(given.get("rotation", 0))
    if told.tag in ("polygon", "polyline"):
        pairs = [pair.split(",") for pair in given["points"].split(";")]
        points = np.array(pairs, dtype=float)
        if told.tag == "polyline":
            points = np.concatenate([points, points[::-1]])
        return Shape(name, (points,))
    if told.tag == "box":
        left, top, right, bottom = (float(given[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
        # Boxes turn around their middle.
        x, y = (left + right) / 2, (top + bottom) / 2
        corners = rectangle((left - right) / 2, (top - bottom) / 2, right - left, bottom - top)
        angle = np.deg2rad(turned)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        return Shape(name, (corners @ turn + (x, y),))
    if told.tag == "ellipse":
        x, y, across, down = (float(given[key]) for key in ("cx", "cy", "rx", "ry"))
        return Shape(name, (ellipse(x, y, across, down, turned),))
    if told.tag == "mask":
        runs = [int(run) for run in given["rle"].split(",")]
        left, top, width, height = (int(given[k]) for k in ("left", "top", "width", "height"))
        part = from_run_lengths(runs, (height, width), "C")
        mask = np.zeros(size, dtype=bool)
        if left < 0 or top < 0 or left + width > size[1] or top + height > size[0]:
            raise ValueError("a mask that leads out of the photo")
        mask[top : top + height, left : left + width] = part
        return Shape(name, mask=mask)
    raise ValueError(f"<{told.tag}> is not known")


def write(path: Path, photos: Sequence[tuple[LabelledPhoto, np.ndarray | None, str]]) -> Path:
    """Write photos with polygons, and a tag `normal` or `anomaly` for each.

    Args:
        path: the file.
        photos: as for `coco.write`.

    Raises:
        OutputError: it cannot be written.
    """
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    _add_meta(root, photos)
    for number, (photo, mask, kind) in enumerate(photos):
        height, width = photo.size or (0, 0)
        image = ElementTree.SubElement(
            root,
            "image",
            {"id": str(number), "name": photo.image, "width": str(width), "height": str(height)},
        )
        for outer, holes in trace(mask) if mask is not None else ():
            points = ";".join(f"{x:.2f},{y:.2f}" for x, y in bridged(outer, holes))
            attributes = {"label": kind, "source": "manual", "occluded": "0", "points": points}
            ElementTree.SubElement(image, "polygon", {**attributes, "z_order": "0"})
        ElementTree.SubElement(image, "tag", {"label": photo.label or "", "source": "manual"})
    ElementTree.indent(root)
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    return write_text(path, head + ElementTree.tostring(root, "unicode") + "\n")


def _add_meta(
    root: ElementTree.Element, photos: Sequence[tuple[LabelledPhoto, np.ndarray | None, str]]
) -> None:
    """What the labels are called, which CVAT's own readers want to know first."""
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    ElementTree.SubElement(task, "size").text = str(len(photos))
    labels = ElementTree.SubElement(task, "labels")
    kinds = {kind for _, mask, kind in photos if mask is not None}
    for name in sorted(kinds | {photo.label or "" for photo, _, _ in photos}):
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = name
        ElementTree.SubElement(label, "attributes")
