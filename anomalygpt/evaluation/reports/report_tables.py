"""The tables of a report as plain text cells; markdown and HTML only differ in their dress."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anomalygpt.evaluation.figures.figures import FIGURES, figures_of

MAP_FIGURES = figures_of("score", "pixels")
VERDICT_FIGURES = figures_of("verdict")
UNDEFINED = "–"
UNDEFINED_NOTE = "–: not defined here (for example no masks)."
PUBLISHED_NOTE = (
    "Published figures are other people's measurements, with their own image sizes and references. "
    "This run's accuracy is that of the language model."
)

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """Cells as they are shown.

    Attributes:
        header: titles of the columns.
        rows: cells, as many as there are titles.
        names: how many columns come first that hold words rather than figures.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int


def percent(value: float | None, spread: float | None = None) -> str:
    """A figure in [0, 1] as a percentage with one decimal; "–" where there is none."""
    if value is None or not math.isfinite(value):
        return UNDEFINED
    text = f"{100 * value:.1f}"
    return text if spread is None else f"{text} ± {100 * spread:.1f}"


def overall(results: Entry) -> list[Entry]:
    """Summary entries that stand for the whole: means over categories, or the only category's."""
    entries = [entry for entry in results["summary"] if _is_mean(entry)]
    return entries or (of_categories(results) if len(results["data"]["categories"]) == 1 else [])


def of_categories(results: Entry) -> list[Entry]:
    """Summary entries of single categories."""
    return [entry for entry in results["summary"] if not _is_mean(entry)]


def map_table(entries: Iterable[Entry], keys: Sequence[str] = ("shots", "map")) -> Table:
    """Figures of score and map: a row per value of `keys`, the same under every verdict."""
    rows: dict[tuple[str, ...], tuple[str, ...]] = {}
    for entry in entries:
        name = tuple(str(entry[key]) for key in keys)
        cells = _cells(entry, MAP_FIGURES)
        # A verdict without a map would have none of these; another one's then count.
        if name not in rows or set(rows[name]) == {UNDEFINED}:
            rows[name] = cells
    return _table(keys, MAP_FIGURES, [name + cells for name, cells in rows.items()])


def verdict_table(
    entries: Iterable[Entry], keys: Sequence[str] = ("shots", "map", "verdict")
) -> Table:
    """Figures of the yes or no: a row per entry, named by `keys`."""
    rows = [
        (*(str(entry[key]) for key in keys), *_cells(entry, VERDICT_FIGURES)) for entry in entries
    ]
    return _table(keys, VERDICT_FIGURES, rows)


def gain_table(results: Entry) -> Table | None:
    """Verdicts of the language model beside those of a threshold; None unless both were asked."""
    found = {(entry["shots"], entry["map"], entry["verdict"]): entry for entry in overall(results)}
    rows = []
    for (shots, map_name, verdict), words in found.items():
        threshold = found.get((shots, map_name, "threshold"))
        if verdict == "language" and threshold is not None:
            rows.append((str(shots), map_name, *_gain_cells(words, threshold)))
    header = (
        *("shots", "map", "accuracy, language", "accuracy, threshold", "gain in points"),
        *("overkill, language", "overkill, threshold"),
        *("miss rate, language", "miss rate, threshold", "oracle accuracy"),
    )
    return Table(header, tuple(rows), names=2) if rows else None


def published_table(results: Entry) -> Table | None:
    """This run beside published figures; None where there are none or only a part was measured."""
    published = results.get("published") or []
    if not published or results["settings"].get("limit") is not None:
        return None
    names = tuple(name for name in FIGURES if any(name in row["figures"] for row in published))
    rows = []
    for shots in sorted({row["shots"] for row in published}):
        rows += _own_rows(results, shots, names)
        for row in published:
            if row["shots"] == shots:
                cells = (_published_cell(row["figures"].get(name)) for name in names)
                rows.append((str(shots), row["method"], *cells, row["source"]))
    titles = tuple(FIGURES[name].title for name in names)
    return Table(("shots", "method", *titles, "source"), tuple(rows), names=2)


def runs_table(rows: Iterable[Entry]) -> Table:
    """Single runs with all their figures: a row per shots, seed, map and verdict."""
    keys = ("shots", "seed", "map", "verdict")
    figures = (*MAP_FIGURES, *VERDICT_FIGURES)
    cells = [
        (*(_text(row[key]) for key in keys), *(percent(row.get(name)) for name in figures))
        for row in rows
    ]
    return _table(keys, figures, cells)


