"""Which photos are learnt from: by what they show, not by where they lie."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from anomalygpt.errors import DataError
from anomalygpt.files import hash_file
from embedded.photos import split_photos


def test_every_photo_is_on_one_side(photos: Path) -> None:
    split = split_photos([photos])
    assert not set(split.training) & set(split.held_out)
    assert {*split.training, *split.held_out} == set(photos.iterdir())
    assert split.hashes == {hash_file(path) for path in split.training}
    assert len(split.held_out) < len(split.training) / 4


def test_the_split_does_not_depend_on_names_folders_or_their_order(
    photos: Path, tmp_path: Path
) -> None:
    order = np.random.default_rng(0).permutation(len(list(photos.iterdir())))
    for number, photo in zip(order, sorted(photos.iterdir()), strict=True):
        folder = tmp_path / "ab"[number % 2] / "inner"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photo, folder / f"{number}.bmp")
    first, second = tmp_path / "a", tmp_path / "b"

    ordered = split_photos([first, second])

    assert split_photos([second, first]) == ordered
    assert ordered.hashes == split_photos([photos]).hashes


def test_a_picture_under_two_names_is_on_one_side(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "again")
    split = split_photos([photos, tmp_path / "again"])
    for side in (split.training, split.held_out):
        names = [path.name for path in side]
        assert all(names.count(name) == 2 for name in names)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_without_photos_is_named(photos: Path, tmp_path: Path, is_there: bool) -> None:
    folder = tmp_path / "nothing here"
    if is_there:
        folder.mkdir()
    with pytest.raises(DataError, match="nothing here"):
        split_photos([photos, folder])


def test_too_few_to_hold_some_out_is_said(photos: Path, tmp_path: Path) -> None:
    shutil.copy(split_photos([photos]).training[0], tmp_path)
    with pytest.raises(DataError, match="1 photos to learn from and 0 to hold out"):
        split_photos([tmp_path])
