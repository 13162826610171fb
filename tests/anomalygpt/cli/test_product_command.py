"""Products at the command line: made, changed, carried elsewhere, and inspected by name."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from anomalygpt.audit.chain import verify
from anomalygpt.products.plant import Plant
from anomalygpt.records.places import Place
from tests.anomalygpt.conftest import part_pixels
from tests.inspections import inspections


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "plant"


@pytest.fixture
def product(anomalygpt, place: Path) -> Callable:
    def run(command: str, *arguments: object):
        return anomalygpt("product", command, *arguments, "--data", place)

    return run


@pytest.fixture
def plates(product, parts: Path, assistant_folder: Path) -> Callable:
    """Makes the product "plate"."""
    return partial(product, "add", "plate", "-r", parts / "good.png", "--model", assistant_folder)


@pytest.fixture
def good(tmp_path: Path) -> list[Path]:
    """Eleven further good parts, enough for 20 % false alarms at 90 %."""
    folder = tmp_path / "good"
    folder.mkdir()
    paths = [folder / f"{seed}.png" for seed in range(10, 21)]
    for seed, path in enumerate(paths, start=10):
        Image.fromarray(part_pixels(seed, False)).save(path)
    return paths


def test_a_product_is_made_shown_and_forgotten(plates, product, parts: Path) -> None:
    made = plates("--description", "a plate")
    assert (made.status, made.out) == (0, "added: plate\n")
    assert product("list").out == "plate: 1 reference, no promise\n"
    shown = json.loads(product("show", "PLATE", "--json").out)
    assert (shown["description"], shown["version"]) == ("a plate", 1)
    assert [each["name"] for each in shown["references"]] == [str(parts / "good.png")]
    assert product("remove", "plate").status == 0
    assert product("list").out == ""


def test_photos_are_added_once(plates, product, parts: Path) -> None:
    plates()
    assert "changed: plate, version 2" in product("add", "plate", "-r", parts / "other.png").out
    again = product("add", "Plate", "-r", parts / "other.png")
    assert again.status == 2
    assert "is there already" in again.error
    assert json.loads(product("show", "plate", "--json").out)["version"] == 2


def test_an_inspection_by_name_is_one_with_its_references(
    plates, anomalygpt, parts: Path, place: Path, assistant_folder: Path
) -> None:
    plates("--detail", "whole")
    stained = parts / "stained.png"
    by_name = anomalygpt("inspect", stained, "--product", "plate", "--data", place, "--json")
    by_hand = anomalygpt(
        *("inspect", stained, "-r", parts / "good.png", "--model", assistant_folder),
        *("--detail", "whole", "--json"),
    )
    (one,), (other,) = inspections(by_name.out), inspections(by_hand.out)
    assert one.to_dict() | {"model": None} == other.to_dict() | {"model": None}


def test_what_was_found_is_on_record(plates, anomalygpt, parts: Path, place: Path) -> None:
    plates()
    anomalygpt("inspect", parts, "--product", "plate", "--data", place)
    plant = Plant.open(Place.of(place))
    entries = plant.journal.all()
    assert [Path(each.photo_name).name for each in reversed(entries)] == [
        *("good.png", "other.png", "plain.jpg", "stained.png")
    ]
    assert plant.blobs.get(entries[0].photo) == (parts / "stained.png").read_bytes()
    assert verify(plant.database).broken is None
    plant.close()


def test_a_promise_decides_and_is_told(
    plates, anomalygpt, parts: Path, place: Path, good: list[Path]
) -> None:
    made = plates("--good", *good, "--false-alarms", "0.2", "--confidence", "0.9")
    assert "at most 20 % false alarms with 90 % confidence" in made.out
    ran = anomalygpt("inspect", *good, "--product", "plate", "--data", place, "--json")
    found = inspections(ran.out)
    limit = found[0].limit
    assert limit is not None
    assert [each.is_anomalous for each in found] == [
        each.anomaly_score > limit.score for each in found
    ]
    assert not any(each.is_anomalous for each in found)  # the limit is their largest score
    assert all(each.answer.startswith("No") for each in found)
    told = anomalygpt("inspect", parts / "stained.png", "--product", "plate", "--data", place)
    assert f"The product's limit decides: score {told.out.split('score ')[1][:5]}" in told.out


def test_too_few_good_parts_promise_nothing(plates, product, good: list[Path]) -> None:
    made = plates("--good", *good[:4], "--false-alarms", "0.05")
    assert made.status == 0
    assert "59 are needed, 55 more" in made.err
    assert json.loads(product("show", "plate", "--json").out)["limit"] is None


def test_another_reference_measures_the_limit_anew(
    plates, product, parts: Path, good: list[Path]
) -> None:
    plates("--good", *good, "--false-alarms", "0.2", "--confidence", "0.9")
    before = json.loads(product("show", "plate", "--json").out)
    product("add", "plate", "-r", parts / "other.png")
    after = json.loads(product("show", "plate", "--json").out)
    assert after["limit"]["score"] != before["limit"]["score"]
    assert after["version"] == before["version"] + 2  # the reference, and the limit
    removed = product("remove", "plate", "--photo", "other.png")
    assert removed.status == 0
    again = json.loads(product("show", "plate", "--json").out)
    assert again["limit"] == before["limit"]


def test_a_product_is_carried_elsewhere(
    plates, product, anomalygpt, tmp_path: Path, good: list[Path]
) -> None:
    plates("--good", *good, "--false-alarms", "0.2", "--confidence", "0.9")
    file, other = tmp_path / "plate.zip", tmp_path / "other"
    assert product("export", "plate", file).status == 0
    assert "is there already" in product("export", "plate", file).error
    assert anomalygpt("product", "import", file, "--data", other).status == 0
    one, two = (
        json.loads(anomalygpt("product", "show", "plate", "--json", "--data", place).out)
        for place in (tmp_path / "plant", other)
    )
    for key in ("name", "settings", "limit"):
        assert one[key] == two[key]
    assert [each["photo"] for each in one["good"]] == [each["photo"] for each in two["good"]]


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_what_is_no_product_is_refused(product, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "x.zip"
    if content is None:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("product.json", "{}")
    else:
        file.write_bytes(content)
    assert "is no product" in product("import", file).error


@pytest.mark.parametrize(
    "name", ["", "../up", "a/b", "a\\b", "x'; DROP TABLE products; --", "n" * 65, "-x", "a\nb"]
)
def test_names_that_are_none(product, parts: Path, name: str) -> None:
    ran = product("add", f" {name}", "-r", parts / "good.png")
    assert ran.status == 2
    assert "is no name for a product" in ran.error


def test_names_in_any_letters(plates, product, parts: Path) -> None:
    for name in ("Blech groß", "Деталь 7", "部品-1"):
        assert product("add", name).status == 0
        assert name in product("list").out


def test_a_product_that_is_not_there(plates, anomalygpt, parts: Path, place: Path) -> None:
    photo = parts / "good.png"
    nowhere = anomalygpt("inspect", photo, "--product", "plate", "--data", place)
    assert "none is kept" in nowhere.error
    assert not place.exists()
    plates()
    near = anomalygpt("inspect", photo, "--product", "plade", "--data", place)
    assert near.error == "anomalygpt: error: there is no product plade; there is plate"


def test_a_product_has_its_own_references(plates, anomalygpt, parts: Path, place: Path) -> None:
    plates()
    ran = anomalygpt(
        *("inspect", parts / "good.png", "--product", "plate", "--data", place),
        *("-r", parts / "other.png", "--model", "embedded"),
    )
    assert "--reference, --model: a product has its own" in ran.error


def test_a_chat_about_a_product(plates, anomalygpt, parts: Path, place: Path, monkeypatch) -> None:
    plates()
    monkeypatch.setattr(sys, "stdin", io.StringIO("/reference\n/reference x.png\n/quit\n"))
    ran = anomalygpt("chat", parts / "stained.png", "--product", "plate", "--data", place)
    assert ran.status == 0
    assert f"references: {parts / 'good.png'}" in ran.out
    assert "a product has its own references" in ran.err


def test_a_photo_that_is_none_leaves_no_product(product, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no photo")
    ran = product("add", "plate", "-r", broken)
    assert ran.status == 2
    assert str(broken) in ran.error
    assert product("list").out == ""


def test_a_folder_into_a_table_by_a_products_limit(
    plates, anomalygpt, tmp_path: Path, place: Path, good: list[Path]
) -> None:
    plates("--good", *good, "--false-alarms", "0.2", "--confidence", "0.9")
    table = tmp_path / "night.jsonl"
    ran = anomalygpt(
        *("inspect", good[0].parent, "--product", "plate", "--data", place, "--output", table)
    )
    assert ran.status == 0
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert {row["verdict"] for row in rows} == {"good"}
    plant = Plant.open(Place.of(place))
    assert len(plant.journal.all()) == len(good) == len(rows)
    plant.close()
