"""Pictures show the heat at the right place, for photos of any shape."""

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anomalygpt.errors import ConfigError, ImageError, OutputError
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.pictures import heat_layer, overlay, save_image
from anomalygpt.results.regions import find_regions


def finding(height: int, width: int, peak: float = 1.0, **changes: Any) -> Inspection:
    """An anomaly in the middle of the left half, nothing elsewhere."""
    rows, columns = (np.mgrid[:56, :56] + 0.5) / 56
    distance = (columns - 0.25) ** 2 + (rows - 0.5) ** 2
    anomaly_map = (peak * np.exp(-distance / 0.005)).astype(np.float32)
    geometry = ImageGeometry.fit((height, width), 224, "square")
    regions = find_regions(anomaly_map, geometry)
    return Inspection(
        geometry=geometry, anomaly_score=peak, small_map=anomaly_map, regions=regions, **changes
    )


def change(photo: Image.Image, drawn: Image.Image) -> np.ndarray:
    return np.abs(np.asarray(photo, dtype=int) - np.asarray(drawn, dtype=int)).max(axis=-1)


def test_heat_lies_on_the_anomaly_and_the_rest_stays() -> None:
    photo = Image.new("RGB", (400, 200), (90, 90, 90))
    drawn = overlay(photo, finding(200, 400))
    assert drawn.size == photo.size
    changed = change(photo, drawn)
    assert changed[100, 100] > 30
    assert changed[:, 250:].max() == 0


def test_opacity_level_and_stretch() -> None:
    photo = Image.new("RGB", (200, 200), (90, 90, 90))
    faint = finding(200, 200, peak=0.2)
    assert change(photo, overlay(photo, faint)).max() == 0
    published = replace(faint, formulation="published", references=["good.png"])
    assert change(photo, overlay(photo, published)).max() > 30
    assert change(photo, overlay(photo, faint, level=0.1)).max() > 3
    assert change(photo, overlay(photo, published, opacity=0)).max() == 0
    with pytest.raises(ConfigError, match=r"got 2 and 0\.5"):
        overlay(photo, faint, opacity=2)
    with pytest.raises(ConfigError, match="at least 1 pixel"):
        overlay(photo, faint, max_side=0)


def test_the_heat_of_the_page_is_that_of_an_overlay() -> None:
    """Published maps are stretched over their own range there, too."""
    faint = finding(200, 200, peak=0.2)
    published = replace(faint, formulation="published", references=["good.png"])
    strengths = [np.asarray(heat_layer(each))[..., 3].max() for each in (faint, published)]
    assert strengths[0] == 0
    assert strengths[1] > 200
    # Without references a published map is a probability.
    alone = np.asarray(heat_layer(replace(published, references=())))[..., 3]
    assert alone.max() == 0


def test_published_maps_of_good_parts_are_not_coloured_all_over() -> None:
    """Their level is stretched as they are: half of a flat map lies below it."""
    flat = finding(200, 200, peak=0.2)
    rows = np.linspace(0.3, 0.4, 56, dtype=np.float32)
    small_map = np.repeat(rows[:, None], 56, axis=1)
    drawn = replace(
        flat, formulation="published", references=["good.png"], small_map=small_map, level=0.39
    )
    heat = np.asarray(heat_layer(drawn))[..., 3]
    assert heat[:80].max() == 0
    assert heat[-5:].max() > 100


def test_boxes_are_drawn_with_lines_that_grow() -> None:
    for side in (200, 1600):
        photo = Image.new("RGB", (side, side), (90, 90, 90))
        drawn = np.asarray(overlay(photo, finding(side, side), opacity=0))
        row = drawn[round(side * 0.5)]
        white = (row == 255).all(axis=-1).sum()
        assert white == 2 * max(1, round(side / 400))


def test_large_photos_are_scaled_down() -> None:
    photo = Image.new("RGB", (3000, 1500))
    assert overlay(photo, finding(1500, 3000), max_side=600).size == (600, 300)
    assert overlay(photo, finding(1500, 3000)).size == (2048, 1024)


@pytest.mark.parametrize("size", [(16, 16), (16, 1), (1, 16), (5000, 1), (1, 5000), (17, 300)])
def test_tiny_and_thin_photos(size: tuple[int, int]) -> None:
    photo = Image.new("RGB", size, (90, 90, 90))
    found = finding(size[1], size[0])
    assert max(overlay(photo, found).size) == min(2048, max(size))


def test_another_photo_is_refused() -> None:
    with pytest.raises(ImageError, match="30×40 pixels, the inspection is about one of 400×200"):
        overlay(Image.new("RGB", (30, 40)), finding(200, 400))


# --- saving ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "jpg", "JPEG", "webp", "bmp", "tif"])
def test_saving_makes_the_folder(tmp_path: Path, suffix: str) -> None:
    path = save_image(Image.new("RGB", (20, 10)), tmp_path / "a" / "b" / f"picture.{suffix}")
    with Image.open(path) as picture:
        assert picture.size == (20, 10)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    reference = tmp_path / "plain"
    reference.touch()
    assert path.stat().st_mode == reference.stat().st_mode


def test_saving_says_why_it_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Image.new("RGB", (20, 10))
    with pytest.raises(OutputError, match=r"saved as \.png"):
        save_image(picture, tmp_path / "picture.xyz")
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        save_image(picture, tmp_path / "taken.png")
    with pytest.raises(OutputError, match=r"use \.png"):
        save_image(Image.new("RGB", (70_000, 1)), tmp_path / "long.webp")
    for number, words in ((errno.ENOSPC, "no space left"), (errno.EACCES, "no permission")):

        def fail(*_: object, error: int = number, **__: object) -> None:
            raise OSError(error, os.strerror(error))

        monkeypatch.setattr(Image.Image, "save", fail)
        with pytest.raises(OutputError, match=words):
            save_image(picture, tmp_path / "picture.png")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken.png"]
