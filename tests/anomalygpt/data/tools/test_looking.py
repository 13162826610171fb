"""Outliers and the map of a collection, on features of a tiny encoder and on made ones."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomalygpt.data.tools.looking import Seen, group_of, outliers, plane, see
from anomalygpt.errors import ConfigError, DataError
from tests.photos import break_photo


def made(count: int = 40) -> Seen:
    """Features around one direction, and one that points elsewhere, at row 7."""
    rng = np.random.default_rng(0)
    features = rng.normal(0, 0.05, (count, 8)) + np.eye(8)[0]
    features[7] = -np.eye(8)[3]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return Seen(tuple(Path(f"{row}.png") for row in range(count)), features, ())


def test_what_is_unlike_comes_first() -> None:
    found = outliers(made(), share=0.1)
    assert found[0].path.name == "7.png"
    assert [each.is_proposed for each in found] == [True] * 4 + [False] * 36
    assert [each.score for each in found] == sorted((e.score for e in found), reverse=True)
    assert found == outliers(made(), share=0.1)
    assert sum(each.is_proposed for each in outliers(made(), share=0.001)) == 1
    for share in (0, 0.6, float("nan")):
        with pytest.raises(ConfigError, match="share of outliers"):
            outliers(made(), share=share)


def test_the_plane_shows_what_differs_most() -> None:
    seen = made()
    places, (first, second) = plane(seen)
    assert places.shape == (40, 2)
    assert np.argmax(np.abs(places[:, 0])) == 7
    assert 1 >= first > second > 0
    centred = seen.features - seen.features.mean(axis=0)
    values = np.linalg.svd(centred, compute_uv=False) ** 2
    assert first == pytest.approx(values[0] / values.sum())
    same = Seen(seen.paths, np.ones((40, 8)), ())
    assert plane(same)[1] == (0.0, 0.0)


def test_photos_that_cannot_be_read_are_left_out(make, tmp_path: Path) -> None:
    paths = [make.photo(tmp_path / f"{number}.png") for number in range(5)]
    break_photo(paths[1])
    sizes = []

    def encode(pictures) -> np.ndarray:
        sizes.append(len(pictures))
        return np.array([[picture.getpixel((0, 0))[0], 1.0] for picture in pictures])

    seen = see(paths, encode, batch=3)
    assert seen.unreadable == (paths[1],)
    assert sizes == [3, 1]
    assert np.allclose(np.linalg.norm(seen.features, axis=1), 1)
    with pytest.raises(DataError, match="2 photos can be read"):
        see(paths[:3], encode)


def test_groups() -> None:
    path = Path("all/20240910_V2_sorted/NG parts/scratch/1.png")
    assert [group_of(path, by) for by in ("label", "version", "folder")] == [
        *("bad", "20240910_V2_sorted", "scratch")
    ]
    assert group_of(Path("1.png"), "label") == "none"


@pytest.fixture
def folder(parts: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "good").mkdir(parents=True)
    (folder / "bad").mkdir()
    for name in ("good", "other", "plain"):
        source = next(parts.glob(f"{name}.*"))
        shutil.copy(source, folder / "good")
    with Image.open(parts / "stained.png") as picture:
        picture.save(folder / "bad" / "<script><b>.png")
    return folder


def test_the_commands(anomalygpt, folder: Path, encoder_options, tmp_path: Path) -> None:
    model = [option for option in encoder_options if option != "--map-only"]
    out = tmp_path / "out"
    ran = anomalygpt("data", "outliers", folder, "--output", out, *model)
    assert (ran.status, ran.out.splitlines()[0]) == (0, "4 photos, 1 to look at")
    rows = json.loads((out / "outliers.json").read_text("utf-8"))
    assert [row["rank"] for row in rows] == [1, 2, 3, 4]
    assert (out / "outliers.html").read_text("utf-8").count("data:image/jpeg") == 1
    ran = anomalygpt("data", "view", folder, "--output", out, *model)
    assert ran.status == 0
    page = (out / "view.html").read_text("utf-8")
    assert page.count("<circle") == 4
    assert "bad</span>" not in page
    assert re.search(r"bad \(1\)</span>", page)
    # A name cannot end the script, nor begin a tag.
    assert page.count("<script>") == page.count("</script>") == 1
    assert "<b>" not in page
    assert "http" not in page
    with (out / "view.csv").open(encoding="utf-8") as file:
        assert sorted(row["group"] for row in csv.DictReader(file)) == ["bad", *["good"] * 3]
    break_photo(next((folder / "good").glob("plain.*")))
    ran = anomalygpt("data", "view", folder, "--output", tmp_path / "new", *model)
    assert ran.status == 1
    assert "cannot be read, left out" in ran.err
