"""What was measured, in markdown; "–" for what cannot be told."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import date
from statistics import median

import numpy as np
import timm
import torch

from anomalygpt.evaluation.figures.pixel_counts import AUPRO_LIMITS
from anomalygpt.evaluation.protocol import CategoryPlan
from peers.trials import FIGURES, Outcome, Outcomes

OURS = "ours, normalised"

# What one method did, by category; one outcome for each seed.
Row = Mapping[str, Sequence[Outcome]]


def report(
    outcomes: Outcomes,
    plans: Sequence[CategoryPlan],
    notes: Sequence[str],
    arguments: Sequence[str],
) -> str:
    """Head lines and one table per number of references."""
    photos = ", ".join(f"{each.category} {len(each.samples)}" for each in plans)
    head = [
        "# Ours and other readings of the same encoder",
        "",
        f"{date.today().isoformat()}, torch {torch.__version__}, timm {timm.__version__}, "
        f"{torch.get_num_threads()} threads, CPU. Test photos: {photos}. Image AUROC: mean and "
        "deviation over seeds of the mean over categories, then each category.",
        "",
        "Pixel AUROC and AUPRO go over all thresholds (AUPRO up to "
        f"{AUPRO_LIMITS['aupro']:.0%} false positives): the photos of a category are pooled, with "
        "masks at the photos' own pixels; then the mean over categories that have masks.",
        "",
        "```bash",
        shlex.join(["python", "scripts/compare_peers.py", *arguments]),
        "```",
        "",
        *notes,
    ]
    categories = [each.category for each in plans]
    tables = [table(shots, rows, categories) for shots, rows in outcomes.items()]
    return "\n\n".join(["\n".join(head), *tables])


def table(shots: int, rows: Mapping[str, Row], categories: Sequence[str]) -> str:
    """One number of references."""
    head = ["method", "image AUROC", *categories, "pixel AUROC", "AUPRO"]
    head += ["ms/image", "ratio", "build ms"]
    lines = [f"## {shots} reference{'s' * (shots != 1)}", "", line(head), "|---" * len(head) + "|"]
    with_masks = [
        category
        for category in categories
        if any(
            found.figures["aupro"] is not None for row in rows.values() for found in row[category]
        )
    ]
    ours = times(rows[OURS])[0] if OURS in rows else None
    notes = []
    for name, row in rows.items():
        read, build = times(row)
        ratio = None if read is None or ours is None else read / ours
        clock = [number(read, 1), number(ratio, 2), number(build, 0)]
        lines.append(line([name, *figures(row, categories, with_masks), *clock]))
        for reason, where in failures(row).items():
            what = "failed" if set(where) == set(categories) else f"failed on {', '.join(where)}"
            notes.append(f"- {name} {what}: {reason}")
    return "\n".join([*lines, *([""] if notes else []), *notes])


def figures(row: Row, categories: Sequence[str], with_masks: Sequence[str]) -> list[str]:
    """Cells: image AUROC of all categories and of each, and the figures of the map."""
    image = by_seed(row, categories, FIGURES[0])
    spread = f" ± {image.std():.3f}" if image is not None and len(image) > 1 else ""
    each = [mean(by_seed(row, [category], FIGURES[0])) for category in categories]
    places = [mean(by_seed(row, with_masks, figure)) for figure in FIGURES[1:]]
    return [f"{mean(image)}{spread}", *each, *places]


def by_seed(row: Row, categories: Sequence[str], figure: str) -> np.ndarray | None:
    """(seeds,), mean over categories; None where one is missing."""
    values = [[found.figures[figure] for found in row[category]] for category in categories]
    if not values or any(value is None for seeds in values for value in seeds):
        return None
    return np.array(values, dtype=float).mean(axis=0)


def times(row: Row) -> tuple[float | None, float | None]:
    """Median milliseconds over all photos, and over all times that references were learned."""
    worked = [found for outcomes in row.values() for found in outcomes if not found.failure]
    if not worked:
        return None, None
    read = median(ms for found in worked for ms in found.milliseconds)
    return read, median(found.build_ms for found in worked)


def failures(row: Row) -> dict[str, list[str]]:
    """Reasons, and the categories in which each came up."""
    reasons: dict[str, list[str]] = {}
    for category, outcomes in row.items():
        for reason in {found.failure for found in outcomes if found.failure}:
            reasons.setdefault(reason, []).append(category)
    return reasons


def mean(values: np.ndarray | None) -> str:
    return number(None if values is None else float(values.mean()), 3)


def number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"
