"""How far good parts lie apart: what is read, and that its time grows with the references."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from decoder import DecoderConfig, ImageDecoder, MemoryBank, spread

GRID = (6, 6)
CELLS, WIDTH = 36, 12


def photos(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, CELLS, WIDTH, generator=generator), dim=-1)


def bank_of(parts: Sequence[Tensor], copies: int = 0, **settings: bool) -> MemoryBank:
    bank = MemoryBank(**settings)
    for number, part in enumerate(parts):
        varied = [part + 0.1 * photos(copies, 90 + number)] if copies else None
        bank.add([part], varied=varied)
    return bank


def test_copies_are_read_where_nine_of_ten_lie_and_enlarged_to_what_parts_keep() -> None:
    part, copies = photos(1, 0), photos(3, 1)
    bank = MemoryBank()
    bank.add([part], varied=[copies])
    nearest = 1 - (copies.flatten(0, 1) @ part[0].T).amax(dim=1)
    expected = 1.12 * nearest.sort().values[round(0.9 * len(nearest)) - 1]
    assert bank.self_distances().item() == pytest.approx(expected.item(), rel=1e-5)


def compared_patches(count: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Pairs of patches that are looked at to find the scale of so many references."""
    pairs = 0
    free, bound = spread.anywhere, spread.in_place

    def anywhere(queries: Sequence[Tensor], searched: Sequence[Tensor]) -> Tensor:
        nonlocal pairs
        pairs += queries[0].shape[0] * queries[0].shape[1] * len(searched[0])
        return free(queries, searched)

    def in_place(queries: Sequence[Tensor], references: Any, grid: Any) -> Tensor:
        nonlocal pairs
        pairs += queries[0].shape[0] * queries[0].shape[1] * len(references)
        return bound(queries, references, grid)

    with monkeypatch.context() as patched:
        patched.setattr(spread, "anywhere", anywhere)
        patched.setattr(spread, "in_place", in_place)
        bank = bank_of([photos(1, seed) for seed in range(count)], copies=4)
        bank.self_distances(GRID)
        bank.self_distances()
    return pairs


