"""Writing what the tools make: JSON and tables as other programs read them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anomalygpt.errors import OutputError
from anomalygpt.files import shown, write_atomically


def refuse_existing(places: Sequence[Path]) -> None:
    """Refuse to write over files.

    Raises:
        OutputError: one of them is there.
    """
    for place in places:
        if place.exists():
            raise OutputError(f"{shown(place)} is there already; choose another --output folder")


def write_text(path: Path, text: str) -> Path:
    """Write a text in UTF-8, as a whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    content = text.encode("utf-8", "surrogateescape")
    return write_atomically(path, lambda file: file.write(content))


def write_json(path: Path, content: Any) -> Path:
    """Write JSON with its letters as they are.

    Raises:
        OutputError: it cannot be written.
    """
    return write_text(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write a table with a line of names.

    Raises:
        OutputError: it cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return write_text(path, text.getvalue())
