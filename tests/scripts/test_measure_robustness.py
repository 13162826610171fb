"""The measures of defences: who learns, what is counted, and what is fitted."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import measure_robustness as measures
from anomalygpt import AnomalyGPT


@pytest.fixture
def options(tree: Path, tmp_path: Path) -> argparse.Namespace:
    """One product to choose on and one to report, two photos each; photos to simulate damage on."""
    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3)).astype(np.uint8)
        photo = Image.fromarray(pixels).resize((80, 80), Image.Resampling.BICUBIC)
        photo.save(tmp_path / f"{number:02}.png")
    return argparse.Namespace(
        data=str(tree),
        choose=["disc"],
        report=["ring"],
        train_photos=str(tmp_path),
        photos=2,
        clean_photos=4,
        smoothed_photos=2,
        epsilon=[8],
        steps=2,
        train_steps=3,
        train_parts=1,
        learning_rate=1e-2,
        seed=0,
    )


def test_temperature_is_fitted_on_other_products(talker: Path, options: argparse.Namespace) -> None:
    found = measures.temperature(AnomalyGPT.from_pretrained(talker, device="cpu"), options)
    assert found["fitted_on"] == 4
    assert set(found["reported"]) == {"ring", "all"}
    assert found["reported"]["ring"]["photos"] == 4
    assert found["reported"]["ring"] == found["reported"]["all"]


def test_the_alarm_is_counted_at_every_limit(talker: Path, options: argparse.Namespace) -> None:
    found = measures.alarm(AnomalyGPT.from_pretrained(talker, device="cpu"), options)
    clean = [row for row in found["rates"] if row["attack"] == "none"]
    assert {(row["sets"], row["photos"]) for row in clean} == {("choose", 2), ("report", 2)}
    for row in found["rates"]:
        shares = [row[f"moved over {limit}"] for limit in measures.MOVES]
        assert shares == sorted(shares, reverse=True)
    for row in found["rows"]:
        assert len(row["moved"]) == 6


def test_smoothing_is_attacked_by_who_knows_it(talker: Path, options: argparse.Namespace) -> None:
    found = measures.smoothing(AnomalyGPT.from_pretrained(talker, device="cpu"), options)
    assert found["photos"] == 2
    assert len(found["accuracy"]) == 3
    plain = found["accuracy"]["none"]
    assert plain["attack on the model"] == plain["attack on the defence"]


@pytest.mark.parametrize("epsilon", [0, 8])
def test_only_prompt_learner_and_projection_learn(
    talker: Path, options: argparse.Namespace, epsilon: int
) -> None:
    assistant: AnomalyGPT = AnomalyGPT.from_pretrained(talker, device="cpu")
    before = {name: value.clone() for name, value in assistant.state_dict().items()}
    (lesson,) = measures.simulated_parts(assistant, options)
    assert lesson[2].tolist() == [False, True, False, True]
    taught = measures.trained(assistant, [lesson], epsilon, options)
    assert all(torch.equal(value, before[name]) for name, value in assistant.state_dict().items())
    learned = {
        name for name, value in taught.state_dict().items() if not torch.equal(value, before[name])
    }
    assert {name.split(".")[0] for name in learned} == {"prompt_learner", "projection"}
