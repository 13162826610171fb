"""Which photos are measured against which references, decided from paths alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalygpt.data import InspectionData, Sample
from anomalygpt.errors import DataError
from anomalygpt.evaluation.protocol import (
    CategoryPlan,
    Trial,
    hash_files,
    plan,
    refuse_seen,
    seen_photos,
    without,
)
from anomalygpt.evaluation.settings import EvaluationSettings


def made(good: int, bad: int, train: int, layout: str = "mvtec") -> InspectionData:
    """A data set of one product that exists in words only."""
    samples = [Sample(Path(f"train/{i:03}"), "disc", "train", False) for i in range(train)]
    samples += [Sample(Path(f"good/{i:03}"), "disc", "test", False) for i in range(good)]
    samples += [Sample(Path(f"bad/{i:03}"), "disc", "test", True, "dent") for i in range(bad)]
    return InspectionData(Path("made"), layout, tuple(samples))


def planned(data: InspectionData, **settings: object) -> CategoryPlan:
    (found,) = plan(data, EvaluationSettings("made", **settings))  # type: ignore[arg-type]
    return found


def references(trial: Trial) -> Sequence[Path]:
    return trial.order[: trial.shots]


shots = st.lists(st.integers(0, 6), min_size=1, max_size=3, unique=True).map(tuple)
seeds = st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True).map(tuple)


@given(st.integers(6, 12), st.integers(1, 9), shots, seeds)
def test_references_of_few_shots_are_among_those_of_more(train, good, shots, seeds) -> None:
    data = made(good, 3, train)
    found = planned(data, shots=shots, seeds=seeds)
    draws = {(t.shots, t.seed): references(t) for t in found.trials}
    expected = [(k, s) for k in shots for s in (seeds if k else (None,))]
    assert list(draws) == expected
    train_photos = {s.image for s in data.select(split="train")}
    for (count, seed), drawn in draws.items():
        assert len(set(drawn)) == count
        assert set(drawn) <= train_photos
        for (more, other), wider in draws.items():
            if seed == other and count <= more:
                assert wider[:count] == drawn
    assert planned(data, shots=shots, seeds=seeds) == found


def test_another_seed_draws_others() -> None:
    trials = planned(made(2, 2, 30), shots=(4,), seeds=(0, 1, 2)).trials
    assert len({references(trial) for trial in trials}) == 3


def test_the_first_are_the_first() -> None:
    trials = planned(made(2, 2, 5), shots=(0, 1, 3), seeds=(0, 1), references="first").trials
    assert [(t.shots, t.seed) for t in trials] == [(0, None), (1, None), (3, None)]
    assert [references(t) for t in trials] == [
        (), (Path("train/000"),), tuple(Path(f"train/00{i}") for i in range(3)),
    ]  # fmt: skip


def test_references_that_cannot_be_read_have_successors() -> None:
    (trial,) = planned(made(2, 2, 9), shots=(2,), seeds=(5,)).trials
    assert len(set(trial.order)) == 9


@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 20))
def test_a_limit_takes_halves_as_far_as_there_are_enough(good: int, bad: int, limit: int) -> None:
    data = made(good, bad, 1)
    if not good + bad:
        with pytest.raises(DataError, match="no test photo"):
            planned(data, limit=limit)
        return
    taken = planned(data, limit=limit).samples
    tests = data.select(split="test")
    assert len(taken) == min(limit, len(tests))
    assert list(taken) == [s for s in tests if s in taken]
    kept = sum(s.is_anomalous for s in taken)
    fine = len(taken) - kept
    assert 0 <= kept - fine <= 1 or kept == bad or fine == good
    assert planned(data, limit=limit).samples == taken
    if fine > 1:  # evenly spaced: both ends are there
        names = [s.image.name for s in taken if not s.is_anomalous]
        assert (names[0], names[-1]) == ("000", f"{good - 1:03}")


@given(st.integers(3, 9), st.integers(0, 4), shots.filter(lambda s: max(s) <= 3), seeds)
def test_plain_folders_measure_good_photos_that_are_no_references(good, bad, shots, seeds) -> None:
    data = made(0, bad, good, "folder")
    found = planned(data, shots=shots, seeds=seeds)
    photos = {s.image for s in data.samples}
    assert {s.image for s in found.samples} == photos
    by_seed: dict = {}
    for trial in found.trials:
        measured = photos - trial.excluded
        assert len(measured) == good + bad - max(shots)
        assert not measured & set(references(trial))
        # All shots of a draw are measured on the same photos.
        assert by_seed.setdefault(trial.seed, measured) == measured


def test_pairs_have_one_trial_whatever_was_asked_for() -> None:
    found = planned(made(0, 3, 0, "pairs"), shots=(0, 9), seeds=(0, 1))
    assert (found.own_references, found.trials) == (True, (Trial(1, None),))


@pytest.mark.parametrize("layout", ["mvtec", "visa", "loco", "crackforest", "pairs"])
def test_without_test_photos_nothing_can_be_measured(layout: str) -> None:
    with pytest.raises(DataError, match="disc has no test photo"):
        planned(made(0, 0, 4, layout))


def test_too_few_good_photos() -> None:
    with pytest.raises(DataError, match="disc has 3 good training photos, but --shots asks for 4"):
        planned(made(1, 1, 3), shots=(1, 4))


def test_a_photo_that_a_table_names_twice_counts_once() -> None:
    data = made(2, 2, 3)
    twice = InspectionData(data.root, "visa", data.samples * 2)
    assert planned(twice, shots=(3,)) == planned(data, shots=(3,))


# --- photos that are no test ---------------------------------------------------------------------


def seen(data: InspectionData, hashes: dict[str, str], trained_on: Sequence[str] = ()):
    known = {s.image: hashes.get(str(s.image), f"of {s.image}") for s in data.samples}
    plans = plan(data, EvaluationSettings("made"))
    return plans, seen_photos(data, plans, known, frozenset(trained_on))


def test_copies_are_found_by_their_bytes() -> None:
    data = made(3, 3, 3)
    _, found = seen(data, {"good/001": "x", "train/002": "x", "bad/000": "y"}, ["y", "z"])
    assert [(each.image, each.twin) for each in found] == [
        (Path("good/001"), Path("train/002")),
        (Path("bad/000"), None),
    ]
    with pytest.raises(DataError, match="2 test photos") as caught:
        refuse_seen(found)
    for named in ("good/001 is train/002", "bad/000 is a photo the model was trained on"):
        assert named in str(caught.value)


def test_photos_that_cannot_be_read_are_not_alike() -> None:
    data = made(2, 2, 2)
    plans = plan(data, EvaluationSettings("made"))
    unreadable = dict.fromkeys((s.image for s in data.samples), None)
    assert seen_photos(data, plans, unreadable, frozenset()) == []


def test_a_plain_folders_good_photo_is_its_own_twin_only_under_another_name() -> None:
    data = made(0, 2, 4, "folder")
    assert seen(data, {})[1] == []
    _, found = seen(data, {"train/000": "x", "train/003": "x"})
    assert {each.image.name for each in found} == {"000", "003"}


@given(st.integers(1, 40))
def test_some_are_named_and_all_are_counted(count: int) -> None:
    _, found = seen(made(0, count, 1), {}, [f"of bad/{i:03}" for i in range(count)])
    with pytest.raises(DataError, match=f"^{count} test photos") as caught:
        refuse_seen(found)
    assert len(str(caught.value)) < 700
    refuse_seen([])


def test_the_rest_stays_in_order() -> None:
    plans = plan(made(3, 3, 3), EvaluationSettings("made"))
    (left,) = without(plans, frozenset({Path("good/001"), Path("bad/002")}))
    assert [str(s.image) for s in left.samples] == ["good/000", "good/002", "bad/000", "bad/001"]
    assert left.trials == plans[0].trials
    everything = frozenset(s.image for s in plans[0].samples)
    with pytest.raises(DataError, match="all test photos of disc"):
        without(plans, everything)


def test_masks_are_hashed_as_well(tmp_path: Path) -> None:
    for name in ("a", "m"):
        (tmp_path / name).write_text(name)
    sample = Sample(tmp_path / "a", "disc", "test", True, "dent", (tmp_path / "m", tmp_path / "no"))
    found = hash_files(InspectionData(tmp_path, "mvtec", (sample,)))
    assert found[tmp_path / "no"] is None
    assert len(set(found.values())) == 3
