"""The alarm is silent where copies are the same, and warns where they turn the verdict."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomalygpt import AnomalyGPT, Inspection, MissingPartError
from anomalygpt.alarm.alarm import judged_steady, with_steadiness
from anomalygpt.alarm.changes import HARMLESS
from anomalygpt.results.cautions import UNSTEADY
from anomalygpt.results.certainty import UNSURE, how_sure
from decoder import MemoryBank


def same(photo: Image.Image) -> Image.Image:
    return photo


def inverted(photo: Image.Image) -> Image.Image:
    return Image.fromarray(255 - np.asarray(photo))


@pytest.fixture
def found(assistant: AnomalyGPT, bank: MemoryBank, parts: Path) -> Inspection:
    return assistant.inspect(parts / "other.png", bank)


def test_copies_that_are_the_same_raise_no_alarm(
    assistant: AnomalyGPT, bank: MemoryBank, parts: Path, found: Inspection
) -> None:
    changes = {"first": same, "second": same}
    watched = with_steadiness(assistant, parts / "other.png", found, bank, changes=changes)
    assert watched.steadiness is not None
    assert watched.steadiness.is_steady
    assert watched.steadiness.largest_move == pytest.approx(0.0, abs=1e-5)
    assert watched.steadiness.looks == 2
    assert watched.cautions == found.cautions


def test_a_change_that_moves_the_probability_raises_it(
    assistant: AnomalyGPT, bank: MemoryBank, parts: Path, found: Inspection
) -> None:
    changes = {"same": same, "inverted": inverted}
    watched = with_steadiness(
        assistant, parts / "other.png", found, bank, changes=changes, most_move=0.0
    )
    assert watched.steadiness is not None
    assert not watched.steadiness.is_steady
    assert watched.cautions[0] == UNSTEADY
    assert how_sure(watched) == UNSURE
    assert Inspection.from_json(watched.to_json()).steadiness == watched.steadiness


def test_a_turned_verdict_is_unsteady_however_small_the_move() -> None:
    turned = judged_steady(0.51, {"jpeg": 0.49, "noisy": 0.52}, most_move=1.0)
    assert (turned.is_steady, turned.turned_by) == (False, ("jpeg",))
    assert turned.largest_move == pytest.approx(0.02)
    far = judged_steady(0.95, {"jpeg": 0.6}, most_move=0.3)
    assert (far.is_steady, far.turned_by) == (False, ())
    assert judged_steady(0.95, {"jpeg": 0.7}, most_move=0.3).is_steady


def test_likeness_is_that_of_the_photo_as_a_whole(
    assistant: AnomalyGPT, bank: MemoryBank, parts: Path
) -> None:
    own = assistant.inspect(parts / "good.png", bank)
    watched = with_steadiness(assistant, parts / "good.png", own, bank, changes={})
    assert watched.steadiness is not None
    assert watched.steadiness.likeness == pytest.approx(1.0, abs=1e-4)


def test_no_verdict_no_alarm(assistant: AnomalyGPT, bank: MemoryBank, parts: Path) -> None:
    mapped = assistant.inspect(parts / "other.png", bank, map_only=True)
    with pytest.raises(MissingPartError, match="none"):
        with_steadiness(assistant, parts / "other.png", mapped, bank)


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_changes_are_small_and_always_the_same(name: str) -> None:
    rows, columns = np.mgrid[:60, :90]
    waves = 120 + 60 * np.sin(rows / 3) * np.cos(columns / 4)
    photo = Image.fromarray(np.stack([waves, waves[::-1], waves.T.mean() + rows], 2).astype("u1"))
    changed = HARMLESS[name](photo)
    assert (changed.size, changed.mode) == (photo.size, "RGB")
    difference = np.asarray(changed).astype(int) - np.asarray(photo)
    assert 0 < np.abs(difference).mean() < 4
    assert np.array_equal(np.asarray(HARMLESS[name](photo)), np.asarray(changed))
