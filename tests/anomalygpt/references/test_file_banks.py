"""Encoded references: kept, forgotten, and the same as those of an inspection."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from anomalygpt.errors import ImageError
from anomalygpt.references import library
from anomalygpt.references.banks import FileBanks


@pytest.fixture
def photos(discs) -> list[str]:
    return [str(path) for path in sorted((discs / "disc" / "train" / "good").iterdir())]


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """Photos in the order in which they are read to be encoded."""
    found: list[str] = []
    load = library.load_image

    def watched(path, bit_depth=None):
        found.append(str(path))
        return load(path, bit_depth)

    monkeypatch.setattr(library, "load_image", watched)
    return found


def banks_of(assistant, rotations: int | None, megabytes: float) -> FileBanks:
    return FileBanks(assistant.library.in_memory(megabytes), rotations=rotations)


@pytest.mark.parametrize("rotations", [None, 1, 3])
def test_a_bank_is_that_of_an_inspection(assistant, photos, rotations):
    queries = assistant.encode(photos[5:7]).features.stages
    banks = banks_of(assistant, rotations, 10)
    for chosen in (photos[:1], photos[:3]):
        for _ in range(2):
            bank = banks.bank(chosen, "normalised")
            expected = assistant.remember(chosen, rotations=rotations)
            assert len(bank) == len(chosen)
            assert bank.encoder == expected.encoder
            torch.testing.assert_close(bank.distances(queries), expected.distances(queries))
            torch.testing.assert_close(bank.self_distances(), expected.self_distances())


def test_a_photo_is_encoded_once(assistant, photos, read):
    banks = banks_of(assistant, 1, 10)
    for chosen in (photos[:2], photos[1:3], photos[:3]):
        banks.bank(chosen, "normalised")
    assert read == photos[:3]


def test_the_least_recently_used_are_forgotten(assistant, photos, read):
    banks = banks_of(assistant, 1, 10)
    banks.bank(photos[:1], "normalised")
    each = banks.library.nbytes
    banks = banks_of(assistant, 1, 2 * each / 1024**2)
    for path in (photos[0], photos[1], photos[0], photos[2]):  # photos[1] is the one that goes
        banks.bank([path], "normalised")
        assert banks.library.nbytes <= 2 * each
    assert banks.library.nbytes == 2 * each
    read.clear()
    banks.bank([photos[0], photos[2]], "normalised")
    assert read == []
    banks.bank([photos[1]], "normalised")
    assert read == [photos[1]]


def test_without_room_it_still_works(assistant, photos, read):
    banks = banks_of(assistant, 1, 0)
    for _ in range(2):
        assert len(banks.bank(photos[:2], "normalised")) == 2
    assert read == photos[:2] * 2


def test_a_photo_that_is_gone_is_named(assistant, tmp_path):
    gone = Path(tmp_path / "gone.png")
    with pytest.raises(ImageError, match=r"gone\.png"):
        banks_of(assistant, 1, 1).bank([str(gone)], "normalised")
