"""VisA: a table, split_csv/1cls.csv, names every photo and its mask."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path

from anomalygpt.data.files import is_file
from anomalygpt.data.names import KNOWN_WORDS, meaning
from anomalygpt.data.samples import Finding, Reading, Sample, Split
from anomalygpt.errors import DataError
from anomalygpt.files import shown

TABLE = Path("split_csv", "1cls.csv")

_COLUMNS = ("object", "split", "label", "image", "mask")
_SPLITS: dict[str, Split] = {
    "train": "train",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}
_RESTORE = "unpack or copy the data set again"


def read_visa(root: Path, wanted: Collection[str] | None) -> Reading:
    """Photos that the table names, of all objects or of the wanted ones.

    Raises:
        DataError: the table cannot be read or lacks columns.
    """
    table = root / TABLE
    reading = Reading()
    for line, row in _rows(table):
        if row["object"] not in reading.categories:
            reading.categories.append(row["object"])
        if wanted is None or row["object"] in wanted:
            _read_row(root, row, f"line {line}", reading)
    return reading


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Line numbers and cells without blanks around them; lines without any cell are left out."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = [str(name).strip().lower() for name in reader.fieldnames or ()]
            missing = [name for name in _COLUMNS if name not in names]
            if missing:
                raise DataError(
                    f"{shown(table)} has the columns {', '.join(names) or '(none)'}; "
                    f"{', '.join(missing)} missing, expected {','.join(_COLUMNS)}: {_RESTORE}"
                )
            reader.fieldnames = names
            # DictReader gives None to cells that a short line lacks.
            return [
                (reader.line_num, {name: (row[name] or "").strip() for name in _COLUMNS})
                for row in reader
                if any(row[name] for name in _COLUMNS)
            ]
    except (OSError, UnicodeError, csv.Error) as error:
        raise DataError(f"{shown(table)} cannot be read ({error}); {_RESTORE}") from None


def _read_row(root: Path, row: dict[str, str], line: str, reading: Reading) -> None:
    split, label = _SPLITS.get(row["split"].lower()), meaning(row["label"])
    if split is None or label is None or not row["image"] or not row["object"]:
        reading.findings.append(
            Finding(
                "error",
                root / TABLE,
                "lines of the table that say something unknown",
                f"expected object, split train or test, a label such as {KNOWN_WORDS} and an "
                "image: correct the line",
                f"{line}: {','.join(row.values())}",
            )
        )
        return
    image = _place(root, row["image"])
    if not is_file(image):
        reading.findings.append(
            Finding("error", image, "photos in the table that are not there", _RESTORE, line)
        )
        return
    is_anomalous = label == "bad"
    masks = (_place(root, row["mask"]),) if row["mask"] and is_anomalous else ()
    if masks and not is_file(masks[0]):
        reading.findings.append(
            Finding("error", masks[0], "masks in the table that are not there", _RESTORE, line)
        )
        masks = ()
    kind = "anomaly" if is_anomalous else None
    reading.samples.append(Sample(image, row["object"], split, is_anomalous, kind, masks))


def _place(root: Path, cell: str) -> Path:
    return root / cell.replace("\\", "/")
