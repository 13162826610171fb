"""The table of results: its columns, and the files that it is written to.

docs/plant.md describes the columns; a test keeps the two in step.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from anomalygpt.bulk.sources import Found
from anomalygpt.errors import MissingExtraError, OutputError
from anomalygpt.files import reason_of, shown, write_atomically

if TYPE_CHECKING:
    from anomalygpt.results.inspection import Inspection

Row: TypeAlias = "dict[str, Any]"

GOOD, DAMAGED = "good", "damaged"

# Columns and their types; every one may be empty but the first.
COLUMNS: dict[str, type] = {
    "image": str,
    "verdict": str,
    "probability": float,
    "score": float,
    "regions": str,
    "answer": str,
    "cautions": str,
    "error": str,
    "seconds": float,
    "height": int,
    "width": int,
    "bytes": int,
    "version": str,
}
FORMATS = (".parquet", ".csv", ".jsonl")


def row_of(found: Found, result: Inspection | Exception, seconds: float) -> Row:
    """A row of the table.

    Args:
        found: the photo.
        result: the findings, or why there are none.
        seconds: that it took.
    """
    row: Row = dict.fromkeys(COLUMNS)
    row |= {"image": found.image, "bytes": found.size, "version": found.version}
    row["seconds"] = round(seconds, 4)
    if isinstance(result, Exception):
        return row | {"error": reason_of(result)}
    height, width = result.image_size
    verdicts = {True: DAMAGED, False: GOOD, None: None}
    return row | {
        "verdict": verdicts[result.is_anomalous],
        "probability": result.anomaly_probability,
        "score": result.anomaly_score,
        "regions": json.dumps([region.to_dict() for region in result.regions]),
        "answer": result.answer,
        "cautions": json.dumps(list(result.cautions)),
        "height": height,
        "width": width,
    }


def check_format(path: Path) -> None:
    """Refuse a table that cannot be written here, before any work is done.

    Raises:
        OutputError: a suffix that names no format.
        MissingExtraError: parquet, and pyarrow is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise OutputError(
            f"{shown(path)}: results are written as {', '.join(FORMATS)}; take such a name"
        )
    if path.suffix.lower() == ".parquet":
        _arrow()


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows as a whole or not at all; the suffix names the format.

    Raises:
        OutputError: no space, no permission, or another suffix.
        MissingExtraError: see `check_format`.
    """
    check_format(path)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _write_parquet(path, rows)
    text = _as_csv(rows) if suffix == ".csv" else "".join(f"{json.dumps(row)}\n" for row in rows)
    return write_atomically(path, lambda file: file.write(text.encode()))


def read_table(path: Path) -> list[Row]:
    """What `write_table` wrote as parquet or JSON lines.

    Raises:
        OutputError: the file is damaged.
    """
    try:
        if path.suffix.lower() == ".parquet":
            import pyarrow.parquet as parquet

            with path.open("rb") as file:
                rows: list[Row] = parquet.read_table(file).to_pylist()
        else:
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return [{name: row[name] for name in COLUMNS} for row in rows]
    except Exception as error:  # readers raise nearly anything on damaged files
        raise OutputError(
            f"{shown(path)} cannot be read ({reason_of(error)}); remove it, and its photos are "
            "inspected again"
        ) from error


def _write_parquet(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    arrow = _arrow()
    import pyarrow.parquet as parquet

    kinds = {str: arrow.string(), float: arrow.float64(), int: arrow.int64()}
    schema = arrow.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
    table = arrow.Table.from_pylist([dict(row) for row in rows], schema=schema)
    # Through memory, so that a full disk is an error of the file's own.
    packed = io.BytesIO()
    parquet.write_table(table, packed)
    return write_atomically(path, lambda file: file.write(packed.getbuffer()))


def _as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _arrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise MissingExtraError(
            'parquet needs the package pyarrow; pip install "anomalygpt[scale]" brings it, or '
            "give a name that ends in .csv or .jsonl"
        ) from None
    return pyarrow
