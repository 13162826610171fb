"""The log and the inspections as files, and a log in a file read again."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import select

from anomalygpt.audit.chain import BEGINNING, Verified, hash_of
from anomalygpt.errors import OutputError, SourceError
from anomalygpt.files import shown, write_atomically
from anomalygpt.records.database import Database
from anomalygpt.records.tables import EventRow, InspectionRow

_STEP = 500
_COLUMNS = (
    "id", "line", "at", "who", "product", "product_version", "photo_name", "photo", "photo_kept",
    "is_anomalous", "anomaly_probability", "anomaly_score", "regions", "limit", "feedback",
)  # fmt: skip
# What a spreadsheet program would compute instead of showing.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(database: Database, path: Path) -> int:
    """Write a file; how many lines of the log, or inspections, it has.

    Args:
        database: that has them.
        path: `.jsonl` for the whole log with all hashes, as `read_export` reads it; `.csv` for a
            table of inspections.

    Raises:
        OutputError: another suffix, or it cannot be written.
        RecordsError: the database cannot be read.
    """
    writers = {".jsonl": _log, ".csv": _table}
    write = writers.get(path.suffix.lower())
    if write is None:
        raise OutputError(
            f"the log is written as .jsonl and the table of inspections as .csv, got {shown(path)}"
        )
    count = 0

    def all_of_it(file: BinaryIO) -> None:
        nonlocal count
        for number, text in enumerate(write(database)):
            count = number
            file.write(text.encode())

    write_atomically(path, all_of_it)
    return count


def read_export(path: Path) -> Verified:
    """Verify a log in a file, without any database.

    Raises:
        SourceError: the file is not there, or holds something else.
    """
    count, last, ended = 0, BEGINNING, False
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for text in file:
                if ended:
                    return Verified(count, last, count + 1, "something follows the end")
                values = _values(text)
                if values is None:
                    return Verified(count, last, count + 1, "it is no line of a log")
                if "end" in values:
                    ended = True
                    if (values["end"], values["hash"]) != (count, last):
                        return Verified(count, last, count + 1, "the end is another")
                    continue
                reason = _fault(values, count + 1, last)
                if reason:
                    return Verified(count, last, count + 1, reason)
                count, last = count + 1, str(values["hash"])
    except OSError as error:
        raise SourceError(f"{shown(path)} cannot be read: {error.strerror}") from None
    if not ended:
        return Verified(count, last, count + 1, "it is missing, the file was cut short")
    return Verified(count, last)


def _log(database: Database) -> Iterator[str]:
    """Each line of the log, and a last one that says where it ends.

    The payload is a text, as it was hashed: SHA-256 of the JSON list of number, at, kind, who,
    subject, payload and before, all as texts and with a space after each comma, is the hash.
    """
    count, last = 0, BEGINNING
    with database.reading() as session:
        wanted = select(EventRow).order_by(EventRow.number)
        for row in session.scalars(wanted.execution_options(yield_per=_STEP)):
            values = {name: getattr(row, name) for name in _KEYS}
            yield json.dumps(values) + "\n"
            count, last = row.number, row.hash
    yield json.dumps({"end": count, "hash": last}) + "\n"


_KEYS = ("number", "at", "kind", "who", "subject", "payload", "before", "hash")


def _values(text: str) -> dict[str, Any] | None:
    try:
        values = json.loads(text)
    except ValueError:
        return None
    keys = set(values) if isinstance(values, dict) else set()
    return values if keys in (set(_KEYS), {"end", "hash"}) else None


def _fault(values: dict[str, Any], number: int, last: str) -> str:
    if values["number"] != number:
        return "it is missing"
    if values["before"] != last:
        return "it does not follow the one before"
    if values["hash"] != hash_of(EventRow(**values)):
        return "it was changed"
    return ""


def _table(database: Database) -> Iterator[str]:
    """A heading, and a line for each inspection."""
    yield _line(_COLUMNS)
    with database.reading() as session:
        wanted = select(InspectionRow).order_by(InspectionRow.event)
        for row in session.scalars(wanted.execution_options(yield_per=_STEP)):
            limit = row.result.get("limit") or {}
            regions = "; ".join(each["location"] for each in row.result.get("regions", ()))
            found = {"line": row.event, "regions": regions, "limit": limit.get("score")}
            yield _line([_cell(found.get(n, getattr(row, n, None))) for n in _COLUMNS])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value) if isinstance(value, float) else str(value).replace("\0", "\ufffd")
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _line(cells: Any) -> str:
    packed = io.StringIO()
    csv.writer(packed, lineterminator="\n").writerow(cells)
    return packed.getvalue()
