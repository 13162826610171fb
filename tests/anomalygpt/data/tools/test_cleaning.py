"""Photos that are proposed to be looked at."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from anomalygpt.data.tools.cleaning import FAULTS, clean
from anomalygpt.errors import SourceError
from tests.photos import break_photo


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve photos of parts that differ, 96×80, with noise; an own place for each disc."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:80, :96]
    for number in range(12):
        y, x = rng.integers(25, 55), rng.integers(30, 66)
        disc = (rows - y) ** 2 + (columns - x) ** 2 < 20**2
        pixels = np.where(disc, 170.0, 70.0)[..., None] + rng.normal(0, 12, (80, 96, 3))
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{number:02d}.png")
    return folder


def proposed(folder: Path) -> dict[str, list[str]]:
    """Names of the photos by fault, in their order."""
    _, found = clean(folder)
    return {
        fault: [each.path.name for each in found if each.fault == fault]
        for fault in FAULTS
        if any(each.fault == fault for each in found)
    }


def test_usual_photos_are_not_proposed(photos: Path) -> None:
    assert proposed(photos) == {}


def test_every_fault_is_found_and_ranked(photos: Path) -> None:
    with Image.open(photos / "00.png") as opened:
        picture = opened.convert("RGB")
    picture.filter(ImageFilter.GaussianBlur(1)).save(photos / "soft.png")
    picture.filter(ImageFilter.GaussianBlur(4)).save(photos / "softer.png")
    dark = Image.open(photos / "01.png").convert("RGB").point(lambda value: value // 8)
    dark.save(photos / "dark.png")
    bright = Image.open(photos / "02.png").convert("RGB").point(lambda value: value * 4)
    bright.save(photos / "bright.png")
    Image.open(photos / "03.png").crop((0, 0, 40, 80)).save(photos / "cut.png")
    Image.open(photos / "04.png").convert("RGB").save(photos / "05 again.jpg", quality=92)
    shutil.copy(photos / "06.png", photos / "twice.png")
    shutil.copy(photos / "07.png", photos / "half.png")
    break_photo(photos / "half.png")
    before = {path: path.read_bytes() for path in photos.iterdir()}
    found = proposed(photos)
    assert {path: path.read_bytes() for path in photos.iterdir()} == before
    assert found["unreadable"] == ["half.png"]
    # What is dark has little contrast, too.
    assert [name for name in found["blurred"] if name != "dark.png"] == ["softer.png", "soft.png"]
    assert found["dark"] == ["dark.png"]
    assert found["over-exposed"] == ["bright.png"]
    assert found["cropped"] == ["cut.png"]
    assert found["duplicate"] == ["twice.png"]
    assert "05 again.jpg" in found["near-duplicate"]


def test_parts_in_one_pose_are_no_duplicates(photos: Path) -> None:
    """A small defect apart is enough."""
    pixels = np.asarray(Image.open(photos / "00.png")).copy()
    rng = np.random.default_rng(5)
    other = np.clip(pixels + rng.normal(0, 12, pixels.shape), 0, 255).astype(np.uint8)
    other[20:50, 20:50] = 20
    Image.fromarray(other).save(photos / "damaged.png")
    assert "near-duplicate" not in proposed(photos)


def test_photos_cut_to_their_parts_are_not_cropped(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(12):
        size = (*rng.integers(40, 120, 2), 3)
        pixels = rng.integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    assert "cropped" not in proposed(tmp_path)


def test_masks_do_not_count(make, mvtec: Path) -> None:
    measured, _ = clean(mvtec)
    assert len(measured) == 7
    for split in ("train", "test"):
        shutil.rmtree(mvtec / "bottle" / split)
    with pytest.raises(SourceError, match="only masks"):
        clean(mvtec)


def test_the_command(anomalygpt, photos: Path, tmp_path: Path) -> None:
    name = "<b>ü&.png"
    shutil.copy(photos / "06.png", photos / name)
    ran = anomalygpt("data", "clean", photos, "--output", tmp_path / "out")
    assert ran.status == 0
    assert ran.out.startswith("13 photos, 1 to look at\n\nduplicate (1)\n")
    told = json.loads((tmp_path / "out" / "clean.json").read_text("utf-8"))
    with (tmp_path / "out" / "clean.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [row["path"] for row in told["proposals"]]
    page = (tmp_path / "out" / "clean.html").read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") == 2
    assert "&lt;b&gt;ü&amp;.png" in page
    assert "<b>" not in page
    ran = anomalygpt("data", "clean", photos, "--output", tmp_path / "out")
    assert ran.status == 2
    assert "is there already" in ran.error
    break_photo(photos / "00.png")
    assert anomalygpt("data", "clean", photos, "--output", tmp_path / "new").status == 1
