"""The page of a plant, in a real browser: a product is chosen, and what is found is on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

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


def test_a_server_without_a_plant_has_no_products(browser: Any, running: Running) -> None:
    opened = browser.new_context().new_page()
    opened.set_default_timeout(PATIENCE)
    opened.goto(running.address)
    expect(opened.locator("#photo")).to_be_visible()
    expect(opened.locator("#product")).to_have_count(0)
    opened.context.close()
