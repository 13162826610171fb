"""Drawing in a real browser: the file holds exactly the pixels of the strokes.

What a stroke covers is computed here once more, pixel by pixel, from the places of the mouse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anomalygpt.data.checking import check
from tests.anomalygpt.serving.drawing.conftest import SIZE, Served

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is missing")
expect = sync_api.expect

ROWS, COLUMNS = np.mgrid[: SIZE[0], : SIZE[1]]
Place = tuple[int, int]  # column and row of a pixel


def stroke(places: Sequence[Place], width: int) -> np.ndarray:
    """Pixels whose centre is at most width / 2 from the line through the places."""
    covered = np.zeros(SIZE, bool)
    for (ax, ay), (bx, by) in zip(places, places[1:] or places, strict=False):
        long = (bx - ax) ** 2 + (by - ay) ** 2
        # Where along the line a pixel's nearest point is, in units of 1 / long.
        along = (COLUMNS - ax) * (bx - ax) + (ROWS - ay) * (by - ay)
        along = np.clip(along, 0, long) if long else np.zeros_like(along)
        scale = max(1, long)
        away = (scale * (COLUMNS - ax) - along * (bx - ax)) ** 2
        away += (scale * (ROWS - ay) - along * (by - ay)) ** 2
        covered |= 4 * away <= (width * scale) ** 2
    return covered


def inside(corners: Sequence[Place]) -> np.ndarray:
    """Pixels whose centre lies in a convex outline or on it, and those along its edges."""
    ahead = []
    for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
        ahead.append((bx - ax) * (ROWS - ay) - (by - ay) * (COLUMNS - ax))
    sides = np.stack(ahead)
    return (sides >= 0).all(0) | (sides <= 0).all(0) | stroke([*corners, corners[0]], 1)


class Artist:
    """A page with a photo open, and a hand that moves in pixels of the photo."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.canvas = page.locator("#canvas")

    def at(self, place: Place) -> tuple[float, float]:
        """Where the middle of a pixel is in the window."""
        box = self.canvas.bounding_box()
        scale, left, top = (
            float(self.canvas.get_attribute(f"data-{name}")) for name in ("scale", "left", "top")
        )
        x, y = place
        return box["x"] + left + scale * (x + 0.5), box["y"] + top + scale * (y + 0.5)

    def drag(self, *places: Place) -> None:
        self.page.mouse.move(*self.at(places[0]))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.at(place))
        self.page.mouse.up()

    def click(self, place: Place) -> None:
        self.page.mouse.click(*self.at(place))

    def says(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.locator("#told")).to_contain_text(text)

    def brush(self, width: int) -> None:
        self.page.locator("#size").fill(str(width))
        expect(self.page.locator("#size-told")).to_have_text(f"{width} px")

    def save(self) -> None:
        self.page.keyboard.press("Control+s")
        self.says("Saved")


Open = Callable[..., Artist]


@pytest.fixture
def draw(browser: Any) -> Iterator[Open]:
    """Opens the page of a server; an error of a script fails the test."""
    contexts: list[Any] = []
    errors: list[str] = []

    def complain(message: Any) -> None:
        # Answers that a test wants to be refused.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            errors.append(message.text)

    def draw(served: Served, photo: int = 0, width: int = 1100, height: int = 800) -> Artist:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", complain)
        page.goto(f"{served.address}#{photo + 1}")
        ready(page)
        return Artist(page)

    yield draw
    for each in contexts:
        each.close()
    assert errors == []


def ready(page: Any) -> None:
    expect(page.locator("#message")).to_be_hidden()
    expect(page.locator("#canvas")).to_have_attribute("data-scale", re.compile(r"\d"))


def mask_file(served: Served, name: str = "000_mask.png") -> np.ndarray:
    with Image.open(served.folder / "ground_truth" / "crack" / name) as picture:
        assert picture.mode == "L"
        values = np.asarray(picture)
    assert set(np.unique(values)) <= {0, 255}
    return values == 255


ZIGZAG = [(30, 20), (70, 41), (75, 90), (140, 33)]


@pytest.mark.parametrize("width", [1, 9, 31])
def test_the_file_holds_the_pixels_of_the_stroke(drawn: Served, draw: Open, width: int) -> None:
    artist = draw(drawn)
    artist.brush(width)
    artist.drag(*ZIGZAG)
    artist.says("Kept, not saved yet: 1 region.")
    assert not (drawn.folder / "ground_truth").exists()
    artist.save()
    assert np.array_equal(mask_file(drawn), stroke(ZIGZAG, width))
    path = drawn.folder / "ground_truth" / "crack" / "000_mask.png"
    photo = drawn.folder / "test" / "crack" / "000.png"
    assert not [f for f in check(drawn.folder).findings if f.path in (path, photo)]


