"""What a label file says about one photo, whatever program wrote it; and the table of labels."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from PIL import Image

from anomalygpt.data.names import KNOWN_WORDS, meaning
from anomalygpt.data.tools.formats.shapes import fill
from anomalygpt.data.tools.writing import write_csv, write_json
from anomalygpt.errors import DataError
from anomalygpt.files import shown

Label: TypeAlias = Literal["normal", "anomaly"]
COLUMNS = ("image_id", "label", "description")

# The mix that the table's makers recommend: at most so many anomalies.
RECOMMENDED_SHARE = 0.05


@dataclass(frozen=True)
class Shape:
    """A marked region of a photo.

    Attributes:
        name: what is marked, such as "scratch".
        outlines: (N, 2) points (x, y) each; all of them together are marked.
        mask: (H, W) bool, instead of outlines.
    """

    name: str
    outlines: tuple[np.ndarray, ...] = ()
    mask: np.ndarray | None = None

    def drawn(self, size: tuple[int, int], of: tuple[int, int] | None = None) -> np.ndarray:
        """The marked pixels.

        Args:
            size: (height, width) of the result.
            of: the size that the shape was made for, where it is another one.
        """
        height, width = of or size
        if self.mask is not None:
            if self.mask.shape == size:
                return self.mask
            picture = Image.fromarray(self.mask.astype(np.uint8))
            return np.asarray(picture.resize(size[::-1], Image.Resampling.NEAREST)) > 0
        scale = np.array([size[1] / width, size[0] / height])
        united = np.zeros(size, dtype=bool)
        for outline in self.outlines:
            united |= fill(outline * scale, size)
        return united


@dataclass(frozen=True)
class LabelledPhoto:
    """One photo of a label file.

    Attributes:
        image: its name as the file has it: a path, an address, or a name alone.
        size: (height, width) that the shapes are made for; None where the file does not say it.
        label: what is said about the whole photo; None where nothing is.
        description: free text.
        shapes: what is marked.
        relative: the shapes' points are shares of width and height, from 0 to 1.
    """

    image: str
    size: tuple[int, int] | None = None
    label: Label | None = None
    description: str = ""
    shapes: tuple[Shape, ...] = ()
    relative: bool = False

    def judged(self, unlabelled: Label | None = None) -> Label | None:
        """Normal or anomalous: what is said about the whole photo, else what is marked on it.

        Args:
            unlabelled: what a photo is of which nothing is said.
        """
        if self.label is not None:
            return self.label
        if self.defects():
            return "anomaly"
        return "normal" if self.shapes else unlabelled

    def defects(self) -> tuple[Shape, ...]:
        """What is marked, without shapes whose name means good."""
        return tuple(shape for shape in self.shapes if meaning(shape.name) != "good")


def label_of(word: str) -> Label | None:
    """What a word of a label means; None where nobody knows."""
    said = meaning(word)
    return None if said is None else ("normal" if said == "good" else "anomaly")


def bad_entry(path: Path, where: str, error: object) -> DataError:
    """The error for an entry of a label file that cannot be read."""
    return DataError(
        f"{shown(path)}, {where}: {error}; correct the entry, or export the labels again"
    )


@contextmanager
def refused(path: Path, where: str) -> Iterator[None]:
    """What cannot be used in an entry of a label file becomes one error that says where.

    Raises:
        DataError: the block met a value that is missing, of another type or out of its range.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        raise bad_entry(path, where, f"{type(error).__name__}: {error}") from None


def read_json(path: Path) -> Any:
    """A JSON file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{shown(path)} cannot be read ({error}); export the labels again"
        ) from None


def read_table(path: Path) -> list[LabelledPhoto]:
    """The table `image_id,label,description`, as CSV or as a JSON list of objects.

    Raises:
        DataError: it cannot be read, lacks columns, or a label has a word that nobody knows.
    """
    found = []
    for where, row in _rows(path):
        image, word = (str(row.get(name) or "").strip() for name in COLUMNS[:2])
        label = label_of(word)
        if not image or label is None:
            raise bad_entry(
                path, where, f"image {image!r} with the label {word!r}; known: {KNOWN_WORDS}"
            )
        description = str(row.get(COLUMNS[2]) or "").strip()
        found.append(LabelledPhoto(image, label=label, description=description))
    return found


def _rows(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    if path.suffix.lower() == ".json":
        told = read_json(path)
        if not isinstance(told, list) or not all(isinstance(row, dict) for row in told):
            raise DataError(f"{shown(path)} is expected to be a list of objects with {COLUMNS}")
        return [(f"entry {number}", row) for number, row in enumerate(told, 1)]
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = [str(name).strip().lower() for name in reader.fieldnames or ()]
            if not set(COLUMNS[:2]) <= set(names):
                raise DataError(
                    f"{shown(path)} has the columns {', '.join(names) or '(none)'}; expected "
                    f"{','.join(COLUMNS)}"
                )
            reader.fieldnames = names
            return [(f"line {reader.line_num}", row) for row in reader if any(row.values())]
    except (OSError, UnicodeError, csv.Error) as error:
        raise DataError(f"{shown(path)} cannot be read ({error}); save it as UTF-8") from None


def write_table(path: Path, photos: Sequence[LabelledPhoto]) -> Path:
    """Write the table, as JSON where the name ends in .json, else as CSV.

    Raises:
        OutputError: it cannot be written.
    """
    rows = [
        {"image_id": photo.image, "label": photo.label, "description": photo.description}
        for photo in photos
    ]
    if path.suffix.lower() == ".json":
        return write_json(path, rows)
    return write_csv(path, COLUMNS, rows)


def mix(photos: Sequence[LabelledPhoto]) -> str:
    """How many are normal and anomalous, in one line, against the mix that is recommended."""
    bad = sum(photo.label == "anomaly" for photo in photos)
    share = bad / len(photos) if photos else 0.0
    more = ""
    if share > RECOMMENDED_SHARE:
        more = "; for training on good parts at least 95 % normal are recommended"
    return f"{len(photos) - bad} normal, {bad} anomalous ({100 * share:.1f} %){more}"
