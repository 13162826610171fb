"""The files of an evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anomalygpt.errors import OutputError
from anomalygpt.evaluation.reports.html_report import html_report
from anomalygpt.evaluation.reports.report import csv_table, markdown_report, photos_csv
from anomalygpt.evaluation.state import Record
from anomalygpt.files import write_atomically

RESULTS, REPORT = "results.json", "report.html"
TABLE, TEXT, PHOTOS = "results.csv", "results.md", "photos.csv"
REPORTS = (REPORT, TEXT, TABLE, PHOTOS)


def write_results(results: Mapping[str, Any], photos: Sequence[Record], folder: Path) -> None:
    """Write all reports; results.json comes last, so where it is everything is.

    Raises:
        OutputError: the disk is full or cannot be written.
    """
    texts = {
        PHOTOS: photos_csv(photos),
        TABLE: csv_table(results),
        TEXT: markdown_report(results),
        REPORT: html_report(results, photos, folder),
        RESULTS: json.dumps(results, indent=1, allow_nan=False) + "\n",
    }
    for name, text in texts.items():
        packed = text.encode()
        write_atomically(folder / name, lambda file, packed=packed: file.write(packed))  # type: ignore[misc]


def read_results(folder: Path) -> dict[str, Any] | None:
    """What results.json holds; None where there is none.

    Raises:
        OutputError: it is damaged.
    """
    path = folder / RESULTS
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{path} cannot be read ({error}); remove it, or name another folder"
        ) from None
    if not isinstance(found, dict):
        raise OutputError(f"{path} is no result of an evaluation; name another folder")
    return found
