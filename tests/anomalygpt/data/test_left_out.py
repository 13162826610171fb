"""What a data set holds and is not read is told; photos of a category have one bit depth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from anomalygpt.data import bit_depths, check, data_notes, open_data
from anomalygpt.evaluation.batches import load_batches
from anomalygpt.images.reading import load_image
from anomalygpt.results.pictures import save_image


def test_a_tidy_data_set_has_no_notes(mvtec: Path) -> None:
    assert data_notes(open_data(mvtec)) == []


def test_what_is_not_read_is_told_in_a_line_each(make, mvtec: Path) -> None:
    good = mvtec / "bottle" / "test" / "good"
    pages = [Image.open(make.photo(good / f"{number}.png")).copy() for number in range(3)]
    pages[0].save(good / "scan.tif", save_all=True, append_images=pages[1:])
    for number in range(5):
        (good / f"{number}.heic").write_bytes(b"\0\0\0\x18ftypheic")
    save_image(pages[0], good / "overlay.png", is_result=True)
    make.photo(mvtec / "bottle" / "train" / "other" / "1.png")
    for mask in sorted((mvtec / "bottle" / "ground_truth" / "crack").iterdir()):
        Image.open(mask).filter(ImageFilter.GaussianBlur(1)).save(mask)
    data = open_data(mvtec)
    assert good / "overlay.png" not in {sample.image for sample in data.samples}
    assert data_notes(data) == [
        "folders beside train/good, left out: 1 (other)",
        "files and folders between the photos, left out: 5 (0.heic, 1.heic, 2.heic, …)",
        "pictures that anomalygpt wrote itself, between the photos: 1 (overlay.png)",
        "TIFF files with several photos, of which the first counts: 1 (scan.tif)",
        "bottle: its masks have smeared edges; pixels of at least half the brightness of white "
        "count as defects",
    ]
    text = check(mvtec).to_text()
    assert "0.heic" in text
    assert "scan.tif: 3 pages" in text


def test_photos_without_a_suffix_and_of_newer_kinds_are_read(make, mvtec: Path) -> None:
    good = mvtec / "bottle" / "test" / "good"
    photo = Image.open(make.photo(good / "a.png"))
    photo.save(good / "b", format="JPEG")
    photo.save(good / "c.jfif", format="JPEG")
    names = {sample.image.name for sample in open_data(mvtec).select(split="test")}
    assert {"a.png", "b", "c.jfif"} < names


def test_one_bit_depth_for_each_category(make, tmp_path: Path) -> None:
    """The darkest photo of 12 bits would fit into 8."""
    root = make.mvtec(tmp_path, ("bottle", "nut"))
    values = np.random.default_rng(0).integers(0, 256, make.size).astype(np.uint16)
    photos = sorted((root / "bottle").rglob("train/*/*.png"))
    for number, photo in enumerate(photos):
        Image.fromarray(values * (16 if number == 1 else 1)).save(photo)
    samples = open_data(root).samples
    depths = bit_depths(samples)
    assert set(depths.values()) == {12}
    assert set(depths) == {sample.image for sample in samples if sample.category == "bottle"}
    assert set(bit_depths(samples, 14).values()) == {14}
    trained = [sample for sample in samples if sample.image in photos]
    (batch,) = load_batches(trained, 8, depths)
    for photo, expected in zip(batch.photos, photos, strict=True):
        assert np.array_equal(np.asarray(photo), np.asarray(load_image(expected, 12)))
    assert np.asarray(batch.photos[0]).max() < 17
