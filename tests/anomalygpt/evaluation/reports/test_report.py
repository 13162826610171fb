"""Markdown, CSV and terminal tell what results.json holds."""

from __future__ import annotations

import csv
import io
from types import SimpleNamespace
from typing import Any

from anomalygpt.evaluation.figures.figures import FIGURES
from anomalygpt.evaluation.reports.published import published_figures
from anomalygpt.evaluation.reports.report import (
    PHOTO_COLUMNS,
    PIXEL_FIGURES,
    ROW_COLUMNS,
    csv_table,
    markdown_report,
    photos_csv,
    terminal_summary,
)

Made = SimpleNamespace


def read(table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table)))


def number(text: str) -> float | None:
    return float(text) if text else None


def table_lines(text: str, heading: str) -> list[list[str]]:
    """Cells of the first table below a heading."""
    lines = text[text.index(f"{heading}\n") :].splitlines()
    begin = next(index for index, line in enumerate(lines) if line.startswith("|"))
    found: list[list[str]] = []
    for line in lines[begin:]:
        if not line.startswith("|"):
            break
        cells = line.replace("\\|", "\0").strip("|").split("|")
        found.append([cell.strip().replace("\0", "|") for cell in cells])
    return found


def test_every_number_of_the_rows_is_in_the_csv(made: Made) -> None:
    text = csv_table(made.results)
    assert text.splitlines()[0] == ",".join(ROW_COLUMNS)
    lines = read(text)
    assert len(lines) == len(made.results["rows"])
    for line, row in zip(lines, made.results["rows"], strict=True):
        for name in (*FIGURES, "threshold", "photos", "photos_with_pixels", "shots", "seed"):
            assert number(line[name]) == row[name], name
        for name in PIXEL_FIGURES:
            assert number(line[f"binning_error_{name}"]) == row["binning_error"][name]
        for name in ("category", "map", "verdict"):
            assert line[name] == row[name]
        assert line["references"].split(";") == row["references"]


def test_a_run_without_references_seed_or_binning(made: Made) -> None:
    row = made.results["rows"][0]
    row.update(references=[], seed=None, binning_error={})
    line = read(csv_table(made.results))[0]
    assert (line["references"], line["seed"], line["binning_error_aupro"]) == ("", "", "")


def test_photos_can_be_read_back(made: Made) -> None:
    made.photos[0]["answer"] = 'He said "no",\nand left; é'
    made.photos[1]["defect_places"] = None
    text = photos_csv(made.photos)
    assert text.splitlines()[0] == ",".join(PHOTO_COLUMNS)
    lines = read(text)
    assert len(lines) == len(made.photos)
    assert lines[0]["answer"] == made.photos[0]["answer"]
    for line, photo in zip(lines, made.photos, strict=True):
        assert number(line["score"]) == photo["score"]
        assert number(line["probability"]) == photo["probability"]
        assert line["said"] == str(photo["said"]).lower()
        assert line["named"].split(";") == (photo["named"] or [""])


def test_a_character_that_no_table_holds_is_replaced(made: Made) -> None:
    made.photos[0]["answer"] = "yes\0no"
    assert read(photos_csv(made.photos))[0]["answer"] == "yes\ufffdno"


def test_what_was_not_said_stays_empty(made: Made) -> None:
    made.photos[0].update(said=None, score=None)
    line = read(photos_csv(made.photos))[0]
    assert (line["said"], line["score"]) == ("", "")


def test_the_map_is_told_once_and_every_verdict(made: Made) -> None:
    text = markdown_report(made.results)
    header, _, *rows = table_lines(text, "### The map")
    assert header[2] == "image AUROC"
    assert [row[0] for row in rows] == ["1", "4"]
    entry = next(e for e in made.results["summary"] if e["category"] == "mean")
    mean, std = entry["image_auroc"]["mean"], entry["image_auroc"]["std"]
    assert rows[0][2] == f"{100 * mean:.1f} ± {100 * std:.1f}"
    _, _, *verdicts = table_lines(text, "### The verdict")
    assert [(row[0], row[2]) for row in verdicts] == [
        (shots, verdict) for shots in ("1", "4") for verdict in ("language", "threshold")
    ]


def test_the_map_of_a_later_verdict_counts_where_the_first_has_none(made: Made) -> None:
    entries = [e for e in made.results["summary"] if e["category"] == "mean" and e["shots"] == 1]
    shown = table_lines(markdown_report(made.results), "### The map")[2]
    for name in FIGURES:
        if name not in ("accuracy", "overkill", "miss_rate", "oracle_accuracy"):
            entries[0][name] = None
    assert table_lines(markdown_report(made.results), "### The map")[2] == shown


def test_undefined_figures_are_a_dash_with_a_note(made: Made) -> None:
    text = markdown_report(made.results)
    assert "–: not defined here (for example no masks)." in text
    header, _, *rows = table_lines(text, "### 1 shot, normalised map")
    nut = next(row for row in rows if row[0] == "nut")
    assert nut[header.index("pixel AUROC")] == "–"
    assert nut[header.index("image AUROC")] != "–"
    assert "nan" not in text.lower()
    assert "None" not in text


def test_a_mean_that_leaves_categories_out_says_so(made: Made) -> None:
    text = markdown_report(made.results)
    assert "Mean over 2 categories." in text
    assert "Over only 1 of 2 categories, being undefined in the others: pixel AUROC" in text


