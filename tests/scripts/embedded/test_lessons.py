"""What the prompt learner learns to read: a map shows what its words say, and no more."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from decoder.scale import as_map, as_ratio
from embedded import lessons
from embedded.lessons import Evidence, draw_lesson, draw_rows, words_of_mask
from embedded.notation import CLEAN
from simulation import find_defects

GRID, PHOTOS, GOOD = 16, 12, 4


def evidence(seed: int) -> Evidence:
    """Noise; the first photos are good, in the others are one or two round defects."""
    generator = np.random.default_rng(seed)
    masks = np.zeros((PHOTOS, 224, 224), np.uint8)
    for mask in masks[GOOD:]:
        for _ in range(int(generator.integers(1, 3))):
            center = generator.integers(20, 204, 2).tolist()
            cv2.circle(mask, center, int(generator.integers(6, 20)), 1, -1)
    ratios = generator.uniform(0.05, 0.6, (PHOTOS, GRID, GRID))
    return Evidence(
        ratios=torch.from_numpy(ratios).float(),
        masks=torch.from_numpy(masks > 0),
        ordinary=torch.full((PHOTOS,), 0.6),
        embeddings=torch.zeros(PHOTOS, 3),
        tokens=(torch.zeros(PHOTOS, 4, 2),),
    )


@given(st.lists(st.floats(0, 20), min_size=1, max_size=9))
def test_a_distance_comes_back_from_its_map(distances: list[float]) -> None:
    ratios = torch.tensor(distances)
    torch.testing.assert_close(as_ratio(as_map(ratios)), ratios, rtol=1e-2, atol=1e-3)


@settings(max_examples=40, deadline=None)
@example(299, 9)  # at the photo's edge the map was higher beside the defect than in it
@given(st.integers(0, 2**32 - 1), st.integers(0, PHOTOS - 1))
def test_every_defect_shows_and_has_its_word(seed: int, row: int) -> None:
    known = evidence(seed)
    lesson = draw_lesson(known, row, np.random.default_rng(seed))
    shown = [known.masks[n].numpy() for n in (row, lesson.other) if n is not None]
    assert lesson.words == words_of_mask(np.logical_or.reduce(shown))
    for defect in [defect for mask in shown for defect in find_defects(mask)]:
        cells = cv2.resize(defect.mask.astype(np.float32), (GRID, GRID), interpolation=3) > 0
        assert lesson.ratios.numpy()[cells].max() >= 0.99 * lessons.LIMIT
    assert lesson.ratios.min() >= 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(0, GOOD - 1))
def test_good_parts_lie_where_real_ones_were_found(seed: int, row: int) -> None:
    lesson = draw_lesson(evidence(seed), row, np.random.default_rng(seed))
    assert lesson.words == (CLEAN,) * 9
    assert lesson.other is None
    usual = lessons.LIMIT * np.exp(lessons.GOOD_LEVEL)
    assert 0.55 * usual < lesson.ratios.max() < 1.8 * usual


def test_damage_of_another_photo_is_joined_to_damage_alone() -> None:
    known = evidence(0)
    others = [
        draw_lesson(known, row, np.random.default_rng(seed)).other
        for seed in range(60)
        for row in (0, PHOTOS - 1)
    ]
    assert all(other is None for other in others[::2])
    joined = [other for other in others[1::2] if other is not None]
    assert len(joined) / 60 == pytest.approx(lessons.JOINED_SHARE, abs=0.2)
    assert min(joined) >= GOOD


def test_good_and_damaged_photos_come_in_equal_numbers() -> None:
    known = evidence(0)
    for seed in range(5):
        rows = draw_rows(known, 8, np.random.default_rng(seed))
        assert known.is_good[rows].sum() == 4


def hollow_defect(inside: float, around: float) -> Evidence:
    """A damaged ring of 3×3 cells; the whole cell in its middle is fine."""
    known = evidence(0)
    cell = known.masks.shape[-1] // GRID
    known.masks[GOOD:] = False
    known.masks[GOOD:, 5 * cell : 8 * cell, 5 * cell : 8 * cell] = True
    known.masks[GOOD:, 6 * cell : 7 * cell, 6 * cell : 7 * cell] = False
    known.ratios[GOOD:] = around
    known.ratios[GOOD:, 5:8, 5:8] = inside
    known.ratios[GOOD:, 6, 6] = around
    return known


@pytest.mark.parametrize("inside", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("seed", range(5))
def test_a_hollow_that_stands_out_does_not_hide_the_defect(inside: float, seed: int) -> None:
    """The defect shows, even where it left no trace, and its hollow no more than it."""
    known = hollow_defect(inside, around=0.6)
    ratios = draw_lesson(known, GOOD, np.random.default_rng(seed)).ratios.numpy()
    ring = ratios[5:8, 5:8].ravel()[[0, 1, 2, 3, 5, 6, 7, 8]]
    assert ring.max() >= 0.99 * lessons.LIMIT
    assert ratios[6, 6] <= 1.001 * ring.max()


def test_good_photos_alone_are_enough() -> None:
    known = evidence(0)
    known.masks[:] = False
    assert known.is_good[draw_rows(known, 8, np.random.default_rng(0))].all()
