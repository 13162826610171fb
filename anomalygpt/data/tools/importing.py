"""Labels of other programs to a data set of plain folders: good, bad, masks, and a table."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from anomalygpt.data.files import entries, is_file, is_folder, name_key, photos_below, subfolders
from anomalygpt.data.masks import same_shape
from anomalygpt.data.names import meaning, means_masks
from anomalygpt.data.samples import Finding
from anomalygpt.data.tools.formats import coco, cvat, labelme, labelstudio, lookout, yolo
from anomalygpt.data.tools.formats.labels import (
    Label,
    LabelledPhoto,
    Shape,
    read_json,
    read_table,
    write_table,
)
from anomalygpt.data.tools.manifests import Progress
from anomalygpt.errors import DataError, ImageError
from anomalygpt.files import shown, staged_folder
from anomalygpt.images.reading import load_image

# A photo of a label file, and the folder that its name may start from.
Named: TypeAlias = tuple[LabelledPhoto, Path]

TABLES = ("labels.csv", "labels.json")
GOOD, BAD, MASKS = "good", "bad", "masks"
_NO_NAME = "defect"
_ROBOFLOW_COCO, _ROBOFLOW_CLASSES = "_annotations.coco.json", "_classes.csv"
_FORBIDDEN = re.compile(r'[\\/:*?"<>|\x00-\x1f]')
# Label Studio puts such a beginning before the name of an uploaded file.
_UPLOADED = re.compile(r"[0-9a-f]{8}-")


@dataclass(frozen=True)
class Imported:
    """What became of a label file.

    Attributes:
        output: the new data set.
        format: what the labels were.
        good: photos of good parts.
        bad: photos of defects.
        masks: how many of these have a mask.
        findings: what was left out, and why.
    """

    output: Path
    format: str
    good: int
    bad: int
    masks: int
    findings: tuple[Finding, ...]


def read_labels(source: str | Path) -> tuple[str, list[Named]]:
    """What a label file, or a folder of them, says.

    Returns:
        The name of the format, and the photos.

    Raises:
        DataError: no known format, or an entry that cannot be used.
    """
    source = Path(source)
    if is_folder(source):
        return _read_folder(source)
    if not is_file(source):
        raise DataError(f"{shown(source)} does not exist; give a label file or a folder of them")
    suffix = source.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return "YOLO", _from(source.parent, yolo.read(source))
    if suffix == ".xml":
        return "CVAT", _from(source.parent, cvat.read(source))
    if suffix == ".csv":
        if source.name == _ROBOFLOW_CLASSES:
            return "Roboflow classes", _from(source.parent, _read_classes(source))
        return "table", _from(source.parent, read_table(source))
    if lookout.is_manifest(source):
        return "Lookout manifest", _from(source.parent, lookout.read(source))
    if suffix == ".json":
        return _read_json(source)
    raise DataError(
        f"{shown(source)} is no label file that is known: COCO, LabelMe, Label Studio or a table "
        "as JSON, YOLO's YAML, CVAT's XML, a table as CSV, a Lookout manifest"
    )


def _from(base: Path, photos: Sequence[LabelledPhoto]) -> list[Named]:
    return [(photo, base) for photo in photos]


def _read_json(source: Path) -> tuple[str, list[Named]]:
    told = read_json(source)
    if coco.is_coco(told):
        return "COCO", _from(source.parent, coco.read(source))
    if labelme.is_labelme(told):
        return "LabelMe", _from(source.parent, [labelme.read(source)])
    if labelstudio.is_labelstudio(told):
        return "Label Studio", _from(source.parent, labelstudio.read(source))
    return "table", _from(source.parent, read_table(source))


def _read_folder(source: Path) -> tuple[str, list[Named]]:
    for name in (_ROBOFLOW_COCO, _ROBOFLOW_CLASSES):
        files = [p / name for p in (source, *subfolders(source)) if is_file(p / name)]
        if files:
            return "Roboflow", [each for file in files for each in read_labels(file)[1]]
    if (data := yolo.find(source)) is not None:
        return read_labels(data)
    files = [path for path in entries(source) if is_file(path)]
    if found := [path for path in files if path.suffix.lower() in (".xml", lookout.SUFFIX)]:
        return _all(found)
    if found := [path for path in files if path.name in TABLES]:
        return read_labels(found[0])
    jsons = [path for path in _below(source) if path.suffix.lower() == ".json"]
    known = [path for path in jsons if _is_label_json(path)]
    if not known:
        raise DataError(
            f"{shown(source)} holds no label file that is known; give the file itself, or the "
            "folder of a COCO, YOLO, LabelMe, Label Studio, CVAT or Roboflow export"
        )
    return _all(known)


def _below(folder: Path) -> Iterator[Path]:
    for path in entries(folder):
        if is_folder(path) and not path.is_symlink():
            yield from _below(path)
        elif is_file(path):
            yield path


def _is_label_json(path: Path) -> bool:
    told = read_json(path)
    return coco.is_coco(told) or labelme.is_labelme(told) or labelstudio.is_labelstudio(told)


def _all(files: Sequence[Path]) -> tuple[str, list[Named]]:
    read = [read_labels(file) for file in files]
    kinds = sorted({kind for kind, _ in read})
    if len(kinds) > 1:
        raise DataError(
            f"{shown(files[0].parent)} holds labels as {' and '.join(kinds)}; give one file"
        )
    return kinds[0], [each for _, found in read for each in found]


def _read_classes(path: Path) -> list[LabelledPhoto]:
    """Roboflow's table of classes: a photo, and 0 or 1 for each class."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file, skipinitialspace=True))
    if not rows or len(rows[0]) < 2:
        raise DataError(f"{shown(path)} names no classes; expected filename and the classes")
    found = []
    for row in rows[1:]:
        names = [name for name, cell in zip(rows[0][1:], row[1:], strict=False) if cell == "1"]
        said = {meaning(name) for name in names}
        label: Label | None = None
        if names:
            label = "normal" if said == {"good"} else "anomaly"
        shapes = [Shape(name) for name in names if meaning(name) != "good"]
        found.append(LabelledPhoto(row[0], None, label, ", ".join(names), tuple(shapes)))
    return found


