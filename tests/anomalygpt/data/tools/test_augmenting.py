"""Changed copies: pixels and masks move together, and no copy crosses from test to training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomalygpt.data import check, hash_file, open_data
from anomalygpt.data.masks import read_mask
from anomalygpt.data.tools.augmenting import Changes, augment, changed
from anomalygpt.data.tools.versions import create_version
from anomalygpt.errors import ConfigError, DataError, OutputError


def marked(height: int = 40, width: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """A grey photo with a red defect, and its mask."""
    photo = np.full((height, width, 3), 90, dtype=np.uint8)
    mask = np.zeros((height, width), dtype=bool)
    mask[8:16, 40:52] = True
    photo[mask] = (250, 20, 20)
    return photo, mask


@pytest.mark.parametrize("angle", [45, 90, 135, 180, 270, -30, 450])
@pytest.mark.parametrize("fill", ["reflect", "edge", "black"])
def test_masks_turn_with_their_photos(angle: float, fill) -> None:
    photo, mask = marked()
    turned, moved = changed(photo, mask, "turns", angle, fill)
    assert moved is not None
    assert turned.shape[:2] == moved.shape
    red = turned[..., 0] > turned[..., 1].astype(int) + 115
    # Half of the edge's pixels may fall on either side.
    assert (red ^ moved).sum() <= 0.25 * moved.sum()
    if angle % 90 == 0:
        assert np.array_equal(red, moved)
        assert moved.sum() == mask.sum()
    else:
        assert moved.sum() >= 0.9 * mask.sum()


def test_ninety_degrees_are_anticlockwise() -> None:
    photo, mask = marked()
    turned, _ = changed(photo, mask, "turns", 90)
    assert np.array_equal(turned, np.rot90(photo))
    slightly, moved = changed(photo, mask, "turns", 89.99)
    assert moved is not None
    rows = np.flatnonzero(moved.any(axis=1))
    expected = np.flatnonzero(np.rot90(mask).any(axis=1))
    assert abs(rows.mean() - expected.mean()) <= 1.5
    assert slightly.shape[0] >= turned.shape[0]


def test_a_mask_of_one_pixel_is_not_lost() -> None:
    photo, mask = marked()
    mask[:] = False
    mask[20, 30] = True
    for kind, value in (("turns", 45), ("turns", 20), ("resize", 0.3)):
        _, moved = changed(photo, mask, kind, value)
        assert moved is not None
        assert moved.any(), (kind, value)


def test_light_and_noise() -> None:
    photo, mask = marked()
    same = np.array_equal
    brighter, kept = changed(photo, mask, "brightness", 1.2)
    assert brighter[0, 0, 0] == 108
    assert kept is mask
    assert brighter.max() == 255
    flat, _ = changed(photo, mask, "contrast", 0.5)
    assert np.ptp(flat.astype(int)) < 0.6 * np.ptp(photo.astype(int))
    noisy, _ = changed(photo, mask, "gaussian", 8, seed=1)
    assert 6 < (noisy.astype(float) - photo)[~mask].std() < 10
    assert same(noisy, changed(photo, mask, "gaussian", 8, seed=1)[0])
    assert not same(noisy, changed(photo, mask, "gaussian", 8, seed=2)[0])
    salted, _ = changed(photo, mask, "salt_pepper", 0.1, seed=1)
    share = (salted != photo).any(axis=-1).mean()
    assert 0.06 < share < 0.14
    small, halved = changed(photo, mask, "resize", 0.5)
    assert halved is not None
    assert small.shape == (20, 30, 3)
    assert halved.sum() == mask.sum() / 4


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"turns": (0,)},
        {"turns": (float("nan"),)},
        {"brightness": (0,)},
        {"gaussian": (-1,)},
        {"salt_pepper": (1,)},
        {"resize": (float("inf"),)},
        {"turns": (90,), "fill": "white"},
    ],
)
def test_changes_that_are_none(values: dict) -> None:
    with pytest.raises(ConfigError):
        Changes(**values)


def test_copies_stay_on_the_side_of_their_parents(make, mvtec: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in mvtec.rglob("*")}
    changes = Changes(turns=(45, 90, 135), gaussian=(5,))
    made = augment(mvtec, tmp_path / "out", changes, splits=("train", "test"))
    assert {path: path.stat().st_mtime_ns for path in mvtec.rglob("*")} == before
    assert (made.originals, made.copies, made.findings) == (7, 28, ())
    assert check(tmp_path / "out").is_ready
    data = open_data(tmp_path / "out")
    assert len(data.select(split="train", is_anomalous=False)) == 15
    bad = data.select(split="test", is_anomalous=True)
    assert len(bad) == 10
    for sample in bad:
        assert read_mask(sample.masks[0]).any()
    parents = json.loads((tmp_path / "out" / "parents.json").read_text("utf-8"))["files"]
    held = {hash_file(sample.image) for sample in data.samples if sample.split == "test"}
    for each in parents:
        assert each["path"].split("/")[:3] == each["parent"].split("/")[:3]
        assert hash_file(tmp_path / "out" / each["parent"]) == each["parent_sha256"]
        if each["split"] == "train":
            assert each["parent_sha256"] not in held
    again = augment(mvtec, tmp_path / "again", changes, splits=("train", "test"))
    for path in (tmp_path / "out").rglob("*.png"):
        twin = again.output / path.relative_to(tmp_path / "out")
        assert twin.read_bytes() == path.read_bytes()


def test_only_training_photos_by_default(mvtec: Path, tmp_path: Path) -> None:
    made = augment(mvtec, tmp_path / "out", Changes(turns=(90,)))
    assert (made.originals, made.copies) == (7, 3)


def test_a_test_photo_among_the_training_ones_has_no_copies(mvtec: Path, tmp_path: Path) -> None:
    test = mvtec / "bottle" / "test" / "good" / "000.png"
    shutil.copy(test, mvtec / "bottle" / "train" / "good" / "leaked.png")
    made = augment(mvtec, tmp_path / "out", Changes(turns=(90,)))
    assert [finding.path.name for finding in made.findings] == ["leaked.png"]
    assert not list((tmp_path / "out" / "bottle" / "train").rglob("leaked*"))


def test_the_check_finds_copies_that_came_into_training(mvtec: Path, tmp_path: Path) -> None:
    out = augment(mvtec, tmp_path / "out", Changes(turns=(45,)), splits=("train", "test")).output
    assert check(out).is_ready
    copy = out / "bottle" / "test" / "good" / "000__turn45.png"
    shutil.copy(copy, out / "bottle" / "train" / "good" / "renamed.png")
    copy.unlink()
    errors = [finding for finding in check(out).findings if finding.severity == "error"]
    assert [(each.problem, each.path.name, each.detail) for each in errors] == [
        (
            "training photos that are copies of photos to test with",
            "renamed.png",
            "copy of test/good/000.png",
        )
    ]
    (out / "parents.json").write_text('{"files": [{"path": 1}]}')
    with pytest.raises(DataError, match=r"parents\.json cannot be read"):
        check(out)


def test_names_that_meet(make, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for name in ("1.png", "1.bmp", "1__turn90.png", "2_mask.png", "2.png"):
        make.photo(root / "good" / name)
        make.photo(root / "bad" / "crack" / name.replace("1.bmp", "3.bmp"))
    for stem in ("1", "2"):
        make.mask(root / "masks" / "crack" / f"{stem}.png")
    made = augment(root, tmp_path / "out", Changes(turns=(90,)), splits=("train", "test"))
    assert (made.originals, made.copies) == (10, 10)
    data = open_data(tmp_path / "out")
    assert len(data.samples) == 20
    assert sorted(sample.image.name for sample in data.samples if sample.masks) == [
        *("1.png", "1__turn90.png", "2.png", "2__turn90.png")
    ]
    images = [sample.image for sample in data.samples]
    assert len({hash_file(image) for image in images}) == 20


def test_what_cannot_be_used_is_named(make, mvtec: Path, tmp_path: Path) -> None:
    (mvtec / "bottle" / "train" / "good" / "000.png").write_bytes(b"\x89PNG broken")
    make.mask(mvtec / "bottle" / "ground_truth" / "crack" / "000_mask.png", size=(9, 50))
    made = augment(mvtec, tmp_path / "out", Changes(turns=(90,)))
    assert made.originals == 5
    assert [finding.severity for finding in made.findings] == ["error", "error"]
    with pytest.raises(OutputError, match="is not empty"):
        augment(mvtec, tmp_path / "out", Changes(turns=(90,)))
    for path in mvtec.rglob("*.png"):
        path.write_bytes(b"\x89PNG broken")
    with pytest.raises(DataError, match="no photo can be used"):
        augment(mvtec, tmp_path / "none", Changes(turns=(90,)))
    assert not (tmp_path / "none").exists()


def test_a_version_knows_the_parents_of_copies(mvtec: Path, tmp_path: Path) -> None:
    create_version(tmp_path / "all", mvtec, "raw")
    augment(mvtec, tmp_path / "out", Changes(turns=(90,)))
    made = create_version(tmp_path / "all", tmp_path / "out", "augmented")
    assert made.manifest is not None
    parents = {entry.path: entry.parent for entry in made.manifest.files}
    name = "bottle/train/good/000.png"
    assert parents["bottle/train/good/000__turn90.png"] == name
    assert parents[name] == name


def test_the_command(anomalygpt, mvtec: Path, tmp_path: Path) -> None:
    run = ("data", "augment", mvtec, tmp_path / "out")
    ran = anomalygpt(*run, "--turn", 45, -30, "--brightness", 1.2, "--fill", "edge")
    assert (ran.status, ran.out) == (0, f"{tmp_path / 'out'}: 7 photos and 9 copies\n")
    assert anomalygpt("data", "augment", mvtec, tmp_path / "new").status == 2
    with Image.open(tmp_path / "out" / "bottle" / "train" / "good" / "000__turn45.png") as picture:
        assert picture.size == (32, 32)