def test_the_work_grows_with_the_references_and_not_with_their_square(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = {count: compared_patches(count, monkeypatch) for count in (16, 32, 64)}
    assert work[32] == pytest.approx(2 * work[16], rel=0.1)
    assert work[64] == pytest.approx(2 * work[32], rel=0.1)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_of_few_references_everything_is_read(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    parts = [photos(1, seed) for seed in range(count)]
    usual = [bank_of(parts, copies=4).self_distances(grid) for grid in (None, GRID)]
    for name in ("LEFT_OUT_BUDGET", "COPIES_BUDGET"):
        monkeypatch.setattr(spread, name, 10**9)
    everything = [bank_of(parts, copies=4).self_distances(grid) for grid in (None, GRID)]
    assert all(map(torch.equal, usual, everything))


def test_a_sample_tells_nearly_what_all_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    part = photos(1, 5)
    parts = [F.normalize(part + 0.2 * photos(1, 100 + n), dim=-1) for n in range(20)]
    sampled = bank_of(parts, copies=4).self_distances()
    for name in ("LEFT_OUT_BUDGET", "COPIES_BUDGET"):
        monkeypatch.setattr(spread, name, 10**9)
    torch.testing.assert_close(sampled, bank_of(parts, copies=4).self_distances(), rtol=0.2, atol=0)


def test_the_sample_does_not_hang_on_the_order() -> None:
    parts = [photos(1, seed) for seed in range(9)]
    forth, back = bank_of(parts), bank_of(parts[::-1])
    torch.testing.assert_close(forth.self_distances(GRID), back.self_distances(GRID))


# ------------------------------------------------------------------------------ fixed pose


def test_in_a_fixed_pose_a_single_reference_is_compared_by_place() -> None:
    """Mirrored, and with two cells exchanged, it differs from itself; in any pose it does not."""
    part = photos(1, 10)
    mirrored = part.unflatten(1, GRID).flip(2).flatten(1, 2)
    exchanged = part.clone()
    exchanged[0, [0, 35]] = part[0, [35, 0]]
    free, fixed = (bank_of([part], copies=2, fixed_pose=pose) for pose in (False, True))
    assert fixed.distances([part], GRID).max() < 1e-6
    for changed in (mirrored, exchanged):
        assert free.distances([changed], GRID).max() < 1e-6
        assert fixed.distances([changed], GRID).max() > 0.2
    decoder = ImageDecoder(DecoderConfig((WIDTH,), map_size=6))
    maps = [decoder.reference_map([mirrored], GRID, bank) for bank in (free, fixed)]
    assert maps[0].max() < 0.01
    assert maps[1].max() > 0.5


def test_a_further_reference_that_lies_alike_hides_nothing() -> None:
    """What no place of any reference looks like is as plain with two of them as with one, also
    where their copies lie so far from their places that by place nothing would stand out."""
    part = photos(1, 20)
    moved = part.unflatten(1, GRID).roll((3, 3), (1, 2)).flatten(1, 2)
    copies = moved + 0.1 * photos(2, 22)
    parts = [part, F.normalize(part + 0.05 * photos(1, 21), dim=-1)]
    damaged = part.clone()
    damaged[0, 7] = -part[0, 7]
    decoder = ImageDecoder(DecoderConfig((WIDTH,), map_size=6, by_place=True, lone_factor=1.17))
    peaks = []
    for count in (1, 2):
        bank = MemoryBank()
        for reference in parts[:count]:
            bank.add([reference], varied=[copies])
        peaks.append(decoder.reference_map([damaged], GRID, bank).flatten()[7].item())
    assert peaks[1] >= 0.97 * peaks[0]


# ------------------------------------------------------------------- what a bank carries


def test_a_bank_survives_pickling() -> None:
    bank = bank_of([photos(1, 30), photos(1, 31)], copies=2, fixed_pose=True)
    for each in (bank, bank.without("0")):
        copy = pickle.loads(pickle.dumps(each))
        assert copy.names == each.names
        query = [photos(1, 32)]
        assert torch.equal(copy.distances(query, GRID), each.distances(query, GRID))
        assert torch.equal(copy.self_distances(GRID), each.self_distances(GRID))
    copy = pickle.loads(pickle.dumps(bank))
    copy.add([photos(1, 33)])
    assert (len(copy), len(bank)) == (3, 2)


def test_marks_embeddings_and_pose_are_saved(tmp_path: Path) -> None:
    bank = MemoryBank(fixed_pose=True)
    wholes = photos(1, 40)[0, :2]
    for number, mark in enumerate(("one", "two")):
        bank.add([photos(1, number)], marks=[mark, "both"], embedding=3 * wholes[number])
    bank.save(tmp_path / "bank.safetensors")
    for each in (bank, MemoryBank.load(tmp_path / "bank.safetensors")):
        assert each.fixed_pose
        assert each.with_mark(["two"]) == ("1",)
        assert each.with_mark(["both"]) == ("0", "1")
        assert each.with_mark(["three"]) == ()
        expected = (wholes @ wholes.T).amax(dim=1)
        torch.testing.assert_close(each.likeness(5 * wholes), expected)
    bank.add([photos(1, 9)])
    assert bank.likeness(wholes) is None
    assert MemoryBank().likeness(wholes) is None


def test_what_is_added_with_the_scale_kept_is_searched_and_tells_no_scale(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(5)
    photos = torch.randn(4, 1, 16, 8, generator=generator)
    firm, grown = MemoryBank(), MemoryBank()
    for bank in (firm, grown):
        for number in range(2):
            bank.add([photos[number]], name=str(number), grid=(4, 4))
    with grown.scale_kept():
        grown.add([10 * photos[2]], name="odd", grid=(4, 4))
    grown.save(tmp_path / "bank.safetensors")
    for bank in (grown, MemoryBank.load(tmp_path / "bank.safetensors")):
        for grid in (None, (4, 4)):
            assert torch.equal(bank.self_distances(grid), firm.self_distances(grid))
        assert bank.place_weight((4, 4)) == firm.place_weight((4, 4))
        assert bank.distances([photos[2]]).max() < 1e-6
        assert firm.distances([photos[2]]).min() > 1e-3
        bank.add([photos[3]], name="firm", grid=(4, 4))  # from now on all tell it
        assert not torch.equal(bank.self_distances(), firm.self_distances())
