"""`anomalygpt feedback`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.audit.journal import Entry
from anomalygpt.products.plant import Plant
from anomalygpt.products.store import Change
from decoder.limits import Limit
from tests.kept import discs, inspected, open_plant, part

STRICT = Limit(0.0, 0.05, 0.95, 59, "2026-11-30")


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    monkeypatch.delenv("ANOMALYGPT_DATABASE", raising=False)
    monkeypatch.setenv("ANOMALYGPT_DATA", str(tmp_path / "plant"))
    opened = open_plant(tmp_path / "plant")
    yield opened
    opened.close()


@pytest.fixture
def entry(plant: Plant, assistant: AnomalyGPT, assistant_folder: Path) -> Entry:
    """A good part that was called anomalous."""
    discs(plant, 1, 2, model=str(assistant_folder), fixed_pose=True)
    product = plant.products.change("disc", Change(limit=STRICT), who="ann")
    return inspected(plant, assistant, product, part(5, True))


def test_good_after_all_is_proposed_applied_and_undone(
    anomalygpt, plant: Plant, entry: Entry
) -> None:
    before = plant.products.find("disc")
    ran = anomalygpt("feedback", entry.id, "good", "--apply", "limit", "--yes")
    assert ran.status == 0, ran.err
    assert "reference (proposed): the photo becomes a reference" in ran.out
    assert "of the last 1 inspections 1 would end otherwise" in ran.out
    assert "anomalous" in ran.out.split("→")[0]
    assert plant.products.find("disc").limit != before.limit
    identity = re.search(r"^feedback ([0-9a-f]{32}): good", ran.out)
    assert identity is not None
    assert identity[1] in anomalygpt("feedback", "list").out
    ran = anomalygpt("feedback", "undo", identity[1])
    assert "disc is as before, version 4" in ran.out
    assert plant.products.find("disc").limit == before.limit
    assert (
        anomalygpt("feedback", "list", "--product", "disc")
        .out.rstrip()
        .endswith("good, undone (limit)")
    )
    ran = anomalygpt("feedback", "undo", identity[1])
    assert (ran.status, "nothing to undo" in ran.error) == (2, True)


def test_nothing_changes_unless_somebody_says_yes(
    anomalygpt, plant: Plant, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = plant.products.find("disc")
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    ran = anomalygpt("feedback", entry.id, "good")
    assert "nothing was changed" in ran.error
    for answer in ("n", ""):
        monkeypatch.setattr("builtins.input", lambda prompt, answer=answer: answer)
        ran = anomalygpt("feedback", entry.id, "good", "--apply", "reference")
        assert ran.out.endswith("nothing was changed\n")
    assert plant.products.find("disc") == before
    monkeypatch.setattr("builtins.input", lambda prompt: "y")
    ran = anomalygpt("feedback", entry.id, "good", "--apply", "reference")
    assert "disc is now version 3" in ran.out
    assert plant.products.find("disc").references[-1].accepted


def test_damage_is_marked_by_boxes_or_a_mask(
    anomalygpt, plant: Plant, entry: Entry, tmp_path: Path
) -> None:
    mask = np.zeros((80, 96), np.uint8)
    mask[20:36, 56:72] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    ran = anomalygpt("feedback", entry.id, "good", "--mask", tmp_path / "mask.png", "--apply",
                     "ignore", "--yes")  # fmt: skip
    assert ran.status == 0, ran.err
    ran = anomalygpt("feedback", entry.id, "damaged", "--box", 60, 24, 64, 28, "--json", "--yes")
    told = json.loads(ran.out)
    assert told["chosen"] == "count"
    assert told["product"]["ignored"] is None
    assert told["preview"]["rows"][0]["id"] == entry.id
    item = json.loads(anomalygpt("feedback", "list", "--json").out.splitlines()[-1])
    assert item["said"]["boxes"] == [[60, 24, 64, 28]]
    assert plant.journal.find(entry.id).feedback == "damaged"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ID"], "expected `ID good`"),
        (["ID", "bad"], "expected `ID good`"),
        (["undo", "ID", "good"], "expected `ID good`"),
        (["undo", "abc"], "there is no feedback abc"),
        (["abc", "good"], "there is no inspection abc"),
        (["ID", "damaged", "--box", "1", "2", "3"], "X0 Y0 X1 Y1 for each box, got 3 numbers"),
        (["ID", "damaged", "--box", "5", "2", "3", "9"], "X1 and Y1 the larger ones"),
        (["ID", "good", "--mask", "absent.png"], "absent.png cannot be read"),
        (["ID", "good", "--box", "900", "0", "950", "9"], "outside of the photo"),
        (["list", "--product", "nut"], "there is no product nut"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    anomalygpt, entry: Entry, arguments: list[str], message: str
) -> None:
    ran = anomalygpt("feedback", *(entry.id if each == "ID" else each for each in arguments))
    assert ran.status == 2
    assert message in ran.error
