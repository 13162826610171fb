"""Masks drawn by hand: where they go, what is kept, and what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomalygpt.data.checking import check
from anomalygpt.data.opening import open_data
from anomalygpt.data.tools.canvases import STATE_FOLDER, find_canvases
from anomalygpt.data.tools.drawing import (
    Drawing,
    OutdatedError,
    Writer,
    count_regions,
    mask_of_runs,
    runs_of,
)
from anomalygpt.errors import DataError, ImageError, SourceError

SIZE = (40, 60)  # height, width


def put(path: Path, seed: int = 0) -> Path:
    """A photo of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def blob(x0: int = 10, y0: int = 5, x1: int = 20, y1: int = 15) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.fixture
def product(tmp_path: Path) -> Path:
    """A product with good parts and two photos of cracks."""
    folder = tmp_path / "bottle"
    for seed, name in enumerate(["train/good/0.png", "test/good/1.png"]):
        put(folder / name, seed)
    put(folder / "test" / "crack" / "000.png", 7)
    put(folder / "test" / "crack" / "001.jpg", 8)
    return folder


def read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.mode == "L"
        return np.asarray(picture)


def saved(drawing: Drawing, number: int, mask: np.ndarray) -> None:
    drawing.save(number, mask, drawing.opened(number).version)


# --- where masks go -------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", [".", "bottle", "bottle/test", "bottle/test/crack"])
def test_what_is_saved_is_found_by_the_readers(product: Path, inner: str) -> None:
    drawing = Drawing(product.parent / inner)
    assert [each.photo.name for each in drawing.canvases] == ["000.png", "001.jpg"]
    for number in range(2):
        saved(drawing, number, blob())
    path = product / "ground_truth" / "crack" / "000_mask.png"
    assert np.array_equal(read(path), blob().astype(np.uint8) * 255)
    data = open_data(product)
    masks = {each.image.name: each.masks for each in data.samples if each.is_anomalous}
    assert masks == {
        "000.png": (path,),
        "001.jpg": (path.with_name("001_mask.png"),),
    }
    report = check(product)
    assert report.is_ready
    assert not [f for f in report.findings if "mask" in f.problem]


def test_masks_of_plain_folders_are_found(tmp_path: Path) -> None:
    put(tmp_path / "good" / "a.png", 1)
    put(tmp_path / "bad" / "b.png", 2)
    put(tmp_path / "bad" / "dent" / "c.png", 3)
    drawing = Drawing(tmp_path)
    for number in range(2):
        saved(drawing, number, blob())
    found = {each.image.name: each.masks for each in open_data(tmp_path).samples}
    assert found == {
        "a.png": (),
        "b.png": (tmp_path / "ground_truth" / "b_mask.png",),
        "c.png": (tmp_path / "ground_truth" / "dent" / "c_mask.png",),
    }


def test_photos_alone_have_their_masks_beside_them(tmp_path: Path) -> None:
    put(tmp_path / "bad" / "b.png")
    drawing = Drawing(tmp_path / "bad")
    saved(drawing, 0, blob())
    assert (tmp_path / "bad" / "ground_truth" / "b_mask.png").is_file()
    # Drawn on again, masks are no photos.
    assert len(Drawing(tmp_path / "bad").canvases) == 1
    put(tmp_path / "good" / "a.png")
    (sample,) = open_data(tmp_path).select(is_anomalous=True)
    assert sample.masks == (tmp_path / "bad" / "ground_truth" / "b_mask.png",)


