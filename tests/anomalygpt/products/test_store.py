"""Products: names, photos, versions, and what takes a limit away."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anomalygpt.audit.chain import verify
from anomalygpt.audit.past import product_at
from anomalygpt.errors import ConfigError, ImageError, RecordsError, SourceError
from anomalygpt.products.plant import Plant
from anomalygpt.products.product import Product, Settings
from anomalygpt.products.store import Change, NewPhoto
from decoder.limits import Limit
from tests.kept import discs, new, part

LIMIT = Limit(0.5, 0.05, 0.95, 59, "2026-11-30")


def test_a_product_is_found_by_name_and_identity(plant: Plant) -> None:
    product = discs(plant, 1, 2)
    for name in ("disc", "DISC", " Disc ", product.id):
        assert plant.products.find(name) == product
    assert [each.name for each in product.references] == ["part_1.png", "part_2.png"]
    assert plant.blobs.get(product.references[1].photo) == part(2)
    assert plant.products.names() == ["disc"]
    assert plant.products.all() == [product]
    assert plant.products.all(after="disc") == []


def test_names_like_it_are_told(plant: Plant) -> None:
    discs(plant)
    with pytest.raises(SourceError, match=r"no product dics; there is disc"):
        plant.products.find("dics")


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "../x", "a/b", "a\\b", "a'; DROP TABLE products; --", "a\0b", "-a", "x" * 65,
     'a"b', "a\nb", "%", "a%", "é\u202e"],
)  # fmt: skip
def test_names_that_could_do_harm_are_refused(plant: Plant, name: str) -> None:
    with pytest.raises(ConfigError, match="is no name for a product"):
        plant.products.add(name, who="ann")
    assert plant.products.names() == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.text(max_size=20))
def test_looking_for_anything_harms_nothing(plant: Plant, name: str) -> None:
    if not plant.products.names():
        discs(plant)
    before = plant.products.all()
    if name.strip().casefold() not in ("disc", before[0].id):
        with pytest.raises(SourceError):
            plant.products.find(name)
    assert plant.products.all() == before


def test_a_name_is_taken_whatever_its_capitals(plant: Plant) -> None:
    discs(plant)
    for name in ("disc", "DISC"):
        with pytest.raises(ConfigError, match="there is a product"):
            plant.products.add(name, who="ann")
    plant.products.add("Nut", who="ann")
    with pytest.raises(ConfigError, match="there is a product"):
        plant.products.change("nut", Change(new_name="Disc"), who="ann")
    assert plant.products.change("nut", Change(new_name="NUT"), who="ann").name == "NUT"


def test_every_change_is_a_version_in_the_log(plant: Plant) -> None:
    versions = [discs(plant, 1)]
    for change in (
        Change(references=[new(2)]),
        Change(good=[new(3)]),
        Change(description="a disc"),
        Change(limit=LIMIT),
        Change(ignored=part(4)),
        Change(new_name="plate"),
        Change(removed=["part_1.png"]),
    ):
        versions.append(plant.products.change(versions[0].id, change, who="ann"))
    assert [each.version for each in versions] == list(range(1, 9))
    plant.products.remove("plate", who="ann")
    for each in versions:
        assert product_at(plant.database, plant.blobs, each.id, each.version) == each
    assert verify(plant.database).lines == 9
    with pytest.raises(RecordsError, match="does not tell what version 99"):
        product_at(plant.database, plant.blobs, versions[0].id, 99)


@pytest.mark.parametrize(
    ("change", "keeps"),
    [
        (Change(references=[new(5)]), False),
        (Change(removed=["part_1.png"]), False),
        (Change(drops_limit=True), False),
        (Change(settings=Settings(model="tiny", detail="whole", flips=True)), False),
        (Change(settings=Settings(model="other", detail="whole")), False),
        (Change(settings=Settings(model="tiny", detail="whole", knowledge="disc")), True),
        (Change(good=[new(5)]), True),
        (Change(description="a disc"), True),
        (Change(new_name="plate"), True),
    ],
)
def test_a_limit_falls_away_where_it_is_worth_nothing(
    plant: Plant, change: Change, keeps: bool
) -> None:
    discs(plant, 1, 2)
    plant.products.change("disc", Change(limit=LIMIT), who="ann")
    assert (plant.products.change("disc", change, who="ann").limit == LIMIT) is keeps


def test_a_change_that_was_made_for_another_version_is_refused(plant: Plant) -> None:
    product = discs(plant)
    plant.products.change("disc", Change(description="a"), who="ann")
    with pytest.raises(ConfigError, match="was changed meanwhile"):
        plant.products.change(
            "disc", Change(description="b", expected_version=product.version), who="bob"
        )
    assert plant.products.find("disc").description == "a"
    assert verify(plant.database).lines == 2


def test_each_photo_counts_once(plant: Plant) -> None:
    discs(plant, 1)
    for change in (Change(references=[new(1)]), Change(good=[new(1)])):
        with pytest.raises(ConfigError, match="is there already"):
            plant.products.change("disc", change, who="ann")
    with pytest.raises(SourceError, match="has no photo"):
        plant.products.change("disc", Change(removed=["absent.png"]), who="ann")
    assert plant.products.find("disc").version == 1


def test_what_is_no_photo_is_called_by_its_name(plant: Plant) -> None:
    with pytest.raises(ImageError, match=r"^broken.png is "):
        plant.products.add("disc", references=[NewPhoto("broken.png", b"no photo")], who="ann")
    assert plant.products.names() == []
    assert verify(plant.database).lines == 0


def test_a_product_becomes_what_it_was(plant: Plant) -> None:
    first = discs(plant, 1, 2)
    change = Change(references=[new(3)], good=[new(4)], removed=["part_1.png"], ignored=part(5))
    second = plant.products.change("disc", change, who="ann")
    second = plant.products.change("disc", Change(limit=LIMIT, new_name="Nut"), who="ann")
    again = plant.products.become(
        first, who="bob", kind="feedback", why="back", expected_version=second.version
    )
    assert again == replace(first, name="Nut", version=4, changed=again.changed)
    assert plant.products.find("nut") == again
    with pytest.raises(ConfigError, match="was changed meanwhile"):
        plant.products.become(
            second, who="bob", kind="feedback", why="", expected_version=second.version
        )
    plant.blobs.delete(second.good[0].photo)
    with pytest.raises(RecordsError, match="is not kept any more"):
        plant.products.become(
            second, who="bob", kind="feedback", why="", expected_version=again.version
        )
    assert plant.products.find("nut") == again


def test_a_product_goes_through_the_log(plant: Plant) -> None:
    product = discs(plant, 1, 2)
    product = plant.products.change("disc", Change(ignored=part(5), limit=LIMIT), who="ann")
    assert Product.from_dict(product.to_dict(), product.ignored) == product
    assert product.ignored_name is not None
    assert plant.blobs.get(product.ignored_name) == product.ignored
    for values in ({}, {**product.to_dict(), "version": "x"}, {**product.to_dict(), "good": [1]}):
        with pytest.raises(ConfigError, match="no product"):
            Product.from_dict(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rotations": 0}, "at least 1"),
        ({"bit_depth": 7}, "8 to 16"),
        ({"false_alarms": 0.0}, "between 0 and 1"),
        ({"confidence": 1.0}, "between 0 and 1"),
        ({"fixed_pose": True, "flips": True}, "fixed pose"),
        ({"detail": "closely"}, "detail"),
    ],
)
def test_settings_outside_of_their_range_are_refused(
    values: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Settings.from_dict(values)


def test_settings_of_a_later_version_are_left_out() -> None:
    assert Settings.from_dict({"flips": True, "later": 1}) == Settings(flips=True)
