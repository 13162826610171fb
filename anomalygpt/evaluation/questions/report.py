"""Results of multiple-choice questions for people and for programs: JSON, CSV, Markdown, HTML."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from anomalygpt.data.mmad import DETECTION
from anomalygpt.evaluation.questions.published import (
    COLUMNS,
    SOURCE,
    published_summary,
    summary_csv,
)
from anomalygpt.evaluation.questions.scoring import Figures, percent
from anomalygpt.files import write_atomically

RESULTS, TABLE, TEXT, PAGE = "results.json", "results.csv", "results.md", "report.html"

_TITLES = {
    DETECTION: f"{DETECTION} (balanced)",
    "average": "Average of the types",
    "overkill": "Overkill",
    "miss": "Miss",
    "auroc": "AUROC of P(anomaly)",
    "ece": "ECE of P(anomaly)",
}
_TELLINGS = {
    "none": "no knowledge",
    "all": "with all knowledge of the product",
    "without own class": "with knowledge, without the text of the photo's own class",
}
_LOW, _HIGH = (214, 96, 77), (67, 147, 195)
_STYLE = (
    "body{font-family:system-ui,sans-serif;margin:2rem;max-width:75rem}"
    "table{border-collapse:collapse;margin:1rem 0}th,td{padding:.25rem .6rem;text-align:right;"
    "border-bottom:1px solid #8884}th:first-child,td:first-child{text-align:left}"
    "pre{white-space:pre-wrap}.scroll{overflow-x:auto}"
)


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        title: its heading.
        lines: sentences.
        rows: of a table, the head first; () without one.
        is_heat_map: whether cells are coloured by their percentages.
    """

    title: str
    lines: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    is_heat_map: bool = False


def write_reports(
    results: Mapping[str, Any],
    entries: Sequence[Sequence[Mapping[str, Any]]] | None,
    folder: Path,
) -> None:
    """Write all files; results.json comes last.

    Args:
        results: what results.json will hold.
        entries: of each trial the answers in the published format; None where there is none.
        folder: where.

    Raises:
        OutputError: the disk is full or cannot be written.
    """
    texts: dict[str, str] = {}
    for trial, each in zip(results["trials"], entries or (), strict=False):
        stem = file_stem(results["answerer"]["name"], trial, results["settings"]["templates"])
        texts[f"{stem}.json"] = json.dumps(each, indent=1) + "\n"
        texts[f"{stem}_accuracy.csv"] = summary_csv(published_summary(each))
    sections = list(_sections(results))
    texts[TABLE] = _csv(results)
    texts[TEXT] = _markdown(_title(results), sections)
    texts[PAGE] = _html(_title(results), sections)
    texts[RESULTS] = json.dumps(results, indent=1, allow_nan=False) + "\n"
    for name, text in texts.items():
        packed = text.encode()
        write_atomically(folder / name, lambda file, packed=packed: file.write(packed))  # type: ignore[misc]


def file_stem(answerer: str, trial: Mapping[str, Any], templates: str) -> str:
    """What a result file in the published format is called, without its ending."""
    name = re.sub(r"[^\w.-]+", "_", answerer)
    parts = [f"answers_{trial['shots']}_shot_{name}"]
    parts += ["Similar_template"] if templates == "similar" else []
    parts += [] if trial["knowledge"] == "none" else ["Domain_knowledge"]
    parts += ["without_own_class"] if trial["knowledge"] == "without own class" else []
    return "_".join(parts)


def terminal_summary(results: Mapping[str, Any]) -> str:
    """What the command prints: of each trial a table by type."""
    parts = []
    for trial in results["trials"]:
        parts.append(_heading(trial))
        if trial["figures"] is not None:
            parts.append(_aligned(_by_kind(trial)))
    parts += [results["products_seen"]["sentence"], *_leakage(results)]
    return "\n".join(parts)


# --- what the report says ------------------------------------------------------------------------


def _title(results: Mapping[str, Any]) -> str:
    return f"Multiple-choice questions: {results['answerer']['name']}"


