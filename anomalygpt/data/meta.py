"""meta.json: a table of photos and masks that AnomalyCLIP, AdaCLIP, AdaptCLIP and IAD-R1 share.

`{phase: {product: [{img_path, mask_path, cls_name, specie_name, anomaly}]}}`, with paths from the
folder of the file on; a photo of a good part has the mask "". `anomalygpt data meta` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from anomalygpt.data.files import is_file, is_folder, photos
from anomalygpt.data.samples import Finding, Reading, Sample, Split
from anomalygpt.errors import DataError
from anomalygpt.files import shown

META = "meta.json"
META_PARTS = {"train": "meta_train.json", "test": "meta_test.json"}

_SPLITS: dict[str, Split] = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
_RESTORE = "copy the data set again, or write the table anew with `anomalygpt data meta`"
_UNNAMED = "anomaly"


def is_meta(root: Path) -> bool:
    """Whether a folder holds meta.json, or one of the two files with a phase each."""
    return any(is_file(root / name) for name in (META, *META_PARTS.values()))


def read_meta(root: Path, wanted: Collection[str] | None) -> Reading:
    """Photos that the table names, of all products or of the wanted ones. Without meta.json its
    two parts are read.

    Raises:
        DataError: the table cannot be read or holds something else.
    """
    names = [META] if is_file(root / META) else list(META_PARTS.values())
    reading = Reading()
    for file in (root / name for name in names if is_file(root / name)):
        for phase, products in _phases(file):
            for product, entries in products.items():
                if product not in reading.categories:
                    reading.categories.append(product)
                if wanted is None or product in wanted:
                    _read_product(file, _SPLITS[phase.casefold()], product, entries, reading)
    return reading


def _phases(file: Path) -> Iterator[tuple[str, Mapping[str, list[Any]]]]:
    try:
        told = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{shown(file)} cannot be read ({error}); {_RESTORE}") from None
    if not isinstance(told, dict) or not any(str(phase).casefold() in _SPLITS for phase in told):
        raise DataError(
            f"{shown(file)} is expected to be a JSON object with train and test; {_RESTORE}"
        )
    for phase, products in told.items():
        if phase.casefold() not in _SPLITS:
            raise DataError(
                f"{shown(file)} has the phase {phase!r}; expected {', '.join(_SPLITS)}: {_RESTORE}"
            )
        if not isinstance(products, dict) or not all(
            isinstance(entries, list) for entries in products.values()
        ):
            raise DataError(
                f"{shown(file)}: {phase} is expected to hold a list of photos for each product; "
                f"{_RESTORE}"
            )
        yield phase, products


def _read_product(
    file: Path, split: Split, product: str, entries: list[Any], reading: Reading
) -> None:
    for number, entry in enumerate(entries, 1):
        where = f"{split}, {product}, entry {number}"
        image = _text(entry, "img_path")
        anomaly = entry.get("anomaly") if isinstance(entry, dict) else None
        if not image or anomaly not in (0, 1):
            reading.findings.append(
                Finding(
                    "error",
                    file,
                    "entries of the table that say something unknown",
                    "expected img_path, and anomaly 0 or 1: correct the entry",
                    where,
                )
            )
            continue
        photo = file.parent / image
        if not is_file(photo):
            problem = "photos in the table that are not there"
            reading.findings.append(Finding("error", photo, problem, _RESTORE, where))
            continue
        is_anomalous = bool(anomaly)
        masks = _masks(file.parent, _text(entry, "mask_path"), where, reading)
        kind = (_text(entry, "specie_name") or _UNNAMED) if is_anomalous else None
        reading.samples.append(
            Sample(photo, product, split, is_anomalous, kind, masks if is_anomalous else ())
        )


def _masks(root: Path, path: str, where: str, reading: Reading) -> tuple[Path, ...]:
    """The mask of an entry, or those in the folder that it names."""
    if not path:
        return ()
    place = root / path
    if is_folder(place):
        return tuple(photos(place))
    if not is_file(place):
        problem = "masks in the table that are not there"
        reading.findings.append(Finding("error", place, problem, _RESTORE, where))
        return ()
    return (place,)


def _text(entry: object, key: str) -> str:
    value = entry.get(key) if isinstance(entry, dict) else None
    return value.strip().replace("\\", "/") if isinstance(value, str) else ""
