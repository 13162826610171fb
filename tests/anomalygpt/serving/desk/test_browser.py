"""The page in a real browser, with the embedded model and the photos of the plate."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from anomalygpt import AnomalyGPT, Inspection
from anomalygpt.serving.settings import ServerSettings

expect = pytest.importorskip("playwright.sync_api", reason="playwright is missing").expect
Page = Any
Visit = Callable[..., Page]

PLATE = Path(__file__).resolve().parents[4] / "examples" / "plate"
# The dent: shares of the photo's width and height.
DENT = (0.25, 0.55, 0.36, 0.70)

# Gradio leaves event loops behind.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def heat_alpha(page: Page, box: tuple[float, float, float, float]) -> tuple[float, float]:
    """Mean alpha of the heat layer inside and outside of a box, in [0, 255]."""
    script = """async ([x0, y0, x1, y1]) => {
        const image = document.querySelector(".viewer .heat");
        await image.decode();
        const canvas = document.createElement("canvas");
        canvas.width = image.naturalWidth;
        canvas.height = image.naturalHeight;
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
        const sums = {true: [0, 0], false: [0, 0]};
        for (let y = 0; y < canvas.height; y++)
            for (let x = 0; x < canvas.width; x++) {
                const u = x / canvas.width, v = y / canvas.height;
                const sum = sums[u > x0 && u < x1 && v > y0 && v < y1];
                sum[0] += pixels[4 * (y * canvas.width + x) + 3];
                sum[1] += 1;
            }
        return [sums[true][0] / sums[true][1], sums[false][0] / sums[false][1]];
    }"""
    inside, outside = page.evaluate(script, list(box))
    return inside, outside


def test_damage_is_found_and_marked_where_it_is(page: Page) -> None:
    page.inspect_plate()
    expect(page.locator(".verdict.bad")).to_contain_text("Something is wrong")
    assert page.locator("table.regions tbody tr").count() >= 1
    inside, outside = heat_alpha(page, DENT)
    assert inside > 100
    assert inside > 10 * outside
    width, height = Image.open(PLATE / "scratched.jpg").size
    box = page.locator(".boxes [data-region='1'] rect")
    x, y, w, h = (float(box.get_attribute(name)) for name in ("x", "y", "width", "height"))
    center = ((x + w / 2) / width, (y + h / 2) / height)
    assert DENT[0] < center[0] < DENT[2]
    assert DENT[1] < center[1] < DENT[3]


def test_nothing_is_drawn_on_a_good_part(page: Page) -> None:
    page.inspect_plate("good_2.jpg")
    expect(page.locator(".verdict.good")).to_contain_text("Looks good")
    expect(page.locator("#viewer")).to_contain_text("No region stands out")
    assert heat_alpha(page, DENT) == (0, 0)
    assert page.locator(".boxes rect").count() == 0


def test_questions_are_answered_in_the_chat(page: Page) -> None:
    page.locator("#question textarea").fill("Where is it?")
    page.locator("#question textarea").press("Enter")
    expect(page.locator("#notice")).to_contain_text("Drop in a photo first")
    assert page.said("bot").count() == 0
    page.inspect_plate()
    expect(page.said("user")).to_have_text("Is there any anomaly in the image?")
    expect(page.said("bot")).to_contain_text("Yes")
    page.locator("#question textarea").fill("Is there something wrong with it?")
    page.locator("#question textarea").press("Enter")
    expect(page.said("user")).to_have_count(2)
    expect(page.said("bot").nth(1)).to_contain_text("Yes")
    expect(page.locator("#question textarea")).to_have_value("")
    page.get_by_role("button", name="Where is it?").click()
    expect(page.said("user")).to_have_count(3)
    expect(page.said("bot").nth(2)).to_contain_text("left")


def test_an_answer_arrives_piece_by_piece(page: Page) -> None:
    page.inspect_plate()
    page.evaluate(
        """() => {
            window.seen = new Set();
            const log = document.querySelector("#chat");
            new MutationObserver(() => {
                const answers = log.querySelectorAll("[data-testid=bot]");
                if (answers.length > 1) window.seen.add(answers[1].innerText.trim());
            }).observe(log, {childList: true, subtree: true, characterData: true});
        }"""
    )
    page.locator("#question textarea").fill("What should I do with this part?")
    page.locator("#question textarea").press("Enter")
    expect(page.said("bot").nth(1)).to_contain_text(re.compile(r"\w.*\."))
    page.wait_for_function("window.seen.size > 2")


def test_a_second_reference_leads_to_a_new_inspection(page: Page) -> None:
    page.inspect_plate()
    page.give_references(PLATE / "good_2.jpg")
    expect(page.locator(".verdict")).to_contain_text("2 good parts")
    expect(page.locator(".verdict")).to_contain_text("Something is wrong")


def test_the_next_photo_keeps_the_references(page: Page) -> None:
    page.inspect_plate()
    page.locator("#next").click()
    expect(page.locator("#verdict")).to_contain_text("Drop in a photo")
    assert page.locator("#photo img").count() == 0
    assert page.locator("#references .thumbnail-item img").count() == 1
    page.give_photo(PLATE / "good_2.jpg")
    expect(page.locator(".verdict.good")).to_contain_text("one good part")
    expect(page.said("bot")).to_have_count(1)
    expect(page.said("bot")).to_contain_text("No")
    page.locator("#earlier input").click()
    page.get_by_role("option", name="scratched.jpg").click()
    expect(page.locator(".verdict.bad")).to_contain_text("scratched.jpg")
    expect(page.said("bot")).to_contain_text("Yes")


def test_clearing_empties_everything(page: Page) -> None:
    page.inspect_plate()
    page.locator("#clear").click()
    expect(page.locator("#verdict")).to_contain_text("Drop in a photo")
    expect(page.locator("#references .thumbnail-item")).to_have_count(0)
    expect(page.said("bot")).to_have_count(0)
    for gone in ("#photo img", ".viewer", "#downloads button >> visible=true", "#earlier input"):
        expect(page.locator(gone)).to_have_count(0)


def test_one_click_downloads_a_file_that_opens(page: Page, tmp_path: Path) -> None:
    page.inspect_plate()

    def download(kind: str) -> Path:
        with page.expect_download() as found:
            page.locator(f"#download-{kind}").click()
        path = tmp_path / found.value.suggested_filename
        found.value.save_as(path)
        return path

    found = Inspection.from_json(download("json").read_text(encoding="utf-8"))
    assert found.is_anomalous
    photo = Image.open(PLATE / "scratched.jpg")
    mask = Image.open(download("mask"))
    assert mask.size == photo.size
    assert mask.convert("L").getextrema() == (0, 255)
    assert Image.open(download("overlay")).size == photo.size
    report = download("report")
    assert report.suffix == ".html"
    written = report.read_text(encoding="utf-8")
    assert "Something is wrong" in written
    assert not re.search(r"https?://", written)


def test_a_file_that_is_no_photo_is_said_to_be_none(page: Page, tmp_path: Path) -> None:
    page.inspect_plate()
    wrong = tmp_path / "letter.png"
    wrong.write_text("Dear inspector", encoding="utf-8")
    page.locator("#next").click()
    expect(page.locator("#photo img")).to_have_count(0)
    page.give_photo(wrong)
    expect(page.locator("#verdict [role=alert]")).to_contain_text("letter.png is a text file")
    expect(page.locator("#verdict")).not_to_contain_text("/")
    for gone in (".verdict", ".viewer", "#downloads button >> visible=true"):
        expect(page.locator(gone)).to_have_count(0)


def test_a_file_that_is_too_large_is_refused(page: Page, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(b"\0" * 1_500_000)
    page.give_photo(large)
    expect(page.get_by_text(re.compile("exceed the maximum allowed size"))).to_be_visible()
    assert page.locator(".verdict").count() == 0


def test_map_boxes_and_plain_photo(page: Page) -> None:
    page.inspect_plate()
    heat, boxes = page.locator(".viewer .heat"), page.locator(".viewer .boxes")
    page.get_by_label("Opacity of the map").fill("20")
    expect(heat).to_have_css("opacity", "0.2")
    page.get_by_label("Boxes").uncheck()
    expect(boxes).to_be_hidden()
    expect(heat).to_be_visible()
    page.get_by_label("Boxes").check()
    page.get_by_label("Plain photo").check()
    expect(boxes).to_be_hidden()
    expect(heat).to_be_hidden()
    expect(page.locator(".viewer .photo")).to_be_visible()
    page.get_by_label("Plain photo").uncheck()
    expect(heat).to_be_visible()


def test_pointing_at_a_row_marks_its_box(page: Page) -> None:
    page.inspect_plate()
    box = page.locator(".boxes [data-region='1']")
    page.locator("table.regions tbody tr").first.hover()
    expect(box).to_have_class("marked")
    page.locator("#verdict").hover()
    expect(box).not_to_have_class("marked")
    page.locator("table.regions tbody tr").first.focus()
    expect(box).to_have_class("marked")


def test_enter_enlarges_and_escape_closes(page: Page) -> None:
    page.inspect_plate()
    picture, large = page.locator(".viewer > .pictures .stack"), page.locator("dialog .stack")
    small = picture.bounding_box()
    picture.focus()
    page.keyboard.press("Enter")
    expect(large).to_be_visible()
    box = large.bounding_box()
    assert box["width"] > 1.2 * small["width"]
    assert box["height"] <= 950
    page.keyboard.press("Escape")
    expect(page.locator("dialog.enlarged")).to_be_hidden()


def test_two_visitors_do_not_mix(visit: Visit) -> None:
    one, two = visit(), visit()
    one.inspect_plate()
    two.inspect_plate("good_2.jpg")
    two.get_by_role("button", name="How sure are you?").click()
    expect(two.said("bot")).to_have_count(2)
    one.get_by_role("button", name="Where is it?").click()
    expect(one.said("bot").nth(1)).to_contain_text("left")
    assert "scratched.jpg" not in two.locator("body").inner_text()
    assert "good_2.jpg" not in one.locator("body").inner_text()


def test_a_phone_shows_photo_and_verdict_without_scrolling_sideways(visit: Visit) -> None:
    phone = visit(390, 844)
    phone.inspect_plate()
    for shown in (".verdict", ".viewer .stack", "#question textarea"):
        phone.locator(shown).scroll_into_view_if_needed()
        expect(phone.locator(shown)).to_be_in_viewport()
        box = phone.locator(shown).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_keyboard_alone_asks_a_question(page: Page) -> None:
    page.inspect_plate()
    page.locator("#photo button").first.focus()
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("!!document.activeElement.closest('#question')"):
            break
    page.keyboard.type("Where is it?")
    page.keyboard.press("Enter")
    expect(page.said("bot").nth(1)).to_contain_text("left")


def test_no_request_leaves_the_server(visit: Visit, running: Any) -> None:
    page, asked = visit(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(running.address)
    page.inspect_plate()
    assert len(asked) > 5
    here = (running.address, "data:", "blob:")
    assert [url for url in asked if not url.startswith(here)] == []


def test_an_example_is_inspected_once_with_one_click(page: Page) -> None:
    page.locator("#examples button", has_text="plate, scratched").click()
    expect(page.locator(".verdict.bad")).to_contain_text("one good part")
    # A dropdown of earlier inspections would mean that the photo was judged alone before.
    page.get_by_role("button", name="Where is it?").click()
    expect(page.said("bot").nth(1)).to_contain_text("left")
    expect(page.locator("#earlier input")).to_have_count(0)


def test_pressing_inspect_again_keeps_the_chat(page: Page) -> None:
    page.inspect_plate()
    page.get_by_role("button", name="Where is it?").click()
    expect(page.said("bot").nth(1)).to_have_text(re.compile(r"left.*\.$"))
    with page.expect_response(re.compile("queue/join")):
        page.locator("#inspect").click()
    expect(page.locator(".verdict")).to_contain_text("scratched.jpg")
    expect(page.said("user")).to_have_count(2)
    expect(page.locator("#earlier input")).to_have_count(0)


def test_stopping_ends_the_wait(page: Page, inspector: AnomalyGPT, monkeypatch: Any) -> None:
    holding, encode = threading.Event(), inspector.encode

    def slow(images: Any) -> Any:
        holding.wait(30)
        return encode(images)

    monkeypatch.setattr(inspector, "encode", slow)
    page.give_photo(PLATE / "scratched.jpg")
    expect(page.locator("#verdict progress")).to_be_visible()
    page.locator("#stop").click()
    holding.set()
    expect(page.locator("#verdict")).to_contain_text("Drop in a photo")
    page.locator("#inspect").click()
    expect(page.locator(".verdict")).to_contain_text("scratched.jpg")


def test_a_file_name_is_shown_as_text(page: Page, tmp_path: Path) -> None:
    evil = tmp_path / "<img src=x onerror=window.hacked=1>.jpg"
    shutil.copy(PLATE / "scratched.jpg", evil)
    page.give_photo(evil)
    expect(page.locator(".verdict .basis")).to_contain_text("img src")
    expect(page.locator("img[src=x]")).to_have_count(0)
    assert page.evaluate("window.hacked") is None


def test_a_password_is_asked_for(
    browser: Any, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A server takes this variable for itself; afterwards it is the other server's again.
    monkeypatch.setenv("GRADIO_TEMP_DIR", os.environ.get("GRADIO_TEMP_DIR", ""))
    locked = serve(ServerSettings(port=0, auth=("eva", "secret")))
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(locked.address)
        name, password = page.locator("input").nth(0), page.locator("input[type=password]")
        name.fill("eva")
        password.fill("wrong")
        page.get_by_role("button", name="Login").click()
        expect(page.get_by_text("Incorrect")).to_be_visible()
        assert page.locator("#photo").count() == 0
        expect(name).to_have_value("")
        name.fill("eva")
        password.fill("secret")
        page.get_by_role("button", name="Login").click()
        expect(page.locator("#photo")).to_be_visible()
    finally:
        context.close()