# --- finding the photos --------------------------------------------------------------------------


class _Places:
    """Where the photos of label files lie, by their names."""

    def __init__(self, images: Path | None) -> None:
        self._images = images
        self._by_name: dict[Path, dict[str, list[Path]]] = {}

    def find(self, name: str, base: Path) -> list[Path]:
        """The files that a name may mean: none, one, or several, of which nobody knows which."""
        parts = [part for part in name.split("://")[-1].replace("\\", "/").split("/") if part]
        folders = [self._images] if self._images else [base, base.parent]
        for folder in folders:
            for start in range(len(parts)):
                if ".." not in parts[start:] and is_file(folder.joinpath(*parts[start:])):
                    return [folder.joinpath(*parts[start:])]
        if is_file(base / name):  # LabelMe names the photo from its own file on
            return [base / name]
        last = name_key(parts[-1]) if parts else ""
        known = self._names(self._images or base)
        return known.get(last) or known.get(_UPLOADED.sub("", last, count=1)) or []

    def _names(self, folder: Path) -> dict[str, list[Path]]:
        if folder not in self._by_name:
            names: dict[str, list[Path]] = {}
            for path in photos_below(folder):
                names.setdefault(name_key(path.name), []).append(path)
            self._by_name[folder] = names
        return self._by_name[folder]


# --- the new data set ----------------------------------------------------------------------------


