"""Amazon Lookout for Vision: a manifest, a line of JSON for each photo, and coloured masks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from anomalygpt.data.tools.formats.labels import LabelledPhoto, Shape, label_of, refused
from anomalygpt.data.tools.writing import write_text
from anomalygpt.errors import DataError
from anomalygpt.files import shown, write_atomically

SUFFIX = ".manifest"
_IMAGE, _LABEL, _MASK = "source-ref", "anomaly-label", "anomaly-mask-ref"
_META = "-metadata"
_BACKGROUND = "BACKGROUND"
_COLOURS = ("#2ca02c", "#1f77b4", "#ff7f0e", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#17becf")


def is_manifest(path: Path) -> bool:
    """Whether a file begins as a manifest does."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            first = json.loads(file.readline() or "null")
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(first, dict) and _IMAGE in first


def read(path: Path) -> list[LabelledPhoto]:
    """The photos of a manifest. Masks are looked for below its folder by the end of their address,
    and are coloured as its map of colours says.

    Raises:
        DataError: it cannot be read, or a mask is not there or has a colour of its own.
    """
    found = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise DataError(f"{shown(path)} cannot be read ({error}); export it again") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        with refused(path, f"line {number}"):
            found.append(_photo(path, json.loads(line)))
    return found


def _photo(path: Path, told: Mapping[str, Any]) -> LabelledPhoto:
    # The label may have another name, and is known by its metadata.
    names = [key.removesuffix(_META) for key in told if key.endswith(_META)]
    label = None
    shapes: tuple[Shape, ...] = ()
    for name in names:
        meta = told[name + _META]
        if "internal-color-map" in meta:
            shapes = _coloured(_mask_file(path, told[name]), meta["internal-color-map"])
        elif "class-name" in meta:
            label = label_of(str(meta["class-name"]))
    size = shapes[0].mask.shape if shapes and shapes[0].mask is not None else None
    return LabelledPhoto(str(told[_IMAGE]), size, label, "", shapes)


def _mask_file(path: Path, address: str) -> Path:
    parts = address.split("://")[-1].split("/")
    for start in range(len(parts)):
        place = path.parent.joinpath(*parts[start:])
        if place.is_file():
            return place
    raise ValueError(f"the mask {address} is not below the folder of the manifest")


def _coloured(file: Path, colours: Mapping[str, Mapping[str, Any]]) -> tuple[Shape, ...]:
    with Image.open(file) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    shapes, known = [], np.zeros(pixels.shape[:2], dtype=bool)
    for each in colours.values():
        wanted = [int(each["hex-color"].lstrip("#")[at : at + 2], 16) for at in (0, 2, 4)]
        here = (pixels == wanted).all(axis=-1)
        known |= here
        if each["class-name"].upper() != _BACKGROUND and here.any():
            shapes.append(Shape(str(each["class-name"]), mask=here))
    if not known.all():
        raise ValueError(f"{file.name} has colours that its map of colours does not name")
    return tuple(shapes)


def write(
    path: Path, photos: Sequence[tuple[LabelledPhoto, np.ndarray | None, str]], prefix: str = ""
) -> Path:
    """Write a manifest, and below `masks` a coloured mask for each photo with a defect.

    Args:
        path: the file.
        photos: as for `coco.write`.
        prefix: stands before every address, such as "s3://bucket/folder/".

    Raises:
        OutputError: a file cannot be written.
    """
    kinds = sorted({kind for _, mask, kind in photos if mask is not None})
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")
    made = {"human-annotated": "yes", "creation-date": now}
    lines = []
    for photo, mask, kind in photos:
        entry: dict[str, Any] = {
            _IMAGE: prefix + photo.image,
            _LABEL: int(photo.label == "anomaly"),
            _LABEL + _META: {
                "confidence": 1,
                "class-name": photo.label,
                "type": "groundtruth/image-classification",
                "job-name": "labeling-job/anomaly-label",
                **made,
            },
        }
        if mask is not None:
            colour = _COLOURS[kinds.index(kind) % len(_COLOURS)]
            name = f"masks/{Path(photo.image).with_suffix('')}.png"
            _write_mask(path.parent / name, mask, colour)
            entry[_MASK] = prefix + name
            entry[_MASK + _META] = {
                "internal-color-map": {
                    "0": {"class-name": _BACKGROUND, "hex-color": "#ffffff", "confidence": 0.0},
                    "1": {"class-name": kind, "hex-color": colour, "confidence": 0.0},
                },
                "type": "groundtruth/semantic-segmentation",
                "job-name": "labeling-job/anomaly-mask",
                **made,
            }
        lines.append(json.dumps(entry, ensure_ascii=False) + "\n")
    return write_text(path, "".join(lines))


def _write_mask(path: Path, mask: np.ndarray, colour: str) -> None:
    pixels = np.full((*mask.shape, 3), 255, dtype=np.uint8)
    pixels[mask] = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    write_atomically(path, lambda file: Image.fromarray(pixels).save(file, "PNG"))
