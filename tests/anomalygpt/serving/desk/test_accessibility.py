"""Keyboard, names, contrast and sizes of the page, as axe-core and a ruler find them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="playwright is missing").expect
Visit = Callable[..., Any]

# Gradio leaves event loops behind.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core."""
    package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python missing")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def findings(page: Any, axe: str) -> list[str]:
    """What axe-core calls serious or critical, with where it is."""
    page.evaluate(axe)
    found = page.evaluate("axe.run()")["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


# The names are those of widths and colours in which the page is used.
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desktop", "phone"])
def test_axe_finds_nothing_serious(
    visit: Visit, axe: str, size: tuple[int, int], colours: str
) -> None:
    page = visit(*size, colours)
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Several photos at once").click()
    expect(page.get_by_text("Longest answer, in tokens")).to_be_visible()
    assert findings(page, axe) == []
    page.inspect_plate()
    page.ask("x" * 600)
    expect(page.locator("#notice [role=alert]")).to_be_visible()
    page.locator(".compare").select_option("beside")
    assert findings(page, axe) == []
    page.locator(".enlarge").click()
    expect(page.locator("dialog.enlarged")).to_be_visible()
    assert findings(page, axe) == []


def test_examples_are_called_what_is_seen(visit: Visit) -> None:
    page = visit()
    items = page.locator("#examples .gallery-item")
    expect(items.first).to_be_visible()
    assert items.count() > 3
    for number in range(items.count()):
        seen = items.nth(number).locator(".caption-label").inner_text().strip()
        expect(page.get_by_role("button", name=seen, exact=True)).to_have_count(1)


def test_no_button_lies_in_a_button(visit: Visit) -> None:
    page = visit()
    page.inspect_plate()
    inner = page.locator("button button, button input, a button, button a").filter(visible=True)
    expect(inner).to_have_count(0)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Add a photo of a good part").click()
    chooser.value.set_files(Path(__file__).resolve().parents[4] / "examples/plate/good_2.jpg")
    expect(page.locator(".verdict")).to_contain_text("2 good parts")


def test_the_question_is_two_keys_away(visit: Visit) -> None:
    page = visit()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.locator("#jump a:focus")).to_have_text("Ask")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("!!document.activeElement.closest('#question')")


def test_the_chat_is_scrolled_by_keyboard(visit: Visit) -> None:
    page = visit(390, 844)
    page.inspect_plate()
    for number in range(2, 5):
        page.ask("Where is it?")
        expect(page.said("bot")).to_have_count(number)
    expect(page.locator("#stop-answer")).to_be_hidden()
    talk = page.locator("#chat .bubble-wrap")
    talk.focus()
    for key, at_the_top in (("Home", True), ("End", False)):
        for _ in range(40):  # a moment after an answer the page itself scrolls to it
            page.keyboard.press(key)
            page.wait_for_timeout(250)
            if (talk.evaluate("element => element.scrollTop") == 0) is at_the_top:
                break
        assert (talk.evaluate("element => element.scrollTop") == 0) is at_the_top


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desktop", "phone"])
def test_what_is_shown_has_a_size_a_name_and_its_place(visit: Visit, size: tuple[int, int]) -> None:
    page = visit(*size)
    expect(page.locator("#references")).to_contain_text("Drop photos here")
    assert "Drop Media Here" not in page.content()
    page.inspect_plate()
    assert small_buttons(page) == []
    assert names_that_are_keys(page) == []
    for part, content in (
        ("#photo", "#photo img"),
        ("#references", "#references .thumbnail-item"),
        ("#chat", "#chat .bubble-wrap"),
    ):
        label = page.locator(f"{part} label[data-testid=block-label]").bounding_box()
        shown = page.locator(content).first.bounding_box()
        assert label["y"] + label["height"] <= shown["y"] + 1, part


def small_buttons(page: Any) -> Any:
    """What is smaller than 24 pixels, and is there to be pressed."""
    return page.evaluate(
        """() => [...document.querySelectorAll("button, a[href], input, select, [role=button]")]
            .filter((each) => each.checkVisibility({visibilityProperty: true}))
            .filter((each) => each.type !== "file")
            .map((each) => [each.closest("label") || each, each])
            .map(([area, each]) => [area.getBoundingClientRect(), each.outerHTML.slice(0, 160)])
            .filter(([box]) => box.width > 0 && (box.width < 24 || box.height < 24))
            .map(([box, html]) => `${box.width}x${box.height} ${html}`)"""
    )


def names_that_are_keys(page: Any) -> list[str]:
    """Names that Gradio's tables of words lack."""
    names = page.evaluate(
        """() => [...document.querySelectorAll("[title], [aria-label]")]
            .map((each) => each.title || each.ariaLabel)"""
    )
    return [name for name in names if name.startswith(("common.", "upload_text."))]


def test_the_icon_is_our_own(visit: Visit, running: Any) -> None:
    page = visit()
    icon = page.request.get(f"{running.address}/favicon.ico")
    assert icon.ok
    assert b"<svg" in icon.body()
    assert b"#1d4ed8" in icon.body()
