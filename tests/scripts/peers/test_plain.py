"""PatchCore and SPADE, written plainly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalygpt import AnomalyGPT
from peers.plain import PatchCoreStyle, SpadeStyle, coreset, nearest

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE = 64


def plain_readings(assistant: AnomalyGPT) -> list[Any]:
    whole = PatchCoreStyle(assistant.encoder, share=1.0)
    return [whole, SpadeStyle(assistant.encoder)]


@torch.no_grad()
def test_a_reference_against_itself_scores_0(
    assistant: AnomalyGPT, pixels_of: Any, part: Any
) -> None:
    pixels = pixels_of(part(0))
    for method in plain_readings(assistant):
        method.fit([], pixels)
        found = method.read(pixels)
        assert found.score == pytest.approx(0, abs=1e-6)
        assert found.anomaly_map.shape == (SIDE, SIDE)
        assert np.abs(found.anomaly_map).max() <= 1e-6


@torch.no_grad()
@pytest.mark.parametrize("shots", [1, 4])
def test_damage_scores_higher_and_lies_where_the_map_is_highest(
    assistant: AnomalyGPT, shots: int, pixels_of: Any, part: Any
) -> None:
    good, bad = (pixels_of(photo) for photo in (part(50), part(50, damaged=True)))
    coreset = PatchCoreStyle(assistant.encoder)
    for method in (*plain_readings(assistant), coreset):
        method.fit([], pixels_of(*(part(seed) for seed in range(shots))))
        without, found = method.read(good), method.read(bad)
        assert found.score > without.score, method.name
        row, column = np.unravel_index(found.anomaly_map.argmax(), (SIDE, SIDE))
        # Of 96×80 pixels the damage fills rows 56 to 80, columns 8 to 32.
        assert 56 / 96 <= row / SIDE <= 80 / 96, method.name
        assert 8 / 80 <= column / SIDE <= 32 / 80, method.name


@torch.no_grad()
def test_spade_asks_as_many_neighbours_as_there_are_references(
    assistant: AnomalyGPT, pixels_of: Any, part: Any
) -> None:
    method = SpadeStyle(assistant.encoder)
    for shots, expected in ((1, 1), (3, 3), (7, 5)):
        method.fit([], pixels_of(*(part(seed) for seed in range(shots))))
        assert method.neighbours == expected


@given(seed=st.integers(0, 1000), rows=st.integers(1, 30), banked=st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_nearest_agrees_with_all_pairs(seed: int, rows: int, banked: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(rows, 5, generator=generator)
    bank = torch.randn(banked, 5, generator=generator)
    count = min(3, banked)
    distances, indices = nearest(query, bank, count)
    expected = torch.cdist(query, bank, compute_mode="donot_use_mm_for_euclid_dist")
    assert torch.allclose(distances, expected.sort(dim=1).values[:, :count], atol=1e-5)
    assert torch.allclose(distances, expected.gather(1, indices), atol=1e-6)
    assert (nearest(bank, bank, 1)[0] == 0).all()


@given(seed=st.integers(0, 1000), count=st.integers(1, 20), copies=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_the_coreset_takes_the_farthest_patch_each_time(seed: int, count: int, copies: int) -> None:
    """Copies of patches come last, and no patch is taken twice."""
    apart = torch.randn(20, 4, generator=torch.Generator().manual_seed(seed))
    patches = apart.repeat(copies, 1)
    taken = coreset(patches, count).tolist()
    assert len(set(taken)) == count
    assert len({index % 20 for index in taken}) == count
    pairs = torch.cdist(patches, patches, compute_mode="donot_use_mm_for_euclid_dist")
    for number in range(1, count):
        reach = pairs[:, taken[:number]].amin(dim=1)
        assert reach[taken[number]] == pytest.approx(float(reach.max()), abs=1e-5)
