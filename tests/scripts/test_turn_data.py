"""Turned copies of a category."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import turn_data
from anomalygpt.errors import DataError


def category(folder: Path) -> Path:
    """Two test photos with a bright corner, one of them with a mask of it."""
    pixels = np.full((40, 40, 3), 90, np.uint8)
    pixels[:20, :20] = 200
    mask = np.zeros((40, 40), np.uint8)
    mask[:20, :20] = 255
    for place in ("train/good", "test/good", "test/bad", "ground_truth/bad"):
        (folder / place).mkdir(parents=True)
    for place in ("train/good", "test/good", "test/bad"):
        Image.fromarray(pixels).save(folder / place / "1.png")
    Image.fromarray(mask).save(folder / "ground_truth/bad/1_mask.png")
    return folder


def test_photo_and_mask_are_turned_together_and_references_stay(tmp_path: Path) -> None:
    source = category(tmp_path / "a")
    assert turn_data.turn_category(source, tmp_path / "b", turns=4, seed=3) == 2
    photo = np.asarray(Image.open(tmp_path / "b/test/bad/1.png").convert("L")) > 150
    mask = np.asarray(Image.open(tmp_path / "b/ground_truth/bad/1_mask.png").convert("L")) > 127
    assert (photo == mask).mean() > 0.95
    before = (source / "train/good/1.png").read_bytes()
    assert (tmp_path / "b/train/good/1.png").read_bytes() == before


def test_some_photos_are_turned(tmp_path: Path) -> None:
    source = category(tmp_path / "a")
    before = np.asarray(Image.open(source / "test/good/1.png"))
    changed = []
    for seed in range(4):
        turn_data.turn_category(source, tmp_path / str(seed), turns=4, seed=seed)
        after = np.asarray(Image.open(tmp_path / f"{seed}/test/good/1.png"))
        changed.append(not np.array_equal(before, after))
    assert any(changed)


def test_what_is_no_category_or_there_already_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no photos"):
        turn_data.turn_category(tmp_path / "none", tmp_path / "new", 4, 0)
    with pytest.raises(DataError, match="already"):
        turn_data.turn_category(category(tmp_path / "a"), tmp_path, 4, 0)