def test_draw_undo_redo_save_and_read_again(drawn: Served, draw: Open) -> None:
    artist = draw(drawn)
    page = artist.page
    artist.brush(7)
    artist.drag((20, 60), (60, 60))
    artist.drag((100, 20), (100, 100))
    artist.says("2 regions")
    page.keyboard.press("Control+z")
    artist.says("1 region.")
    artist.save()
    assert np.array_equal(mask_file(drawn), stroke([(20, 60), (60, 60)], 7))
    page.keyboard.press("Control+Shift+z")
    artist.says("2 regions")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    artist.says("0 regions")
    expect(page.locator("#undo")).to_be_disabled()
    page.locator("#redo").click()
    page.locator("#redo").click()
    artist.says("2 regions")
    artist.save()
    both = stroke([(20, 60), (60, 60)], 7) | stroke([(100, 20), (100, 100)], 7)
    assert np.array_equal(mask_file(drawn), both)
    page.reload()
    ready(page)
    artist.says("The saved mask, 2 regions.")
    # What is there can be drawn on.
    artist.brush(7)
    page.keyboard.press("e")
    artist.drag((100, 60), (130, 60))
    artist.says("3 regions")
    artist.save()
    assert np.array_equal(mask_file(drawn), both & ~stroke([(100, 60), (130, 60)], 7))


def test_closing_the_page_loses_nothing(drawn: Served, draw: Open) -> None:
    artist = draw(drawn)
    artist.brush(5)
    artist.drag((20, 20), (60, 50))
    artist.says("Kept, not saved yet")
    artist.drag((80, 20), (120, 50))
    artist.page.close()  # at once, before the server has answered
    again = draw(drawn)
    again.says(re.compile("Strokes of an earlier visit, 2 regions, not saved"))
    expect(again.page.locator("#state")).to_have_text("not saved")
    assert not (drawn.folder / "ground_truth").exists()
    again.save()
    expected = stroke([(20, 20), (60, 50)], 5) | stroke([(80, 20), (120, 50)], 5)
    assert np.array_equal(mask_file(drawn), expected)


def test_polygon_and_box(drawn: Served, draw: Open) -> None:
    artist = draw(drawn)
    page = artist.page
    page.keyboard.press("g")
    corners = [(20, 20), (60, 25), (75, 70), (33, 81)]
    for place in corners:
        artist.click(place)
    artist.click((150, 90))
    page.keyboard.press("Control+z")  # takes back the last corner
    page.keyboard.press("Enter")
    artist.says("1 region.")
    page.get_by_text("Box", exact=True).click()
    artist.drag((150, 80), (120, 30))
    artist.says("2 regions.")
    page.locator("#erase").click()
    artist.drag((130, 40), (139, 49))
    page.keyboard.press("Escape")
    artist.save()
    box = np.zeros(SIZE, bool)
    box[30:81, 120:151] = True
    box[40:50, 130:140] = False
    assert np.array_equal(mask_file(drawn), inside(corners) | box)


def test_zoom_does_not_move_what_is_drawn(drawn: Served, draw: Open) -> None:
    artist = draw(drawn)
    page = artist.page
    artist.brush(3)
    page.mouse.move(*artist.at((150, 30)))
    for _ in range(8):
        page.mouse.wheel(0, -100)
    expect(page.locator("#zoom")).not_to_have_text("100 %")
    page.wait_for_timeout(100)
    places = [(148, 28), (152, 33), (155, 29)]
    artist.drag(*places)
    page.keyboard.press("1")
    expect(page.locator("#zoom")).to_have_text("100 %")
    page.wait_for_timeout(100)
    page.keyboard.press("h")
    artist.drag((50, 50), (80, 60))  # moves the photo
    page.keyboard.press("b")
    page.wait_for_timeout(100)
    artist.drag((40, 90), (60, 110))
    artist.says("2 regions.")
    artist.save()
    assert np.array_equal(mask_file(drawn), stroke(places, 3) | stroke([(40, 90), (60, 110)], 3))