def test_the_gain_of_words_over_a_threshold(made: Made) -> None:
    header, _, *rows = table_lines(markdown_report(made.results), "over a threshold")
    assert [row[0] for row in rows] == ["1", "4"]
    assert rows[0][header.index("gain in points")] == "+5.0"
    assert "oracle accuracy" in header


def test_no_gain_without_both_verdicts(made_with) -> None:
    for verdicts in (("language",), ("threshold",), ("threshold", "language without map")):
        text = markdown_report(made_with(verdicts=verdicts).results)
        assert "over a threshold" not in text


def test_one_run_has_no_spread(made_with) -> None:
    made = made_with(seeds=(None,))
    text = markdown_report(made.results)
    assert "One run: nothing can be said about the spread over seeds." in text
    assert "±" not in text
    assert "±: standard deviation over 3 seeds" in markdown_report(made_with().results)


def test_one_category_needs_no_table_of_its_own(made_with) -> None:
    made = made_with(categories=("cookie",))
    made.results["summary"] = [e for e in made.results["summary"] if e["category"] != "mean"]
    text = markdown_report(made.results)
    assert "## Per category" not in text
    assert len(table_lines(text, "### The map")) == 4
    assert len(terminal_summary(made.results).splitlines()) == 7


def test_a_category_may_be_called_mean(made_with) -> None:
    made = made_with(categories=("mean", "cookie"))
    _, _, *rows = table_lines(markdown_report(made.results), "### 1 shot, normalised map")
    assert [row[0] for row in rows] == ["mean", "cookie"]


def test_a_part_is_named_as_one(made: Made) -> None:
    loud = "ONLY A PART OF THE DATA WAS MEASURED (limit 5)"
    made.results["published"] = published_figures("MVTec AD", [1], False)
    assert "Published figures" in markdown_report(made.results)
    made.results["settings"]["limit"] = 5
    text = markdown_report(made.results)
    assert loud in text
    assert text.index(loud) < text.index("## Summary")
    assert loud in terminal_summary(made.results)
    assert "Published figures" not in text


def test_published_figures_stand_beside_this_run(made: Made) -> None:
    made.results["published"] = published_figures("MVTec AD", [1, 4], False)
    text = markdown_report(made.results)
    header, _, *rows = table_lines(text, "## Published figures on the same data")
    assert header == ["shots", "method", "image AUROC", "pixel AUROC", "accuracy", "source"]
    assert [row[1] for row in rows].count("this run, normalised map") == 2
    ours = next(row for row in rows if row[1] == "AnomalyGPT" and row[0] == "4")
    assert ours[2:5] == ["96.3 ± 0.3", "96.2 ± 0.1", "85.0 ± 0.3"]
    winclip = next(row for row in rows if row[1] == "WinCLIP")
    assert winclip[4] == "–"


def test_a_threshold_is_no_match_for_published_accuracy(made_with) -> None:
    made = made_with(verdicts=("threshold",))
    made.results["published"] = published_figures("MVTec AD", [1], False)
    _, _, *rows = table_lines(
        markdown_report(made.results), "## Published figures on the same data"
    )
    assert rows[0][1] == "this run, normalised map"
    assert rows[0][2] != "–"
    assert rows[0][4] == "–"


def test_names_cannot_break_the_tables(made_with) -> None:
    made = made_with(categories=("a|b <b>", "c"), without_masks=())
    made.results["skipped"] = [{"path": "x`y|<script>.jpg", "reason": "a\nb"}]
    text = markdown_report(made.results)
    header, _, *rows = table_lines(text, "### 1 shot, normalised map")
    assert rows[0][0] == "a|b &lt;b>"
    assert {len(row) for row in rows} == {len(header)}
    assert "- `x'y|<script>.jpg`: a b" in text


def test_what_a_repetition_needs(made: Made) -> None:
    text = markdown_report(made.results)
    for needed in (made.results["command"], "hash 0123abcd", "torch 2.9.0", "references random"):
        assert needed in text
    assert made.results["rules"]["masks"] in text
    for figure in FIGURES.values():
        assert figure.meaning in text
    assert "| total | 411.8 | 617.6 | 24 |" in text
    assert "Peak memory: process 1,834 MB." in text


def test_many_skipped_photos_are_counted(made: Made) -> None:
    made.results["skipped"] = [{"path": f"{i}.jpg", "reason": "empty"} for i in range(25)]
    text = markdown_report(made.results)
    assert "`19.jpg`" in text
    assert "`20.jpg`" not in text
    assert "and 5 more, all in results.json" in text


def test_the_terminal_gets_a_short_table(made_with) -> None:
    verdicts = ("language", "threshold", "language without map", "language without prompts")
    made = made_with(verdicts=verdicts, shots=(0, 1, 2, 4))
    made.results["settings"]["limit"] = 5
    text = terminal_summary(made.results)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert len(lines) == 2 + 16 + 3
    assert "without prompts" in text
    assert text.endswith("\n")


def test_undefined_figures_on_the_terminal(made_with) -> None:
    text = terminal_summary(made_with(without_masks=("cookie", "nut")).results)
    assert "–" in text.splitlines()[2]


def test_the_same_results_give_the_same_report(made_with) -> None:
    def texts() -> list[Any]:
        made = made_with()
        return [markdown_report(made.results), csv_table(made.results), photos_csv(made.photos)]

    assert texts() == texts()
