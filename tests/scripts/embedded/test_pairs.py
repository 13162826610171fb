"""Lessons made from single photos: the same for everybody, and true."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import cv2
import numpy as np
import pytest

from embedded import pairs
from embedded.pairs import Pair, crop, make_pair

SIDE = 64


@pytest.fixture(scope="module")
def pool(photos: Path) -> list[Path]:
    return sorted(photos.iterdir())


@pytest.fixture(scope="module")
def lessons(pool: list[Path]) -> list[Pair]:
    return [make_pair(pool, number, 0, SIDE) for number in range(60)]


def test_a_lesson_is_the_same_whoever_makes_it(pool: list[Path], lessons: list[Pair]) -> None:
    for number in (59, 3, 17):
        again = make_pair(pool, number, 0, SIDE)
        for one, other in zip(astuple(lessons[number]), astuple(again), strict=True):
            np.testing.assert_array_equal(one, other)


def test_lessons_differ_by_number_and_by_seed(pool: list[Path], lessons: list[Pair]) -> None:
    assert len({lesson.good.tobytes() for lesson in lessons}) == len(lessons)
    assert not np.array_equal(make_pair(pool, 0, 1, SIDE).good, lessons[0].good)


def test_pictures_are_square_and_masks_are_yes_or_no(lessons: list[Pair]) -> None:
    for lesson in lessons:
        for picture in (lesson.good, lesson.turned, lesson.copy, lesson.query):
            assert (picture.shape, picture.dtype) == ((SIDE, SIDE, 3), np.uint8)
        assert (lesson.mask.shape, lesson.mask.dtype) == ((SIDE, SIDE), np.bool_)


def test_the_share_of_good_ones_is_as_asked(pool: list[Path], lessons: list[Pair]) -> None:
    damaged = [lesson.mask.mean() for lesson in lessons if lesson.mask.any()]
    assert 0.05 < 1 - len(damaged) / len(lessons) < 0.3
    assert 0.001 < np.median(damaged) < 0.4
    good = [make_pair(pool, number, 0, SIDE, good_share=1.0) for number in range(12)]
    assert not any(lesson.mask.any() for lesson in good)
    bad = [make_pair(pool, number, 0, SIDE, good_share=0.0) for number in range(12)]
    assert all(lesson.mask.any() for lesson in bad)


def test_a_query_differs_from_its_reference_where_the_mask_says(
    pool: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same light, and of the same part; damage is soft at its edge."""
    monkeypatch.setattr(pairs, "vary", lambda pixels, *_: pixels)
    monkeypatch.setattr(pairs, "OTHER_PART_SHARE", 0.0)
    for number in range(30):
        lesson = make_pair(pool, number, 0, SIDE)
        changed = np.abs(lesson.query.astype(int) - lesson.good).max(axis=2)
        if not lesson.mask.any():
            assert not changed.any()
            continue
        around = cv2.dilate(lesson.mask.astype(np.uint8), np.ones((9, 9))) > 0
        assert changed[lesson.mask].mean() > 5
        assert changed[~around].sum() <= 0.1 * changed.sum()


def test_one_photo_is_enough(pool: list[Path]) -> None:
    assert make_pair(pool[:1], 0, 0, SIDE, good_share=0.0).mask.any()


@pytest.mark.parametrize("size", [(80, 96), (16, 200), (1, 16)])
def test_a_crop_is_part_of_the_photo(size: tuple[int, int]) -> None:
    """Each pixel says where it lies; what is cut out says so as well."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    pixels = np.stack([rows, columns, np.zeros(size)], axis=2).astype(np.uint8)
    for seed in range(20):
        generator = np.random.default_rng(seed)
        part = crop(pixels, generator, 0.5, 32)
        assert part.shape == (32, 32, 3)
        for axis, side in enumerate(size):
            spread = int(part[..., axis].max()) - int(part[..., axis].min())
            assert spread <= max(1, side // 2)
