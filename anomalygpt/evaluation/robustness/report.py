"""Figures of attacks as JSON, as a table for a terminal, and as one page with pictures."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from anomalygpt.evaluation.reports.report_tables import UNDEFINED, percent
from anomalygpt.files import write_atomically

RESULTS, PAGE, TEXT = "attack.json", "attack.html", "attack.md"

HEADER = (
    *("product", "references", "attack", "epsilon", "photos", "accuracy", "F1", "overkill"),
    *("missed", "turned", "before rounding", "L∞", "L2"),
)
NOTE = (
    "Epsilon and L∞ count steps of 1/255, L2 the whole change of values in [0, 1]; shares are "
    "percent. Photos are attacked at the size the encoder reads, seen whole, and judged as files "
    "of 8 bits; `turned` is the share of rightly judged photos whose verdict is wrong afterwards, "
    "`before rounding` the same for numbers that no file of 8 bits holds."
)

_STYLE = Path(__file__).parents[1] / "reports" / "report.css"


def table_rows(figures: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Cells as they are shown, a row for each of `attack_figures`, under `HEADER`."""
    return [
        (
            *(str(row["category"]), str(row["shots"]), str(row["attack"]), str(row["epsilon"])),
            str(row["photos"]),
            *(percent(row[name]) for name in ("accuracy", "f1", "overkill", "miss_rate")),
            *(percent(row[name]) for name in ("turned", "turned_unrounded")),
            *(_number(row[name]) for name in ("linf", "l2")),
        )
        for row in figures
    ]


def terminal_table(results: Mapping[str, Any]) -> str:
    """The table in columns, for a terminal.

    Args:
        results: the content of attack.json.
    """
    rows = [HEADER, *table_rows(results["figures"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def markdown(results: Mapping[str, Any]) -> str:
    """The table and what its columns mean, as markdown."""
    rows = [HEADER, ("---",) * len(HEADER), *table_rows(results["figures"])]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return f"# Attacks on {results['model']['name']}\n\n" + "\n".join(lines) + f"\n\n{NOTE}\n"


def page(results: Mapping[str, Any], folder: Path) -> str:
    """One HTML page that loads nothing from outside.

    Args:
        results: the content of attack.json.
        folder: where the pictures lie.
    """
    title = f"Attacks on {results['model']['name']}"
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in HEADER)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in table_rows(results["figures"])
    )
    cases = "\n".join(_case(each, folder) for each in results["pictures"])
    command = f"<pre>{escape(results['command'])}</pre>" if results.get("command") else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE.read_text('utf-8')}</style>\n"
        f"</head>\n<body>\n<header>\n<h1>{escape(title)}</h1>\n</header>\n<main>\n"
        f"<section>\n<h2>Figures</h2>\n<table>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>\n<p>{escape(NOTE)}</p>\n</section>\n"
        f"<section>\n<h2>Cases</h2>\n{cases or '<p>No right verdict was turned.</p>'}\n"
        f"</section>\n{command}\n</main>\n</body>\n</html>\n"
    )


def write_report(results: Mapping[str, Any], folder: Path) -> None:
    """Write page, table and, last, attack.json.

    Raises:
        OutputError: the disk is full or cannot be written.
    """
    texts = {
        PAGE: page(results, folder),
        TEXT: markdown(results),
        RESULTS: json.dumps(results, indent=1, allow_nan=False) + "\n",
    }
    for name, text in texts.items():
        packed = text.encode()
        write_atomically(folder / name, lambda file, packed=packed: file.write(packed))  # type: ignore[misc]


def _case(case: Mapping[str, Any], folder: Path) -> str:
    data = base64.b64encode((folder / case["picture"]).read_bytes()).decode()
    said = f"{case['attack']} at {case['epsilon']}/255: {Path(case['image']).name} ({case['kind']})"
    return (
        f'<figure><img alt="Photo, change, map before and after" '
        f'src="data:image/png;base64,{data}"><figcaption>{escape(said)}</figcaption></figure>'
    )


def _number(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.2f}"
