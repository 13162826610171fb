"""What a person meets on the page: earlier inspections, a reload, notices, comparing, downloads."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from anomalygpt import AnomalyGPT, Inspection
from anomalygpt.errors import DialogueTooLongError
from anomalygpt.serving.desk.sessions import Desk
from anomalygpt.serving.desk.shown import LONGEST_DESCRIPTION, LONGEST_QUESTION

expect = pytest.importorskip("playwright.sync_api", reason="playwright is missing").expect
Page = Any
Visit = Callable[..., Page]

PLATE = Path(__file__).resolve().parents[4] / "examples" / "plate"

# Gradio leaves event loops behind.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def download(page: Page, button: str, folder: Path) -> Path:
    with page.expect_download() as found:
        page.locator(button).click()
    path = folder / found.value.suggested_filename
    found.value.save_as(path)
    return path


def at_rest(page: Page, place: str) -> Any:
    """Where a part of the page lies once it lies still: pictures above it may be loading."""
    box = page.locator(place).bounding_box()
    while True:
        page.wait_for_timeout(100)
        before, box = box, page.locator(place).bounding_box()
        if box == before:
            return box


def test_what_a_verdict_must_be_read_with_stands_in_it(
    page: Page, inspector: AnomalyGPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    examine = inspector.examine

    def doubtful(*args: Any, **kwargs: Any) -> Any:
        return replace(examine(*args, **kwargs), cautions=[["This is <b>only</b> a guess."]])

    monkeypatch.setattr(inspector, "examine", doubtful)
    page.inspect_plate()
    caution = page.locator(".verdict .cautions li")
    expect(caution).to_have_text("This is <b>only</b> a guess.")
    size = "element => parseFloat(getComputedStyle(element).fontSize)"
    assert caution.evaluate(size) >= page.locator(".verdict .answer").evaluate(size)
    assert caution.bounding_box()["y"] < page.locator(".verdict-sure").bounding_box()["y"]


def test_inspect_without_a_photo_says_so(page: Page) -> None:
    page.locator("#inspect").click()
    expect(page.locator("#verdict [role=alert]")).to_contain_text("no photo yet")


def test_stop_is_there_while_something_runs_and_only_then(
    page: Page, inspector: AnomalyGPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding, encode = threading.Event(), inspector.encode

    def slow(images: Any) -> Any:
        holding.wait(30)
        return encode(images)

    monkeypatch.setattr(inspector, "encode", slow)
    expect(page.locator("#stop")).to_be_hidden()
    page.give_photo(PLATE / "scratched.jpg")
    expect(page.locator("#stop")).to_be_visible()
    holding.set()
    expect(page.locator(".verdict")).to_be_visible()
    expect(page.locator("#stop")).to_be_hidden()


def test_an_answer_can_be_stopped_and_nothing_moves_when_it_ends(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a pointer is over stays under it: the files are there while an answer is written."""
    asked_for_more = threading.Event()

    def stop_and_go_on(desk: Desk) -> None:
        stop_desk(desk)
        asked_for_more.set()

    def slow(*_: Any, **__: Any) -> Any:
        yield "It is"
        asked_for_more.wait(30)
        yield " here"

    page.inspect_plate()
    monkeypatch.setattr("anomalygpt.chat.Chat.stream", slow)
    page.ask("Where?")
    stop = page.locator("#stop-answer")
    expect(stop).to_be_visible()
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.said("bot").nth(1)).to_have_text("It is")
    written = at_rest(page, "#download-json")
    stop_desk = Desk.stop
    monkeypatch.setattr(Desk, "stop", stop_and_go_on)
    stop.click()
    expect(stop).to_be_hidden()
    assert at_rest(page, "#download-json") == written
    expect(page.said("bot").nth(1)).to_have_text("It is")


