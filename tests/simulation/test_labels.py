"""The label follows the published logistic, and groups are those of find_defects."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation import find_defects, soft_label
from simulation.labels import bounding_window, grouping_radius, largest_group, smallest_change

EVERYWHERE = np.ones((60, 80), bool)


def changed(levels: int, before: int = 100) -> tuple[np.ndarray, np.ndarray]:
    image = np.full((60, 80, 3), before, np.uint8)
    after = image.copy()
    after[20:40, 30:60] += np.uint8(levels)
    return image, after


@given(st.integers(1, 150), st.floats(0.05, 2), st.floats(1, 60))
@settings(max_examples=30, deadline=None)
def test_an_even_change_gives_the_logistic_of_its_size(
    levels: int, sharpness: float, midpoint: float
) -> None:
    label = soft_label(*changed(levels), EVERYWHERE, sharpness=sharpness, midpoint=midpoint)
    expected = 1 / (1 + math.exp(min(700, -sharpness * (levels - midpoint))))
    assert label.dtype == np.float32
    assert label[20:40, 30:60] == pytest.approx(expected, rel=1e-4, abs=1e-7)
    assert (label[20:40, 30:60] > 0.3).all() == (levels > smallest_change(sharpness, midpoint))
    label[20:40, 30:60] = 0
    assert not label.any()


def test_the_change_is_the_mean_over_the_channels() -> None:
    image, after = changed(0)
    after[20:40, 30:60, 0] += np.uint8(72)
    assert soft_label(image, after, EVERYWHERE)[30, 45] == pytest.approx(0.5)


def test_outside_the_region_nothing_counts() -> None:
    region = np.zeros((60, 80), bool)
    region[:30] = True
    label = soft_label(*changed(90), region)
    assert not label[30:].any()
    assert (label[20:30, 30:60] > 0.9).all()
    assert not soft_label(*changed(90), np.zeros((60, 80), bool)).any()


def test_specks_inside_are_closed_and_thin_lines_stay() -> None:
    image, after = changed(90)
    after[30, 45] = image[30, 45]
    after[10, 5:70] = 200
    label = soft_label(image, after, EVERYWHERE)
    assert label[30, 45] > 0.9
    assert (label[10, 5:70] > 0.9).all()
    assert not label[9].any()


def test_arguments_that_disagree() -> None:
    image, after = changed(5)
    with pytest.raises(ValueError, match="must agree"):
        soft_label(image, after[1:], EVERYWHERE)
    with pytest.raises(ValueError, match="must agree"):
        soft_label(image, after, EVERYWHERE[1:])
    with pytest.raises(ValueError, match="sharpness must be above 0, got 0"):
        soft_label(image, after, EVERYWHERE, sharpness=0)


@given(st.integers(0, 2**32 - 1), st.sampled_from([(40, 60), (300, 200), (1100, 900)]))
@settings(max_examples=30, deadline=None)
def test_one_group_here_is_one_defect_there(seed: int, shape: tuple[int, int]) -> None:
    generator = np.random.default_rng(seed)
    mask = np.zeros(shape, bool)
    reach = 6 * grouping_radius(shape)
    for top, left in generator.integers(0, reach, (4, 2)):
        mask[top : top + reach // 4 + 1, left : left + reach // 4 + 1] = True
    window = bounding_window(mask)
    assert window is not None
    if largest_group(mask[window], shape).sum() == mask.sum():
        assert len(find_defects(mask)) == 1


def test_the_window_holds_all_and_no_more() -> None:
    mask = np.zeros((30, 40), bool)
    assert bounding_window(mask) is None
    mask[3, 7] = mask[20, 5] = True
    assert bounding_window(mask) == (slice(3, 21), slice(5, 8))