def test_folders_without_anything_to_draw_on(product: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is no folder"):
        find_canvases(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no photo to draw on"):
        find_canvases(tmp_path / "empty")
    put(product / "test" / "crack" / "001.png")
    with pytest.raises(DataError, match="would have one mask"):
        find_canvases(product)
    put(tmp_path / "pairs" / "query" / "a.png")
    put(tmp_path / "pairs" / "reference" / "a.png")
    with pytest.raises(DataError, match="the layout of pairs"):
        find_canvases(tmp_path / "pairs")


# --- masks that are there already -----------------------------------------------------------------


def test_a_mask_is_edited_where_it_lies_and_only_by_saving(product: Path) -> None:
    path = product / "ground_truth" / "crack" / "000.png"  # without "_mask"
    path.parent.mkdir(parents=True)
    Image.fromarray(blob().astype(np.uint8) * 3).save(path)  # class 3
    drawing = Drawing(product)
    opened = drawing.opened(0)
    assert opened.state == "saved"
    assert np.array_equal(opened.mask, blob())
    before = path.read_bytes()
    version = drawing.keep(0, blob(x1=30), opened.version)
    assert path.read_bytes() == before
    assert drawing.states() == ["draft", "empty"]
    drawing.save(0, blob(x1=30), version)
    assert np.array_equal(read(path), blob(x1=30).astype(np.uint8) * 255)
    assert [each.name for each in path.parent.iterdir()] == ["000.png"]
    # What it was is not lost, by a second saving neither.
    copy = product / STATE_FOLDER / "before" / "crack" / "000.png"
    saved(drawing, 0, blob(x1=40))
    assert copy.read_bytes() == before
    assert drawing.states() == ["saved", "empty"]


def test_masks_of_another_format_make_room_for_one(product: Path) -> None:
    folder = product / "ground_truth" / "crack"
    (folder / "000").mkdir(parents=True)
    Image.fromarray(blob().astype(np.uint8) * 255).save(folder / "000" / "a.png")
    Image.fromarray(blob(x0=30, x1=40).astype(np.uint8) * 255).save(folder / "000" / "b.png")
    Image.fromarray(blob().astype(np.uint8) * 255).save(folder / "001_mask.bmp")
    drawing = Drawing(product)
    assert np.array_equal(drawing.opened(0).mask, blob() | blob(x0=30, x1=40))
    for number in range(2):
        saved(drawing, number, blob(y1=30))
    assert sorted(each.name for each in folder.iterdir()) == ["000_mask.png", "001_mask.png"]
    kept = product / STATE_FOLDER / "before" / "crack"
    assert sorted(each.relative_to(kept).as_posix() for each in kept.rglob("*.*")) == [
        "000/a.png",
        "000/b.png",
        "001_mask.bmp",
    ]
    assert not [f for f in check(product).findings if "mask" in f.problem]


def test_a_mask_that_cannot_be_used_is_told(product: Path) -> None:
    path = product / "ground_truth" / "crack" / "000_mask.png"
    path.parent.mkdir(parents=True)
    Image.new("L", (30, 30)).save(path)
    opened = Drawing(product).opened(0)
    assert opened.state == "empty"
    assert "another shape" in opened.note
    assert str(product) not in opened.note


# --- drafts ---------------------------------------------------------------------------------------


def test_a_draft_is_there_for_the_next_one_who_opens_the_folder(product: Path) -> None:
    drawing = Drawing(product)
    drawing.keep(1, blob(), drawing.opened(1).version)
    later = Drawing(product)
    assert later.states() == ["empty", "draft"]
    opened = later.opened(1)
    assert opened.state == "draft"
    assert np.array_equal(opened.mask, blob())
    assert not (product / "ground_truth").exists()
    assert check(product).layout == "mvtec"  # the hidden folder bothers nobody
    later.discard(1, opened.version)
    assert later.opened(1).state == "empty"


def test_drafts_survive_a_process_that_is_killed(product: Path) -> None:
    code = (
        "import sys; import numpy as np\n"
        "from anomalygpt.data.tools.drawing import Drawing\n"
        "drawing = Drawing(sys.argv[1]); version = drawing.opened(0).version\n"
        "mask = np.zeros((40, 60), bool)\n"
        "for row in range(40):\n"
        "    mask[row] = True\n"
        "    version = drawing.keep(0, mask, version)\n"
        "    print(row, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(product)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    rows = 0
    for line in process.stdout:
        rows = int(line)
        if rows == 10:
            process.send_signal(signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    opened = Drawing(product).opened(0)
    assert opened.state == "draft"
    marked = int(opened.mask[:, 0].sum())
    assert marked >= rows + 1
    assert opened.mask[:marked].all()
    assert not opened.mask[marked:].any()


def test_a_draft_of_another_size_is_left_aside(product: Path) -> None:
    drawing = Drawing(product)
    drawing.keep(0, blob(), drawing.opened(0).version)
    Image.new("RGB", (50, 50)).save(product / "test" / "crack" / "000.png")
    opened = drawing.opened(0)
    assert opened.state == "empty"
    assert opened.mask.shape == (50, 50)
    assert "60×40" in opened.note


# --- two who draw ---------------------------------------------------------------------------------


def test_nobody_writes_over_what_another_drew(product: Path) -> None:
    drawing, other = Drawing(product), Drawing(product)
    mine, theirs = drawing.opened(0), other.opened(0)
    drawing.keep(0, blob(), mine.version)
    with pytest.raises(OutdatedError, match="changed elsewhere"):
        other.keep(0, blob(x1=50), theirs.version)
    with pytest.raises(OutdatedError):
        other.save(0, blob(x1=50), theirs.version)
    assert np.array_equal(other.opened(0).mask, blob())


def test_a_page_need_not_wait_for_its_answers(product: Path) -> None:
    drawing = Drawing(product)
    base = drawing.opened(0).version
    drawing.keep(0, blob(x1=30), base, Writer("page", 2))
    drawing.keep(0, blob(x1=40), base, Writer("page", 3))
    with pytest.raises(OutdatedError):  # an earlier message that comes later
        drawing.keep(0, blob(x1=20), base, Writer("page", 1))
    with pytest.raises(OutdatedError):
        drawing.keep(0, blob(x1=20), base, Writer("another", 9))
    assert np.array_equal(drawing.opened(0).mask, blob(x1=40))


# --- sizes ----------------------------------------------------------------------------------------


def test_a_turned_photo_has_a_mask_of_its_upright_size(product: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90°
    path = product / "test" / "crack" / "002.jpg"
    Image.new("RGB", (60, 40), "grey").save(path, exif=exif)
    drawing = Drawing(product)
    opened = drawing.opened(2)
    assert opened.mask.shape == (60, 40)
    mask = np.zeros((60, 40), bool)
    mask[50:, :5] = True
    drawing.save(2, mask, opened.version)
    assert np.array_equal(drawing.opened(2).mask, mask)
    assert not [f for f in check(product).findings if "another size" in f.problem]


def test_masks_of_another_size_or_kind_are_refused(product: Path) -> None:
    drawing = Drawing(product)
    base = drawing.opened(0).version
    with pytest.raises(DataError, match=r"has the shape \(40, 59\)"):
        drawing.keep(0, blob()[:, 1:], base)
    with pytest.raises(DataError, match="type float64"):
        drawing.save(0, blob().astype(float), base)
    for number in (-1, 2):
        with pytest.raises(DataError, match="there is no photo"):
            drawing.opened(number)
    (product / "test" / "crack" / "000.png").write_bytes(b"none")
    os.utime(product / "test" / "crack" / "000.png", (1, 1))
    with pytest.raises(ImageError, match=r"^000\.png"):
        drawing.opened(0)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_runs_give_the_mask_back(share: float) -> None:
    mask = np.random.default_rng(1).random(SIZE) < share
    assert np.array_equal(mask_of_runs(runs_of(mask), SIZE), mask)


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ([60, 40, 5], "are no mask"),
        ([], "are no mask"),
        ([40, 60, 0, 5], "open the photo again"),
        ([60, 40, 5, 5], "not in order"),
        ([60, 40, 9, 5], "not in order"),
        ([60, 40, 0, 5, 3, 8], "not in order"),
        ([60, 40, 0, 2401], "beyond the photo"),
        ([60, 40, 0, 2**32 - 1], "beyond the photo"),
    ],
)
def test_runs_that_are_no_mask_are_refused(numbers: list[int], why: str) -> None:
    with pytest.raises(DataError, match=why):
        mask_of_runs(np.array(numbers, "<u4").tobytes(), SIZE)


def test_regions_are_counted() -> None:
    assert count_regions(blob() | blob(x0=30, x1=40)) == 2
    assert count_regions(np.zeros(SIZE, bool)) == 0


# --- a mask to begin with -------------------------------------------------------------------------


def test_a_proposal_is_not_kept_by_itself(product: Path) -> None:
    asked: list[str] = []

    def propose(photo: Path) -> np.ndarray:
        asked.append(photo.name)
        return blob()

    drawing = Drawing(product, propose)
    saved(drawing, 1, blob(x1=30))
    asked.clear()
    first, second = drawing.opened(0), drawing.opened(1)
    assert (first.state, second.state) == ("proposed", "saved")
    assert np.array_equal(first.mask, blob())
    drawing.opened(0)
    assert asked == ["000.png"]  # once, and not for photos with a mask
    assert drawing.states() == ["empty", "saved"]
    assert np.array_equal(drawing.proposal(1), blob())
    drawing.keep(0, blob(x1=50), first.version)
    assert drawing.opened(0).state == "draft"


def test_a_proposal_that_fails_leaves_an_empty_mask(product: Path) -> None:
    def propose(photo: Path) -> np.ndarray:
        raise ImageError(f"{photo} is odd")

    opened = Drawing(product, propose).opened(0)
    assert opened.state == "empty"
    assert "000.png is odd" in opened.note
    with pytest.raises(DataError, match="--from-map"):
        Drawing(product).proposal(0)
