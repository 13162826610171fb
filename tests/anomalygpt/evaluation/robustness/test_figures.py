"""Figures of attacked photos, against figures counted by hand."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from anomalygpt.evaluation.robustness.figures import ALL, CLEAN, attack_figures, f1_of


def record(category: str, bad: bool, clean: bool, said: bool, **changes: Any) -> dict[str, Any]:
    return {
        "category": category,
        "shots": 1,
        "attack": "pgd",
        "epsilon": 2,
        "is_anomalous": bad,
        "said": said,
        "said_unrounded": said,
        "said_clean": clean,
        "linf": 2.0,
        "l2": 1.0,
        **changes,
    }


def test_f1_is_that_of_the_library() -> None:
    chance = np.random.default_rng(0)
    for _ in range(20):
        said, labels = chance.random((2, 12)) < 0.4
        assert f1_of(said, labels) == pytest.approx(f1_score(labels, said, zero_division=0))
    nothing = np.zeros(3, bool)
    assert f1_of(nothing, nothing) is None


def test_only_right_verdicts_can_be_turned() -> None:
    records = [
        record("nut", True, clean=True, said=False, linf=1.0),
        record("nut", True, clean=True, said=True, said_unrounded=False),
        record("nut", True, clean=False, said=False),
        record("nut", False, clean=False, said=True),
    ]
    (row,) = attack_figures(records)
    assert row["photos"] == 4
    assert row["accuracy"] == 1 / 4
    assert row["miss_rate"] == pytest.approx(2 / 3)
    assert row["overkill"] == 1.0
    assert row["turned"] == pytest.approx(2 / 3)
    assert row["turned_unrounded"] == pytest.approx(3 / 3)
    assert row["linf"] == pytest.approx(7 / 4)


def test_several_products_are_also_counted_together() -> None:
    clean = {"attack": CLEAN, "epsilon": 0}
    records = [
        record("nut", True, True, True, **clean),
        record("bolt", False, False, True),
        record("bolt", False, False, False),
        record("nut", False, True, True),
    ]
    rows = {(row["category"], row["attack"]): row for row in attack_figures(records)}
    assert rows[ALL, "pgd"]["photos"] == 3
    assert rows[ALL, "pgd"]["turned"] == 1 / 2
    assert rows["bolt", "pgd"]["turned"] == 1 / 2
    assert rows["nut", "pgd"]["turned"] is None
    assert rows["nut", CLEAN]["turned"] is None
