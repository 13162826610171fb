"""A data set of any layout to label files of other programs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from anomalygpt.data.masks import load_mask
from anomalygpt.data.opening import open_data
from anomalygpt.data.samples import Finding, Sample
from anomalygpt.data.tools.formats import coco, cvat, labelme, labelstudio, lookout, yolo
from anomalygpt.data.tools.formats.labels import LabelledPhoto, mix, write_table
from anomalygpt.data.tools.manifests import Progress
from anomalygpt.errors import ConfigError, DataError, ImageError
from anomalygpt.files import shown, staged_folder
from anomalygpt.images.reading import load_image

# A photo, its mask (H, W) bool, and what the defect is called.
Marked: TypeAlias = tuple[LabelledPhoto, "np.ndarray | None", str]

FORMATS = ("table", "coco", "yolo", "labelme", "labelstudio", "cvat", "lookout")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        output: the folder.
        photos: how many photos the labels are about.
        mix: how many are normal and anomalous, in one line.
        findings: photos and masks that cannot be used, and were left out.
    """

    output: Path
    photos: int
    mix: str
    findings: tuple[Finding, ...]


def export_labels(
    root: str | Path,
    output: str | Path,
    format: str,
    *,
    layout: str = "auto",
    prefix: str = "",
    progress: Progress | None = None,
) -> Exported:
    """Write the labels of a data set for another program. Names of photos start from the root; for
    YOLO the photos are copied, in other formats they stay where they are.

    Args:
        root: a data set of any layout; it is only read.
        output: the new folder; it must be free.
        format: one of `FORMATS`.
        layout: as for `open_data`.
        prefix: before addresses in a Lookout manifest, such as "s3://bucket/folder/".
        progress: gets the photos and their number, and hands them on; for a bar.

    Raises:
        ConfigError: there is no such format.
        DataError: the data set cannot be read, or no photo of it can.
        OutputError: the output is taken or cannot be written.
    """
    if format not in FORMATS:
        raise ConfigError(f"there is no format {format!r}; choose {', '.join(FORMATS)}")
    root, output = Path(root), Path(output)
    samples = list({sample.image: sample for sample in open_data(root, layout).samples}.values())
    progress = progress or (lambda items, total: items)
    findings: list[Finding] = []
    marked: list[tuple[Sample, Marked]] = []
    for sample in progress(samples, len(samples)):
        made = _marked(sample, root)
        if isinstance(made, Finding):
            findings.append(made)
        else:
            marked.append((sample, made))
    if not marked:
        raise DataError(f"{shown(root)}: no photo can be used, first {findings[0].detail}")
    with staged_folder(output, 0) as staging:
        _WRITERS[format](staging, marked, prefix)
    photos = [photo for _, (photo, _, _) in marked]
    return Exported(output, len(photos), mix(photos), tuple(findings))


def _marked(sample: Sample, root: Path) -> Marked | Finding:
    try:
        picture = load_image(sample.image)
        size = (picture.height, picture.width)
        mask = load_mask(sample, size) if sample.masks else None
    except (ImageError, DataError) as error:
        problem = "photos and masks that cannot be used, left out"
        advice = "copy or export them again"
        return Finding("error", sample.image, problem, advice, str(error))
    kind = sample.kind or "defect"
    photo = LabelledPhoto(
        Path(os.path.relpath(sample.image, root)).as_posix(),
        size,
        "anomaly" if sample.is_anomalous else "normal",
        kind if sample.is_anomalous else "",
    )
    return photo, mask if mask is not None and mask.any() else None, kind


def _plain(marked: Sequence[tuple[Sample, Marked]]) -> list[Marked]:
    return [each for _, each in marked]


def _write_table(output: Path, marked: Sequence[tuple[Sample, Marked]], prefix: str) -> None:
    for name in ("labels.csv", "labels.json"):
        write_table(output / name, [photo for photo, _, _ in _plain(marked)])


def _write_coco(output: Path, marked: Sequence[tuple[Sample, Marked]], prefix: str) -> None:
    kinds = {each[2] for _, each in marked if each[1] is not None}
    for split in sorted({sample.split for sample, _ in marked}):
        mine = [each for sample, each in marked if sample.split == split]
        coco.write(output / "annotations" / f"instances_{split}.json", mine, sorted(kinds))


def _write_yolo(output: Path, marked: Sequence[tuple[Sample, Marked]], prefix: str) -> None:
    taken: set[str] = set()
    named = []
    for sample, (photo, mask, kind) in marked:
        stem = "_".join(Path(photo.image).with_suffix("").parts)
        number = 1
        while (name := f"{stem}_{number}" if number > 1 else stem).casefold() in taken:
            number += 1
        taken.add(name.casefold())
        target = f"{sample.split}/{name}{sample.image.suffix}"
        (output / "images" / sample.split).mkdir(parents=True, exist_ok=True)
        shutil.copy2(sample.image, output / "images" / target)
        named.append((replace(photo, image=target), mask, kind))
    yolo.write(output, named)


def _write_labelme(output: Path, marked: Sequence[tuple[Sample, Marked]], prefix: str) -> None:
    for sample, (photo, mask, kind) in marked:
        # 1.jpg and 1.png are two photos.
        place = output / f"{photo.image}.json"
        labelme.write(place, photo, sample.image.absolute(), mask, kind)


def _write_labelstudio(output: Path, marked: Sequence[tuple[Sample, Marked]], prefix: str) -> None:
    labelstudio.write(output / "tasks.json", _plain(marked))


def _write_cvat(output: Path, marked: Sequence[tuple[Sample, Marked]], prefix: str) -> None:
    cvat.write(output / "annotations.xml", _plain(marked))


def _write_lookout(output: Path, marked: Sequence[tuple[Sample, Marked]], prefix: str) -> None:
    for split in sorted({sample.split for sample, _ in marked}):
        mine = [each for sample, each in marked if sample.split == split]
        lookout.write(output / f"{split}{lookout.SUFFIX}", mine, prefix)


_WRITERS: dict[str, Callable[[Path, Sequence[tuple[Sample, Marked]], str], None]] = {
    "table": _write_table,
    "coco": _write_coco,
    "yolo": _write_yolo,
    "labelme": _write_labelme,
    "labelstudio": _write_labelstudio,
    "cvat": _write_cvat,
    "lookout": _write_lookout,
}
