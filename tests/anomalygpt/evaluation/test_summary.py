"""Means over draws and categories, and what results.json holds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from anomalygpt.evaluation.figures.figures import FIGURES
from anomalygpt.evaluation.provenance import model_hash


def entries(results: dict, category: str) -> dict[tuple, dict]:
    return {
        (e["shots"], e["map"], e["verdict"]): e
        for e in results["summary"]
        if e["category"] == category
    }


def rows(results: dict, key: tuple, category: str | None = None) -> list[dict]:
    return [
        r
        for r in results["rows"]
        if (r["shots"], r["map"], r["verdict"]) == key and category in (None, r["category"])
    ]


def test_a_category_is_the_mean_over_its_draws(whole_run) -> None:
    for category in ("disc", "ring"):
        for key, entry in entries(whole_run.results, category).items():
            mine = rows(whole_run.results, key, category)
            assert entry["runs"] == len(mine) == (2 if key[0] else 1)
            for name in FIGURES:
                # In one draw nothing may be named, and no share of that be right.
                values = [r[name] for r in mine if r[name] is not None]
                if not values:
                    assert entry[name] is None
                    continue
                assert entry[name]["mean"] == pytest.approx(np.mean(values))
                spread = np.std(values) if len(values) > 1 else None
                assert entry[name]["std"] == pytest.approx(spread)


def test_the_mean_leaves_categories_out_where_a_figure_is_undefined(whole_run) -> None:
    for key, entry in entries(whole_run.results, "mean").items():
        assert entry["categories"] == 2
        disc = entries(whole_run.results, "disc")[key]
        ring = entries(whole_run.results, "ring")[key]
        assert ring["pixel_auroc"] is None
        assert entry["pixel_auroc"] == disc["pixel_auroc"]
        expected = (disc["image_auroc"]["mean"] + ring["image_auroc"]["mean"]) / 2
        assert entry["image_auroc"]["mean"] == pytest.approx(expected)
        draws: dict = {}
        for row in rows(whole_run.results, key):
            draws.setdefault(row["seed"], []).append(row["image_auroc"])
        spread = np.std([np.mean(values) for values in draws.values()])
        assert entry["image_auroc"]["std"] == (pytest.approx(spread) if len(draws) > 1 else None)


def test_results_are_strict_json(whole_run) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    text = (whole_run.folder / "results.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=refuse) == json.loads(json.dumps(whole_run.results))


def test_results_say_where_they_come_from(whole_run, assistant, tree) -> None:
    results = whole_run.results
    assert results["command"] == "anomalygpt evaluate made"
    assert results["model"]["hash"] == model_hash(assistant)
    assert {"python", "torch", "anomalygpt", "numpy"} <= results["versions"].keys()
    assert results["settings"]["seeds"] == [0, 1]
    assert results["data"]["layout"] == "mvtec"
    assert results["data"]["categories"] == {
        "disc": {"train": 6, "good": 4, "anomalous": 4, "with_mask": 4},
        "ring": {"train": 6, "good": 4, "anomalous": 4, "with_mask": 0},
    }
    for row in results["rows"]:
        assert len(row["references"]) == row["shots"]
        assert all(Path(name).is_file() for name in row["references"])
        assert all(f"{row['category']}/train/good" in name for name in row["references"])
    assert results["skipped"] == results["left_out"] == []


def test_every_photo_has_one_line_for_each_row(whole_run) -> None:
    """And a row's figures are those of its lines."""
    keys = ("category", "shots", "seed", "map", "verdict")
    lines: dict[tuple, list[dict]] = {}
    for photo in whole_run.photos:
        lines.setdefault(tuple(photo[key] for key in keys), []).append(photo)
    assert len(lines) == len(whole_run.results["rows"])
    for row in whole_run.results["rows"]:
        mine = lines[tuple("" if row[key] is None else str(row[key]) for key in keys)]
        assert len({p["image"] for p in mine}) == len(mine) == row["photos"] == 8
        right = [p["said"] == p["is_anomalous"] for p in mine if p["said"]]
        assert row["accuracy"] == (pytest.approx(np.mean(right)) if right else None)


def test_all_files_are_there(whole_run) -> None:
    names = sorted(path.name for path in whole_run.folder.iterdir())
    assert names == [
        *("examples", "photos.csv", "report.html", "results.csv", "results.json", "results.md"),
    ]
    pictures = {Path(each["overlay"]).name for each in whole_run.results["examples"]}
    assert pictures == {path.name for path in (whole_run.folder / "examples").iterdir()}
    assert len(pictures) == 2 * 3 * 2  # categories, shots, kinds
    digests = {
        hashlib.sha256((whole_run.folder / "examples" / name).read_bytes()).digest()
        for name in pictures
    }
    assert len(digests) == len(pictures)
