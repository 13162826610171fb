"""Labels of other programs: drawn as they are meant, and written so that they come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from anomalygpt.data import open_data
from anomalygpt.data.masks import load_mask
from anomalygpt.data.tools.exporting import FORMATS, export_labels
from anomalygpt.data.tools.formats.labels import label_of, read_table
from anomalygpt.data.tools.formats.shapes import (
    bridged,
    ellipse,
    fill,
    from_run_lengths,
    rectangle,
    run_lengths,
    trace,
    unpacked,
)
from anomalygpt.data.tools.importing import import_labels
from anomalygpt.errors import ConfigError, DataError, OutputError

RING = np.zeros((20, 24), dtype=bool)
RING[3:12, 4:15] = True
RING[5:9, 6:12] = False
RING[15:17, 1:3] = True


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_what_is_traced_is_drawn_again(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((height, width)) < rng.random()
    drawn = np.zeros_like(mask)
    for outer, holes in trace(mask):
        drawn |= fill(bridged(outer, holes), mask.shape)
    assert np.array_equal(drawn, mask)
    for order in ("F", "C"):
        runs = run_lengths(mask) if order == "F" else run_lengths(mask.T)
        assert np.array_equal(from_run_lengths(runs, mask.shape, order), mask)


def test_outlines_by_the_centres_of_pixels() -> None:
    assert fill(rectangle(1, 2, 3, 4), (10, 10)).sum() == 12
    assert not fill(rectangle(1.6, 2, 1, 4), (10, 10))[:, 1].any()
    assert fill(rectangle(-5, -5, 100, 100), (10, 12)).all()
    area = fill(ellipse(50, 50, 30, 20), (100, 100)).sum()
    assert abs(area - np.pi * 600) < 20
    turned = fill(rectangle(50, 50, 30, 10, 90), (100, 100))
    assert turned[50:80, 40:50].all()
    assert turned.sum() == 300


def test_a_thin_scratch_is_not_lost() -> None:
    drawn = fill(np.array([(2.1, 3.1), (7.9, 3.1), (7.9, 3.2)]), (10, 10))
    assert np.flatnonzero(drawn.any(axis=1)).tolist() == [3]
    assert drawn[3, 2:8].all()


def test_packed_run_lengths_of_coco() -> None:
    """The text is what pycocotools.mask.encode makes of RING."""
    text = "S12b0087A00II17OI17OI17OI17OI17OI1760000a5"
    assert unpacked(text) == run_lengths(RING)
    assert np.array_equal(from_run_lengths(unpacked(text), RING.shape), RING)
    with pytest.raises(ValueError, match="no letter"):
        unpacked("~~")
    with pytest.raises(ValueError, match="run lengths of 3 pixels"):
        from_run_lengths([1, 2], (2, 2))


@pytest.fixture
def data(make, tmp_path: Path) -> Path:
    """Two kinds of defect, one with a hole and two regions; a name with an accent; one photo
    without a mask."""
    root = tmp_path / "data"
    for number in range(2):
        make.photo(root / "part" / "train" / "good" / f"{number}.png")
    make.photo(root / "part" / "test" / "good" / "0.png")
    make.photo(root / "part" / "test" / "Kratzer ä" / "0.png")
    make.photo(root / "part" / "test" / "dent" / "0.png")
    make.photo(root / "part" / "test" / "dent" / "1.png")
    folder = root / "part" / "ground_truth"
    make.mask(folder / "dent" / "0.png")
    (folder / "Kratzer ä").mkdir()
    Image.fromarray(RING).save(folder / "Kratzer ä" / "0_mask.png")
    return root


@pytest.mark.parametrize("name", FORMATS)
def test_there_and_back(data: Path, tmp_path: Path, name: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    made = export_labels(data, tmp_path / "out", name)
    assert (made.photos, made.findings) == (6, ())
    assert made.mix.startswith("3 normal, 3 anomalous (50.0 %); ")
    images = None if name == "yolo" else data
    back = import_labels(tmp_path / "out", tmp_path / "back", images=images)
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before
    # YOLO has no word for a defect without a place.
    assert (back.good, back.bad) == ((4, 2) if name == "yolo" else (3, 3))
    assert back.findings == ()
    read = open_data(tmp_path / "back")
    assert len(read.samples) == 6
    bad = [sample for sample in read.samples if sample.is_anomalous]
    if name == "table":
        assert back.masks == 0
        return
    masks = {sample.kind: load_mask(sample, RING.shape) for sample in bad if sample.masks}
    dent = np.zeros_like(RING)
    dent[2:6, 3:7] = True
    assert sorted(masks) == ["Kratzer ä", "dent"]
    assert np.array_equal(masks["Kratzer ä"], RING)
    assert np.array_equal(masks["dent"], dent)
    rows = read_table(tmp_path / "back" / "labels.csv")
    assert rows == read_table(tmp_path / "back" / "labels.json")
    assert {row.image for row in rows} == {
        sample.image.relative_to(read.root).as_posix() for sample in read.samples
    }


def test_formats_and_places_that_are_none(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no format 'voc'"):
        export_labels(data, tmp_path / "out", "voc")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(OutputError, match="is not empty"):
        export_labels(data, tmp_path / "out", "coco")
    for place in ("nothing", "data"):
        with pytest.raises(DataError, match=r"does not exist|no label file that is known"):
            import_labels(tmp_path / place, tmp_path / "back")
        assert not (tmp_path / "back").exists()


def test_photos_and_masks_that_cannot_be_used(make, data: Path, tmp_path: Path) -> None:
    (data / "part" / "test" / "dent" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    make.mask(data / "part" / "ground_truth" / "dent" / "0.png", size=(20, 99))
    made = export_labels(data, tmp_path / "out", "coco")
    assert made.photos == 4
    assert sorted(finding.path.name for finding in made.findings) == ["0.png", "1.png"]


def test_words_of_the_table(tmp_path: Path) -> None:
    assert [label_of(word) for word in ("normal", "error", "Anomaly", "양품", "perhaps")] == [
        *("normal", "anomaly", "anomaly", "normal", None)
    ]
    table = tmp_path / "t.csv"
    table.write_text("﻿Image_ID,Label,Description\na.jpg,perhaps,\n", "utf-8")
    with pytest.raises(DataError, match=r"t\.csv, line 2: .*'perhaps'"):
        read_table(table)
    table.write_text("name,what\n")
    with pytest.raises(DataError, match="has the columns name, what; expected image_id"):
        read_table(table)


def test_the_commands(anomalygpt, data: Path, tmp_path: Path) -> None:
    ran = anomalygpt("data", "labels", "export", data, tmp_path / "out", "--format", "labelme")
    assert (ran.status, ran.out.split(":")[1]) == (0, " 6 photos")
    ran = anomalygpt("data", "labels", "import", tmp_path / "out", tmp_path / "back")
    assert (ran.status, ran.out) == (
        0,
        f"{tmp_path / 'back'}: 3 good, 3 bad, 2 with a mask, from LabelMe\n",
    )
    (data / "part" / "test" / "dent" / "0.png").unlink()
    ran = anomalygpt("data", "labels", "import", tmp_path / "out", tmp_path / "again")
    assert ran.status == 1
    assert "error: photos of the labels that are not there" in ran.out
