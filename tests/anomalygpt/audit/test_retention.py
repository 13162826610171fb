"""Photos go by their age; the log, references and what younger ones need stay."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from anomalygpt.audit.agreement import check
from anomalygpt.audit.journal import Circumstances
from anomalygpt.audit.past import line
from anomalygpt.audit.retention import DELETED, delete_photos
from anomalygpt.errors import ConfigError
from anomalygpt.products.plant import Plant
from anomalygpt.products.store import Change, NewPhoto
from tests.kept import discs, found, new, part, recorded

DAY = 86_400 * 10**9
TODAY = 2_000_000_000 * 10**9


class Clock:
    """What the machine believes the time to be."""

    def __init__(self) -> None:
        self.days = 0.0

    def __call__(self) -> int:
        return TODAY + int(self.days * DAY)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("time.time_ns", made)
    return made


def test_old_photos_and_maps_go_and_the_log_stays_whole(plant: Plant, clock: Clock) -> None:
    old = [recorded(plant, seed) for seed in range(3)]
    clock.days = 50
    young = recorded(plant, 7)
    clock.days = 100
    gone = delete_photos(plant.database, plant.blobs, 90, who="ann")
    assert gone.inspections == tuple(entry.id for entry in old)
    for before in old:
        entry = plant.journal.find(before.id)
        assert (entry.photo_kept, entry.map) == (False, None)
        assert entry.result == before.result
        assert not plant.blobs.has(before.photo)
        assert before.map is not None
        assert not plant.blobs.has(before.map)
    assert plant.journal.find(young.id) == young
    assert plant.blobs.get(young.photo) == part(7)
    assert check(plant.database).is_whole
    event = line(plant.database, 5)
    assert (event.kind, event.who) == (DELETED, "ann")
    assert event.payload["inspections"] == [entry.id for entry in old]
    assert delete_photos(plant.database, plant.blobs, 90, who="ann").inspections == ()
    assert check(plant.database).log.lines == 5


def test_a_dry_run_only_tells(plant: Plant, clock: Clock) -> None:
    entry = recorded(plant)
    clock.days = 100
    told = delete_photos(plant.database, plant.blobs, 90, who="ann", dry_run=True)
    assert told.inspections == (entry.id,)
    assert plant.journal.find(entry.id) == entry
    assert plant.blobs.has(entry.photo)
    assert check(plant.database).log.lines == 1


def test_photos_that_a_product_uses_stay(plant: Plant, clock: Clock) -> None:
    product = plant.products.add("disc", references=[new(1)], who="ann")
    product = plant.products.change("disc", Change(good=[new(2)]), who="ann")
    entries = [recorded(plant, seed, product) for seed in (1, 2, 3)]
    clock.days = 100
    gone = delete_photos(plant.database, plant.blobs, 90, who="ann")
    assert gone.inspections == (entries[2].id,)
    assert gone.in_use == 2
    assert [plant.journal.find(entry.id).photo_kept for entry in entries] == [True, True, False]
    assert plant.blobs.get(entries[0].photo) == part(1)
    plant.products.change("disc", Change(removed=[entries[0].photo]), who="ann")
    gone = delete_photos(plant.database, plant.blobs, 90, who="ann")
    assert gone.inspections == (entries[0].id,)


def test_former_references_stay_as_long_as_younger_inspections_need_them(
    plant: Plant, clock: Clock
) -> None:
    product = discs(plant, 1, 2)
    first = recorded(plant, 1, product)
    clock.days = 80
    second = recorded(plant, 5, product)
    plant.products.change("disc", Change(removed=[first.photo]), who="ann")
    clock.days = 100
    assert delete_photos(plant.database, plant.blobs, 90, who="ann").in_use == 1
    assert plant.blobs.has(first.photo)
    clock.days = 200
    gone = delete_photos(plant.database, plant.blobs, 90, who="ann")
    assert gone.inspections == (first.id, second.id)
    assert not plant.blobs.has(first.photo)


def test_the_same_photo_that_was_inspected_again_stays(plant: Plant, clock: Clock) -> None:
    recorded(plant, 1)
    clock.days = 50
    again = recorded(plant, 1)
    clock.days = 100
    assert delete_photos(plant.database, plant.blobs, 90, who="ann").in_use == 1
    assert plant.blobs.get(again.photo) == part(1)


def test_references_of_its_own_go_with_an_inspection(plant: Plant, clock: Clock) -> None:
    good = plant.blobs.put(part(9))
    circumstances = Circumstances("ann", "tiny", "0" * 64, references=(good,))
    plant.journal.write(found(1), part(1), circumstances)
    clock.days = 100
    delete_photos(plant.database, plant.blobs, 90, who="ann")
    assert not plant.blobs.has(good)


@pytest.mark.parametrize("back", [-20_000, -95])
def test_a_clock_that_went_back_makes_nothing_older(
    plant: Plant, clock: Clock, back: float
) -> None:
    recorded(plant, 1)
    clock.days = 60
    recorded(plant, 2)
    clock.days = back  # a battery is empty
    while_back = recorded(plant, 3)
    clock.days = 100
    gone = delete_photos(plant.database, plant.blobs, 90, who="ann")
    assert len(gone.inspections) == 1
    assert plant.blobs.has(while_back.photo)


def test_a_clock_that_was_ahead_keeps_nothing_for_ever(plant: Plant, clock: Clock) -> None:
    clock.days = 30_000
    ahead = recorded(plant, 1)
    clock.days = 0
    recorded(plant, 2)
    clock.days = 95
    young = recorded(plant, 3)
    clock.days = 100
    gone = delete_photos(plant.database, plant.blobs, 90, who="ann")
    assert len(gone.inspections) == 2
    assert ahead.id in gone.inspections
    assert plant.blobs.has(young.photo)


def test_a_photo_that_comes_again_while_old_ones_go_is_not_lost(
    plant: Plant, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleted between the moment in which it is kept and the one in which it is written down."""
    old = recorded(plant, 1)
    clock.days = 100
    append, writing = [], plant.database.writing

    def slow():  # type: ignore[no-untyped-def]
        if not append:
            append.append(True)
            delete_photos(plant.database, plant.blobs, 90, who="ann")
        return writing()

    monkeypatch.setattr(plant.database, "writing", slow)
    again = recorded(plant, 1)
    assert again.photo == old.photo
    assert plant.blobs.get(again.photo) == part(1)
    assert again.map is not None
    assert plant.blobs.has(again.map)


