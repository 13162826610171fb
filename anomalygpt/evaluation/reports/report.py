"""Results of an evaluation as markdown, as CSV and for a terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from anomalygpt.evaluation.figures.figures import FIGURES, PIXEL_FIGURES
from anomalygpt.evaluation.reports import report_tables
from anomalygpt.evaluation.reports.report_tables import Table

ROW_COLUMNS = (
    *("category", "shots", "seed", "map", "verdict", "photos", "photos_with_pixels"),
    *("references", "threshold"),
    *FIGURES,
    *(f"binning_error_{name}" for name in PIXEL_FIGURES),
)
PHOTO_COLUMNS = (
    *("category", "shots", "seed", "map", "verdict", "image", "kind", "is_anomalous"),
    *("score", "probability", "threshold", "said", "answer", "named", "defect_places"),
)

_TERMINAL_FIGURES = {
    "image_auroc": ("image", "AUROC"),
    "pixel_auroc": ("pixel", "AUROC"),
    "aupro": ("", "AUPRO"),
    "accuracy": ("", "accuracy"),
    "overkill": ("", "overkill"),
    "miss_rate": ("miss", "rate"),
    "oracle_accuracy": ("oracle", "accuracy"),
}


def markdown_report(results: Mapping[str, Any]) -> str:
    """The whole report as markdown.

    Args:
        results: the content of results.json.
    """
    parts = ["# Evaluation", _escaped(report_tables.headline(results))]
    warning = report_tables.limit_warning(results)
    if warning is not None:
        parts.append(f"> **{warning}**")
    parts += _summary_parts(results)
    parts += _category_parts(results)
    parts += _published_parts(results)
    parts += _cost_parts(results)
    skipped = report_tables.skipped_lines(results)
    if skipped:
        parts.append("## Skipped photos")
        parts.append("\n".join(f"- {_code(path)}: {_escaped(why)}" for path, why in skipped))
    left_out = report_tables.left_out_line(results)
    if left_out is not None:
        parts += ["## Photos left out", _escaped(left_out)]
    if results.get("notes"):
        parts += ["## How the photos were read"]
        parts.append("\n".join(f"- {_escaped(line)}" for line in results["notes"]))
    parts += ["## How it was measured", _definitions(results["rules"].items())]
    parts.append(_definitions((figure.title, figure.meaning) for figure in FIGURES.values()))
    parts += ["## How to repeat it", _fenced(results["command"])]
    parts.append(_definitions(report_tables.facts(results)))
    parts.append("The references of every run are in results.csv.")
    return "\n\n".join(parts) + "\n"


def csv_table(results: Mapping[str, Any]) -> str:
    """One line per run in `ROW_COLUMNS`; empty for null, references joined by ";".

    Figures keep all their digits, so that reading them gives the same numbers again.
    """
    rows = []
    for row in results["rows"]:
        errors = row.get("binning_error") or {}
        rows.append({**row, **{f"binning_error_{name}": value for name, value in errors.items()}})
    return _csv(rows, ROW_COLUMNS)


def photos_csv(photos: Iterable[Mapping[str, Any]]) -> str:
    """One line per photo and run in `PHOTO_COLUMNS`; places are joined by ";"."""
    return _csv(photos, PHOTO_COLUMNS)


def terminal_summary(results: Mapping[str, Any]) -> str:
    """The main figures as a plain table, at most 100 columns wide."""
    head = [("", "shots"), ("", "map"), ("", "verdict"), *_TERMINAL_FIGURES.values()]
    lines = [[top for top, _ in head], [bottom for _, bottom in head]]
    for entry in report_tables.overall(results):
        # The long names of the two ablations would push the figures off the terminal.
        verdict = entry["verdict"].removeprefix("language ")
        means = (report_tables.mean_of(entry, name) for name in _TERMINAL_FIGURES)
        cells = (report_tables.percent(mean) for mean in means)
        lines.append([str(entry["shots"]), entry["map"], verdict, *cells])
    text = _aligned(lines, words=(1, 2))
    notes = [report_tables.notes(results)[0]]
    warning = report_tables.limit_warning(results)
    if warning is not None:
        notes += warning.split(". ", 1)
    return "\n".join([*text, *notes]) + "\n"


def _summary_parts(results: Mapping[str, Any]) -> list[str]:
    entries = report_tables.overall(results)
    parts = ["## Summary", " ".join(report_tables.notes(results))]
    parts += ["### The map", _markdown(report_tables.map_table(entries))]
    parts += ["### The verdict", _markdown(report_tables.verdict_table(entries))]
    gain = report_tables.gain_table(results)
    if gain is not None:
        parts += ["## What the language model adds over a threshold", _markdown(gain)]
        parts.append(f"Oracle accuracy: {FIGURES['oracle_accuracy'].meaning}.")
    return parts


def _category_parts(results: Mapping[str, Any]) -> list[str]:
    """One pair of tables per shots and map, as papers print them."""
    entries = report_tables.of_categories(results)
    if len({entry["category"] for entry in entries}) < 2:
        return []
    parts = ["## Per category"]
    for shots, map_name in dict.fromkeys((entry["shots"], entry["map"]) for entry in entries):
        chosen = [entry for entry in entries if (entry["shots"], entry["map"]) == (shots, map_name)]
        parts.append(f"### {_escaped(report_tables.setting(shots, map_name))}")
        parts.append(_markdown(report_tables.map_table(chosen, ("category",))))
        parts.append(_markdown(report_tables.verdict_table(chosen, ("category", "verdict"))))
    return parts


def _published_parts(results: Mapping[str, Any]) -> list[str]:
    table = report_tables.published_table(results)
    if table is None:
        return []
    title = "## Published figures on the same data"
    return [title, _markdown(table), report_tables.PUBLISHED_NOTE]


def _cost_parts(results: Mapping[str, Any]) -> list[str]:
    table, memory = report_tables.latency_table(results), report_tables.memory_line(results)
    parts = [_markdown(table)] if table.rows else []
    if memory is not None:
        parts.append(memory)
    return ["## Time and memory", *parts] if parts else []


def _markdown(table: Table) -> str:
    marks = ["---" if column < table.names else "---:" for column in range(len(table.header))]
    lines = [table.header, marks, *table.rows]
    escaped = [[_escaped(cell) for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def _definitions(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- **{_escaped(name)}**: {_escaped(text)}" for name, text in pairs)


def _escaped(text: str) -> str:
    """Text that stays one cell and starts no tag."""
    text = " ".join(str(text).split())
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def _fenced(text: str) -> str:
    # A command may hold backticks of its own.
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}bash\n{text}\n{fence}"


def _aligned(lines: Sequence[Sequence[str]], words: Sequence[int]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column in words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_cell(row.get(name)) for name in columns] for row in rows)
    return table.getvalue()


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ";".join(map(str, value))
    # Python 3.10 cannot write the character 0, which a language model may say.
    return repr(value) if isinstance(value, float) else str(value).replace("\0", "\ufffd")
