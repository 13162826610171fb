"""Photos that are held out from learned prompts, and what is measured by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anomalygpt.data import Sample
from anomalygpt.errors import DataError
from anomalygpt.training.zero_shot_validation import best_of, held_out, photo_figures


def photos(category: str, good: int, damaged: int) -> list[Sample]:
    return [
        Sample(Path(f"{category}{number}.png"), category, "test", number >= good)
        for number in range(good + damaged)
    ]


def test_each_product_and_sort_gives_its_share() -> None:
    samples = [*photos("disc", 10, 20), *photos("ring", 5, 1)]
    learned, measured = held_out(samples, 0.2, seed=1)
    assert sorted([*learned, *measured], key=samples.index) == samples
    counts = {
        (name, bad): sum(s.category == name and s.is_anomalous == bad for s in measured)
        for name in ("disc", "ring")
        for bad in (False, True)
    }
    # The only damaged ring is learned from.
    assert counts == {
        ("disc", False): 2,
        ("disc", True): 4,
        ("ring", False): 1,
        ("ring", True): 0,
    }
    assert held_out(samples, 0.2, seed=1) == (learned, measured)
    assert held_out(samples, 0.2, seed=2)[1] != measured
    assert held_out(samples, 0.0, seed=1) == (samples, [])


def test_too_few_photos_to_hold_out() -> None:
    with pytest.raises(DataError, match="two good and two damaged"):
        held_out(photos("disc", 5, 1), 0.2, seed=0)


def test_figures_of_photos() -> None:
    """Two products: one ranked perfectly, one in reverse; three of four damaged ones are said."""
    scores = np.array([0.1, 0.2, 0.8, 0.9, 0.6, 0.9, 0.4, 0.55])
    labels = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    found = photo_figures(scores, labels, ["disc"] * 4 + ["ring"] * 4)
    assert found["recall"] == pytest.approx(3 / 4)
    assert found["precision"] == pytest.approx(3 / 5)
    assert found["f1"] == pytest.approx(2 / 3)
    # In reverse: the first damaged one is third of four.
    assert found["map"] == pytest.approx((1 + (1 / 3 + 2 / 4) / 2) / 2)
    # Of 16 pairs: 0.8 beats three good ones, 0.9 three and ties with one, 0.4 and 0.55 two each.
    assert found["image_auroc"] == pytest.approx((3 + 3.5 + 2 + 2) / 16)


def test_products_of_one_sort_do_not_count_for_the_mean_precision() -> None:
    scores, labels = np.array([0.1, 0.9, 0.3]), np.array([0, 1, 1])
    assert photo_figures(scores, labels, ["disc", "disc", "ring"])["map"] == 1
    assert photo_figures(scores, labels, ["disc", "ring", "ring"])["map"] == 1


def test_the_best_epoch() -> None:
    figures = [(0.7, 0.9), (0.8, 0.6), (0.8, 0.7), (0.8, 0.7)]
    rows = [{"image_auroc": image, "pixel_auroc": pixel} for image, pixel in figures]
    assert best_of(rows) == 2
