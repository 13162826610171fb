"""What a run of parts shows by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.errors import ConfigError
from anomalygpt.references.runs import (
    FEWEST_PHOTOS,
    MOST_APART,
    MOST_PHOTOS,
    TURNING_POINT,
    learn_run,
    run_factor,
)
from decoder import MemoryBank

DISTANCES = st.lists(st.floats(0.45, 1.0), min_size=FEWEST_PHOTOS, max_size=60)


def scores(distances: list[float]) -> list[float]:
    squared = np.square(distances)
    return (squared / (1 + squared)).tolist()


@given(DISTANCES, st.floats(0.8, 1.25))
def test_the_factor_undoes_the_scale(distances: list[float], scale: float) -> None:
    """Two products that differ by their scale alone come to mean the same."""
    one = run_factor(scores(distances))
    other = run_factor(scores([scale * each for each in distances]))
    assert other * scale == pytest.approx(one, rel=1e-6)


@given(DISTANCES)
def test_most_parts_of_a_run_come_to_lie_below_the_turning_point(distances: list[float]) -> None:
    factor = run_factor(scores(distances))
    below = np.mean(factor * np.array(distances) <= TURNING_POINT + 1e-6)
    assert below >= 0.5


def test_a_few_bad_parts_change_little() -> None:
    generator = np.random.default_rng(0)
    good = generator.normal(0.8, 0.05, 60).tolist()
    clean = run_factor(scores(good))
    for count in (1, 6):
        spoiled = run_factor(scores(good[count:] + [2.0] * count))
        assert spoiled == pytest.approx(clean, rel=0.04)


@pytest.mark.parametrize(
    ("distances", "message"),
    [
        ([0.8] * (FEWEST_PHOTOS - 1), "at least 20"),
        ([TURNING_POINT * MOST_APART * 1.01] * FEWEST_PHOTOS, "times as far"),
        ([TURNING_POINT / MOST_APART / 1.01] * FEWEST_PHOTOS, "copies"),
    ],
)
def test_what_cannot_be_learned_is_refused(distances: list[float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run_factor(scores(distances))


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """24 photos of a disc on a ground, each with noise of its own, one with a hole."""
    rows, columns = np.mgrid[:80, :96]
    found = []
    for number in range(24):
        generator = np.random.default_rng(number)
        values = np.where((rows - 40) ** 2 + (columns - 48) ** 2 < 700, 180.0, 50.0)
        if number == 23:
            values[30:46, 40:56] = 10
        values = values[..., None] + generator.normal(0, 25, (80, 96, 3))
        found.append(tmp_path / f"{number:02}.png")
        Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(found[-1])
    return found


def test_a_run_scales_the_bank_once(assistant: AnomalyGPT, photos: list[Path], tmp_path) -> None:
    bank = assistant.remember(photos[0])
    before = assistant.inspect(photos[5], bank, map_only=True)
    assert learn_run(assistant, photos[1:], bank) == 23
    factor = bank.factor
    assert factor != 1.0
    learn_run(assistant, photos[1:], bank)
    assert bank.factor == pytest.approx(factor)  # not a factor on a factor
    after = assistant.inspect(photos[5], bank, map_only=True)
    assert (after.anomaly_score > before.anomaly_score) == (factor > 1)
    bank.save(tmp_path / "bank.safetensors")
    loaded = MemoryBank.load(tmp_path / "bank.safetensors")
    again = assistant.inspect(photos[5], loaded, map_only=True)
    assert np.array_equal(again.small_map, after.small_map)
    assistant.remember(photos[6], bank=bank)
    assert bank.factor == 1.0


def test_many_photos_are_sampled(assistant: AnomalyGPT, photos: list[Path]) -> None:
    seen: list[int] = []

    def watch(items, total, unit):  # type: ignore[no-untyped-def]
        seen.append(total)
        return items

    bank = assistant.remember(photos[0])
    assert learn_run(assistant, photos[1:] * 10, bank, watch=watch) == MOST_PHOTOS
    assert seen == [MOST_PHOTOS]


def test_a_refused_run_leaves_the_bank(assistant: AnomalyGPT, photos: list[Path]) -> None:
    bank = assistant.remember(photos[0])
    learn_run(assistant, photos[1:], bank)
    factor = bank.factor
    with pytest.raises(ConfigError, match="at least"):
        learn_run(assistant, photos[1:4], bank)
    assert bank.factor == factor
    with pytest.raises(ConfigError, match="one or two references"):
        learn_run(assistant, photos, assistant.remember(photos[:3]))
    with pytest.raises(ConfigError, match="published"):
        learn_run(assistant, photos, bank, formulation="published")


def test_the_command_says_what_it_learned(anomalygpt, assistant_folder, photos) -> None:
    arguments = ("inspect", *photos[1:], "-r", photos[0], "--model", assistant_folder)
    done = anomalygpt(*arguments, "--most-are-good")
    assert done.status == 0
    assert "23 photos show how good parts vary" in done.err
    few = anomalygpt(
        "inspect", photos[1], "-r", photos[0], "--model", assistant_folder, "--most-are-good"
    )
    assert few.status == 2
    assert "give at least 20" in few.err
