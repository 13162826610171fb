"""The page of a plant, in a real browser: a product is chosen, and what is found is on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from anomalygpt.feedback.feedback import Feedback
from anomalygpt.products.plant import Plant
from anomalygpt.products.product import Settings
from anomalygpt.products.store import Change, NewPhoto
from anomalygpt.records.places import Place
from anomalygpt.serving.settings import ServerSettings
from decoder.limits import Limit
from tests.anomalygpt.serving.conftest import EXAMPLES, PATIENCE, Running, Visitor

expect = pytest.importorskip("playwright.sync_api", reason="playwright is missing").expect

# Gradio leaves event loops behind.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    plant = Plant.open(Place.of(tmp_path))
    good = NewPhoto.of(EXAMPLES / "plate" / "good_1.jpg")
    plant.products.add("Plate 12", references=[good], settings=Settings(detail="whole"), who="me")
    yield plant
    plant.close()


@pytest.fixture
def page(browser: Any, serve: Callable[..., Running], plant: Plant) -> Iterator[Visitor]:
    running = serve(ServerSettings(port=0), plant)
    opened = browser.new_context().new_page()
    opened.set_default_timeout(PATIENCE)
    opened.goto(running.address)
    yield Visitor(opened)
    opened.context.close()


def choose(page: Visitor, name: str) -> None:
    page.locator("#product input").click()
    page.get_by_role("option", name=name).click()
    page.until_streams_end()


def test_a_product_brings_its_good_parts(page: Visitor, plant: Plant) -> None:
    choose(page, "Plate 12")
    expect(page.locator("#references")).not_to_be_visible()
    page.give_photo(EXAMPLES / "plate" / "scratched.jpg")
    expect(page.locator(".verdict")).to_contain_text("Something is wrong")
    expect(page.locator(".verdict")).to_contain_text("one good part")
    page.until_streams_end()
    (entry,) = plant.journal.all()
    assert (entry.product, entry.photo_name, entry.who) == ("Plate 12", "scratched.jpg", "page")
    content = (EXAMPLES / "plate" / "scratched.jpg").read_bytes()
    assert plant.blobs.get(entry.photo) == content


def test_the_limit_is_told(page: Visitor, plant: Plant) -> None:
    limit = Limit(0.999, 0.05, 0.95, 59, "2026-12-01")
    plant.products.change("Plate 12", Change(limit=limit), who="me")
    choose(page, "Plate 12")
    page.give_photo(EXAMPLES / "plate" / "scratched.jpg")
    expect(page.locator(".verdict")).to_contain_text("Looks good")
    expect(page.locator(".verdict")).to_contain_text("The product's limit decides")


def test_a_product_that_is_gone_is_told(page: Visitor, plant: Plant) -> None:
    choose(page, "Plate 12")
    plant.products.remove("Plate 12", who="me")
    page.give_photo(EXAMPLES / "plate" / "scratched.jpg")
    expect(page.locator("#verdict")).to_contain_text("there is no product Plate 12")


def test_good_after_all_applied_and_undone(page: Visitor, plant: Plant) -> None:
    choose(page, "Plate 12")
    page.give_photo(EXAMPLES / "plate" / "scratched.jpg")
    expect(page.locator(".verdict .answer")).to_be_visible()
    page.until_streams_end()
    page.locator("#correct button").first.click()
    page.locator("#correct-good").click()
    expect(page.locator("#correct-told")).to_contain_text("It is on record")
    expect(page.locator("#correct-kinds label").first).to_be_visible()
    page.locator("#correct-look").click()
    expect(page.locator("#correct-told")).to_contain_text("Of the last 1 inspections")
    page.locator("#correct-apply").click()
    expect(page.locator("#correct-told")).to_contain_text("is version 2 now")
    page.until_streams_end()
    assert plant.products.find("Plate 12").version == 2
    page.locator("#correct-undo").click()
    expect(page.locator("#correct-told")).to_contain_text("is as before, as version 3")
    (reference,) = plant.products.find("Plate 12").references
    assert reference.name.endswith("good_1.jpg")


def test_damage_is_marked_with_two_clicks(page: Visitor, plant: Plant) -> None:
    choose(page, "Plate 12")
    page.give_photo(EXAMPLES / "plate" / "good_2.jpg")
    expect(page.locator(".verdict .answer")).to_be_visible()
    page.until_streams_end()
    page.locator("#correct button").first.click()
    page.locator("#correct-damaged").click()
    picture = page.locator("#correct-photo img")
    expect(picture).to_be_visible()
    for x, y, told in ((40, 50, "the opposite corner"), (90, 110, "It is on record")):
        picture.click(position={"x": x, "y": y})
        expect(page.locator("#correct-told")).to_contain_text(told)
        page.until_streams_end()
    (item,) = Feedback(plant, lambda name: None).all()
    x0, y0, x1, y1 = item.said["boxes"][0]
    assert item.said["verdict"] == "damaged"
    assert (x1 - x0) / (y1 - y0) == pytest.approx(50 / 60, abs=0.1)
    assert x0 < x1
    assert y0 < y1


def test_a_server_without_a_plant_has_no_products(browser: Any, running: Running) -> None:
    opened = browser.new_context().new_page()
    opened.set_default_timeout(PATIENCE)
    opened.goto(running.address)
    expect(opened.locator("#photo")).to_be_visible()
    expect(opened.locator("#product")).to_have_count(0)
    expect(opened.locator("#correct")).to_have_count(0)
    opened.context.close()