def latency_table(results: Entry) -> Table:
    """Milliseconds per stage and photo."""
    rows = tuple(
        (stage, f"{times['median']:.1f}", f"{times['p95']:.1f}", str(times["photos"]))
        for stage, times in (results.get("latency_ms") or {}).items()
    )
    return Table(("stage", "median, ms", "95th percentile, ms", "photos"), rows, names=1)


def references_table(rows: Iterable[Entry]) -> Table:
    """Which photos of good parts a run was given, once per category, shots and seed."""
    found: dict[tuple[str, ...], str] = {}
    for row in rows:
        if row["references"]:
            name = (row["category"], str(row["shots"]), _text(row["seed"]))
            found.setdefault(name, ", ".join(row["references"]))
    cells = tuple((*name, references) for name, references in found.items())
    return Table(("category", "shots", "seed", "references"), cells, names=4)


def headline(results: Entry) -> str:
    """In one line: which model was measured on what, how often, and when."""
    model, settings, data = results["model"], results["settings"], results["data"]
    counts = data["categories"].values()
    photos = sum(count["good"] + count["anomalous"] for count in counts)
    defective = sum(count["anomalous"] for count in counts)
    name = data["name"] or f"data in the layout {data['layout']}"
    shots = ", ".join(map(str, settings["shots"]))
    return (
        f"{model['name']} (encoder {model['encoder']}, {model['formulation']} formulation) on "
        f"{name}: {_counted(len(counts), 'category', 'categories')}, "
        f"{_counted(photos, 'test photo', 'test photos')} "
        f"({defective} with defects), shots {shots}, {results['machine']['device']}, "
        f"{results['date'][:10]}."
    )


def notes(results: Entry) -> list[str]:
    """What a reader has to know to read the summary's cells."""
    entries = overall(results)
    runs = max((entry.get("runs") or 1 for entry in entries), default=1)
    lines = [f"Figures are percentages. {UNDEFINED_NOTE}"]
    if runs > 1:
        lines.append(f"±: standard deviation over {runs} seeds, each with references of its own.")
    else:
        lines.append("One run: nothing can be said about the spread over seeds.")
    categories = len(results["data"]["categories"])
    if any(map(_is_mean, entries)) and categories > 1:
        lines.append(f"Mean over {categories} categories.")
        lines += _partial_means(results)
    return lines


def limit_warning(results: Entry) -> str | None:
    """A sentence for a run that left photos out; None for a whole one."""
    limit = results["settings"].get("limit")
    if limit is None:
        return None
    return (
        f"ONLY A PART OF THE DATA WAS MEASURED (limit {limit}). "
        "These figures show that the run works; do not quote or compare them."
    )


def skipped_lines(results: Entry, most: int = 20) -> list[tuple[str, str]]:
    """Path and reason of photos that were left out, the first few."""
    skipped = results.get("skipped") or []
    lines = [(str(photo["path"]), str(photo["reason"])) for photo in skipped[:most]]
    if len(skipped) > most:
        lines.append(("…", f"and {len(skipped) - most} more, all in results.json"))
    return lines


def left_out_line(results: Entry, most: int = 20) -> str | None:
    """Test photos that were no test, as the model or the references knew them; None without any."""
    left_out = results.get("left_out") or []
    if not left_out:
        return None
    more = f" and {len(left_out) - most} more" if len(left_out) > most else ""
    return (
        f"{_counted(len(left_out), 'photo', 'photos')}, byte for byte a training photo or "
        f"a reference: {', '.join(map(str, left_out[:most]))}{more}."
    )


def memory_line(results: Entry) -> str | None:
    """Peak memory of process and accelerator; None where it was not measured."""
    memory = results.get("peak_memory_mb") or {}
    parts = [
        f"{name} {memory[key]:,.0f} MB"
        for key, name in (("process", "process"), ("gpu", "GPU"))
        if memory.get(key) is not None
    ]
    return f"Peak memory: {', '.join(parts)}." if parts else None


def facts(results: Entry) -> list[tuple[str, str]]:
    """What a repetition has to share: model, versions, machine and settings."""
    model = results["model"]
    lines = [
        ("model", f"{model['name']}, version {model['version']}, hash {model['hash']}"),
        ("versions", _pairs(results["versions"])),
        ("machine", _pairs(results["machine"])),
        ("settings", _pairs(results["settings"])),
    ]
    return [(name, text) for name, text in lines if text]


