"""The log and the inspections as files."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pytest

from anomalygpt.audit.chain import verify
from anomalygpt.audit.export import export, read_export
from anomalygpt.audit.journal import Circumstances
from anomalygpt.errors import OutputError, SourceError
from anomalygpt.products.plant import Plant
from tests.kept import discs, found, part, recorded


@pytest.fixture
def file(plant: Plant, tmp_path: Path) -> Path:
    discs(plant)
    for seed in range(3):
        recorded(plant, seed)
    assert export(plant.database, tmp_path / "log.jsonl") == 4
    return tmp_path / "log.jsonl"


def test_others_can_verify_a_file_with_nothing_but_sha256(plant: Plant, file: Path) -> None:
    """As the documentation describes it."""
    *lines, end = (json.loads(line) for line in file.read_text().splitlines())
    before = "0" * 64
    for line in lines:
        names = ("number", "at", "kind", "who", "subject", "payload", "before")
        text = json.dumps([str(line[name]) for name in names])
        assert line["before"] == before
        assert line["hash"] == hashlib.sha256(text.encode()).hexdigest()
        before = line["hash"]
    assert end == {"end": 4, "hash": before}
    assert before == verify(plant.database).last


def test_a_file_is_read_again(plant: Plant, file: Path) -> None:
    assert read_export(file) == verify(plant.database)


@pytest.mark.parametrize("line", range(5))
def test_a_file_that_was_changed_is_broken_from_there_on(file: Path, line: int) -> None:
    lines = file.read_text().splitlines(keepends=True)
    for wrong in (
        [*lines[:line], *lines[line + 1 :]],
        [*lines[:line], lines[line].replace("a", "b"), *lines[line + 1 :]],
        [*lines[:line], "{}\n", *lines[line:]],
        [*lines[:line], "\x00\n", *lines[line + 1 :]],
        lines[:line],
    ):
        file.write_text("".join(wrong))
        assert read_export(file).broken in (line + 1, len(wrong) + 1)


def test_nothing_follows_the_end(file: Path) -> None:
    file.write_text(file.read_text() + "{}\n")
    assert read_export(file).reason == "something follows the end"


def test_an_empty_log_has_a_file_too(plant: Plant, tmp_path: Path) -> None:
    assert export(plant.database, tmp_path / "log.jsonl") == 0
    assert read_export(tmp_path / "log.jsonl").lines == 0


def test_a_table_has_a_row_for_each_inspection(plant: Plant, tmp_path: Path) -> None:
    entries = [recorded(plant, seed, discs(plant) if seed == 0 else None) for seed in range(2)]
    assert export(plant.database, tmp_path / "table.csv") == 2
    with (tmp_path / "table.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["id"] for row in rows] == [entry.id for entry in entries]
    assert rows[0]["product"] == "disc"
    assert rows[0]["is_anomalous"] == "false"
    assert float(rows[1]["anomaly_score"]) == entries[1].result["anomaly_score"]


@pytest.mark.parametrize("name", ["=1+1.png", "@a", "+1", "-1", "a\0b", "ü\udcff.png"])
def test_no_name_becomes_a_formula_or_ends_the_table(
    plant: Plant, tmp_path: Path, name: str
) -> None:
    plant.journal.write(found(name=name), part(0), Circumstances("ann", "tiny", "0" * 64))
    export(plant.database, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as table:
        [row] = csv.DictReader(table)
    assert row["photo_name"][0] not in "=@+-"
    assert row["photo_name"].endswith(name[-1:])


def test_other_suffixes_and_places_are_refused(plant: Plant, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.jsonl"):
        export(plant.database, tmp_path / "log.txt")
    with pytest.raises(SourceError, match="cannot be read"):
        read_export(tmp_path / "absent.jsonl")