def test_a_new_reference_that_is_an_old_photo_is_not_lost(
    plant: Plant, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    discs(plant)
    old = recorded(plant, 5)
    clock.days = 100
    calls, writing = [], plant.database.writing

    def slow():  # type: ignore[no-untyped-def]
        if not calls:
            calls.append(True)
            delete_photos(plant.database, plant.blobs, 90, who="ann")
        return writing()

    monkeypatch.setattr(plant.database, "writing", slow)
    plant.products.change("disc", Change(references=[NewPhoto("5.png", part(5))]), who="ann")
    assert plant.blobs.get(old.photo) == part(5)


def test_whoever_is_interrupted_goes_on(
    plant: Plant, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is said to be deleted that is there."""
    entries = [recorded(plant, seed) for seed in range(3)]
    clock.days = 100
    unlink, calls = Path.unlink, []

    def fails(self: Path, missing_ok: bool = False) -> None:
        calls.append(self)
        if len(calls) == 3:
            raise OSError(errno.EIO, "Input/output error")
        unlink(self, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", fails)
        with pytest.raises(OSError, match="Input"):
            delete_photos(plant.database, plant.blobs, 90, who="ann")
    assert all(plant.journal.find(entry.id).photo_kept for entry in entries)
    delete_photos(plant.database, plant.blobs, 90, who="ann")
    assert not any(plant.blobs.has(entry.photo) for entry in entries)
    assert check(plant.database).is_whole


def test_an_age_below_zero_is_refused(plant: Plant) -> None:
    for days in (-1, float("nan")):
        with pytest.raises(ConfigError, match="0 days or more"):
            delete_photos(plant.database, plant.blobs, days, who="ann")
