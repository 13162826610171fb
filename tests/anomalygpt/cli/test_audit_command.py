"""`anomalygpt audit`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.products.plant import Plant
from anomalygpt.products.store import Change
from tests.kept import discs, inspected, new, open_plant, part, recorded


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    monkeypatch.delenv("ANOMALYGPT_DATABASE", raising=False)
    monkeypatch.setenv("ANOMALYGPT_DATA", str(tmp_path / "plant"))
    opened = open_plant(tmp_path / "plant")
    yield opened
    opened.close()


@pytest.fixture
def tiny(assistant_folder: Path) -> str:
    return str(assistant_folder)


def tamper(plant: Plant, statement: str) -> None:
    with sqlite3.connect(plant.database.place.folder / "anomalygpt.sqlite") as connection:
        connection.execute(statement)
    connection.close()


def test_inspections_are_listed_and_filtered(anomalygpt, plant: Plant) -> None:
    product = discs(plant)
    with_product, without = recorded(plant, 1, product), recorded(plant, 2)
    lines = anomalygpt("audit", "list").out.splitlines()
    assert [line[:32] for line in lines] == [with_product.id, without.id]
    assert "disc v1" in lines[0]
    assert "part_1.png: good" in lines[0]
    ran = anomalygpt("audit", "list", "--product", "DISC", "--json")
    assert [json.loads(line)["id"] for line in ran.out.splitlines()] == [with_product.id]
    assert anomalygpt("audit", "list", "--limit", 1).out.startswith(without.id)
    for filters in (["--verdict", "anomalous"], ["--since", "9999-01-01"]):
        ran = anomalygpt("audit", "list", *filters)
        assert (ran.status, ran.out) == (0, "")
        assert "no such inspection" in ran.error
    assert len(anomalygpt("audit", "list", "--since", "2020-01-01").out.splitlines()) == 2


def test_changes_of_products_are_lines_too(anomalygpt, plant: Plant) -> None:
    discs(plant)
    plant.products.change("disc", Change(references=[new(2)], why="a second pose"), who="bob")
    lines = anomalygpt("audit", "list", "--changes").out.splitlines()
    assert ["product.created" in lines[0], "product.changed" in lines[1]] == [True, True]
    assert "bob" in lines[1]
    assert lines[1].endswith("a second pose")
    event = json.loads(anomalygpt("audit", "show", 2).out)
    assert event["payload"]["before"]["version"] == 1


def test_an_inspection_is_shown_with_its_files(
    anomalygpt, plant: Plant, assistant: AnomalyGPT, tmp_path: Path
) -> None:
    entry = inspected(plant, assistant, discs(plant), part(5, True))
    photo, overlay = tmp_path / "photo.png", tmp_path / "overlay.png"
    ran = anomalygpt("audit", "show", entry.id, "--save-photo", photo, "--save-overlay", overlay)
    assert ran.status == 0
    assert entry.photo in ran.out
    assert photo.read_bytes() == part(5, True)
    with Image.open(overlay) as picture:
        assert picture.size == (96, 80)
    shown = json.loads(anomalygpt("audit", "show", entry.id, "--json").out)
    assert shown["record"]["made_with"]["anomalygpt"]
    assert shown["record"]["weights"]


def test_verify_names_the_first_wrong_line(anomalygpt, plant: Plant, tmp_path: Path) -> None:
    for seed in range(4):
        recorded(plant, seed)
    ran = anomalygpt("audit", "verify")
    assert ran.status == 0
    assert ran.out.startswith("whole: 4 lines, last hash ")
    file = tmp_path / "log.jsonl"
    assert "4 lines" in anomalygpt("audit", "export", file).out
    recorded(plant, 5)
    for arguments in (["--against", file], ["--file", file]):
        assert anomalygpt("audit", "verify", *arguments).status == 0
    tamper(plant, "UPDATE inspections SET is_anomalous = 1 WHERE event = 2")
    ran = anomalygpt("audit", "verify")
    assert ran.status == 1
    assert "its verdict is another" in ran.out
    tamper(plant, "UPDATE events SET who = 'eve' WHERE number = 3")
    ran = anomalygpt("audit", "verify")
    assert ran.status == 1
    assert "broken from line 3 on: it was changed; 2 lines before are whole" in ran.out
    file.write_text(file.read_text().replace("bob", "eve", 1))
    ran = anomalygpt("audit", "verify", "--file", file)
    assert ran.status == 1
    assert "broken from line 1 on" in ran.out


def test_a_log_that_was_cut_and_goes_on_is_not_what_was_exported(
    anomalygpt, plant: Plant, tmp_path: Path
) -> None:
    for seed in range(3):
        recorded(plant, seed)
    file = tmp_path / "log.jsonl"
    anomalygpt("audit", "export", file)
    tamper(plant, "DELETE FROM events WHERE number = 3")
    tamper(plant, "DELETE FROM inspections WHERE event = 3")
    assert anomalygpt("audit", "verify").status == 0
    assert "the log ends before it" in anomalygpt("audit", "verify", "--against", file).out
    recorded(plant, 9)
    assert "not the one that was written down" in (
        anomalygpt("audit", "verify", "--against", file).out
    )


def test_replay_says_whether_it_is_the_same(
    anomalygpt, plant: Plant, assistant: AnomalyGPT, tiny: str
) -> None:
    product = discs(plant, 1, model=tiny)
    entries = [inspected(plant, assistant, product, part(seed, True)) for seed in (5, 6)]
    ran = anomalygpt("audit", "replay", entries[0].id, "--device", "cpu")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.endswith("photo.png: the same\n")
    tamper(
        plant,
        "UPDATE events SET payload = json_set(payload, '$.result.is_anomalous', 'maybe') "
        f"WHERE subject = '{entries[0].id}'",
    )
    ran = anomalygpt("audit", "replay", "--last", 2, "--json")
    assert ran.status == 1
    states = [json.loads(line)["state"] for line in ran.out.splitlines()]
    assert states == ["same", "differs"]
    plant.blobs.delete(entries[0].photo)
    ran = anomalygpt("audit", "replay", entries[0].id)
    assert ran.status == 2
    assert "cannot be computed once more" in ran.out


def test_a_model_that_is_missing_is_told(anomalygpt, plant: Plant, assistant: AnomalyGPT) -> None:
    entry = inspected(plant, assistant, discs(plant, 1, model="no/such/folder"), part(5))
    ran = anomalygpt("audit", "replay", entry.id)
    assert ran.status == 2
    assert "no/such/folder does not exist" in ran.out


def test_one_or_several_are_replayed(anomalygpt, plant: Plant) -> None:
    for arguments in ([], ["0" * 32, "--last", 2]):
        ran = anomalygpt("audit", "replay", *arguments)
        assert ran.status == 2
        assert "name one inspection" in ran.error


def test_photos_are_deleted_by_age(anomalygpt, plant: Plant) -> None:
    entry = recorded(plant, 1)
    for arguments in (["90d"], ["0h", "--dry-run"]):
        assert anomalygpt("audit", "delete-photos", "--older-than", *arguments).status == 0
        assert plant.blobs.has(entry.photo)
    ran = anomalygpt("audit", "delete-photos", "--older-than", "0d")
    assert "of 1 inspections deleted, 2 files" in ran.out
    assert not plant.blobs.has(entry.photo)
    assert anomalygpt("audit", "verify").status == 0
    with pytest.raises(SystemExit):
        anomalygpt("audit", "delete-photos", "--older-than", "90")


@pytest.mark.parametrize(
    "command", [["list"], ["show", "1"], ["verify"], ["replay", "--last", "1"], ["export", "a.csv"]]
)
def test_places_that_hold_nothing_or_damage_are_one_line(
    anomalygpt, tmp_path: Path, command: list[str]
) -> None:
    ran = anomalygpt("audit", *command, "--data", tmp_path / "nothing")
    assert ran.status == 2
    assert "nothing is on record in" in ran.error
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "anomalygpt.sqlite").write_bytes(b"no database at all" * 500)
    ran = anomalygpt("audit", *command, "--data", tmp_path / "damaged")
    assert ran.status == 2
    assert "is damaged" in ran.error


def test_what_is_not_on_record_is_one_line(anomalygpt, plant: Plant, tmp_path: Path) -> None:
    for command in (["show", "abc"], ["replay", "abc"], ["show", "77"], ["list", "--product", "x"]):
        ran = anomalygpt("audit", *command)
        assert ran.status == 2
        assert "there is no" in ran.error or "has no line 77" in ran.error
    entry = recorded(plant, 1)
    plant.blobs.delete(entry.photo)
    ran = anomalygpt("audit", "show", entry.id, "--save-photo", tmp_path / "photo.png")
    assert ran.status == 2
    assert "is not kept any more" in ran.error
