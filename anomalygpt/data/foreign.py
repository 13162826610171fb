"""Formats of labelling tools, which are not read as they are: their names, and what to do.

Only names and beginnings of files are looked at, in the folder and two levels below it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from anomalygpt.data.files import entries, is_file, is_folder, photos, subfolders
from anomalygpt.data.names import means_masks

_MOST_FOLDERS, _MOST_FILES = 100, 20
_HEAD = 1 << 16

_SORT = (
    "sort the photos by hand: those of good parts into good, those with a defect into bad, and for "
    "figures per pixel a black and white PNG of each defect, by the name of its photo, into masks"
)
_IMPORT = "`anomalygpt data labels import` makes a data set of it"
_OUTLINES = f"{_SORT}. Only labelled photos without any label may be good"
_PIXELS = (
    "put photos whose mask is black into good, the others into bad, and their masks into masks "
    "(docs/data.md shows a few lines that do it)"
)
_IMAGES = frozenset({"images", "image", "imgs", "img", "photos", "jpegimages"})
_YOLO_LINE = re.compile(r"\s*\d+(\s+-?[\d.]+(e-?\d+)?){4,}\s*$")


@dataclass(frozen=True)
class Foreign:
    """Annotations in a format that is not read.

    Attributes:
        title: what people call it.
        evidence: the file or folder that gave it away.
        advice: how the photos come into a layout that is read.
    """

    title: str
    evidence: Path
    advice: str


def recognise(root: Path) -> Foreign | None:
    """The format of a labelling tool that a folder is in; None where there is no sign of one."""
    places = [root, *islice(_below(root), _MOST_FOLDERS)]
    for place in places:
        for look in _SIGNS:
            if found := look(place):
                return found
    return None


def _below(root: Path) -> Iterator[Path]:
    inner = subfolders(root)
    yield from inner
    for folder in inner:
        yield from subfolders(folder)


def _files(place: Path, suffix: str) -> list[Path]:
    return [path for path in entries(place) if path.suffix.lower() == suffix and is_file(path)][
        :_MOST_FILES
    ]


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        return ""


def _roboflow(place: Path) -> Foreign | None:
    for name in ("README.roboflow.txt", "_annotations.coco.json", "_classes.csv"):
        if is_file(place / name):
            return Foreign(
                "an export of Roboflow, whose train and valid hold good and bad parts alike",
                place / name,
                f"{_IMPORT}: train and valid say nothing about good or bad",
            )
    return None


def _yolo(place: Path) -> Foreign | None:
    for path in [*_files(place, ".yaml"), *_files(place, ".yml")]:
        if re.search(r"^names\s*:", _head(path), re.MULTILINE):
            return Foreign("YOLO labels", path, _IMPORT)
    for path in _files(place, ".txt"):
        lines = _head(path).splitlines()[:5]
        if lines and all(_YOLO_LINE.match(line) for line in lines):
            advice = f"put a data.yaml with the classes' names beside images and labels; {_IMPORT}"
            return Foreign("YOLO labels", path, advice)
    return None


def _json(place: Path) -> Foreign | None:
    """COCO, LabelMe and Label Studio, told apart by their keys."""
    for path in _files(place, ".json"):
        head = _head(path)
        keys = _keys(path, head)
        if {"shapes", "imagePath"} <= keys:
            return Foreign("LabelMe outlines", path, _IMPORT)
        if {"images", "annotations"} <= keys or {"images", "categories"} <= keys:
            return Foreign("COCO annotations", path, _IMPORT)
        if head.lstrip().startswith("[") and {"annotations", "data"} <= keys:
            return Foreign("an export of Label Studio", path, _IMPORT)
    return None


def _keys(path: Path, head: str) -> set[str]:
    """Keys of a JSON file, of its first entry where it is a list; what its head shows if large."""
    try:
        values = json.loads(head if len(head) < _HEAD else path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return set(re.findall(r'"(\w+)"\s*:', head))
    values = values[0] if isinstance(values, list) and values else values
    return set(values) if isinstance(values, dict) else set()


def _xml(place: Path) -> Foreign | None:
    """CVAT and Pascal VOC."""
    for path in _files(place, ".xml"):
        head = _head(path)
        if "<annotations" in head:
            return Foreign("an export of CVAT", path, _IMPORT)
        if "<annotation" in head and "<filename" in head:
            return Foreign("Pascal VOC boxes", path, _OUTLINES)
    return None


def _segmentation_class(place: Path) -> Foreign | None:
    masks = place / "SegmentationClass"
    if not is_folder(masks):
        return None
    return Foreign("masks as CVAT and Pascal VOC export them", masks, _PIXELS)


def _images_and_masks(place: Path) -> Foreign | None:
    """Photos in one folder and their masks in another, without a word about good and bad."""
    inner = subfolders(place)
    images = [path for path in inner if path.name.casefold() in _IMAGES and photos(path)]
    masks = [path for path in inner if means_masks(path.name) and photos(path)]
    if not images or not masks:
        return None
    return Foreign(f"photos in {images[0].name} and masks in {masks[0].name}", masks[0], _PIXELS)


_SIGNS: tuple[Callable[[Path], Foreign | None], ...] = (
    _roboflow,
    _yolo,
    _segmentation_class,
    _json,
    _xml,
    _images_and_masks,
)
