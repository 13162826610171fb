"""YOLO: a text file for each photo, and data.yaml with the names of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from anomalygpt.data.files import entries, is_file, is_folder, photos_below
from anomalygpt.data.tools.formats.labels import Label, LabelledPhoto, Shape, refused
from anomalygpt.data.tools.formats.shapes import bridged, rectangle, trace
from anomalygpt.data.tools.writing import write_text
from anomalygpt.errors import DataError
from anomalygpt.files import shown

DATA = "data.yaml"
_IMAGES, _LABELS = "images", "labels"


def find(root: Path) -> Path | None:
    """The YAML file of a folder that names classes; None where there is none."""
    files = [path for path in entries(root) if path.suffix.lower() in (".yaml", ".yml")]
    return next((path for path in files if is_file(path) and _has_names(path)), None)


def _has_names(path: Path) -> bool:
    try:
        return "names" in (yaml.safe_load(path.read_text(encoding="utf-8-sig")) or {})
    except (OSError, ValueError, TypeError, yaml.YAMLError):
        return False


def read(path: Path) -> list[LabelledPhoto]:
    """The photos of a data set: those below folders called images, whose labels lie in the same
    place below a folder called labels. An empty label file says that nothing is marked, none says
    nothing.

    Args:
        path: its YAML file.

    Raises:
        DataError: the file names no classes, there is no photo, or a line of a label cannot be
            used.
    """
    names = _names(path)
    found = []
    for photo in photos_below(path.parent):
        parts = photo.relative_to(path.parent).parts
        if _IMAGES not in parts[:-1]:
            continue
        place = max(at for at, part in enumerate(parts[:-1]) if part == _IMAGES)
        label = path.parent.joinpath(*parts[:place], _LABELS, *parts[place + 1 :])
        label = label.with_suffix(".txt")
        name = "/".join(parts)
        if not is_file(label):
            found.append(LabelledPhoto(name))
            continue
        shapes = _shapes(label, names)
        # Somebody looked at it, and marked nothing.
        said: Label | None = None if shapes else "normal"
        found.append(LabelledPhoto(name, None, said, "", tuple(shapes), relative=True))
    if not found:
        raise DataError(
            f"{shown(path.parent)} has no photo below a folder {_IMAGES}; expected {_IMAGES} and "
            f"{_LABELS} beside {path.name}"
        )
    return found


def _names(path: Path) -> dict[int, str]:
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8-sig"))["names"]
        pairs = told.items() if isinstance(told, dict) else enumerate(told)
        return {int(number): str(name) for number, name in pairs}
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise DataError(
            f"{shown(path)} names no classes ({type(error).__name__}); expected names, as YOLO has"
        ) from None


def _shapes(label: Path, names: dict[int, str]) -> list[Shape]:
    try:
        lines = label.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise DataError(f"{shown(label)} cannot be read ({error}); export it again") from None
    shapes = []
    for number, line in enumerate(lines, 1):
        cells = line.split()
        if not cells:
            continue
        with refused(label, f"line {number}"):
            shapes.append(Shape(names[int(cells[0])], (_outline(cells[1:]),)))
    return shapes


def _outline(cells: Sequence[str]) -> np.ndarray:
    values = np.array(cells, dtype=float)
    if not np.isfinite(values).all():
        raise ValueError("a number is not finite")
    if len(values) in (4, 5):  # a fifth is how sure a model was
        x, y, width, height = values[:4]
        return rectangle(x - width / 2, y - height / 2, width, height)
    if len(values) >= 6 and len(values) % 2 == 0:
        return values.reshape(-1, 2)
    raise ValueError(f"{len(values)} numbers; expected a box or an outline")


def write(
    output: Path, photos: Sequence[tuple[LabelledPhoto, np.ndarray | None, str]]
) -> list[Path]:
    """Write data.yaml, and below labels a file for each photo, empty for good parts; outlines are
    polygons, around holes by a way of no width.

    Args:
        output: the folder; the photos are expected below its folder images.
        photos: as for `coco.write`, whose names begin with the split.

    Raises:
        OutputError: a file cannot be written.
    """
    kinds = sorted({kind for _, mask, kind in photos if mask is not None})
    written = []
    for photo, mask, kind in photos:
        lines = []
        height, width = photo.size or (1, 1)
        for outer, holes in trace(mask) if mask is not None else ():
            points = bridged(outer, holes) / (width, height)
            numbers = " ".join(f"{value:.8g}" for value in points.ravel())
            lines.append(f"{kinds.index(kind)} {numbers}\n")
        place = (output / _LABELS / photo.image).with_suffix(".txt")
        written.append(write_text(place, "".join(lines)))
    splits = sorted({photo.image.split("/")[0] for photo, _, _ in photos})
    content = {
        "path": ".",
        "train": f"{_IMAGES}/{'train' if 'train' in splits else splits[0]}",
        "val": f"{_IMAGES}/{'test' if 'test' in splits else splits[-1]}",
        "names": dict(enumerate(kinds)),
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return [*written, write_text(output / DATA, text)]


def has_folders(root: Path) -> bool:
    """Whether a folder has images and labels in it, or in its folders."""
    places = [root, *(path for path in entries(root) if is_folder(path))]
    return any(is_folder(place / _IMAGES) and is_folder(place / _LABELS) for place in places)
