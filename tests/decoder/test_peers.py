"""Photos of a run compared with each other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from decoder import DecoderConfig, DecoderError, EmptyMemoryBankError, ImageDecoder, MemoryBank
from decoder.peers import Peers

GRID = (8, 8)
WIDTHS = (16, 24)


def run(count: int, *, grid: tuple[int, int] = GRID, damaged: int | None = None) -> list[Tensor]:
    """Tokens per stage of photos that show the same but for noise; one has another patch."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for width in WIDTHS:
        part = torch.randn(grid[0] * grid[1], width, generator=generator)
        noise = torch.randn(count, *part.shape, generator=generator)
        tokens = part + 0.1 * noise
        if damaged is not None:
            tokens[damaged, 20] = torch.randn(width, generator=generator)
        found.append(tokens)
    return found


def marks(count: int) -> list[str]:
    return [f"photo {number}" for number in range(count)]


def test_good_parts_stay_below_what_they_keep_and_damage_rises_above() -> None:
    stages = run(12, damaged=3)
    peers = Peers(stages, GRID, marks(12))
    ratio, cells = peers.ratio(stages, marks(12))
    assert cells == GRID
    assert int(ratio.flatten().argmax()) == 3 * 64 + 20
    assert ratio[3, 20] > 3
    others = [row for row in range(12) if row != 3]
    assert ratio[others].max() < 1.3
    assert ratio[others].amax(dim=1).median() < 1


def test_half_of_the_parts_may_be_damaged_each_in_its_own_way() -> None:
    stages = run(12)
    generator = torch.Generator().manual_seed(7)
    for tokens in stages:
        for row in range(6):
            tokens[row, 5 * row] = torch.randn(tokens.shape[-1], generator=generator)
    ratio, _ = Peers(stages, GRID, marks(12)).ratio(stages, marks(12))
    assert ratio[:6].amax(dim=1).min() > 2 * ratio[6:].amax()


def test_the_order_does_not_matter() -> None:
    stages = run(10, damaged=2)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(3))
    mixed = [tokens[order] for tokens in stages]
    names = [marks(10)[number] for number in order]
    one, _ = Peers(stages, GRID, marks(10)).ratio(stages, marks(10))
    other, _ = Peers(mixed, GRID, names).ratio(stages, marks(10))
    torch.testing.assert_close(one, other)


def test_the_scale_of_tokens_does_not_matter() -> None:
    stages = run(8, damaged=1)
    one, _ = Peers(stages, GRID, marks(8)).ratio(stages, marks(8))
    larger = [7 * tokens for tokens in stages]
    other, _ = Peers(larger, GRID, marks(8)).ratio(stages, marks(8))
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_photo_is_not_compared_with_one_of_its_mark() -> None:
    stages = run(9, damaged=3)
    peers = Peers(stages, GRID, marks(9))
    damaged = [tokens[3:4] for tokens in stages]
    own, _ = peers.ratio(damaged, ["photo 3"])
    unknown, _ = peers.ratio(damaged, ["a new photo"])
    assert own[0, 20] > unknown[0, 20] > 0


def test_fine_grids_are_made_coarser_and_large_damage_is_still_seen() -> None:
    grid = (32, 36)
    stages = run(8, grid=grid)
    generator = torch.Generator().manual_seed(1)
    for tokens in stages:
        plane = tokens.unflatten(1, grid)
        plane[5, 8:14, 20:26] = torch.randn(6, 6, plane.shape[-1], generator=generator)
    ratio, cells = Peers(stages, grid, marks(8)).ratio(stages, marks(8))
    assert cells == (16, 18)
    place = int(ratio[5].argmax())
    assert (place // 18 in range(4, 7), place % 18 in range(10, 13)) == (True, True)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b"], "three different photos"),
        (["a", "b", "c", "a"], "three different photos"),
        (["a", "b", "c", "d", "e"], "5 marks were given for 4 photos"),
    ],
)
def test_what_cannot_be_compared_is_refused(names: list[str], message: str) -> None:
    count = len(names) - (len(names) == 5)
    with pytest.raises(DecoderError, match=message):
        Peers(run(count), GRID, names)


def test_photos_of_another_encoder_are_refused() -> None:
    peers = Peers(run(4), GRID, marks(4))
    with pytest.raises(DecoderError, match="encode both alike"):
        peers.ratio([torch.ones(1, 64, 5), torch.ones(1, 64, 5)], ["x"])
    with pytest.raises(DecoderError, match="needs 64 patches"):
        peers.ratio([torch.ones(1, 9, width) for width in WIDTHS], ["x"])
    with pytest.raises(DecoderError, match="2 marks"):
        peers.ratio(run(1), ["x", "y"])


def banked(stages: list[Tensor], count: int) -> MemoryBank:
    bank = MemoryBank()
    bank.peers = Peers(stages, GRID, marks(count))
    return bank


def test_the_map_shows_the_place() -> None:
    stages = run(8, damaged=2)
    decoder = ImageDecoder(DecoderConfig(WIDTHS, map_size=32))
    drawn = decoder.anomaly_map(stages, GRID, memory_bank=banked(stages, 8), marks=marks(8))
    assert drawn.shape == (8, 32, 32)
    assert float(drawn.min()) >= 0
    assert float(drawn.max()) < 1
    row, column = divmod(int(drawn[2].argmax()), 32)
    assert (row // 4, column // 4) == divmod(20, 8)
    assert drawn[2].max() > 0.8
    assert decoder.score(drawn, GRID).argmax() == 2


def test_published_maps_are_refused_and_a_reference_takes_over() -> None:
    stages = run(8)
    config: Any = DecoderConfig(WIDTHS, map_size=32)
    decoder, bank = ImageDecoder(config), banked(stages, 8)
    with pytest.raises(DecoderError, match="published maps need references"):
        decoder.anomaly_map(stages, GRID, memory_bank=bank, marks=marks(8), formulation="published")
    bank.add([tokens[:1] for tokens in stages], varied=[tokens[1:2] for tokens in stages])
    assert bank.peers is None
    bank.remove("0")
    with pytest.raises(EmptyMemoryBankError):
        decoder.anomaly_map(stages, GRID, memory_bank=bank)
