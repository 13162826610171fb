"""Inspections of one who asked, and scores over time."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomalygpt import AnomalyGPT
from anomalygpt.audit.journal import Circumstances
from anomalygpt.audit.looking import entries_of, last_number, scores_since, was_inspected
from anomalygpt.products.plant import Plant
from anomalygpt.products.store import NewPhoto
from anomalygpt.records.places import Place


@pytest.fixture
def plant(tmp_path: Path, assistant: AnomalyGPT, parts: Path) -> Plant:
    """One product, and five inspections of it, the second and fourth asked for by a job."""
    plant = Plant.open(Place.of(tmp_path))
    good = NewPhoto("good.png", (parts / "good.png").read_bytes())
    product = plant.products.add("plate", references=[good], who="eva")
    bank = plant.shelf.bank(product, assistant)
    for number, name in enumerate(("stained", "other", "stained", "good", "other")):
        path = parts / f"{name}.png"
        who = "job 1" if number in (1, 3) else "eva"
        found = assistant.inspect(path, bank)
        circumstances = Circumstances(who, "tiny", "0" * 64, product)
        plant.journal.write(found, path.read_bytes(), circumstances)
    return plant


def test_those_of_one_who_asked(plant: Plant) -> None:
    all_of_it = [entry for entry in plant.journal.all() if entry.who == "job 1"]
    assert entries_of(plant.database, "job 1") == all_of_it
    assert len(all_of_it) == 2
    young, old = all_of_it
    assert entries_of(plant.database, "job 1", before=young.number) == [old]
    assert entries_of(plant.database, "job 1", first=old.number) == [young]
    assert entries_of(plant.database, "job 1", most=1) == [young]
    assert last_number(plant.database) == plant.journal.all()[0].number
    plant.close()


def test_whether_a_photo_was_inspected(plant: Plant) -> None:
    photo = entries_of(plant.database, "job 1")[1].photo
    number = entries_of(plant.database, "job 1")[1].number
    assert was_inspected(plant.database, "job 1", photo)
    assert not was_inspected(plant.database, "job 1", photo, number)
    assert not was_inspected(plant.database, "job 2", photo)
    assert not was_inspected(plant.database, "job 1", "0" * 64)
    plant.close()


def test_scores_over_time(plant: Plant) -> None:
    product = plant.products.find("plate")
    scores = [entry.result["anomaly_score"] for entry in plant.journal.all()]

    def since(at: str, most: int, youngest: bool) -> list[float]:
        return list(scores_since(plant.database, product.id, at, most=most, youngest=youngest))

    assert since("", 9, youngest=True) == scores
    assert since("", 2, youngest=False) == scores[::-1][:2]
    assert since("", 2, youngest=True) == scores[:2]
    assert since(plant.journal.all()[1].at, 9, youngest=False) == scores[:2][::-1]
    assert since("9999", 9, youngest=True) == []
    plant.close()
