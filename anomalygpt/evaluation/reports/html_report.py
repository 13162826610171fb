"""Results of an evaluation as one page that needs nothing but a browser."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, TypeAlias

from anomalygpt.evaluation.figures.figures import FIGURES
from anomalygpt.evaluation.reports import charts, report_tables
from anomalygpt.evaluation.reports.report_tables import UNDEFINED, Table, percent

Results: TypeAlias = "Mapping[str, Any]"
# Title and content of a section; None where a run has nothing to say there.
Section: TypeAlias = "tuple[str, str | None]"

_STYLE_FILE = Path(__file__).parent / "report.css"
_MEDIA_TYPES = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}
_TILES = ("image_auroc", "pixel_auroc", "aupro", "accuracy", "overkill", "miss_rate")
_CLOSE = {"miss": "a miss", "false alarm": "a false alarm"}
_LONG_COLUMNS = ("source", "references")
_MEANINGS = {figure.title: figure for figure in FIGURES.values()}


def html_report(results: Results, photos: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """The whole report as a single page: style, charts and pictures lie within it.

    Args:
        results: the content of results.json.
        photos: one entry per photo and run, as in photos.csv.
        folder: where the run's files lie; the examples' overlays are read from it.

    Returns:
        An HTML document that loads nothing from outside.
    """
    sections: list[Section] = [
        ("Summary", _summary(results)),
        ("What the language model adds over a threshold", _gain(results)),
        ("Scores", _charts(results, photos)),
        ("Per category", _categories(results)),
        ("Published figures on the same data", _published(results)),
        ("Worst photos", _examples(results, folder)),
        ("Time and memory", _cost(results)),
        ("Skipped photos", _skipped(results)),
        ("Photos left out", _left_out(results)),
        ("How the photos were read", _notes(results)),
        ("How it was measured", _rules(results)),
        ("How to repeat it", _repetition(results)),
    ]
    shown = [(title, content) for title, content in sections if content]
    title = f"Evaluation of {results['model']['name']}"
    body = "\n".join(
        f'<section id="{_anchor(name)}">\n<h2>{_text(name)}</h2>\n{content}\n</section>'
        for name, content in shown
    )
    links = "".join(f'<li><a href="#{_anchor(name)}">{_text(name)}</a></li>' for name, _ in shown)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>\n{_STYLE_FILE.read_text('utf-8')}</style>\n"
        f"</head>\n<body>\n{_header(results, title)}\n"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n</header>\n'
        f"<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _header(results: Results, title: str) -> str:
    """Title, what was measured, and the key numbers; the tag stays open for the links."""
    parts = [f"<header>\n<h1>{_text(title)}</h1>"]
    parts.append(f'<p class="quiet">{_text(report_tables.headline(results))}</p>')
    warning = report_tables.limit_warning(results)
    if warning is not None:
        parts.append(f'<p class="warning" role="alert">{_text(warning)}</p>')
    entry = report_tables.main_setting(results)
    if entry is not None:
        parts.append(f'<p class="lead">{_text(_lead(entry))}</p>')
        tiles = "".join(_tile(entry, name) for name in _TILES)
        parts.append(f'<dl class="tiles">{tiles}</dl>')
    return "\n".join(parts)


def _lead(entry: Mapping[str, Any]) -> str:
    """The key numbers as a sentence."""
    judge = "the threshold" if entry["verdict"] == "threshold" else "the language model"
    shots = entry["shots"]
    given = "Without references" if shots == 0 else f"With {shots} reference{'s' * (shots != 1)}"
    accuracy, missed, rejected = (
        percent(report_tables.mean_of(entry, name))
        for name in ("accuracy", "miss_rate", "overkill")
    )
    if accuracy == UNDEFINED:
        return f"{given} ({entry['map']} map), no verdict could be measured."
    mistakes = [
        f"{verb} {value}% of {whom}"
        for verb, value, whom in (
            ("misses", missed, "those with defects"),
            ("rejects", rejected, "the good ones"),
        )
        if value != UNDEFINED
    ]
    return (
        f"{given} ({entry['map']} map), {judge} is right on {accuracy}% of the photos: it "
        f"{' and '.join(mistakes)}."
    )


def _tile(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    spread = value["std"] if value is not None else None
    small = "" if spread is None else f"<small>± {percent(spread)}</small>"
    shown = percent(report_tables.mean_of(entry, name))
    title = f"{FIGURES[name].title} {_arrow(name)}"
    return f'<div class="tile"><dt>{_text(title)}</dt><dd>{shown}{small}</dd></div>'


def _summary(results: Results) -> str:
    entries = report_tables.overall(results)
    notes = _text(" ".join(report_tables.notes(results)))
    return (
        f"<h3>The map</h3>\n{_table(report_tables.map_table(entries), 'Figures of the map')}\n"
        "<h3>The verdict</h3>\n"
        f"{_table(report_tables.verdict_table(entries), 'Figures of the verdict')}\n"
        f'<p class="quiet">{notes} ↑ higher is better, ↓ lower is better.</p>'
    )


def _gain(results: Results) -> str | None:
    table = report_tables.gain_table(results)
    if table is None:
        return None
    meaning = _text(f"Oracle accuracy: {FIGURES['oracle_accuracy'].meaning}.")
    return (
        f"{_table(table, 'Verdicts of language model and threshold')}\n"
        f'<p class="quiet">{meaning}</p>'
    )


def _charts(results: Results, photos: Sequence[Mapping[str, Any]]) -> str | None:
    entry = report_tables.main_setting(results)
    if entry is None:
        return None
    shots, map_name = entry["shots"], entry["map"]
    drawn = (
        (
            charts.score_histograms(photos, shots, map_name),
            "Image scores of good and defective photos. Crosses: judged wrongly, by the threshold "
            "where one is drawn.",
            "wide",
        ),
        (
            charts.roc_curves(photos, shots, map_name),
            "ROC curves of the image score; categories with only one kind of photo have none.",
            "",
        ),
        (
            charts.reliability(photos, shots, map_name),
            "Reliability of P(anomaly): on the line, it says what comes true. All categories.",
            "",
        ),
    )
    figures = "\n".join(
        f'<figure class="{kind}">\n<div class="chart" tabindex="0">{svg}</div>\n'
        f"<figcaption>{_text(caption)}</figcaption>\n</figure>"
        for svg, caption, kind in drawn
        if svg is not None
    )
    if not figures:
        return None
    setting = f"{report_tables.setting(shots, map_name)}, the first seed only."
    return f'<p class="quiet">{_text(setting)}</p>\n<div class="charts">\n{figures}\n</div>'


def _categories(results: Results) -> str:
    """A fold per category; the runs of single seeds lie in a fold within."""
    parts = []
    entries = report_tables.of_categories(results)
    for category, counts in results["data"]["categories"].items():
        chosen = [entry for entry in entries if entry["category"] == category]
        runs = [row for row in results["rows"] if row["category"] == category]
        if not chosen:
            continue
        masks = f", {counts['with_mask']} with mask" if counts["anomalous"] else ""
        photos = f"{counts['good']} good, {counts['anomalous']} with defects{masks}"
        parts.append(
            f'<details class="category"><summary><strong>{_text(category)}</strong> '
            f'<span class="quiet">{_text(_short(chosen))}</span></summary>\n'
            f'<p class="quiet">Test photos: {_text(photos)}.</p>\n'
            f"{_table(report_tables.map_table(chosen), f'{category}: the map')}\n"
            f"{_table(report_tables.verdict_table(chosen), f'{category}: the verdict')}\n"
            f"<details><summary>Every run ({len(runs)})</summary>\n"
            f"{_table(report_tables.runs_table(runs), f'{category}: every run')}\n"
            "</details>\n</details>"
        )
    return "\n".join(parts)


def _short(entries: Sequence[Mapping[str, Any]]) -> str:
    """The numbers that tell categories apart while they are folded, of the main setting."""
    entry = report_tables.main_of(entries)
    if entry is None:
        return ""
    names = ("image_auroc", "pixel_auroc", "accuracy")
    return ", ".join(
        f"{FIGURES[name].title} {percent(report_tables.mean_of(entry, name))}" for name in names
    )


def _published(results: Results) -> str | None:
    table = report_tables.published_table(results)
    if table is None:
        return None
    note = _text(report_tables.PUBLISHED_NOTE)
    return f'{_table(table, "Published figures")}\n<p class="quiet">{note}</p>'


def _examples(results: Results, folder: Path) -> str | None:
    examples = results.get("examples") or []
    parts = []
    for category in dict.fromkeys(example["category"] for example in examples):
        # Misses first: they cost most.
        chosen = sorted(
            (example for example in examples if example["category"] == category),
            key=lambda example: example["kind"] != "miss",
        )
        cards = "\n".join(_card(example, folder) for example in chosen)
        parts.append(f'<h3>{_text(category)}</h3>\n<div class="cards">\n{cards}\n</div>')
    return "\n".join(parts) or None


def _card(example: Mapping[str, Any], folder: Path) -> str:
    # The folder tells photos apart whose files are all called 000.
    is_wrong, name = example["wrong"], "/".join(Path(example["image"]).parts[-2:])
    kind = "missed" if example["kind"] == "miss" else "false alarm"
    badge = f"wrong: {kind}" if is_wrong else f"right, closest to {_CLOSE[example['kind']]}"
    defect = f", {example['defect']}" if example.get("defect") else ""
    numbers = [
        f"{title} {example[key]:.3f}"
        for key, title in (("score", "score"), ("probability", "P(anomaly)"))
        if example.get(key) is not None
    ]
    if example.get("threshold") is not None:
        numbers.append(f"threshold {example['threshold']:.3f}")
    seed = "" if example["seed"] is None else f", seed {example['seed']}"
    setting = f"{report_tables.setting(example['shots'], example['map'])}{seed}"
    said = "".join(
        f"<{tag}>{_text(example[key])}</{tag}>"
        for key, tag in (("question", "p"), ("answer", "blockquote"))
        if example.get(key)
    )
    return (
        f'<article class="card">\n{_picture(example, folder)}\n<div class="words">'
        f'<p><span class="badge{" wrong" * is_wrong}">{badge}</span>{_text(defect)}</p>'
        f"<p><strong>{_text(name)}</strong></p>{said}"
        f"<p>{_text(', '.join(numbers))}</p>"
        f'<p class="quiet">{_text(setting)}, {_text(example["verdict"])}</p></div>\n</article>'
    )


def _picture(example: Mapping[str, Any], folder: Path) -> str:
    path = folder / example["overlay"] if example.get("overlay") else None
    kind = _MEDIA_TYPES.get(path.suffix.lower()) if path is not None else None
    try:
        content = path.read_bytes() if path is not None and kind else None
    except OSError:
        content = None
    if content is None:
        return '<p class="missing">The picture is missing.</p>'
    data = base64.b64encode(content).decode()
    alt = f"{example['category']}, {Path(example['image']).name}, with its anomaly map"
    return f'<img alt="{_text(alt)}" src="data:image/{kind};base64,{data}">'


def _cost(results: Results) -> str | None:
    table, memory = report_tables.latency_table(results), report_tables.memory_line(results)
    parts = [_table(table, "Time per photo and stage")] if table.rows else []
    if memory is not None:
        parts.append(f"<p>{_text(memory)}</p>")
    return "\n".join(parts) or None


def _skipped(results: Results) -> str | None:
    lines = report_tables.skipped_lines(results)
    if not lines:
        return None
    return _terms(lines)


def _left_out(results: Results) -> str | None:
    line = report_tables.left_out_line(results)
    return None if line is None else f"<p>{_text(line)}</p>"


def _notes(results: Results) -> str | None:
    lines = "".join(f"<li>{_text(line)}</li>" for line in results.get("notes") or ())
    return f"<ul>{lines}</ul>" if lines else None


def _rules(results: Results) -> str:
    figures = [
        (f"{figure.title} {_arrow(name)}", figure.meaning) for name, figure in FIGURES.items()
    ]
    return (
        f"{_terms(results['rules'].items())}\n<h3>The figures</h3>\n{_terms(figures)}\n"
        f'<p class="quiet">{_text(report_tables.UNDEFINED_NOTE)}</p>'
    )


def _repetition(results: Results) -> str:
    parts = [f"<pre><code>{_text(results['command'])}</code></pre>"]
    parts.append(_terms(report_tables.facts(results)))
    references = report_tables.references_table(results["rows"])
    if references.rows:
        parts.append(
            "<details><summary>References of every run</summary>\n"
            f"{_table(references, 'References of every run')}\n</details>"
        )
    return "\n".join(parts)


def _table(table: Table, label: str) -> str:
    """A table in a frame of its own, which scrolls instead of the page."""
    head = "".join(
        f'<th scope="col"{_class(table, column)}{_tooltip(title)}>{_text(_with_arrow(title))}</th>'
        for column, title in enumerate(table.header)
    )
    rows = "\n".join(f"<tr>{_row(table, row)}</tr>" for row in table.rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{_text(label)}">'
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def _row(table: Table, row: Sequence[str]) -> str:
    cells = []
    for column, cell in enumerate(row):
        tag = 'th scope="row"' if column == 0 else "td"
        cells.append(f"<{tag}{_class(table, column)}>{_text(cell)}</{tag.split()[0]}>")
    return "".join(cells)


def _class(table: Table, column: int) -> str:
    if table.header[column] in _LONG_COLUMNS:
        return ' class="long"'
    return ' class="name"' if column < table.names else ""


def _tooltip(title: str) -> str:
    return f' title="{_text(_MEANINGS[title].meaning)}"' if title in _MEANINGS else ""


def _with_arrow(title: str) -> str:
    """The title with the way that is better, broken into lines at spaces only."""
    if title not in _MEANINGS:
        return title
    arrow = "↑" if _MEANINGS[title].better == "higher" else "↓"
    return title.replace("-", "\N{NON-BREAKING HYPHEN}") + f"\N{NO-BREAK SPACE}{arrow}"


def _arrow(name: str) -> str:
    return "↑" if FIGURES[name].better == "higher" else "↓"


def _terms(pairs: Iterable[tuple[str, str]]) -> str:
    inner = "\n".join(f"<dt>{_text(name)}</dt><dd>{_text(text)}</dd>" for name, text in pairs)
    return f'<dl class="terms">\n{inner}\n</dl>'


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _text(value: Any) -> str:
    """Anything as text that starts no tag and ends no attribute."""
    return escape(str(value), quote=True)
