"""Trials: the same photos for all, whatever one of them does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor
from tqdm import tqdm

from anomalygpt import AnomalyGPT
from anomalygpt.data import open_data
from peers.plain import PatchCoreStyle
from peers.readings import Reading
from peers.trials import run_trial

pytestmark = pytest.mark.usefixtures("one_thread")


class Scripted:
    """A method that says what it is told to, and notes what it sees."""

    bounded = False

    def __init__(self, name: str, seen: list[tuple[str, float]], fails: str = "") -> None:
        self.name = name
        self.seen = seen
        self.fails = fails
        self.reads = 0

    def fit(self, references: Sequence[Path], pixels: Tensor) -> None:
        if self.fails == "fit":
            raise RuntimeError("the covariance\nis singular")

    def read(self, pixels: Tensor) -> Any:
        self.reads += 1
        self.seen.append((self.name, float(pixels.sum())))
        if self.fails == "read" and self.reads == 3:
            raise RuntimeError("out of luck")
        value = np.nan if self.fails == "nan" and self.reads == 3 else 1.0
        return Reading(float(pixels.sum()), np.full((4, 4), value, np.float32))


def trial_of(
    assistant: AnomalyGPT, data: Path, methods: Sequence[Any], category: str = "plate"
) -> dict[str, Any]:
    found = open_data(data, categories=[category])
    references = [found.select(split="train")[0].image]
    tests = found.select(split="test")
    with tqdm(disable=True) as progress:
        return run_trial(methods, assistant, tests, references, progress)


def test_a_method_that_fails_does_not_stop_the_others(assistant: AnomalyGPT, data: Path) -> None:
    methods = [Scripted(fails or "well", [], fails) for fails in ("fit", "read", "nan", "")]
    found = trial_of(assistant, data, methods)
    assert found["fit"].failure == "the covariance is singular"
    assert found["read"].failure == "out of luck"
    assert "no numbers" in found["nan"].failure
    assert found["well"].failure is None
    assert len(found["well"].milliseconds) == 6
    assert found["well"].figures["image_auroc"] is not None
    assert all(value is None for value in found["read"].figures.values())


def test_all_methods_see_the_same_photo_in_changing_order(
    assistant: AnomalyGPT, data: Path
) -> None:
    seen: list[tuple[str, float]] = []
    found = trial_of(assistant, data, [Scripted(name, seen) for name in "abc"])
    timed = seen[3:]  # one reading each before the clock starts
    rounds = [timed[start : start + 3] for start in range(0, len(timed), 3)]
    assert len(rounds) == 6
    for one in rounds:
        assert sorted(name for name, _ in one) == ["a", "b", "c"]
        assert len({pixels for _, pixels in one}) == 1
    assert len({"".join(name for name, _ in one) for one in rounds}) > 1
    assert all(len(outcome.milliseconds) == 6 for outcome in found.values())


def test_without_masks_there_are_no_figures_of_the_map(assistant: AnomalyGPT, data: Path) -> None:
    for category, known in (("plate", True), ("toy", False)):
        method = PatchCoreStyle(assistant.encoder)
        figures = trial_of(assistant, data, [method], category)[method.name].figures
        assert figures["image_auroc"] is not None
        assert (figures["pixel_auroc"] is not None) == known
        assert (figures["aupro"] is not None) == known
