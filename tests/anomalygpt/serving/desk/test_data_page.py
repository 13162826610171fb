"""The page "Data": findings in a visitor's photos, and masks drawn over them."""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from anomalygpt import AnomalyGPT
from anomalygpt.errors import AnomalyGPTError, DataError
from anomalygpt.serving.desk import data_views
from anomalygpt.serving.desk.photoset import COLUMNS, MOST_PHOTOS, PhotoSet
from anomalygpt.serving.desk.sessions import Desks
from anomalygpt.serving.drawing.routes import Drawings
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.settings import ServerSettings

Visit = Callable[..., Any]

# Gradio leaves event loops behind.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Six photos of noise; the fifth is blurred, the sixth is the first once more."""
    folder = tmp_path / "given"
    folder.mkdir()
    found = []
    for number in range(5):
        pixels = np.random.default_rng(number).integers(60, 200, (96, 120, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels)
        if number == 4:
            picture = picture.filter(ImageFilter.GaussianBlur(4))
        found.append(folder / f"part_{number}.png")
        picture.save(found[-1])
    found.append(folder / "again.png")
    shutil.copyfile(found[0], found[-1])
    return found


@pytest.fixture
def engine(assistant: AnomalyGPT) -> Iterator[Engine]:
    made = Engine(ServerSettings(), lambda _: assistant)
    yield made
    made.close()


# --- without a browser ----------------------------------------------------------------------------


def test_faults_and_outliers_are_found(engine: Engine, photos: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "given" / "<b>broken.png"
    broken.write_bytes(b"none")
    laid = PhotoSet(tmp_path / "data", [*photos, broken], Drawings())
    with pytest.raises(DataError, match="press Check"):
        laid.table()
    shares = list(laid.look(engine, "embedded"))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert laid.findings is not None
    faults = {(each.path.name, each.fault) for each in laid.findings.proposals}
    assert faults == {
        ("_b_broken.png", "unreadable"),
        ("part_4.png", "blurred"),
        ("again.png", "duplicate"),
    }
    assert laid.findings.places.shape == (6, 2)
    rows = list(csv.reader(io.StringIO(laid.table().decode("utf-8-sig"))))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 1 + 3 + 1  # one in twenty, at least one
    written = data_views.findings(laid)
    assert "7 photos, 3 to look at" in written
    assert "copy of part_0.png" in written
    assert written.count("<image ") == 6
    assert str(tmp_path) not in written
    with pytest.raises(AnomalyGPTError, match="no model"):
        list(laid.look(engine, "other"))


def test_few_photos_are_not_compared(engine: Engine, photos: list[Path], tmp_path: Path) -> None:
    laid = PhotoSet(tmp_path / "data", photos[:2], Drawings())
    list(laid.look(engine, "embedded"))
    assert laid.findings is not None
    assert laid.findings.seen is None
    assert "At least 4 photos" in data_views.findings(laid)


def test_names_are_harmless_and_masks_have_one_photo_each(
    photos: list[Path], tmp_path: Path
) -> None:
    given = []
    for place, name in enumerate(("a.png", "a.jpg", "A.bmp", "$(rm).png", ".hidden.png")):
        (tmp_path / str(place)).mkdir()
        given.append(tmp_path / str(place) / name)
        Image.open(photos[place]).save(given[-1])
    drawings = Drawings()
    laid = PhotoSet(tmp_path / "data", given, drawings)
    names = [path.name for path in laid.paths]
    assert names == ["a.png", "a-2.jpg", "A-3.bmp", "_(rm).png", "hidden.png"]
    drawing = drawings.of(laid.draw())
    assert drawing is not None
    assert len(drawing.canvases) == 5
    assert laid.draw() == laid.word  # once
    drawing.keep(0, np.ones((96, 120), bool), drawing.opened(0).version)
    assert laid.drawn() == 1
    laid.close()
    assert drawings.of(laid.word) is None
    assert not laid.folder.exists()
    assert all(path.exists() for path in given)


def test_only_so_many_are_taken(photos: list[Path], tmp_path: Path) -> None:
    laid = PhotoSet(tmp_path / "data", photos[:1] * (MOST_PHOTOS + 3), Drawings())
    assert len(laid.paths) == len({path.name for path in laid.paths}) == MOST_PHOTOS
    assert laid.left_out == 3


def test_photos_go_with_the_desk(photos: list[Path], tmp_path: Path) -> None:
    desks, drawings = Desks(tmp_path / "desks"), Drawings()
    desk = desks.of("one")
    first = desk.lay_out(list(map(str, photos)), drawings)
    assert desk.lay_out(list(map(str, photos)), drawings) is first  # strokes stay
    word = first.draw()
    second = desk.lay_out(list(map(str, photos[:3])), drawings)
    assert drawings.of(word) is None
    assert not first.folder.exists()
    word = second.draw()
    before = desk.used
    assert drawings.of(word) is not None  # who draws is there
    assert desk.used > before
    desks.leave("one")
    assert drawings.of(word) is None
    assert not second.folder.exists()
    desks.close()


def test_what_was_drawn_stays_when_other_photos_come(photos: list[Path], tmp_path: Path) -> None:
    desks, drawings = Desks(tmp_path / "desks"), Drawings()
    desk = desks.of("one")
    given = list(map(str, photos))
    drawing = drawings.of(desk.lay_out(given[:3], drawings).draw())
    assert drawing is not None
    mask = np.zeros((96, 120), bool)
    mask[:9] = True
    drawing.save(0, mask, drawing.opened(0).version)
    drawing.keep(0, ~mask, drawing.opened(0).version)
    drawing.keep(2, mask, drawing.opened(2).version)
    laid = desk.lay_out(given[:2] + given[3:], drawings)  # without the third
    later = drawings.of(laid.draw())
    assert later is not None
    assert sorted(path.name for path in laid.paths) == sorted(path.name for path in photos)
    names = [canvas.photo.name for canvas in later.canvases]
    states = dict(zip(names, later.states(), strict=True))
    assert {name for name, state in states.items() if state == "draft"} == {
        "part_0.png",
        "part_2.png",
    }
    number = names.index("part_0.png")
    opened = later.opened(number)
    assert np.array_equal(opened.mask, ~mask)
    later.discard(number, opened.version)
    assert np.array_equal(later.opened(number).mask, mask)
    desks.close()


# --- in a browser ---------------------------------------------------------------------------------


@pytest.fixture
def data(visit: Visit) -> Callable[..., Any]:
    """Opens the page "Data" from the first one."""

    def data(*size: int) -> Any:
        page = visit(*size)
        page.get_by_role("link", name="Data", exact=True).click()
        page.locator("#data-check").wait_for()
        page.until_streams_end()
        return page

    return data


def test_check_draw_and_keep(
    data: Callable[..., Any], photos: list[Path], tmp_path: Path, running: Any
) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    page = data()
    page.locator("#data-check").click()
    expect(page.locator("#data-found [role=alert]")).to_contain_text("no photos yet")
    page.locator("#data-photos input[type=file]").first.set_input_files(photos)
    expect(page.locator("#data-photos")).to_contain_text("again")
    page.locator("#data-check").click()
    expect(page.locator(".looked h2")).to_have_text("6 photos, 2 to look at")
    expect(page.locator(".looked table")).to_contain_text("the same bytes, copy of part_0.png")
    expect(page.locator(".looked table")).to_contain_text("blurred")
    expect(page.locator(".looked svg image")).to_have_count(6)
    with page.expect_download() as kept:
        page.locator("#data-csv").click()
    assert kept.value.suggested_filename == "findings.csv"
    page.locator("#data-draw").click()
    frame = page.frame_locator(".drawing iframe")
    expect(frame.locator("#count")).to_have_text("6 photos, 0 with a mask")
    expect(frame.locator("#message")).to_be_hidden()
    frame.locator("#canvas").focus()
    for key in ("x", "Space", "ArrowRight", "ArrowDown", "Space"):
        page.keyboard.press(key)
    expect(frame.locator("#told")).to_contain_text("1 region")
    with page.expect_download() as kept:
        page.get_by_role("link", name="All masks as a ZIP").click()
    kept.value.save_as(tmp_path / "masks.zip")
    with zipfile.ZipFile(tmp_path / "masks.zip") as archive:
        (name,) = archive.namelist()
        mask = np.asarray(Image.open(io.BytesIO(archive.read(name))))
    assert name == "ground_truth/again_mask.png"
    expected = np.zeros((96, 120), np.uint8)
    expected[48:50, 60:62] = 255
    assert np.array_equal(mask, expected)
    # Read again, everything is as it was, the stroke that nobody saved too.
    page.reload()
    expect(page.locator(".looked h2")).to_have_text("6 photos, 2 to look at")
    expect(frame.locator("#state")).to_have_text("not saved")
    page.locator("#data-clear").click()
    expect(page.locator("#data-found")).to_contain_text("Drop in photos")
    expect(page.locator(".drawing")).to_have_count(0)
    page.until_streams_end()


def test_visitors_do_not_see_each_others_photos(
    data: Callable[..., Any], photos: list[Path]
) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    one, other = data(), data()
    one.locator("#data-photos input[type=file]").first.set_input_files(photos[:1])
    expect(one.locator("#data-photos")).to_contain_text("part_0")
    one.locator("#data-draw").click()
    expect(one.locator(".drawing iframe")).to_have_count(1)
    other.reload()
    expect(other.locator("#data-found")).to_contain_text("Drop in photos")
    expect(other.locator(".drawing")).to_have_count(0)
    one.until_streams_end()
    other.until_streams_end()


def test_axe_finds_nothing_serious(data: Callable[..., Any], photos: list[Path]) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python missing")
    script = (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    page = data(390, 844)
    page.locator("#data-photos input[type=file]").first.set_input_files(photos)
    expect(page.locator("#data-photos")).to_contain_text("again")
    page.locator("#data-check").click()
    expect(page.locator(".looked h2")).to_have_text("6 photos, 2 to look at")
    page.evaluate(script)
    found = page.evaluate("axe.run()")["violations"]
    serious = [
        (rule["id"], node["html"][:200])
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
    assert serious == []
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
    page.until_streams_end()