def main_setting(results: Entry) -> Entry | None:
    """The summary entry that stands for the whole run."""
    return main_of(overall(results))


def main_of(entries: Iterable[Entry]) -> Entry | None:
    """The entry to show where there is room for one: most shots, language model, first map."""
    order = {"language": 0, "threshold": 1}
    return min(
        entries,
        key=lambda entry: (-entry["shots"], order.get(entry["verdict"], 2)),
        default=None,
    )


def setting(shots: int, map_name: str) -> str:
    """Shots and map in words."""
    return f"{_counted(shots, 'shot', 'shots')}, {map_name} map"


def mean_of(entry: Entry, name: str) -> float | None:
    """A summary figure's mean."""
    value = entry.get(name)
    return None if value is None else value["mean"]


def _is_mean(entry: Entry) -> bool:
    # A category may itself be called "mean"; only a real mean counts categories.
    return entry["category"] == "mean" and "categories" in entry


def _table(keys: Sequence[str], figures: Sequence[str], rows: list[tuple[str, ...]]) -> Table:
    header = (*keys, *(FIGURES[name].title for name in figures))
    return Table(header, tuple(rows), names=len(keys))


def _cells(entry: Entry, figures: Sequence[str]) -> tuple[str, ...]:
    return tuple(_summary_cell(entry.get(name)) for name in figures)


def _summary_cell(value: Entry | None) -> str:
    return UNDEFINED if value is None else percent(value["mean"], value.get("std"))


def _gain_cells(words: Entry, threshold: Entry) -> tuple[str, ...]:
    accuracies = mean_of(words, "accuracy"), mean_of(threshold, "accuracy")
    gain = UNDEFINED
    if accuracies[0] is not None and accuracies[1] is not None:
        gain = f"{100 * (accuracies[0] - accuracies[1]):+.1f}"
    pairs = [
        _summary_cell(entry.get(name))
        for name in ("accuracy", "overkill", "miss_rate")
        for entry in (words, threshold)
    ]
    oracle = words.get("oracle_accuracy") or threshold.get("oracle_accuracy")
    return (*pairs[:2], gain, *pairs[2:], _summary_cell(oracle))


def _own_rows(results: Entry, shots: int, names: Sequence[str]) -> list[tuple[str, ...]]:
    """This run's figures for one number of shots; the papers' accuracy is that of words."""
    rows: dict[str, tuple[str, ...]] = {}
    for entry in overall(results):
        if entry["shots"] == shots and entry["verdict"] in ("language", "threshold"):
            has_words = entry["verdict"] == "language"
            cells = (
                _summary_cell(entry.get(name) if has_words or name in MAP_FIGURES else None)
                for name in names
            )
            row = (str(shots), f"this run, {entry['map']} map", *cells, "measured here")
            if has_words or entry["map"] not in rows:
                rows[entry["map"]] = row
    return list(rows.values())


def _published_cell(value: Sequence[float | None] | None) -> str:
    """Published figures are percentages already."""
    if value is None or value[0] is None:
        return UNDEFINED
    return f"{value[0]:.1f}" if value[1] is None else f"{value[0]:.1f} ± {value[1]:.1f}"


def _partial_means(results: Entry) -> list[str]:
    """Figures whose mean leaves categories out, because they are undefined there."""
    total = len(results["data"]["categories"])
    defined: dict[str, set[str]] = {name: set() for name in FIGURES}
    for entry in of_categories(results):
        for name in FIGURES:
            if entry.get(name) is not None:
                defined[name].add(entry["category"])
    fewer: dict[int, list[str]] = {}
    for name, categories in defined.items():
        if 0 < len(categories) < total:
            fewer.setdefault(len(categories), []).append(FIGURES[name].title)
    return [
        f"Over only {count} of {total} categories, being undefined in the others: "
        f"{', '.join(titles)}."
        for count, titles in sorted(fewer.items())
    ]


def _pairs(values: Entry) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_text(value)}" for name, value in values.items())


def _text(value: Any) -> str:
    if value is None:
        return UNDEFINED
    if isinstance(value, list | tuple):
        return " ".join(map(_text, value)) or UNDEFINED
    return str(value)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