def test_an_earlier_inspection_comes_back_with_its_photos(page: Page) -> None:
    page.inspect_plate()
    page.ask("Where is it?")
    expect(page.said("bot")).to_have_count(2)
    page.locator("#next").click()
    expect(page.locator("#verdict")).to_contain_text("Drop in a photo")
    page.give_references(PLATE / "good_2.jpg")
    page.give_photo(PLATE / "good_2.jpg")
    expect(page.locator(".verdict")).to_contain_text("2 good parts")
    page.locator("#earlier input").click()
    names = page.locator("#earlier [role=option]").all_inner_texts()
    assert len(names) == 2
    assert all(re.search(r"\d\. \d\d:\d\d \S+\.jpg: ", name) for name in names)
    page.get_by_role("option", name="scratched.jpg").click()
    expect(page.locator(".verdict")).to_contain_text("scratched.jpg")
    expect(page.locator("#photo img")).to_have_attribute("src", re.compile(r"scratched\.jpg$"))
    expect(page.locator("#references .thumbnail-item img")).to_have_count(1)
    # It is not inspected again for that: the same two entries, the same chat.
    expect(page.said("bot")).to_have_count(2)
    page.locator("#earlier input").click()
    expect(page.locator("#earlier [role=option]")).to_have_count(2)
    page.keyboard.press("Escape")
    page.ask("How many are there?")
    expect(page.said("bot")).to_have_count(3)
    expect(page.locator("#notice")).to_have_text("")


def test_other_colours_change_the_picture_alone(page: Page) -> None:
    page.inspect_plate()
    page.ask("Where is it?")
    expect(page.said("bot")).to_have_count(2)
    before = page.locator("#viewer img.heat").get_attribute("src")
    page.locator("#settings button").first.click()
    page.get_by_label("Viridis").check()
    expect(page.locator("#viewer img.heat")).not_to_have_attribute("src", str(before))
    expect(page.said("bot")).to_have_count(2)


def test_a_reload_keeps_the_desk_and_another_tab_does_not_see_it(
    visit: Visit, running: Any
) -> None:
    page = visit()
    page.inspect_plate()
    page.ask("Where is it?")
    expect(page.said("bot")).to_have_count(2)
    page.reload()
    expect(page.locator(".verdict")).to_contain_text("scratched.jpg")
    expect(page.said("bot")).to_have_count(2)
    expect(page.locator("#photo img")).to_have_attribute("src", re.compile(r"scratched\.jpg$"))
    expect(page.locator("#references .thumbnail-item img")).to_have_count(1)
    other = page.context.new_page()
    other.goto(running.address)
    expect(other.locator("#verdict")).to_contain_text("Drop in a photo")
    assert "scratched.jpg" not in other.locator("body").inner_text()


def test_a_question_that_is_too_long_is_told_and_kept(page: Page) -> None:
    page.inspect_plate()
    long = "Is it " + "very " * 100 + "bad?"
    assert len(long) > LONGEST_QUESTION
    page.ask(long)
    expect(page.locator("#notice [role=alert]")).to_contain_text(f"{len(long)} characters")
    expect(page.locator("#question textarea")).to_have_value(long)
    expect(page.said("user")).to_have_count(1)


def test_a_description_that_is_too_long_is_told(page: Page) -> None:
    page.locator("#description textarea, #description input").first.fill("a" * 400)
    page.give_photo(PLATE / "scratched.jpg")
    expect(page.locator("#verdict [role=alert]")).to_contain_text(str(LONGEST_DESCRIPTION))


