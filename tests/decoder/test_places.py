"""Comparing patches with the same place of the references."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from decoder import DecoderConfig, ImageDecoder, MemoryBank
from decoder.places import ALIKE, FREE, distances_in_place, place_weight

GRID = (16, 16)
CELLS = GRID[0] * GRID[1]


def photos(count: int, seed: int, width: int = 12) -> Tensor:
    """Unit vectors (count, 256, width), all different."""
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, CELLS, width, generator=generator), dim=-1)


def moved(photo: Tensor, rows: int, columns: int) -> Tensor:
    """A photo (1, P, C) whose patches lie so many cells further down and right."""
    planes = photo.unflatten(1, GRID)
    return planes.roll((rows, columns), dims=(1, 2)).flatten(1, 2)


def test_a_part_against_itself_has_distance_zero_at_every_place() -> None:
    photo = photos(1, 0)
    assert distances_in_place(photo, photo, GRID).max() < 1e-6


def test_a_patch_one_cell_off_is_at_the_same_place_and_a_far_one_is_not() -> None:
    photo = photos(1, 1)
    inner = torch.zeros(GRID, dtype=torch.bool)
    inner[2:-2, 2:-2] = True
    near = distances_in_place(photo, moved(photo, 1, -1), GRID)[0]
    far = distances_in_place(photo, moved(photo, 5, 5), GRID)[0]
    assert near[inner.flatten()].max() < 1e-6
    assert far[inner.flatten()].median() > 0.1


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), references=st.integers(1, 3))
def test_no_place_is_nearer_than_anywhere(seed: int, references: int) -> None:
    query, known = photos(2, seed), photos(references, seed + 1)
    anywhere = 1 - (query @ known.flatten(0, 1).T).amax(dim=-1)
    assert (distances_in_place(query, known, GRID) >= anywhere - 1e-5).all()


def bank_of(parts: list[Tensor]) -> MemoryBank:
    """References with copies that are a little different."""
    bank = MemoryBank()
    for number, part in enumerate(parts):
        varied = F.normalize(part + 0.1 * photos(1, 100 + number), dim=-1)
        bank.add([part], name=str(number), varied=[varied])
    return bank


def alike(count: int, seed: int) -> list[Tensor]:
    """Photos of a part that always lies the same."""
    part = photos(1, seed)
    return [F.normalize(part + 0.1 * photos(1, seed + 1 + n), dim=-1) for n in range(count)]


def test_where_references_lie_alike_a_patch_of_another_place_is_found() -> None:
    """A copied patch is well known elsewhere; only its place tells that it is wrong."""
    parts = alike(3, 20)
    bank = bank_of(parts)
    damaged = parts[0].clone()
    damaged[0, 100] = parts[1][0, 7]
    assert bank.distances([damaged])[0, 0, 100] < 1e-6
    assert bank.distances([damaged], GRID)[0, 0, 100] > 0.2
    assert bank.distances([parts[0]], GRID).max() < 1e-6


def test_where_references_lie_freely_any_place_counts() -> None:
    part = photos(1, 30)
    bank = bank_of([part, moved(part, 5, 3), moved(part, 2, 9)])
    query = photos(1, 31)
    assert torch.equal(bank.distances([query], GRID), bank.distances([query]))


def test_a_single_reference_does_not_tell_how_parts_lie() -> None:
    bank, query = bank_of(alike(1, 40)), photos(1, 41)
    assert torch.equal(bank.distances([query], GRID), bank.distances([query]))
    assert torch.equal(bank.self_distances(GRID), bank.self_distances())


def test_each_photo_is_measured_alike_alone_and_in_a_batch() -> None:
    bank = bank_of(alike(2, 50))
    queries = photos(3, 51)
    together = bank.distances([queries], GRID)
    alone = [bank.distances([queries[row : row + 1]], GRID) for row in range(3)]
    torch.testing.assert_close(together, torch.cat(alone, dim=1))


def test_the_scale_belongs_to_the_comparison() -> None:
    parts = alike(2, 60)
    bank = MemoryBank()
    for number, part in enumerate(parts):  # copies are known everywhere, but never in place
        bank.add([part], name=str(number), varied=[moved(part, 4, 0)])
    assert bank.self_distances(GRID).item() > 2 * bank.self_distances().item()


def test_a_bank_without_one_reference_keeps_the_scale_and_the_weight_of_all() -> None:
    bank = bank_of(alike(3, 70))
    part = bank.without("1")
    assert torch.equal(part.self_distances(GRID), bank.self_distances(GRID))
    assert torch.equal(part.self_distances(), bank.self_distances())
    single = part.without("0")
    damaged = alike(3, 70)[2].clone()
    damaged[0, 100] = damaged[0, 7]
    assert single.distances([damaged], GRID)[0, 0, 100] > 0.2
    part.remove("0")
    part.add([photos(1, 75)], name="new")
    assert not torch.equal(part.self_distances(GRID), bank.self_distances(GRID))


def test_references_with_patches_left_out_are_compared_anywhere() -> None:
    foreground = torch.ones(CELLS, dtype=torch.bool)
    foreground[:9] = False
    bank = MemoryBank()
    for number, part in enumerate(alike(2, 80)):
        bank.add([part], name=str(number), foreground=foreground)
    query = photos(1, 85)
    assert torch.equal(bank.distances([query], GRID), bank.distances([query]))


def test_the_weight_rises_from_free_to_alike() -> None:
    shares = [0.0, FREE, (FREE + ALIKE) / 2, ALIKE, 1.0]
    weights = [place_weight(torch.tensor(share)) for share in shares]
    assert weights == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.0], abs=1e-6)


def test_the_map_follows_the_configuration() -> None:
    parts = alike(3, 90)
    damaged = parts[0].clone()
    damaged[0, 100] = parts[1][0, 7]
    maps = [
        ImageDecoder(DecoderConfig((12,), map_size=16, by_place=by_place)).reference_map(
            [damaged], GRID, bank_of(parts)
        )
        for by_place in (False, True)
    ]
    assert maps[0].flatten()[100] < 0.01
    assert maps[1].flatten()[100] > 0.5
