"""The memory bank: what its distances mean, and that its search is exact and bounded."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from decoder import (
    DecoderConfig,
    DecoderError,
    EmptyMemoryBankError,
    ImageDecoder,
    MemoryBank,
    search,
    spread,
)

WIDTHS = (8, 12)


def part(seed: int, patches: int = 16, views: int = 1, widths: Sequence[int] = WIDTHS) -> Any:
    """Patch tokens of one random part, (views, patches, C) for each stage."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(views, patches, width, generator=generator) for width in widths]


def bank_of(*parts: Sequence[Tensor], varied: Sequence[Tensor] | None = None) -> MemoryBank:
    bank = MemoryBank()
    for tokens in parts:
        bank.add(tokens, varied=varied)
    return bank


def direct(query: Tensor, references: Tensor) -> Tensor:
    """The published formulation: every pair of patches at full width. (B, P, C), (N, C)."""
    pairs = F.cosine_similarity(query[:, :, None], references[None, None], dim=-1)
    return 1.0 - pairs.amax(dim=-1)


def test_reference_memory_bank(recorded: Callable[[str], Any]) -> None:
    """1 - mean over stages of the best cosine with any reference patch, as published."""
    numbers = recorded("memory_bank.safetensors")
    bank = MemoryBank()
    bank.add(numbers.stages("input.reference_stage{}"))
    decoder = ImageDecoder(DecoderConfig(stage_widths=(48,) * 4, formulation="published"))
    found = decoder.anomaly_map(numbers.stages("input.query_stage{}"), (16, 16), memory_bank=bank)
    expected = numbers["output.anomaly_map"][0]
    step = found.shape[-1] // expected.shape[-1]
    torch.testing.assert_close(found[:, ::step, ::step], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("formulation", ["normalised", "published"])
def test_a_part_against_itself_has_no_distance(formulation: Any) -> None:
    tokens = part(0)
    bank = bank_of(tokens, part(1), varied=part(2))
    decoder = ImageDecoder(DecoderConfig(WIDTHS, map_size=32, formulation=formulation))
    assert bank.distances(tokens).max() < 1e-6
    assert decoder.anomaly_map(tokens, (4, 4), memory_bank=bank).max() < 1e-6


def test_the_order_of_references_does_not_matter() -> None:
    parts, query = [part(seed) for seed in range(3)], part(9)
    banks = [bank_of(*order) for order in itertools.permutations(parts)]
    for bank in banks[1:]:
        torch.testing.assert_close(bank.distances(query), banks[0].distances(query))
        torch.testing.assert_close(bank.self_distances(), banks[0].self_distances())


@pytest.mark.parametrize("patches", [1, 6, 7, 8, 15])
@pytest.mark.parametrize(("chunk", "budget"), [(7, 21), (7, 3), (1, 1), (14, 98), (1000, 50)])
def test_chunks_give_what_the_direct_formulation_gives(
    monkeypatch: pytest.MonkeyPatch, chunk: int, budget: int, patches: int
) -> None:
    """Sizes below, at and above the borders of the chunks."""
    monkeypatch.setattr(search, "BANK_CHUNK", chunk)
    monkeypatch.setattr(search, "SIMILARITY_BUDGET", budget)
    references, query = [part(seed, patches) for seed in range(3)], part(9, patches, views=2)
    found = bank_of(*references).distances(query)
    for stage, distances in enumerate(found):
        joined = torch.cat([tokens[stage][0] for tokens in references])
        torch.testing.assert_close(distances, direct(query[stage], joined), rtol=0, atol=1e-5)


def test_the_search_never_holds_more_similarities_than_its_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory is bounded by the buffer, whatever the number of references."""
    multiply, made = torch.mm, []

    def recording(left: Tensor, right: Tensor, *, out: Tensor) -> Tensor:
        made.append((out.untyped_storage().data_ptr(), out.untyped_storage().nbytes()))
        return multiply(left, right, out=out)

    monkeypatch.setattr(torch, "mm", recording)
    monkeypatch.setattr(search, "BANK_CHUNK", 64)
    monkeypatch.setattr(search, "SIMILARITY_BUDGET", 640)
    for count in (1, 4, 16):
        made.clear()
        bank_of(*[part(seed, 50) for seed in range(count)]).distances(part(9, 50))
        assert max(size for _, size in made) <= 640 * torch.float32.itemsize
        # One buffer for a stage, not one for each chunk.
        assert len({place for place, _ in made}) <= len(WIDTHS)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_another_reference_never_increases_a_distance(seed: int) -> None:
    bank, query = bank_of(part(seed)), part(seed + 1)
    before = bank.distances(query)
    bank.add(part(seed + 2))
    assert (bank.distances(query) <= before + 1e-6).all()


def test_remove_undoes_add() -> None:
    bank, query = bank_of(part(0), part(1)), part(9)
    before = bank.distances(query), bank.self_distances(), bank.names
    name = bank.add(part(2), name="third")
    assert (name, len(bank)) == ("third", 3)
    assert not torch.equal(bank.distances(query), before[0])
    bank.remove("third")
    assert torch.equal(bank.distances(query), before[0])
    assert torch.equal(bank.self_distances(), before[1])
    assert bank.names == before[2]


def test_numbers_that_stand_for_names_are_not_given_twice() -> None:
    bank = bank_of(part(0), part(1))
    bank.remove("0")
    bank.add(part(2))
    assert len(set(bank.names)) == 2
    with pytest.raises(DecoderError, match="no reference is called 'x'"):
        bank.remove("x")


@given(factor=st.floats(1e-6, 1e6), seed=st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_the_scale_of_tokens_does_not_matter(factor: float, seed: int) -> None:
    tokens, query = part(seed), part(seed + 1)
    expected = bank_of(tokens).distances(query)
    scaled = [stage * factor for stage in tokens]
    torch.testing.assert_close(bank_of(scaled).distances(query), expected)
    torch.testing.assert_close(bank_of(tokens).distances([s * factor for s in query]), expected)


def test_distances_stay_between_0_and_2_for_opposite_and_empty_vectors() -> None:
    """Rounding does not leave the range, and a vector of zeros is neither near nor far."""
    tokens = part(0)
    bank = bank_of([stage[:, :1] for stage in tokens])
    query = [torch.cat([s[:, :1], -s[:, :1], 0 * s[:, :1]], dim=1) for s in tokens]
    expected = torch.tensor([0.0, 2.0, 1.0]).expand(2, 1, 3)
    found = bank.distances(query)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert found.min() >= 0
    assert found.max() <= 2


def test_half_precision_tokens_give_single_precision_distances() -> None:
    tokens, query = part(0), part(1)
    found = bank_of([s.half() for s in tokens]).distances([s.half() for s in query])
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, bank_of(tokens).distances(query), rtol=0, atol=5e-3)


def test_views_are_more_patches_to_be_near_to() -> None:
    views = part(0, views=3)
    apart = bank_of(*[[stage[view : view + 1] for stage in views] for view in range(3)])
    query = part(9)
    torch.testing.assert_close(bank_of(views).distances(query), apart.distances(query))


def test_foreground_leaves_patches_out() -> None:
    tokens, query = part(0, views=2), part(9)
    mask = torch.zeros(2, 16, dtype=torch.bool)
    mask[0, 3] = mask[1, 5] = True
    bank = MemoryBank()
    bank.add(tokens, foreground=mask)
    for stage, distances in enumerate(bank.distances(query)):
        torch.testing.assert_close(distances, direct(query[stage], tokens[stage][mask]))


def test_one_foreground_counts_for_all_views() -> None:
    tokens, query = part(0, views=2), part(9)
    mask = torch.arange(16) < 4
    once, twice = MemoryBank(), MemoryBank()
    once.add(tokens, foreground=mask)
    twice.add(tokens, foreground=mask.expand(2, 16))
    assert torch.equal(once.distances(query), twice.distances(query))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.ones(15), "foreground has shape"),
        (torch.ones(2, 16), "foreground has shape"),
        (torch.ones(4, 4), "foreground has shape"),
        (torch.zeros(16), "leaves no patch"),
    ],
)
def test_foreground_must_fit(mask: Tensor, message: str) -> None:
    bank = MemoryBank()
    with pytest.raises(DecoderError, match=message):
        bank.add(part(0), foreground=mask)
    assert len(bank) == 0


def test_an_empty_bank_says_what_to_call() -> None:
    bank = MemoryBank()
    assert len(bank) == 0
    with pytest.raises(EmptyMemoryBankError, match="call `add`"):
        bank.distances(part(0))
    with pytest.raises(EmptyMemoryBankError, match="call `add`"):
        bank.self_distances()


def test_a_name_is_taken_once() -> None:
    bank = MemoryBank()
    bank.add(part(0), name="good.jpg")
    with pytest.raises(DecoderError, match=r"'good\.jpg' is there already"):
        bank.add(part(1), name="good.jpg")
    assert bank.names == ("good.jpg",)


@pytest.mark.parametrize("widths", [(8,), (8, 13), (12, 8), (8, 12, 4)])
def test_widths_of_another_encoder_are_refused(widths: tuple[int, ...]) -> None:
    bank, other = bank_of(part(0)), part(1, widths=widths)
    with pytest.raises(DecoderError, match="widths"):
        bank.add(other)
    with pytest.raises(DecoderError, match="widths"):
        bank.distances(other)
    with pytest.raises(DecoderError, match="widths"):
        bank.add(part(1), varied=other)
    assert len(bank) == 1


def test_stages_must_fit_each_other() -> None:
    bank, uneven = bank_of(part(0)), [part(1)[0], part(1, patches=9)[1]]
    for refused in (uneven, [], [stage[0] for stage in part(1)]):
        with pytest.raises(DecoderError, match="got shapes"):
            bank.add(refused)
        with pytest.raises(DecoderError, match="got shapes"):
            bank.distances(refused)


# ------------------------------------------------------------ how much good parts differ


def upper(values: Tensor, share: float | None = None) -> Tensor:
    """The value that a share of the patches lies within, by sorting all of them."""
    ordered = values.flatten().sort().values
    share = spread.SELF_QUANTILE if share is None else share
    return ordered[max(1, round(share * len(ordered))) - 1]


def test_one_reference_alone_cannot_tell_how_good_parts_differ() -> None:
    with pytest.raises(DecoderError, match="add a second reference, or pass `varied`"):
        bank_of(part(0)).self_distances()


def test_leave_one_out_is_every_reference_against_all_others() -> None:
    parts = [part(seed, patches=40) for seed in range(3)]
    expected = []
    for stage in range(len(WIDTHS)):
        distances = []
        for left_out in range(3):
            others = [tokens[stage][0] for i, tokens in enumerate(parts) if i != left_out]
            distances.append(direct(parts[left_out][stage], torch.cat(others)))
        expected.append(upper(torch.cat(distances)))
    torch.testing.assert_close(bank_of(*parts).self_distances(), torch.stack(expected))


def test_varied_copies_tell_the_scale_of_a_single_reference() -> None:
    """Enlarged, and the larger of both readings; the same photo once more changes nothing."""
    tokens, copies = part(0, patches=40), part(1, patches=40, views=3)
    share = spread.COPIES_QUANTILE
    against = [upper(direct(copies[s], tokens[s][0]), share) for s in range(len(WIDTHS))]
    expected = torch.stack(against) * spread.COPIES_TO_PARTS
    one = bank_of(tokens, varied=copies)
    torch.testing.assert_close(one.self_distances(), expected)
    two = bank_of(tokens, varied=copies)
    two.add(tokens)
    torch.testing.assert_close(two.self_distances(), one.self_distances())


def test_varied_copies_are_compared_with_all_references() -> None:
    """More references bring the copies nearer, as they do with other good parts."""
    tokens, other, copies = part(0), part(2), part(1, views=3)
    both = bank_of(tokens, varied=copies)
    both.add(other)
    merged = bank_of([torch.cat(stages) for stages in zip(tokens, other, strict=True)])
    share = spread.COPIES_QUANTILE
    against = torch.stack([upper(d, share) for d in merged.distances(copies)])
    among = bank_of(tokens, other).self_distances()
    expected = torch.maximum(among, against * spread.COPIES_TO_PARTS)
    torch.testing.assert_close(both.self_distances(), expected)


def test_a_bank_without_a_reference_keeps_its_scale() -> None:
    """What is left is searched; the bank itself stays as it was."""
    bank = bank_of(part(0), part(1), part(2))
    names, scale = bank.names, bank.self_distances()
    rest = bank.without(names[0])
    assert rest.names == names[1:]
    assert bank.names == names
    assert torch.equal(rest.self_distances(), scale)
    query = part(3)
    assert torch.equal(rest.distances(query), bank_of(part(1), part(2)).distances(query))
    with pytest.raises(DecoderError, match="no reference is left"):
        bank.without("another")
    with pytest.raises(DecoderError, match="no reference is left"):
        bank_of(part(0)).without("0")


def test_the_same_photo_twice_keeps_a_scale() -> None:
    """With varied copies the scale is theirs; without them it is the floor, never zero."""
    tokens = part(0)
    copies = [stage + 0.3 * other for stage, other in zip(tokens, part(1), strict=True)]
    known = bank_of(tokens, tokens, varied=copies).self_distances()
    assert (known > 2 * spread.MINIMUM_SELF_DISTANCE).all()
    bare = bank_of(tokens, tokens).self_distances()
    assert torch.equal(bare, torch.full((2,), spread.MINIMUM_SELF_DISTANCE))


def test_varied_copies_are_not_searched() -> None:
    copies, query = part(5), part(9)
    known, plain = bank_of(part(0), varied=copies), bank_of(part(0))
    assert torch.equal(known.distances(query), plain.distances(query))
    assert known.distances(copies).max() > 0.01


# --------------------------------------------------------------------------- files


def test_save_and_load_give_the_same_bank(tmp_path: Path) -> None:
    """Names in their order, varied copies, and distances to the last bit."""
    bank = MemoryBank()
    bank.add(part(0), name="gut/Übersicht 1.jpg", varied=part(1, views=2))
    bank.add(part(2, views=3), foreground=torch.arange(16) > 3)
    bank.save(tmp_path / "bank.safetensors")
    loaded = MemoryBank.load(tmp_path / "bank.safetensors")
    assert loaded.names == bank.names == ("gut/Übersicht 1.jpg", "1")
    assert torch.equal(loaded.distances(part(9)), bank.distances(part(9)))
    assert torch.equal(loaded.self_distances(), bank.self_distances())


def test_a_loaded_bank_grows_and_is_saved_over_its_own_file(tmp_path: Path) -> None:
    path = tmp_path / "bank.safetensors"
    bank_of(part(0), part(1)).save(path)
    loaded = MemoryBank.load(path)
    loaded.add(part(2))
    loaded.save(path)
    again = MemoryBank.load(path)
    assert torch.equal(again.distances(part(9)), bank_of(*map(part, range(3))).distances(part(9)))


def test_an_empty_bank_can_be_saved(tmp_path: Path) -> None:
    MemoryBank().save(tmp_path / "bank.safetensors")
    assert len(MemoryBank.load(tmp_path / "bank.safetensors")) == 0


def test_damaged_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bank.safetensors"
    bank_of(part(0)).save(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DecoderError, match="cannot be read"):
        MemoryBank.load(path)
    path.write_bytes(b"not a memory bank at all")
    with pytest.raises(DecoderError, match="cannot be read"):
        MemoryBank.load(path)
    with pytest.raises(DecoderError, match="cannot be read"):
        MemoryBank.load(tmp_path / "nowhere.safetensors")


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"fc.0.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(DecoderError, match="is not a memory bank"):
        MemoryBank.load(path)


@pytest.mark.parametrize(
    ("tensors", "names"),
    [
        ({}, ["name.0"]),
        ({"0.stages.0": (4, 8)}, ["name.1"]),
        ({"0.stages.1": (4, 8)}, ["name.0"]),
        ({"0.stages.0": (4,)}, ["name.0"]),
        ({"0.stages.0": (0, 8)}, ["name.0"]),
        ({"0.stages.0": (4, 8), "0.varied.0": (4, 9)}, ["name.0"]),
        ({"0.stages.0": (4, 8), "1.stages.0": (4, 9)}, ["name.0", "name.1"]),
    ],
)
def test_incomplete_banks_are_refused(
    tmp_path: Path, tensors: dict[str, tuple[int, ...]], names: list[str]
) -> None:
    """What carries the label, but could not have been made by `save`."""
    path = tmp_path / "bank.safetensors"
    metadata = {"content": "memory bank", **{name: name for name in names}}
    save_file({k: torch.ones(shape) for k, shape in tensors.items()}, path, metadata=metadata)
    with pytest.raises(DecoderError, match="not a complete memory bank"):
        MemoryBank.load(path)


def test_whether_references_lie_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    part = torch.randn(1, 36, 8, generator=generator)
    alike, free, single = MemoryBank(), MemoryBank(), MemoryBank()
    for _ in range(3):
        noisy = part + 0.05 * torch.randn(part.shape, generator=generator)
        alike.add([noisy])
        free.add([noisy[:, torch.randperm(36, generator=generator)]])
    single.add([part])
    assert alike.lie_alike
    assert not free.lie_alike
    assert not single.lie_alike
    assert not MemoryBank().lie_alike


def test_what_is_left_out_is_measured_by_the_others() -> None:
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(1, 16, 8, generator=generator) for _ in range(3)]
    bank = MemoryBank()
    for number, part in enumerate(parts):
        bank.add([part], name=str(number))
    for number, found in enumerate(bank.left_out()):
        torch.testing.assert_close(found, bank.without(str(number)).distances([parts[number]]))
    alone = MemoryBank()
    alone.add([parts[0]])
    assert alone.left_out() == []
