"""Made results of an evaluation, as results.json and photos.csv have them."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from anomalygpt.evaluation.figures.figures import FIGURES

PIXEL = ("pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro", "aupro_05")
NOT_FOR_THRESHOLDS = ("probability_auroc", "ece", "sure_share", "place_precision", "place_recall")
LOW = ("overkill", "miss_rate", "ece")


def made_results(
    categories: Sequence[str] = ("cookie", "nut"),
    shots: Sequence[int] = (1, 4),
    seeds: Sequence[int | None] = (0, 1, 2),
    verdicts: Sequence[str] = ("language", "threshold"),
    without_masks: Sequence[str] = ("nut",),
    photos: int = 24,
) -> SimpleNamespace:
    """`results` and `photos` of a run that never was; the same for the same arguments."""
    chance = random.Random(0)
    rows, taken = [], []
    for category in categories:
        for count in shots:
            for seed in seeds:
                values = _figures(chance, category not in without_masks)
                rows += [
                    _row(category, count, seed, verdict, values, photos) for verdict in verdicts
                ]
                taken += _photos(chance, category, count, seed, verdicts, photos)
    return SimpleNamespace(
        results={
            **_frame(categories, shots, seeds, photos, without_masks),
            "rows": rows,
            "summary": _summary(rows, categories, shots, verdicts),
            "examples": [example for c in categories for example in _examples(c)],
        },
        photos=taken,
    )


@pytest.fixture
def made() -> SimpleNamespace:
    """Two categories, one without masks; 1 and 4 shots, three seeds, both verdicts."""
    return made_results()


@pytest.fixture
def made_with():
    """`made_results`, for runs of another shape."""
    return made_results


def _figures(chance: random.Random, has_masks: bool) -> dict[str, float | None]:
    values: dict[str, float | None] = {}
    for name in FIGURES:
        value = chance.uniform(0.02, 0.2) if name in LOW else chance.uniform(0.7, 0.99)
        is_defined = has_masks or name not in (*PIXEL, "place_precision", "place_recall")
        values[name] = value if is_defined else None
    return values


def _row(
    category: str, shots: int, seed: int | None, verdict: str, values: dict, photos: int
) -> dict[str, Any]:
    figures = dict(values)
    if verdict == "threshold":
        figures.update(dict.fromkeys(NOT_FOR_THRESHOLDS), accuracy=values["accuracy"] - 0.05)
    return {
        "category": category,
        "shots": shots,
        "seed": seed,
        "map": "normalised",
        "verdict": verdict,
        "photos": photos,
        "photos_with_pixels": photos if values["aupro"] is not None else 0,
        "references": [f"{category}/train/good/{number:03}.jpg" for number in range(shots)],
        "threshold": 0.51234567891 if verdict == "threshold" else None,
        **figures,
        "binning_error": {
            name: None if values[name] is None else 1.25e-4 / number
            for number, name in enumerate(PIXEL, 1)
        },
    }


def _photos(
    chance: random.Random,
    category: str,
    shots: int,
    seed: int | None,
    verdicts: Sequence[str],
    count: int,
) -> list[dict[str, Any]]:
    taken = []
    for number in range(count):
        is_anomalous = number % 2 == 0
        score = min(1.0, max(0.0, chance.gauss(0.62 if is_anomalous else 0.45, 0.07)))
        probability = min(1.0, max(0.0, chance.gauss(0.75 if is_anomalous else 0.25, 0.25)))
        for verdict in verdicts:
            has_words = verdict != "threshold"
            said = probability > 0.5 if has_words else score > 0.512
            answer = "Yes, there is, at the top." if said else "No, there is none."
            taken.append(
                {
                    "category": category,
                    "shots": shots,
                    "seed": seed,
                    "map": "normalised",
                    "verdict": verdict,
                    "image": f"{category}/test/{'bad' if is_anomalous else 'good'}/{number:03}.jpg",
                    "kind": "bad" if is_anomalous else None,
                    "is_anomalous": is_anomalous,
                    "score": score,
                    "probability": probability if has_words else None,
                    "threshold": None if has_words else 0.512,
                    "said": said,
                    "answer": answer if has_words else None,
                    "named": ["top", "top left"] if said and has_words else [],
                    "defect_places": ["top"] if is_anomalous else [],
                }
            )
    return taken


def _summary(
    rows: list[dict], categories: Sequence[str], shots: Sequence[int], verdicts: Sequence[str]
) -> list[dict[str, Any]]:
    summary = []
    for category in (*categories, None):
        for count in shots:
            for verdict in verdicts:
                chosen = [
                    row
                    for row in rows
                    if category in (row["category"], None)
                    and (row["shots"], row["verdict"]) == (count, verdict)
                ]
                seeds = list(dict.fromkeys(row["seed"] for row in chosen))
                entry = {"category": category or "mean", "shots": count, "map": "normalised"}
                entry |= {"verdict": verdict, "runs": len(seeds)}
                if category is None:
                    entry["categories"] = len(categories)
                for name in FIGURES:
                    entry[name] = _spread(chosen, seeds, name)
                summary.append(entry)
    return summary


def _spread(rows: list[dict], seeds: list, name: str) -> dict[str, Any] | None:
    means = []
    for seed in seeds:
        values = [row[name] for row in rows if row["seed"] == seed and row[name] is not None]
        means += [statistics.fmean(values)] if values else []
    if not means:
        return None
    std = statistics.stdev(means) if len(means) > 1 else None
    return {"mean": statistics.fmean(means), "std": std}


def _examples(category: str) -> list[dict[str, Any]]:
    return [
        {
            "category": category,
            "shots": 4,
            "seed": 0,
            "map": "normalised",
            "verdict": "language",
            "kind": kind,
            "wrong": number == 0,
            "image": f"{category}/test/{'bad' if kind == 'miss' else 'good'}/{number:03}.jpg",
            "overlay": f"examples/{category}-4-{kind.replace(' ', '-')}-{number}.jpg",
            "score": 0.4567,
            "probability": 0.321,
            "threshold": None,
            "question": "Is there any anomaly in the image?",
            "answer": "No, there is no anomaly in the image.",
            "defect": "broken" if kind == "miss" else None,
        }
        for kind in ("miss", "false alarm")
        for number in range(2)
    ]


def _frame(
    categories: Sequence[str],
    shots: Sequence[int],
    seeds: Sequence[int | None],
    photos: int,
    without_masks: Sequence[str],
) -> dict[str, Any]:
    half = photos // 2
    counts = {
        category: {
            "train": 20,
            "good": photos - half,
            "anomalous": half,
            "with_mask": 0 if category in without_masks else half,
        }
        for category in categories
    }
    stages = {"read": 12.0, "encode": 85.5, "map": 4.25, "language": 310.0, "total": 411.75}
    return {
        "schema_version": 1,
        "date": "2026-11-21T16:00:00+00:00",
        "command": "anomalygpt evaluate data --model demo --shots 1 4 --seeds 0 1 2",
        "versions": {"anomalygpt": "0.1.0", "python": "3.11.2", "torch": "2.9.0"},
        "machine": {"processor": "Xeon", "cores": 2, "device": "cpu", "memory_gb": 23.4},
        "model": {
            "name": "demo",
            "version": "0.1.0",
            "encoder": "vit_tiny_patch16_224",
            "formulation": "normalised",
            "hash": "0123abcd",
        },
        "settings": {
            "data": "data",
            "dataset": "mvtec",
            "categories": list(categories),
            "shots": list(shots),
            "seeds": list(seeds),
            "references": "random",
            "limit": None,
            "mask_size": None,
            "batch_size": 8,
        },
        "data": {"layout": "mvtec", "name": None, "categories": counts},
        "rules": {"masks": "A mask's pixels count as a defect from 128 on."},
        "skipped": [],
        "latency_ms": {
            stage: {"median": value, "p95": 1.5 * value, "photos": photos}
            for stage, value in stages.items()
        },
        "peak_memory_mb": {"process": 1834.5, "gpu": None},
        "published": [],
    }
