"""What is listed is compared with the log."""

from __future__ import annotations

import sqlite3

import pytest

from anomalygpt.audit.agreement import check
from anomalygpt.products.plant import Plant
from tests.kept import recorded


def changed(plant: Plant, statement: str) -> None:
    with sqlite3.connect(plant.database.place.folder / "anomalygpt.sqlite") as connection:
        connection.execute(statement)
    connection.close()


def test_a_plant_agrees_with_its_log(plant: Plant) -> None:
    for seed in range(3):
        recorded(plant, seed)
    checked = check(plant.database)
    assert checked.is_whole
    assert (checked.inspections, checked.log.lines) == (3, 3)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("is_anomalous", "1", "verdict"),
        ("anomaly_score", "0.25", "score"),
        ("anomaly_probability", "0.25", "probability"),
        ("photo", f"'{'0' * 64}'", "photo"),
        ("photo_name", "'other.png'", "name"),
        ("product", "'nut'", "product"),
        ("result", "json_set(result, '$.answer', 'Yes.')", "result"),
        ("id", f"'{'1' * 32}'", "identity"),
    ],
)
def test_a_row_that_was_changed_is_named(plant: Plant, column: str, value: str, told: str) -> None:
    entries = [recorded(plant, seed) for seed in range(3)]
    changed(plant, f"UPDATE inspections SET {column} = {value} WHERE id = '{entries[1].id}'")
    checked = check(plant.database)
    assert not checked.is_whole
    assert checked.differing in (entries[1].id, "1" * 32)
    assert told in checked.reason


def test_an_inspection_that_is_not_listed_any_more_is_named(plant: Plant) -> None:
    entries = [recorded(plant, seed) for seed in range(3)]
    changed(plant, f"DELETE FROM inspections WHERE id = '{entries[1].id}'")
    assert check(plant.database).differing == entries[1].id


def test_an_end_that_was_cut_off_is_seen_without_any_hash(plant: Plant) -> None:
    entries = [recorded(plant, seed) for seed in range(3)]
    changed(plant, "DELETE FROM events WHERE number = 3")
    checked = check(plant.database)
    assert checked.log.broken is None
    assert checked.differing == entries[2].id
    assert "cut off" in checked.reason


def test_a_broken_log_is_told_first(plant: Plant) -> None:
    recorded(plant)
    changed(plant, "UPDATE events SET who = 'eve'")
    assert check(plant.database).log.broken == 1
