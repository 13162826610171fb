"""From records to figures: rows per draw of references, means over draws and categories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

import numpy as np

from anomalygpt.data import InspectionData
from anomalygpt.evaluation.category import reading_of
from anomalygpt.evaluation.figures.figures import FIGURES, Figures
from anomalygpt.evaluation.figures.image_figures import (
    probability_figures,
    ranking_figures,
    verdict_figures,
)
from anomalygpt.evaluation.figures.places import place_figures
from anomalygpt.evaluation.measuring import Measuring
from anomalygpt.evaluation.protocol import CategoryPlan
from anomalygpt.evaluation.provenance import latency_ms, machine, peak_memory_mb, versions
from anomalygpt.evaluation.reports.published import known_data_set, published_figures
from anomalygpt.evaluation.settings import EvaluationSettings
from anomalygpt.evaluation.state import CategoryState, Record

SCHEMA_VERSION = 1

Row = dict[str, Any]

_RULES = {
    "photos": "Every test photo is scored once for each draw of references. Photos that cannot be "
    "read are listed and left out.",
    "references": "The first of one shuffled order of the good training photos for each seed, so "
    "that fewer references are among more. A reference that cannot be read gives way to the next.",
    "masks": "A pixel that is neither black nor fully transparent is a defect; in a JPEG mask, one "
    "of at least half brightness. Several masks of a photo are united. Good photos count as "
    "masks without a defect; photos of defects without a mask are left out of pixel figures.",
    "pixels": "All pixels of a category's photos are pooled. Map values are counted in 262,144 "
    "steps from 0 to 1, finer ones near both ends; `binning_error` bounds what that can change.",
    "AUPRO": "Regions are 8-connected. The curve is the mean covered share of each region over the "
    "share of good pixels above the threshold, divided by its limit.",
    "verdict": "Language: P(yes) against P(no) as the first word, above one half is yes. "
    "Threshold: the score above a value that comes from the references alone.",
    "places": "A photo is a 3×3 grid. Only photos of defects with masks count, and a photo that "
    "was called good names no place.",
    "spread": "Standard deviation (of the population) over draws; of means, that of the means of "
    "each draw over the categories where the figure is defined.",
}


def assemble(
    measuring: Measuring,
    settings: EvaluationSettings,
    data: InspectionData,
    plans: Sequence[CategoryPlan],
    states: Mapping[str, CategoryState],
    *,
    weights: str,
    command: str | None,
    trained_here: bool,
) -> tuple[dict[str, Any], list[Record]]:
    """What results.json holds, and the records of all photos."""
    assistant = measuring.assistant
    rows = [row for each in plans for row in _rows(each, states[each.category])]
    records = [record for each in plans for record in states[each.category].records]
    counts = {each.category: _counts(data, each, states[each.category]) for each in plans}
    name = known_data_set(data.layout, counts)
    seconds: dict[str, list[tuple[int, float]]] = {}
    for state in states.values():
        for stage, pairs in state.seconds.items():
            seconds.setdefault(stage, []).extend(pairs)
    results = {
        "schema_version": SCHEMA_VERSION,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": command or "anomalygpt.evaluation.run.evaluate(…)",
        "versions": versions(),
        "machine": machine(assistant.device),
        "model": {**assistant.card, "hash": weights},
        "settings": {
            **asdict(settings),
            "maps": list(measuring.maps),
            "verdicts": list(measuring.verdicts),
            "categories": list(counts),
            # Pairs have one reference each, whatever was asked for.
            "shots": list(dict.fromkeys(row["shots"] for row in rows)),
        },
        "data": {"layout": data.layout, "name": name, "categories": counts},
        "rules": _rules(settings),
        "rows": rows,
        "summary": list(_summary(rows)),
        "skipped": [
            {"path": path, "reason": reason}
            for state in states.values()
            for path, reason in state.skipped.items()
        ],
        "latency_ms": latency_ms(seconds),
        "peak_memory_mb": peak_memory_mb(assistant.device),
        "examples": [each for state in states.values() for each in state.examples or []],
        "published": [],
    }
    if settings.limit is None:
        results["published"] = published_figures(name, settings.shots, trained_here)
    return results, records


def _rules(settings: EvaluationSettings) -> dict[str, str]:
    where = (
        "the photo's own pixels"
        if settings.mask_size is None
        else f"{settings.mask_size}×{settings.mask_size} pixels, to which masks are stretched by "
        "nearest pixel and maps by area"
    )
    return {**_RULES, "resolution": f"Maps are compared with masks on {where}."}


def _counts(data: InspectionData, plan: CategoryPlan, state: CategoryState) -> dict[str, int]:
    """Photos that were measured in any trial, and good training photos."""
    measured = {record["image"] for record in state.records}
    samples = [sample for sample in plan.samples if str(sample.image) in measured]
    bad = [sample for sample in samples if sample.is_anomalous]
    return {
        "train": len(data.select(plan.category, "train", is_anomalous=False)),
        "good": len(samples) - len(bad),
        "anomalous": len(bad),
        "with_mask": sum(bool(sample.masks) for sample in bad),
    }


def _rows(plan: CategoryPlan, state: CategoryState) -> Iterator[Row]:
    """One row per trial, map and verdict."""
    for number, trial in enumerate(plan.trials):
        mine = [r for r in state.records if (r["shots"], r["seed"]) == (trial.shots, trial.seed)]
        for kind, verdict in reading_of(state.records):
            chosen = [r for r in mine if (r["map"], r["verdict"]) == (kind, verdict)]
            pixels = state.pixels.get(f"{number}.{kind}")
            figures = dict.fromkeys(FIGURES) | _image_figures(chosen)
            if pixels is not None:
                figures |= pixels.figures()
            references = state.references[number] if state.references else []
            thresholds = {r["threshold"] for r in chosen}
            yield {
                "category": plan.category,
                "shots": trial.shots,
                "seed": trial.seed,
                "map": kind,
                "verdict": verdict,
                "photos": len(chosen),
                "photos_with_pixels": 0 if pixels is None else pixels.photos,
                "references": references,
                "threshold": thresholds.pop() if len(thresholds) == 1 else None,
                **figures,
                "binning_error": {} if pixels is None else pixels.errors(),
            }


def _image_figures(records: Sequence[Record]) -> Figures:
    """Figures of one row that come from its photos one by one."""
    if not records:
        return {}
    labels = np.array([r["is_anomalous"] for r in records])
    figures = ranking_figures(np.array([r["score"] for r in records]), labels)
    if all(r["said"] is not None for r in records):
        figures |= verdict_figures(np.array([r["said"] for r in records]), labels)
        figures |= place_figures(
            [
                (r["named"], r["defect_places"], r["defect_cells"])
                for r in records
                if r["defect_places"] is not None
            ]
        )
    if all(r["probability"] is not None for r in records):
        figures |= probability_figures(np.array([r["probability"] for r in records]), labels)
    return figures


def _summary(rows: Sequence[Row]) -> Iterator[Row]:
    """Means over draws, of each category and of the means over categories."""
    for key in dict.fromkeys((r["shots"], r["map"], r["verdict"]) for r in rows):
        chosen = [r for r in rows if (r["shots"], r["map"], r["verdict"]) == key]
        about = dict(zip(("shots", "map", "verdict"), key, strict=True))
        categories = list(dict.fromkeys(r["category"] for r in chosen))
        for name in categories:
            mine = [r for r in chosen if r["category"] == name]
            yield {"category": name, **about, "runs": len(mine), **_over_draws([[r] for r in mine])}
        draws = list(_by(chosen, "seed").values())
        mean = {"category": "mean", "categories": len(categories), **about}
        yield {**mean, "runs": len(draws), **_over_draws(draws)}


def _over_draws(draws: Sequence[Sequence[Row]]) -> dict[str, Any]:
    """Mean and deviation over draws of the mean over the rows of each."""
    found: dict[str, Any] = {}
    for name in FIGURES:
        means = [_mean(row[name] for row in rows) for rows in draws]
        defined = [mean for mean in means if mean is not None]
        found[name] = None
        if defined:
            spread = float(np.std(defined)) if len(defined) > 1 else None
            found[name] = {"mean": float(np.mean(defined)), "std": spread}
    return found


def _mean(values: Iterable[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _by(rows: Sequence[Row], name: str) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[name], []).append(row)
    return groups