def _sections(results: Mapping[str, Any]) -> Iterator[Section]:
    yield Section("What was asked", list(_facts(results)))
    for trial in results["trials"]:
        name = _heading(trial)
        if trial["figures"] is None:
            yield Section(name, ["Nothing could be asked."])
            continue
        lines = ["Percent, with 95 % intervals from drawing photos anew."]
        yield Section(name, [*lines, *_trial_lines(trial)], _by_kind(trial))
        yield Section(
            f"By data set and product: {name}", (), _by_product(trial["figures"]), is_heat_map=True
        )
        if trial["figures"]["groups"]:
            yield Section(f"By group: {name}", (), _by_group(trial["figures"]["groups"]))
    yield Section(
        "The same answers by other rules",
        ["Average of the types. Accuracies by different rules do not compare."],
        _by_parser(results),
    )
    if results["leaderboard"]:
        yield Section("Published figures", list(_leaderboard_lines(results)), _leaderboard(results))
    if results["skipped"]:
        rows = [["photo", "reason"], *([e["photo"], e["reason"]] for e in results["skipped"])]
        yield Section("Photos that could not be asked about", ["They are in no figure."], rows)
    if results["command"]:
        yield Section("How to repeat it", [f"`{results['command']}`"])


def _facts(results: Mapping[str, Any]) -> Iterator[str]:
    data, settings = results["data"], results["settings"]
    order = (
        "as in the file"
        if settings["shuffle"] is None
        else f"shuffled by seed {settings['shuffle']}"
    )
    yield (
        f"{data['questions']} questions about {data['photos']} photos; templates: "
        f"{settings['templates']}; options {order}; letters by the rule “{settings['parser']}”; "
        "an answer without a letter counts as wrong."
    )
    if data["layout"] == "mmad" and not data["is_whole"]:
        yield "This is not all of MMAD, so that published figures do not compare."
    yield f"Products seen in training: {results['products_seen']['sentence']}"
    yield from _leakage(results)
    for each in results["findings"]:
        yield f"{each['severity'].capitalize()}: {each['problem']} ({each['count']})."


def _leakage(results: Mapping[str, Any]) -> Iterator[str]:
    told = results["knowledge"]
    if told is None:
        return
    if told["retrieval_leakage"]:
        yield (
            f"Retrieval leakage: of {told['leaking_photos']} photos the knowledge holds the text "
            "about the very defect; both figures are shown, with it and without."
        )
    if told["photos_without"]:
        yield f"About {told['photos_without']} photos the knowledge says nothing."


def _heading(trial: Mapping[str, Any]) -> str:
    shots = trial["shots"]
    return f"{shots} template{'s' * (shots != 1)}, {_TELLINGS[trial['knowledge']]}"


def _trial_lines(trial: Mapping[str, Any]) -> Iterator[str]:
    if trial["fewer_templates"]:
        yield f"{trial['fewer_templates']} photos had fewer templates than asked for."


def _by_kind(trial: Mapping[str, Any]) -> list[list[str]]:
    """Types down, data sets across; then what belongs to the yes or no."""
    figures = trial["figures"]
    sets: dict[str, Figures] = dict(figures["data_sets"])
    if len(sets) > 1:
        sets |= {"mean of data sets": figures["mean"], "all photos": figures["pooled"]}
    mean: Figures = figures["mean"]
    head = ["", *sets, "guessing", "questions", "without a letter", "most frequent answer"]
    rows = [head]
    for name, figure in mean.items():
        cells = [percent(each[name]) for each in sets.values()]
        guessing = "–" if figure["guessing"] is None else f"{100 * figure['guessing']:.1f}"
        counts = [str(figure["questions"]), str(figure["unparsed"])]
        if name in ("auroc", "ece"):
            counts = [f"{figure['questions']} photos", "–"]
        often = trial["favourites"].get(name)
        favourite = f"{often['answer']}: {100 * often['share']:.0f} %" if often else "–"
        rows.append([_TITLES.get(name, name), *cells, guessing, *counts, favourite])
    return rows


def _by_product(figures: Mapping[str, Any]) -> list[list[str]]:
    mean: Figures = figures["mean"]
    names = [name for name in mean if name not in ("auroc", "ece")]
    rows = [["", *(_TITLES.get(name, name) for name in names)]]
    everything = {
        **figures["data_sets"],
        **({"mean of data sets": mean} if len(figures["data_sets"]) > 1 else {}),
        **figures["categories"],
    }
    for title, each in everything.items():
        rows.append([title, *(percent(each[name], interval=False) for name in names)])
    return rows


def _by_group(groups: Figures) -> list[list[str]]:
    rows = [["", "right", "guessing", "questions", "without a letter"]]
    for name, figure in groups.items():
        counts = [str(figure["questions"]), str(figure["unparsed"])]
        rows.append([name, percent(figure), f"{100 * figure['guessing']:.1f}", *counts])
    return rows