def import_labels(
    source: str | Path,
    output: str | Path,
    *,
    images: str | Path | None = None,
    unlabelled: Label | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Make a data set of plain folders from labels of another program: photos are copied to `good`
    and `bad/KIND`, masks drawn to `masks/KIND`, and labels.csv and labels.json list them all.

    KIND is what covers most of a photo's marked area. Labels that mean good are no defects.

    Args:
        source: a label file, or the folder of an export; it is only read.
        output: the new folder; it must be free.
        images: where the photos lie; by default beside the labels.
        unlabelled: what a photo is of which the labels say nothing; by default it is left out,
            because nobody may have looked at it.
        progress: gets the photos and their number, and hands them on; for a bar.

    Raises:
        DataError: the labels cannot be read, or no photo is left.
        OutputError: the output is taken or cannot be written.
    """
    source, output = Path(source), Path(output)
    title, named = read_labels(source)
    places = _Places(Path(images) if images else None)
    progress = progress or (lambda items, total: items)
    findings: list[Finding] = []
    rows: list[LabelledPhoto] = []
    taken: set[str] = set()
    masks = 0
    with staged_folder(output, 0) as staging:
        for photo, base in progress(named, len(named)):
            found = places.find(photo.image, base)
            reason = _unusable(photo, found, unlabelled)
            if reason is None:
                made = _place(photo, found[0], staging, unlabelled, taken)
                if isinstance(made, LabelledPhoto):
                    rows.append(made)
                    masks += made.image.startswith(BAD) and bool(made.shapes)
                    continue
                reason = made
            path = found[0] if found else base / photo.image
            findings.append(Finding(reason[0], path, *reason[1:]))
        if not rows:
            first = f": {findings[0].problem}, first {shown(findings[0].path)}" if findings else ""
            raise DataError(f"{shown(source)}: no photo is left{first}")
        for name in TABLES:
            write_table(staging / name, rows)
    bad = sum(row.label == "anomaly" for row in rows)
    return Imported(output, title, len(rows) - bad, bad, masks, tuple(findings))


_Reason: TypeAlias = tuple  # severity, problem, advice, detail


def _unusable(
    photo: LabelledPhoto, found: Sequence[Path], unlabelled: Label | None
) -> _Reason | None:
    if not found:
        return (
            "error",
            "photos of the labels that are not there",
            "name their folder with --images",
        )
    if len(found) > 1:
        return (
            "error",
            "names that several photos have",
            "give --images the folder that the names start from",
            f"{len(found)} photos",
        )
    if photo.judged(unlabelled) is None:
        return (
            "warning",
            "photos without a label, left out",
            "if all of them were looked at, say so with --unlabelled normal",
        )
    return None


def _place(
    photo: LabelledPhoto, file: Path, folder: Path, unlabelled: Label | None, taken: set[str]
) -> LabelledPhoto | _Reason:
    """Copy a photo and draw its mask; its row for the table, or why that cannot be."""
    try:
        picture = load_image(file)
    except ImageError as error:
        detail = str(error).removeprefix(shown(file)).strip()
        return ("error", "photos that cannot be used", "copy or export them again", detail)
    size = (picture.height, picture.width)
    of = photo.size or size
    if not same_shape(of, size):
        return (
            "error",
            "labels made for a photo of another shape",
            "give the photos that were labelled, as large as they were then",
            f"{of[1]}×{of[0]}, the photo {size[1]}×{size[0]}",
        )
    label = photo.judged(unlabelled)
    if label == "normal":
        place = _free(Path(GOOD), file, photo, taken)
        _copy(file, folder / place)
        return LabelledPhoto(place.as_posix(), size, label, photo.description)
    drawn = _drawn(photo, size, of)
    kind = max(drawn, key=lambda name: int(drawn[name].sum()), default=_NO_NAME)
    place = _free(Path(BAD, _folder_name(kind)), file, photo, taken)
    _copy(file, folder / place)
    marked = [mask for mask in drawn.values() if mask.any()]
    shapes: tuple[Shape, ...] = ()
    if marked:
        united = np.any(marked, axis=0)
        shapes = (Shape(kind, mask=united[:1, :1]),)  # that there is one is all that counts here
        target = (folder / MASKS / place.relative_to(BAD)).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(united.astype(np.uint8) * 255).save(target)
    names = ", ".join(name for name in drawn if name)
    return LabelledPhoto(place.as_posix(), size, label, photo.description or names, shapes)


def _drawn(
    photo: LabelledPhoto, size: tuple[int, int], of: tuple[int, int]
) -> dict[str, np.ndarray]:
    """The mask of each kind of defect that is marked."""
    drawn: dict[str, np.ndarray] = {}
    for shape in photo.defects():
        if photo.relative:
            scale = np.array(size[::-1])
            shape = replace(shape, outlines=tuple(each * scale for each in shape.outlines))
        mask = shape.drawn(size, size if photo.relative else of)
        drawn[shape.name] = drawn.get(shape.name, np.zeros(size, dtype=bool)) | mask
    return drawn


def _folder_name(kind: str) -> str:
    """A name of a defect as that of a folder, which says neither good nor masks."""
    name = _FORBIDDEN.sub("_", kind).strip(" .") or _NO_NAME
    return f"{_NO_NAME}_{name}" if means_masks(name) or meaning(name) == "good" else name


def _free(folder: Path, file: Path, photo: LabelledPhoto, taken: set[str]) -> Path:
    """A name in a folder that no other photo has, also without its suffix and in small letters."""
    parts = [p for p in photo.image.split("://")[-1].replace("\\", "/").split("/") if p]
    stem = _FORBIDDEN.sub("_", file.stem)
    if stem.endswith("_mask"):  # its mask would be taken for that of another photo
        stem += "_photo"
    tries = [stem, "_".join([*map(_folder_name, parts[:-1]), stem])]
    tries += [f"{tries[-1]}_{number}" for number in range(2, len(taken) + 3)]
    name = next(n for n in tries if name_key(str(folder / n)).casefold() not in taken)
    taken.add(name_key(str(folder / name)).casefold())
    return folder / f"{name}{file.suffix}"


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, target)
