"""Figures of attacked photos: how often the verdict is still right, and what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anomalygpt.evaluation.figures.image_figures import verdict_figures

Record = Mapping[str, Any]

CLEAN = "none"
ALL = "all"


def f1_of(said: np.ndarray, labels: np.ndarray) -> float | None:
    """F1 of the verdict "damaged", in [0, 1]; None where nothing is damaged and nothing called so.

    Args:
        said, labels: (N,) bool.
    """
    found = int((said & labels).sum())
    wrong = int((said != labels).sum())
    return 2 * found / (2 * found + wrong) if found or wrong else None


def attack_figures(records: Sequence[Record]) -> list[dict[str, Any]]:
    """One row for each product, number of references, attack and epsilon, and for all products.

    Args:
        records: one per photo, draw, attack and epsilon, of `run.attack_photo`; the attack
            `CLEAN` stands for the photo as it is.

    Returns:
        category, shots, attack, epsilon, photos; accuracy, f1, overkill and miss_rate in [0, 1];
        turned, the share of rightly judged photos whose verdict is wrong afterwards (None on
        clean photos), and turned_unrounded, the same before rounding to 8 bits; linf, the largest
        change of a value in 1/255, and l2, the length of the change of all values in [0, 1], means
        over photos. What is undefined is None.
    """
    shown = [records, [{**each, "category": ALL} for each in records]]
    products = {each["category"] for each in records}
    rows = []
    for group in shown if len(products) > 1 else shown[:1]:
        keys = dict.fromkeys(
            (each["category"], each["shots"], each["attack"], each["epsilon"]) for each in group
        )
        for key in keys:
            mine = [
                each
                for each in group
                if (each["category"], each["shots"], each["attack"], each["epsilon"]) == key
            ]
            names = ("category", "shots", "attack", "epsilon")
            rows.append({**dict(zip(names, key, strict=True)), **_figures(mine)})
    return rows


def _figures(records: Sequence[Record]) -> dict[str, Any]:
    labels = np.array([each["is_anomalous"] for each in records], dtype=bool)
    said = np.array([each["said"] for each in records], dtype=bool)
    loose = np.array([each["said_unrounded"] for each in records], dtype=bool)
    before = np.array([each["said_clean"] for each in records], dtype=bool)
    right = before == labels
    clean = records[0]["attack"] == CLEAN
    judged = verdict_figures(said, labels)
    return {
        "photos": len(records),
        "accuracy": judged["accuracy"],
        "f1": f1_of(said, labels),
        "overkill": judged["overkill"],
        "miss_rate": judged["miss_rate"],
        "turned": None if clean else _share(said[right] != labels[right]),
        "turned_unrounded": None if clean else _share(loose[right] != labels[right]),
        "linf": float(np.mean([each["linf"] for each in records])),
        "l2": float(np.mean([each["l2"] for each in records])),
    }


def _share(hits: np.ndarray) -> float | None:
    return float(hits.mean()) if len(hits) else None
