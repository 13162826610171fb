"""Writing meta.json from folders of photos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anomalygpt.data.files import folder_name, is_folder, name_key, photos, subfolders
from anomalygpt.data.masks import MaskFolder, claimed_twice
from anomalygpt.data.meta import META, META_PARTS
from anomalygpt.data.names import KNOWN_WORDS, meaning
from anomalygpt.data.opening import find_layout, open_data
from anomalygpt.data.samples import Finding, Reading, Sample, Split
from anomalygpt.data.tools.writing import write_json
from anomalygpt.data.trees import masks_without_use
from anomalygpt.errors import DataError, OutputError
from anomalygpt.files import shown

_GOOD_NAME = "good"
_FOLDERS: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("validation", "val"),
    "test": ("test",),
}


@dataclass(frozen=True)
class Meta:
    """A table of photos, not written yet.

    Attributes:
        root: the folder that its paths start from.
        samples: the photos, by product, phase and name.
        findings: masks that are missing, left over or there twice, and folders that nobody knows.
    """

    root: Path
    samples: tuple[Sample, ...]
    findings: tuple[Finding, ...]

    @property
    def is_ready(self) -> bool:
        """Whether nothing was found that makes the table wrong."""
        return not any(finding.severity == "error" for finding in self.findings)

    def table(self) -> dict[str, dict[str, list[dict[str, str | int]]]]:
        """As it stands in meta.json; phases without a photo are there and empty."""
        phases: dict[str, dict[str, list[dict[str, str | int]]]] = {"train": {}, "test": {}}
        for sample in self.samples:
            products = phases.setdefault(sample.split, {})
            products.setdefault(sample.category, []).append(self._entry(sample))
        return phases

    def _entry(self, sample: Sample) -> dict[str, str | int]:
        mask = ""
        if len(sample.masks) == 1:
            mask = _below(sample.masks[0], self.root)
        elif sample.masks:
            mask = _below(sample.masks[0].parent, self.root)
        return {
            "img_path": _below(sample.image, self.root),
            "mask_path": mask,
            "cls_name": sample.category,
            "specie_name": (sample.kind or "") if sample.is_anomalous else _GOOD_NAME,
            "anomaly": int(sample.is_anomalous),
        }


def collect_meta(root: str | Path, layout: str = "auto") -> Meta:
    """The table of a folder: of products with train and test, also in groups
    (`COMP_1/product_1`, which is then the product's name), or of any other layout that is read.

    In train any folder beside the good one is a kind of defect, as in test. Masks are matched by
    name.

    Args:
        root: the folder; it is only read.
        layout: "auto", or a name of `LAYOUT_NAMES` to have that reader.

    Raises:
        DataError: nothing there can be read as a data set.
    """
    root = Path(root)
    found, products = _found(root, layout), _products(root)
    if products and found in (None, "mvtec", "loco", "meta"):
        reading = Reading()
        for folder in products:
            _read_product(root, folder, reading)
        if not reading.samples:
            raise DataError(f"{shown(root)} has train or test folders, but no photo in them")
        samples, findings = reading.samples, reading.findings
    else:
        data = open_data(root, find_layout(root, layout))
        if data.layout == "meta":
            raise DataError(
                f"{shown(root)} has a meta.json and no folders train and test; there is nothing "
                "to write it from"
            )
        samples, findings = list(data.samples), list(data.left_out)
    findings += [*_missing(samples), *_several(samples)]
    return Meta(root, tuple(samples), tuple(findings))


def write_meta(meta: Meta, output: Path | None = None, *, replace: bool = False) -> list[Path]:
    """Write meta.json, meta_train.json and meta_test.json.

    Args:
        meta: from `collect_meta`.
        output: the folder for them; by default the root, where readers look for it.
        replace: write over files of these names.

    Returns:
        The files.

    Raises:
        DataError: the table has errors; nothing is written.
        OutputError: one of the files is there, or they cannot be written.
    """
    errors = [finding for finding in meta.findings if finding.severity == "error"]
    if errors:
        raise DataError(
            f"{shown(meta.root)}: {errors[0].problem}: {len(errors)}, first "
            f"{shown(errors[0].path)}; nothing was written"
        )
    output = output or meta.root
    table = meta.table()
    parts = {META_PARTS[phase]: {phase: table[phase]} for phase in META_PARTS}
    texts = {META: table, **parts}
    there = [output / name for name in texts if (output / name).exists()]
    if there and not replace:
        raise OutputError(
            f"{shown(there[0])} is there already; --replace writes over it, --output DIR elsewhere"
        )
    return [write_json(output / name, content) for name, content in texts.items()]


def _found(root: Path, layout: str) -> str | None:
    """The layout of a folder; None where none is known, as for products in groups."""
    if layout != "auto":
        return layout
    try:
        return find_layout(root)
    except DataError:
        return None


def _products(root: Path) -> list[Path]:
    """Folders with train or test: the root, those in it, and those in groups."""
    if _is_product(root):
        return [root]
    found: list[Path] = []
    for folder in subfolders(root):
        found += [folder] if _is_product(folder) else filter(_is_product, subfolders(folder))
    return found


def _is_product(folder: Path) -> bool:
    return any(
        is_folder(folder / name) and any(photos(place) for place in subfolders(folder / name))
        for name in ("train", "test")
    )


def _read_product(root: Path, folder: Path, reading: Reading) -> None:
    name = folder_name(root) if folder == root else folder.relative_to(root).as_posix()
    masks: dict[str, MaskFolder] = {}
    samples: list[Sample] = []
    for split, names in _FOLDERS.items():
        for place in (inner for each in names for inner in subfolders(folder / each)):
            is_good = meaning(place.name) == "good"
            if not is_good:
                key = name_key(place.name)
                masks.setdefault(key, MaskFolder(folder / "ground_truth" / place.name))
                reading.findings += _unknown(folder, place)
            samples += [
                Sample(
                    photo,
                    name,
                    split,
                    not is_good,
                    None if is_good else place.name,
                    () if is_good else masks[key].of(photo),
                )
                for photo in photos(place)
            ]
    for place in subfolders(folder / "ground_truth"):
        if meaning(place.name) != "good":
            known = masks.get(name_key(place.name)) or MaskFolder(place)
            reading.findings += masks_without_use(known)
    reading.samples += samples
    reading.findings += claimed_twice(samples)


def _unknown(folder: Path, place: Path) -> list[Finding]:
    """A folder of which nobody can say that it holds a kind of defect."""
    has_good = any(
        meaning(each.name) == "good"
        for split in ("train", "test")
        for each in subfolders(folder / split)
    )
    if has_good or meaning(place.name) == "bad" or is_folder(folder / "ground_truth" / place.name):
        return []
    return [
        Finding(
            "error",
            place,
            "folders that may be good parts or a kind of defect",
            f"call the folder of good parts good; words that are known: {KNOWN_WORDS}",
        )
    ]


def _missing(samples: Sequence[Sample]) -> list[Finding]:
    return [
        Finding(
            "warning",
            sample.image,
            "photos of defects without a mask",
            "nothing, if verdicts are enough; mask_path is empty for them",
        )
        for sample in samples
        if sample.is_anomalous and not sample.masks
    ]


def _several(samples: Sequence[Sample]) -> list[Finding]:
    return [
        Finding(
            "warning",
            sample.image,
            "photos with several masks, of which the table names the folder",
            "unite them into one file for programs that open a single one",
            f"{len(sample.masks)} masks",
        )
        for sample in samples
        if len(sample.masks) > 1
    ]


def _below(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()
