"""The page in a real browser, with the embedded model and the photos of the plate."""

from __future__ import annotations

import gc
import os
import re
import shutil
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from anomalygpt import AnomalyGPT, Inspection
from anomalygpt.pretrained import PRESETS
from anomalygpt.serving import server as server_module
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.server import Server
from anomalygpt.serving.settings import ServerSettings

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect
Page = Any

PLATE = Path(__file__).resolve().parents[3] / "examples" / "plate"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# An inspection takes a second on an idle machine, and much longer on a busy one.
PATIENCE = 60_000
# The dent: shares of the photo's width and height.
DENT = (0.25, 0.55, 0.36, 0.70)

# Gradio leaves event loops behind.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.skipif(
        not any(map(shutil.which, BROWSERS)), reason=f"no browser: none of {', '.join(BROWSERS)}"
    ),
    pytest.mark.skipif(not PRESETS["embedded"].is_dir(), reason="no embedded model is here"),
    pytest.mark.skipif(not PLATE.is_dir(), reason="the photos of examples/plate are not here"),
]


class Running:
    """A server in a thread of this process."""

    def __init__(self, settings: ServerSettings, assistant: AnomalyGPT) -> None:
        import uvicorn

        self.server = Server(settings, Engine(settings, lambda _: assistant))
        listener = server_module._listen("127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.uvicorn = uvicorn.Server(uvicorn.Config(self.server.app, log_level="critical"))
        self.thread = threading.Thread(
            target=self.uvicorn.run, kwargs={"sockets": [listener]}, daemon=True
        )
        self.thread.start()
        while not self.uvicorn.started:
            self.thread.join(0.02)

    def close(self) -> None:
        self.uvicorn.should_exit = True
        self.uvicorn.force_exit = True
        self.thread.join(10)
        self.server.close()


@pytest.fixture(scope="module", autouse=True)
def _without_remains() -> Iterator[None]:
    """Event loops that Gradio left behind go while nobody complains about it."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def inspector() -> AnomalyGPT:
    return AnomalyGPT.from_pretrained("embedded", device="cpu")


@pytest.fixture(scope="module")
def running(inspector: AnomalyGPT) -> Iterator[Running]:
    made = Running(ServerSettings(port=0, max_upload_mb=1.0), inspector)
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, BROWSERS)))
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Any, running: Running) -> Iterator[Visit]:
    """Opens the page for a new visitor; whatever goes wrong in a script fails the test."""
    contexts, errors = [], []

    def visit(width: int = 1280, height: int = 950) -> Page:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(running.address)
        expect(page.locator("#photo input[type=file]")).to_be_attached(timeout=PATIENCE)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit()


def soon(found: Any) -> Any:
    """What is expected of a part of the page, as soon as the machine gets there."""
    expect.set_options(timeout=PATIENCE)
    return expect(found)


def give_references(page: Page, *paths: Path) -> None:
    page.locator("#references input[type=file]").first.set_input_files(list(paths))


def give_photo(page: Page, path: Path) -> None:
    page.locator("#photo input[type=file]").first.set_input_files(path)


def inspect_plate(page: Page, name: str = "scratched.jpg") -> None:
    """One good part and a photo; returns when the verdict is there."""
    give_references(page, PLATE / "good_1.jpg")
    soon(page.locator("#references .thumbnail-item img")).to_have_count(1)
    give_photo(page, PLATE / name)
    soon(page.locator(".verdict")).to_contain_text(name)
    soon(page.locator(".verdict")).to_contain_text("one good part")


def said(page: Page, who: str) -> Any:
    """The messages of "user" or "bot"."""
    return page.locator(f"#conversation [data-testid={who}]")


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
    inspect_plate(page)
    soon(page.locator(".verdict.bad")).to_contain_text("Something is wrong")
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
    inspect_plate(page, "good_2.jpg")
    soon(page.locator(".verdict.good")).to_contain_text("Looks good")
    soon(page.locator("#viewer")).to_contain_text("No region stands out")
    assert heat_alpha(page, DENT) == (0, 0)
    assert page.locator(".boxes rect").count() == 0


def test_questions_are_answered_in_the_conversation(page: Page) -> None:
    page.locator("#question textarea").fill("Where is it?")
    page.locator("#question textarea").press("Enter")
    soon(said(page, "bot")).to_contain_text("Drop in a photo first")
    inspect_plate(page)
    soon(said(page, "user")).to_have_text("Is there any anomaly in the image?")
    soon(said(page, "bot")).to_contain_text("Yes")
    page.locator("#question textarea").fill("Is there something wrong with it?")
    page.locator("#question textarea").press("Enter")
    soon(said(page, "user")).to_have_count(2)
    soon(said(page, "bot").nth(1)).to_contain_text("Yes")
    soon(page.locator("#question textarea")).to_have_value("")
    page.get_by_role("button", name="Where is it?").click()
    soon(said(page, "user")).to_have_count(3)
    soon(said(page, "bot").nth(2)).to_contain_text("left")


def test_an_answer_arrives_piece_by_piece(page: Page) -> None:
    inspect_plate(page)
    page.evaluate(
        """() => {
            window.seen = new Set();
            const log = document.querySelector("#conversation");
            new MutationObserver(() => {
                const answers = log.querySelectorAll("[data-testid=bot]");
                if (answers.length > 1) window.seen.add(answers[1].innerText.trim());
            }).observe(log, {childList: true, subtree: true, characterData: true});
        }"""
    )
    page.get_by_role("button", name="What should I do with this part?").click()
    soon(said(page, "bot").nth(1)).to_contain_text(re.compile(r"\w.*\."))
    page.wait_for_function("window.seen.size > 2")


def test_a_second_reference_leads_to_a_new_inspection(page: Page) -> None:
    inspect_plate(page)
    give_references(page, PLATE / "good_2.jpg")
    soon(page.locator(".verdict")).to_contain_text("2 good parts")
    soon(page.locator(".verdict")).to_contain_text("Something is wrong")


def test_the_next_photo_keeps_the_references(page: Page) -> None:
    inspect_plate(page)
    page.locator("#next").click()
    soon(page.locator("#verdict")).to_contain_text("Drop in a photo")
    assert page.locator("#photo img").count() == 0
    assert page.locator("#references .thumbnail-item img").count() == 1
    give_photo(page, PLATE / "good_2.jpg")
    soon(page.locator(".verdict.good")).to_contain_text("one good part")
    soon(said(page, "bot")).to_have_count(1)
    soon(said(page, "bot")).to_contain_text("No")
    page.locator("#earlier input").click()
    page.get_by_role("option", name="scratched.jpg").click()
    soon(page.locator(".verdict.bad")).to_contain_text("scratched.jpg")
    soon(said(page, "bot")).to_contain_text("Yes")


def test_clearing_empties_everything(page: Page) -> None:
    inspect_plate(page)
    page.locator("#clear").click()
    soon(page.locator("#verdict")).to_contain_text("Drop in a photo")
    soon(page.locator("#references .thumbnail-item")).to_have_count(0)
    soon(said(page, "bot")).to_have_count(0)
    for gone in ("#photo img", ".viewer", "#downloads button >> visible=true", "#earlier input"):
        soon(page.locator(gone)).to_have_count(0)


def test_one_click_downloads_a_file_that_opens(page: Page, tmp_path: Path) -> None:
    inspect_plate(page)

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
    inspect_plate(page)
    wrong = tmp_path / "letter.png"
    wrong.write_text("Dear inspector", encoding="utf-8")
    page.locator("#next").click()
    soon(page.locator("#photo img")).to_have_count(0)
    give_photo(page, wrong)
    soon(page.locator("#verdict [role=alert]")).to_contain_text("letter.png is a text file")
    soon(page.locator("#verdict")).not_to_contain_text("/")
    for gone in (".verdict", ".viewer", "#downloads button >> visible=true"):
        soon(page.locator(gone)).to_have_count(0)


def test_a_file_that_is_too_large_is_refused(page: Page, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(b"\0" * 1_500_000)
    give_photo(page, large)
    soon(page.get_by_text(re.compile("exceed the maximum allowed size"))).to_be_visible()
    assert page.locator(".verdict").count() == 0


def test_map_boxes_and_plain_photo(page: Page) -> None:
    inspect_plate(page)
    heat, boxes = page.locator(".viewer .heat"), page.locator(".viewer .boxes")
    page.get_by_label("Opacity of the map").fill("20")
    soon(heat).to_have_css("opacity", "0.2")
    page.get_by_label("Boxes").uncheck()
    soon(boxes).to_be_hidden()
    soon(heat).to_be_visible()
    page.get_by_label("Boxes").check()
    page.get_by_label("Plain photo").check()
    soon(boxes).to_be_hidden()
    soon(heat).to_be_hidden()
    soon(page.locator(".viewer .photo")).to_be_visible()
    page.get_by_label("Plain photo").uncheck()
    soon(heat).to_be_visible()


def test_pointing_at_a_row_marks_its_box(page: Page) -> None:
    inspect_plate(page)
    box = page.locator(".boxes [data-region='1']")
    page.locator("table.regions tbody tr").first.hover()
    soon(box).to_have_class("marked")
    page.locator("#verdict").hover()
    soon(box).not_to_have_class("marked")
    page.locator("table.regions tbody tr").first.focus()
    soon(box).to_have_class("marked")


def test_enter_enlarges_and_escape_closes(page: Page) -> None:
    inspect_plate(page)
    picture = page.locator(".viewer .stack")
    small = picture.bounding_box()
    picture.focus()
    page.keyboard.press("Enter")
    soon(page.locator(".viewer.large")).to_have_count(1)
    large = picture.bounding_box()
    assert large["width"] > 1.2 * small["width"]
    assert large["height"] <= 950
    page.keyboard.press("Escape")
    soon(page.locator(".viewer.large")).to_have_count(0)


def test_two_visitors_do_not_mix(visit: Visit) -> None:
    one, two = visit(), visit()
    inspect_plate(one)
    inspect_plate(two, "good_2.jpg")
    two.get_by_role("button", name="Are you sure?").click()
    soon(said(two, "bot")).to_have_count(2)
    one.get_by_role("button", name="Where is it?").click()
    soon(said(one, "bot").nth(1)).to_contain_text("left")
    assert "scratched.jpg" not in two.locator("body").inner_text()
    assert "good_2.jpg" not in one.locator("body").inner_text()


def test_a_phone_shows_photo_and_verdict_without_scrolling_sideways(visit: Visit) -> None:
    phone = visit(390, 844)
    inspect_plate(phone)
    for shown in (".verdict", ".viewer .stack", "#question textarea"):
        phone.locator(shown).scroll_into_view_if_needed()
        soon(phone.locator(shown)).to_be_in_viewport()
        box = phone.locator(shown).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_keyboard_alone_asks_a_question(page: Page) -> None:
    inspect_plate(page)
    page.locator("#photo button").first.focus()
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("!!document.activeElement.closest('#question')"):
            break
    page.keyboard.type("Where is it?")
    page.keyboard.press("Enter")
    soon(said(page, "bot").nth(1)).to_contain_text("left")


def test_no_request_leaves_the_server(visit: Visit, running: Running, browser: Any) -> None:
    context = browser.new_context()
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(running.address)
    inspect_plate(page)
    context.close()
    assert len(asked) > 5
    here = (running.address, "data:", "blob:")
    assert [url for url in asked if not url.startswith(here)] == []


def test_an_example_is_inspected_once_with_one_click(page: Page) -> None:
    page.locator("#examples button", has_text="plate, scratched").click()
    soon(page.locator(".verdict.bad")).to_contain_text("one good part")
    # A dropdown of earlier inspections would mean that the photo was judged alone before.
    page.get_by_role("button", name="Where is it?").click()
    soon(said(page, "bot").nth(1)).to_contain_text("left")
    soon(page.locator("#earlier input")).to_have_count(0)


def test_pressing_inspect_again_keeps_the_conversation(page: Page) -> None:
    inspect_plate(page)
    page.get_by_role("button", name="Where is it?").click()
    soon(said(page, "bot").nth(1)).to_have_text(re.compile(r"left.*\.$"))
    with page.expect_response(re.compile("queue/join")):
        page.locator("#inspect").click()
    soon(page.locator(".verdict")).to_contain_text("scratched.jpg")
    soon(said(page, "user")).to_have_count(2)
    soon(page.locator("#earlier input")).to_have_count(0)


def test_stopping_ends_the_wait(page: Page, inspector: AnomalyGPT, monkeypatch: Any) -> None:
    holding, encode = threading.Event(), inspector.encode

    def slow(images: Any) -> Any:
        holding.wait(30)
        return encode(images)

    monkeypatch.setattr(inspector, "encode", slow)
    give_photo(page, PLATE / "scratched.jpg")
    soon(page.locator("#verdict progress")).to_be_visible()
    page.locator("#stop").click()
    holding.set()
    soon(page.locator("#verdict")).to_contain_text("Drop in a photo")
    page.locator("#inspect").click()
    soon(page.locator(".verdict")).to_contain_text("scratched.jpg")


def test_a_file_name_is_shown_as_text(page: Page, tmp_path: Path) -> None:
    evil = tmp_path / "<img src=x onerror=window.hacked=1>.jpg"
    shutil.copy(PLATE / "scratched.jpg", evil)
    give_photo(page, evil)
    soon(page.locator(".verdict .basis")).to_contain_text("img src")
    soon(page.locator("img[src=x]")).to_have_count(0)
    assert page.evaluate("window.hacked") is None


def test_a_password_is_asked_for(
    browser: Any, inspector: AnomalyGPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A server takes this variable for itself; afterwards it is the other server's again.
    monkeypatch.setenv("GRADIO_TEMP_DIR", os.environ.get("GRADIO_TEMP_DIR", ""))
    locked = Running(ServerSettings(port=0, auth=("eva", "secret")), inspector)
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(locked.address)
        name, password = page.locator("input").nth(0), page.locator("input[type=password]")
        name.fill("eva")
        password.fill("wrong")
        page.get_by_role("button", name="Login").click()
        soon(page.get_by_text("Incorrect")).to_be_visible()
        assert page.locator("#photo").count() == 0
        soon(name).to_have_value("")
        name.fill("eva")
        password.fill("secret")
        page.get_by_role("button", name="Login").click()
        soon(page.locator("#photo")).to_be_visible()
    finally:
        context.close()
        locked.close()
