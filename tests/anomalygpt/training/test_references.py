"""Encoded references: kept, forgotten, and the same as those of an inspection."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from anomalygpt.errors import ImageError
from anomalygpt.training.references import ReferenceBanks


@pytest.fixture
def photos(discs) -> list[str]:
    return [str(path) for path in sorted((discs / "disc" / "train" / "good").iterdir())]


@pytest.fixture
def read(assistant, monkeypatch) -> list[str]:
    """Photos in the order in which the assistant encodes them."""
    found: list[str] = []
    views = assistant.reference_views

    def watched(path, *options, **named):
        found.append(path)
        return views(path, *options, **named)

    monkeypatch.setattr(assistant, "reference_views", watched)
    return found


@pytest.mark.parametrize("rotations", [None, 1, 3])
def test_a_bank_is_that_of_an_inspection(assistant, photos, rotations):
    queries = assistant.encode(photos[5:7]).features.stages
    banks = ReferenceBanks(assistant, rotations, megabytes=10)
    for chosen in (photos[:1], photos[:3]):
        for _ in range(2):
            bank = banks.bank(chosen)
            expected = assistant.remember(chosen, rotations=rotations)
            assert len(bank) == len(chosen)
            assert bank.encoder == expected.encoder
            torch.testing.assert_close(bank.distances(queries), expected.distances(queries))
            torch.testing.assert_close(bank.self_distances(), expected.self_distances())


def test_a_photo_is_encoded_once(assistant, photos, read):
    banks = ReferenceBanks(assistant, 1, megabytes=10)
    for chosen in (photos[:2], photos[1:3], photos[:3]):
        banks.bank(chosen)
    assert read == photos[:3]


def test_the_least_recently_used_are_forgotten(assistant, photos, read):
    banks = ReferenceBanks(assistant, 1, megabytes=10)
    banks.bank(photos[:1])
    each = banks._size
    banks._room = 2 * each
    for path in (photos[1], photos[0], photos[2]):  # photos[1] is the one that goes
        banks.bank([path])
        assert banks._size <= 2 * each
    assert banks._size == 2 * each
    read.clear()
    banks.bank([photos[0], photos[2]])
    assert read == []
    banks.bank([photos[1]])
    assert read == [photos[1]]


def test_without_room_it_still_works(assistant, photos, read):
    banks = ReferenceBanks(assistant, 1, megabytes=0)
    for _ in range(2):
        assert len(banks.bank(photos[:2])) == 2
    assert read == photos[:2] * 2


def test_a_photo_that_is_gone_is_named(assistant, tmp_path):
    gone = Path(tmp_path / "gone.png")
    with pytest.raises(ImageError, match=r"gone\.png"):
        ReferenceBanks(assistant, 1, megabytes=1).bank([str(gone)])
