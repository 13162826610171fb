"""A data set of any layout to label files of other programs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from anomalygpt.data.opening import open_data
from anomalygpt.data.samples import Finding, Sample
from anomalygpt.data.tools.collecting import photo_and_mask
from anomalygpt.data.tools.formats import coco, cvat, labelme, labelstudio, lookout, yolo
from anomalygpt.data.tools.formats.labels import LabelledPhoto, mix, write_table
from anomalygpt.data.tools.formats.shapes import from_run_lengths, run_lengths
from anomalygpt.data.tools.manifests import Progress
from anomalygpt.errors import ConfigError, DataError
from anomalygpt.files import shown, staged_folder

# A photo, its mask (H, W) bool, and what the defect is called.
Marked: TypeAlias = tuple[LabelledPhoto, "np.ndarray | None", str]

_Samples: TypeAlias = "Sequence[tuple[Sample, _Held]]"

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


@dataclass(frozen=True)
class _Held:
    """A photo whose mask is kept as run lengths: thousands of whole masks would fill the memory."""

    photo: LabelledPhoto
    runs: np.ndarray | None
    kind: str

    def marked(self) -> Marked:
        """With its mask drawn."""
        if self.runs is None or self.photo.size is None:
            return self.photo, None, self.kind
        return self.photo, from_run_lengths(self.runs.tolist(), self.photo.size), self.kind


class _Drawn(Sequence[Marked]):
    """Photos whose masks are drawn when they are asked for."""

    def __init__(self, held: Sequence[_Held]) -> None:
        self._held = held

    def __len__(self) -> int:
        return len(self._held)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return _Drawn(self._held[at])
        return self._held[at].marked()


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
    marked: list[tuple[Sample, _Held]] = []
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
    photos = [held.photo for _, held in marked]
    return Exported(output, len(photos), mix(photos), tuple(findings))


def _marked(sample: Sample, root: Path) -> _Held | Finding:
    read = photo_and_mask(sample)
    if isinstance(read, Finding):
        return read
    picture, mask = read
    size = (picture.height, picture.width)
    kind = sample.kind or "defect"
    photo = LabelledPhoto(
        Path(os.path.relpath(sample.image, root)).as_posix(),
        size,
        "anomaly" if sample.is_anomalous else "normal",
        kind if sample.is_anomalous else "",
    )
    runs = None
    if mask is not None and mask.any():
        runs = np.array(run_lengths(mask), dtype=np.int64)
    return _Held(photo, runs, kind)


def _plain(marked: _Samples, split: str | None = None) -> Sequence[Marked]:
    return _Drawn([held for sample, held in marked if split in (None, sample.split)])


def _write_table(output: Path, marked: _Samples, prefix: str) -> None:
    for name in ("labels.csv", "labels.json"):
        write_table(output / name, [held.photo for _, held in marked])


def _write_coco(output: Path, marked: _Samples, prefix: str) -> None:
    kinds = {held.kind for _, held in marked if held.runs is not None}
    for split in sorted({sample.split for sample, _ in marked}):
        place = output / "annotations" / f"instances_{split}.json"
        coco.write(place, _plain(marked, split), sorted(kinds))


def _write_yolo(output: Path, marked: _Samples, prefix: str) -> None:
    taken: set[str] = set()
    named: list[_Held] = []
    for sample, held in marked:
        stem = "_".join(Path(held.photo.image).with_suffix("").parts)
        number = 1
        while (name := f"{stem}_{number}" if number > 1 else stem).casefold() in taken:
            number += 1
        taken.add(name.casefold())
        target = f"{sample.split}/{name}{sample.image.suffix}"
        (output / "images" / sample.split).mkdir(parents=True, exist_ok=True)
        shutil.copy2(sample.image, output / "images" / target)
        named.append(replace(held, photo=replace(held.photo, image=target)))
    yolo.write(output, _Drawn(named))


def _write_labelme(output: Path, marked: _Samples, prefix: str) -> None:
    for sample, held in marked:
        photo, mask, kind = held.marked()
        # 1.jpg and 1.png are two photos.
        place = output / f"{photo.image}.json"
        labelme.write(place, photo, sample.image.absolute(), mask, kind)


def _write_labelstudio(output: Path, marked: _Samples, prefix: str) -> None:
    labelstudio.write(output / "tasks.json", _plain(marked))


def _write_cvat(output: Path, marked: _Samples, prefix: str) -> None:
    cvat.write(output / "annotations.xml", _plain(marked))


def _write_lookout(output: Path, marked: _Samples, prefix: str) -> None:
    for split in sorted({sample.split for sample, _ in marked}):
        lookout.write(output / f"{split}{lookout.SUFFIX}", _plain(marked, split), prefix)


_WRITERS: dict[str, Callable[[Path, _Samples, str], None]] = {
    "table": _write_table,
    "coco": _write_coco,
    "yolo": _write_yolo,
    "labelme": _write_labelme,
    "labelstudio": _write_labelstudio,
    "cvat": _write_cvat,
    "lookout": _write_lookout,
}