def _by_parser(results: Mapping[str, Any]) -> list[list[str]]:
    names = list(results["trials"][0]["parsers"])
    rows = [["", *names]]
    for trial in results["trials"]:
        cells = [
            "–" if figure is None else f"{percent(figure)}, {figure['unparsed']} without a letter"
            for figure in trial["parsers"].values()
        ]
        rows.append([_heading(trial), *cells])
    return rows


def _leaderboard_lines(results: Mapping[str, Any]) -> Iterator[str]:
    yield f"Source: {SOURCE}."
    if not results["data"]["is_whole"]:
        yield "**Only a part of MMAD was measured here: these figures do not compare.**"
    yield (
        "Only detection compares between ways of asking; look at overkill and miss beside it, and "
        "at whether the products were seen."
    )


def _leaderboard(results: Mapping[str, Any]) -> list[list[str]]:
    rows = [["model", *COLUMNS, "products seen in training"]]
    seen = results["products_seen"]
    for trial in results["trials"]:
        if trial["figures"] is None:
            continue
        mean = trial["figures"]["mean"]
        names = [*COLUMNS[:7], "average", "overkill", "miss"]
        cells = [percent(mean[name], interval=False) if name in mean else "–" for name in names]
        own = "not stated" if not seen["is_known"] else f"{seen['photos']} photos"
        rows.append([f"{results['answerer']['name']} ({_heading(trial)})", *cells, own])
    for each in results["leaderboard"]:
        cells = ["–" if value is None else f"{value:.1f}" for value in each["figures"]]
        rows.append([each["model"], *cells, each["seen"]])
    return rows


# --- as files ------------------------------------------------------------------------------------


def _csv(results: Mapping[str, Any]) -> str:
    packed = io.StringIO()
    writer = csv.writer(packed, lineterminator="\n")
    keys = ("value", "low", "high", "questions", "unparsed", "guessing")
    writer.writerow(["shots", "knowledge", "of", "name", "figure", *keys])
    for trial in results["trials"]:
        figures = trial["figures"] or {}
        tables = [
            *(("data set", name, each) for name, each in figures.get("data_sets", {}).items()),
            *((name, "", figures[name]) for name in ("mean", "pooled") if name in figures),
            *(("product", name, each) for name, each in figures.get("categories", {}).items()),
            *((("group", "", figures["groups"]),) if figures.get("groups") else ()),
        ]
        for scope, name, table in tables:
            for title, figure in table.items():
                start = [trial["shots"], trial["knowledge"], scope, name, title]
                writer.writerow([*start, *(figure[key] for key in keys)])
    return packed.getvalue()


def _markdown(title: str, sections: Sequence[Section]) -> str:
    parts = [f"# {title}"]
    for section in sections:
        parts.append(f"## {section.title}")
        parts += section.lines
        if section.rows:
            rows = [[cell.replace("|", "\\|") for cell in row] for row in section.rows]
            lines = [f"| {' | '.join(row)} |" for row in rows]
            lines.insert(1, f"|{'---|' * len(rows[0])}")
            parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _html(title: str, sections: Sequence[Section]) -> str:
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>"
    ]
    for section in sections:
        parts.append(f"<section>\n<h2>{escape(section.title)}</h2>")
        parts += [f"<p>{escape(line.replace('**', '').strip('`'))}</p>" for line in section.lines]
        if section.rows:
            parts.append(_html_table(section))
        parts.append("</section>")
    return "\n".join([*parts, "</body>\n</html>\n"])


def _html_table(section: Section) -> str:
    head, *rows = section.rows
    cells = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = [f"<tr>{cells}</tr>", *(_html_row(section, row) for row in rows)]
    return f'<div class="scroll" tabindex="0"><table>{"".join(lines)}</table></div>'


def _html_row(section: Section, row: Sequence[str]) -> str:
    cells = "".join(
        f"<td{_colour(cell, name) if section.is_heat_map else ''}>{escape(cell)}</td>"
        for cell, name in zip(row[1:], section.rows[0][1:], strict=True)
    )
    return f'<tr><th scope="row">{escape(row[0])}</th>{cells}</tr>'


def _colour(cell: str, column: str) -> str:
    """Red for little and blue for much, over white; the other way round for errors."""
    try:
        share = float(cell) / 100
    except ValueError:
        return ""
    if column in (_TITLES["overkill"], _TITLES["miss"]):
        share = 1 - share
    end, weight = (_HIGH, 2 * share - 1) if share > 0.5 else (_LOW, 1 - 2 * share)
    mixed = ",".join(str(round(255 + (value - 255) * min(1.0, weight))) for value in end)
    return f' style="background:rgb({mixed});color:#000"'


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    )
