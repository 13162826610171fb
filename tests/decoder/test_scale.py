"""What a map's values mean: distances there and back, light, words and references together."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from decoder.scale import as_map, as_ratio, fused, without_level

RATIOS = st.lists(st.floats(0, 30, width=32), min_size=1, max_size=20).map(torch.tensor)
SHARES = st.floats(0, 1, width=32)


def test_the_distance_that_good_parts_keep_is_the_middle() -> None:
    assert as_map(torch.tensor([0.0, 1.0, 2.0])).tolist() == pytest.approx([0.0, 0.5, 0.8])
    assert as_map(1.0) == 0.5


@given(RATIOS)
def test_a_distance_comes_back_from_its_map(ratios: torch.Tensor) -> None:
    values = as_map(ratios)
    assert 0 <= float(values.min()) <= float(values.max()) < 1
    torch.testing.assert_close(as_ratio(values), ratios, rtol=1e-2, atol=1e-3)
    assert (values[ratios.argsort()].diff() >= 0).all()


def test_values_outside_count_as_the_nearest_inside() -> None:
    found = as_ratio(torch.tensor([-0.5, 0.0, 0.999, 1.0, 2.0]))
    assert found[0] == found[1] == 0
    assert found[2] == found[3] == found[4] < 32


@given(RATIOS, SHARES)
def test_light_is_taken_off_and_a_wrong_part_stays(ratios: torch.Tensor, share: float) -> None:
    row = ratios[None]
    found = without_level(row, share)
    assert (found >= 0).all()
    assert (found <= row).all()
    # However far all of it lies, no more than what good parts keep is taken off.
    assert (row - found <= share + 1e-5).all()
    torch.testing.assert_close(without_level(row, 0.0), row)


@given(RATIOS, SHARES)
def test_words_and_references_share_a_map(ratios: torch.Tensor, weight: float) -> None:
    values, words = as_map(ratios), torch.full_like(ratios, 0.25)
    found = fused(values, words, weight)
    low, high = torch.minimum(values, words), torch.maximum(values, words)
    assert ((found >= low - 1e-6) & (found <= high + 1e-6)).all()
    torch.testing.assert_close(fused(values, words, 0.0), values)
    torch.testing.assert_close(fused(values, words, 1.0), words)
    numbers = [fused(float(value), 0.25, weight) for value in values]
    torch.testing.assert_close(found, torch.tensor(numbers, dtype=found.dtype), atol=1e-5, rtol=0)