def test_a_full_chat_is_a_notice_with_a_way_on(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    page.inspect_plate()
    stream = "anomalygpt.chat.Chat.stream"

    def full(*_: Any, **__: Any) -> Any:
        raise DialogueTooLongError("too long")

    with monkeypatch.context() as patched:
        patched.setattr(stream, full)
        page.ask("Where is it?")
        expect(page.locator("#notice [role=alert]")).to_contain_text("chat is full")
        expect(page.said("bot")).to_have_count(1)
    page.locator("#go-on").click()
    expect(page.said("bot")).to_have_count(2)
    expect(page.said("user").nth(1)).to_have_text("Where is it?")
    expect(page.locator("#go-on")).to_be_hidden()


def test_asking_again_replaces_the_answer(page: Page) -> None:
    page.inspect_plate()
    page.ask("Where is it?")
    expect(page.said("bot").nth(1)).to_contain_text("left")
    expect(page.locator("#stop-answer")).to_be_hidden()
    first = page.said("bot").nth(1).inner_text()
    with page.expect_response(re.compile("queue/join")):
        page.locator("#retry").click()
    expect(page.said("bot").nth(1)).to_have_text(first)
    expect(page.said("user")).to_have_count(2)


def test_the_files_say_who_what_and_when(page: Page, tmp_path: Path) -> None:
    page.inspect_plate()
    page.ask("Where is it?")
    expect(page.said("bot").nth(1)).to_contain_text("left")
    page.get_by_text("Part number, inspector, note").click()
    for label, value in (("Part number", "P-77"), ("Inspector", "Eva"), ("Note", "<b>rework</b>")):
        page.get_by_label(label, exact=True).fill(value)
    text = download(page, "#download-json", tmp_path).read_text(encoding="utf-8")
    assert Inspection.from_json(text).is_anomalous
    written = json.loads(text)
    assert written["references"] == ["good_1.jpg"]
    assert re.fullmatch(r"[0-9a-f]{64}", written["model"]["hash"])
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", written["inspected_at"])
    assert [turn["question"] for turn in written["conversation"]][1:] == ["Where is it?"]
    assert [written[key] for key in ("part_number", "inspector")] == ["P-77", "Eva"]
    report = download(page, "#download-report", tmp_path).read_text(encoding="utf-8")
    assert all(word in report for word in ("P-77", "Eva", "&lt;b&gt;rework", "good_1.jpg"))
    # The inspector stays, number and note belong to the part.
    page.locator("#next").click()
    expect(page.locator("#verdict")).to_contain_text("Drop in a photo")
    page.give_photo(PLATE / "good_2.jpg")
    expect(page.locator(".verdict")).to_contain_text("good_2.jpg")
    expect(page.get_by_label("Inspector", exact=True)).to_have_value("Eva")
    expect(page.get_by_label("Part number", exact=True)).to_have_value("")


def test_what_is_asked_while_the_stream_of_answers_ends_is_answered(
    page: Page, tmp_path: Path
) -> None:
    """A note is left for a button: two events at once. The first is answered, and the end of its
    stream arrives only when the second has been asked."""
    page.inspect_plate()
    page.get_by_text("Part number, inspector, note").click()
    ended: list[Any] = []

    def until_its_end(route: Any) -> None:
        ended.append((route, route.fetch()))

    page.route(re.compile("queue/data"), until_its_end, times=1)
    page.get_by_label("Note", exact=True).fill("rework")
    page.get_by_label("Note", exact=True).blur()
    while not ended:
        page.wait_for_timeout(20)
    ((route, response),) = ended
    assert "close_stream" in response.text()
    with page.expect_download() as found:
        with page.expect_response(re.compile("queue/join")):
            page.locator("#download-json").click()
        route.fulfill(response=response)
    assert json.loads(Path(found.value.path()).read_text())["note"] == "rework"


def test_a_region_is_looked_at_closely(page: Page) -> None:
    page.inspect_plate()
    page.locator(".closer").first.click()
    dialog, box = page.locator("dialog.enlarged"), page.locator("dialog [data-region='1'] rect")
    expect(dialog).to_be_visible()
    assert int(page.locator(".zoom-level").inner_text().rstrip("% \u00a0")) > 150
    seen, around = box.bounding_box(), page.locator(".pane").bounding_box()
    for corner, size in (("x", "width"), ("y", "height")):
        middle = seen[corner] + seen[size] / 2
        assert abs(middle - around[corner] - around[size] / 2) < 0.25 * around[size]
    page.get_by_role("button", name="Whole photo").click()
    expect(page.locator(".zoom-level")).to_have_text("100 %")
    page.get_by_role("button", name="Larger").click()
    expect(page.locator(".zoom-level")).to_have_text("150 %")
    page.get_by_role("button", name="Close", exact=True).click()
    expect(dialog).to_be_hidden()


def test_the_good_part_is_shown_beside_the_photo_and_in_turn_with_it(page: Page) -> None:
    page.inspect_plate()
    good, over = page.locator(".beside .good-part"), page.locator(".pictures .stack .over")
    expect(good).to_be_hidden()
    page.locator(".compare").select_option("beside")
    expect(good).to_be_visible()
    photo = page.locator(".pictures .stack").bounding_box()
    assert good.bounding_box()["x"] >= photo["x"] + photo["width"]
    page.locator(".compare").select_option("blink")
    for _ in range(2):
        expect(over).to_be_visible()
        expect(over).to_be_hidden()
    page.locator(".compare").select_option("off")
    expect(over).to_have_count(0)


def test_a_photo_that_the_browser_cannot_show_is_shown(page: Page, tmp_path: Path) -> None:
    tiff = tmp_path / "part.tif"
    Image.open(PLATE / "scratched.jpg").save(tiff)
    page.give_references(PLATE / "good_1.jpg")
    expect(page.locator("#references .thumbnail-item img")).to_have_count(1)
    page.give_photo(tiff)
    expect(page.locator(".verdict.bad")).to_contain_text("part.tif")
    page.wait_for_function(
        """() => {
            const image = document.querySelector("#photo img");
            return image.src.startsWith("data:image/jpeg") && image.naturalWidth > 100;
        }"""
    )


def test_several_photos_against_the_same_good_part(page: Page, tmp_path: Path) -> None:
    wrong = tmp_path / "letter.png"
    wrong.write_text("Dear inspector", encoding="utf-8")
    page.give_references(PLATE / "good_1.jpg")
    expect(page.locator("#references .thumbnail-item img")).to_have_count(1)
    page.get_by_text("Several photos at once").click()
    files = [PLATE / "scratched.jpg", PLATE / "good_2.jpg", wrong]
    page.locator("#photos input[type=file]").first.set_input_files(files)
    expect(page.locator("#photos")).to_contain_text("letter")
    page.locator("#inspect-all").click()
    rows = page.locator("#table tbody tr")
    expect(page.locator("#download-csv")).to_be_visible()
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("is a text file")
    expect(rows.nth(1)).to_contain_text("Something is wrong")
    expect(rows.nth(2)).to_contain_text("Looks good")
    lines = download(page, "#download-csv", tmp_path).read_text("utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [path.name for path in files]
    page.get_by_role("button", name="good_2.jpg").click()
    expect(page.locator(".verdict.good")).to_contain_text("good_2.jpg")
    expect(page.locator("#photo img")).to_have_attribute("src", re.compile(r"good_2\.jpg$"))
    page.ask("Is there any anomaly in the image?")
    expect(page.said("bot").last).to_contain_text("No")
    expect(page.locator("#table tbody tr")).to_have_count(3)


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desktop", "phone"])
def test_an_example_leads_to_its_verdict(visit: Visit, size: tuple[int, int]) -> None:
    page = visit(*size)
    page.locator("#examples button", has_text="plate, scratched").click()
    expect(page.locator(".verdict-words")).to_be_visible()
    expect(page.locator(".verdict-words")).to_be_in_viewport()
    expect(page.locator("#examples")).to_be_hidden()


def test_on_a_phone_everything_is_one_tap_away(visit: Visit) -> None:
    phone = visit(390, 844)
    phone.inspect_plate()
    expect(phone.locator(".verdict-words")).to_be_in_viewport()
    for name, part in (("Ask", "#question textarea"), ("Photo", "#photo"), ("Verdict", ".verdict")):
        phone.locator("#jump").get_by_text(name).click()
        expect(phone.locator(part)).to_be_in_viewport()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