def test_everything_with_the_keyboard(drawn: Served, draw: Open) -> None:
    artist = draw(drawn)
    page = artist.page
    page.keyboard.press("n")
    expect(page.locator("#name")).to_contain_text("001.png")
    ready(page)
    artist.brush(3)
    artist.canvas.focus()
    for key in ("ArrowRight", "Space", "Shift+ArrowRight", "ArrowDown", "Space"):
        page.keyboard.press(key)
    middle = (SIZE[1] // 2, SIZE[0] // 2)
    expected = stroke([middle, (middle[0] + 10, middle[1]), (middle[0] + 10, middle[1] + 1)], 3)
    artist.says("1 region.")
    for key in ("x", *["Shift+ArrowLeft"] * 3, "Space", *["Shift+ArrowUp"] * 2, "Space"):
        page.keyboard.press(key)
    expected[middle[1] + 1 - 20 : middle[1] + 2, middle[0] - 20] = True
    artist.says("2 regions.")
    page.keyboard.press("]")
    expect(page.locator("#size-told")).to_have_text("5 px")
    artist.save()
    assert np.array_equal(mask_file(drawn, "001_mask.png"), expected)
    page.keyboard.press("p")
    expect(page.locator("#name")).to_contain_text("000.png")
    expect(page.locator("#photos .state.saved")).to_have_count(1)
    expect(page.locator("#count")).to_have_text("3 photos, 1 with a mask")


def test_a_turned_photo_is_drawn_on_upright(drawn: Served, draw: Open) -> None:
    artist = draw(drawn, photo=2)
    artist.page.keyboard.press("x")
    artist.drag((5, 70), (14, 84))
    artist.save()
    mask = mask_file(drawn, "002_mask.png")
    expected = np.zeros((90, 60), bool)
    expected[70:85, 5:15] = True
    assert np.array_equal(mask, expected)


def test_back_to_what_was_saved(drawn: Served, draw: Open) -> None:
    artist = draw(drawn)
    artist.brush(5)
    artist.drag((20, 20), (60, 20))
    artist.save()
    expect(artist.page.locator("#discard")).to_be_disabled()
    artist.drag((20, 60), (60, 60))
    artist.says("Kept, not saved yet: 2 regions.")
    artist.page.locator("#discard").click()
    artist.says("As it was saved, 1 region.")
    assert drawn.told("photos/0/mask")["state"] == "saved"
    artist.page.locator("#undo").click()
    artist.says("Kept, not saved yet: 2 regions.")


def test_the_models_map_to_begin_with(
    serve_drawing: Callable[..., Served], product: Path, draw: Open
) -> None:
    proposed = stroke([(100, 60), (120, 60)], 21)
    served = serve_drawing(product, lambda photo: proposed)
    artist = draw(served)
    artist.says("The model's map, 1 region. Nothing of it is saved yet.")
    expect(artist.page.locator("#state")).to_have_text("proposed, not saved")
    artist.brush(5)
    artist.drag((20, 20), (40, 20))
    artist.says("2 regions")
    artist.save()
    assert np.array_equal(mask_file(served), proposed | stroke([(20, 20), (40, 20)], 5))
    artist.page.locator("#clear").click()
    artist.says("0 regions")
    artist.page.locator("#propose").click()
    artist.says("1 region")
    artist.save()
    assert np.array_equal(mask_file(served), proposed)


def test_two_pages_do_not_write_over_each_other(drawn: Served, draw: Open) -> None:
    one, other = draw(drawn), draw(drawn)
    one.brush(5)
    one.drag((20, 20), (60, 20))
    one.says("Kept")
    other.drag((20, 60), (60, 60))
    alarm = other.page.locator("#alert")
    expect(alarm).to_contain_text("changed elsewhere")
    alarm.get_by_role("button", name="Open it again").click()
    other.says("1 region, not saved yet")
    other.save()
    assert np.array_equal(mask_file(drawn), stroke([(20, 20), (60, 20)], 5))


def test_a_server_that_is_away_gets_the_strokes_later(drawn: Served, draw: Open) -> None:
    artist = draw(drawn)
    artist.brush(5)
    artist.page.context.set_offline(True)
    artist.drag((20, 20), (60, 20))
    expect(artist.page.locator("#alert")).to_contain_text("the server does not answer")
    artist.page.keyboard.press("n")
    expect(artist.page.locator("#alert")).to_contain_text("this photo stays open")
    artist.page.context.set_offline(False)
    artist.says("Kept, not saved yet: 1 region.")
    expect(artist.page.locator("#alert")).to_be_hidden()
    assert np.array_equal(drawn.drawing.opened(0).mask, stroke([(20, 20), (60, 20)], 5))


def test_a_photo_that_cannot_be_opened_does_not_stop_the_others(drawn: Served, draw: Open) -> None:
    artist = draw(drawn)
    (drawn.folder / "test" / "crack" / "001.png").write_bytes(b"none")
    artist.page.keyboard.press("n")
    expect(artist.page.locator("#message")).to_have_text("This photo cannot be opened.")
    expect(artist.page.locator("#alert")).to_contain_text("001.png")
    artist.page.keyboard.press("n")
    expect(artist.page.locator("#name")).to_contain_text("002.jpg")
    ready(artist.page)


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desktop", "phone"])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_serious(
    drawn: Served, draw: Open, size: tuple[int, int], colours: str
) -> None:
    package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python missing")
    script = (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    artist = draw(drawn, 0, *size)
    artist.page.emulate_media(color_scheme=colours)
    artist.drag((20, 20), (60, 20))
    artist.says("Kept")
    artist.page.locator("#keys summary").click()
    artist.page.evaluate(script)
    found = artist.page.evaluate("axe.run()")["violations"]
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []
    # Nothing reaches beyond the window.
    wide = artist.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= size[0]
