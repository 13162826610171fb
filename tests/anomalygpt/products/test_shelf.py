"""Banks of products: kept, bit-equal, healed, and shared by nobody else's limit."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anomalygpt import AnomalyGPT, Inspection
from anomalygpt.errors import MissingPartError, RecordsError
from anomalygpt.images.reading import load_image
from anomalygpt.products.plant import Plant
from anomalygpt.products.product import Product
from anomalygpt.products.shelf import Shelf, bank_key, read_mask
from anomalygpt.products.store import Change
from decoder import MemoryBank
from decoder.limits import Limit
from tests.kept import discs, new, part


@pytest.fixture
def banks(plant: Plant) -> Path:
    return plant.database.place.folder / "banks"


def fresh(plant: Plant, banks: Path) -> Shelf:
    """As another process has it."""
    return Shelf(banks, plant.blobs)


def seen(assistant: AnomalyGPT, bank: MemoryBank) -> Inspection:
    photo = load_image(Image.open(io.BytesIO(part(9, True))))
    return assistant.inspect(photo, bank, map_only=True)


def same(first: Inspection, second: Inspection) -> None:
    assert first.anomaly_score == second.anomaly_score
    assert np.array_equal(first.small_map, second.small_map)  # type: ignore[arg-type]


@pytest.mark.parametrize("seeds", [(1,), (1, 2), (1, 2, 3, 4)])
def test_a_ready_bank_gives_the_same_maps_to_the_bit(
    plant: Plant, assistant: AnomalyGPT, banks: Path, seeds: tuple[int, ...]
) -> None:
    product = discs(plant, *seeds)
    made = seen(assistant, plant.shelf.bank(product, assistant))
    assert len(list(banks.iterdir())) == 1
    same(made, seen(assistant, plant.shelf.bank(product, assistant)))
    same(made, seen(assistant, fresh(plant, banks).bank(product, assistant)))
    paths = [plant.blobs.path(each.photo) for each in product.references]
    same(made, seen(assistant, assistant.remember(paths, detail="whole")))


def test_a_ready_bank_is_read_and_not_made_again(
    plant: Plant, assistant: AnomalyGPT, banks: Path, encoded: list[int]
) -> None:
    product = discs(plant, 1, 2)
    plant.shelf.bank(product, assistant)
    assert encoded
    encoded.clear()
    fresh(plant, banks).bank(product, assistant)
    assert encoded == []


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other"])
def test_a_damaged_bank_heals(
    plant: Plant, assistant: AnomalyGPT, banks: Path, damage: str
) -> None:
    product = discs(plant, 1, 2)
    made = seen(assistant, plant.shelf.bank(product, assistant))
    [path] = banks.iterdir()
    content = bytearray(path.read_bytes())
    size = len(content)
    if damage == "flip":
        content[len(content) // 2] ^= 1
    changed = {"cut": content[:1000], "empty": b"", "other": b"something else"}
    path.write_bytes(changed.get(damage, content))
    same(made, seen(assistant, fresh(plant, banks).bank(product, assistant)))
    [healed] = banks.iterdir()
    assert len(healed.read_bytes()) == size
    assert MemoryBank.load(healed).names == ("part_1.png", "part_2.png")


def test_a_full_disk_only_costs_time(
    plant: Plant, assistant: AnomalyGPT, banks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = discs(plant, 1, 2)

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        made = seen(assistant, plant.shelf.bank(product, assistant))
    assert list(banks.iterdir()) == []
    same(made, seen(assistant, fresh(plant, banks).bank(product, assistant)))


def test_another_limit_or_mask_needs_no_other_bank(
    plant: Plant, assistant: AnomalyGPT, banks: Path
) -> None:
    product = discs(plant, 1, 2)
    before = plant.shelf.bank(product, assistant)
    mask = np.zeros((64, 64), np.uint8)
    mask[10:40, 30:55] = 255
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, format="PNG")
    limit = Limit(0.5, 0.05, 0.95, 59, "2026-11-30")
    product = plant.products.change(
        "disc", Change(limit=limit, ignored=buffer.getvalue()), who="ann"
    )
    after = plant.shelf.bank(product, assistant)
    assert len(list(banks.iterdir())) == 1
    assert (before.limit, before.ignored) == (None, None)
    assert after.limit == limit
    assert after.ignored is not None
    assert torch.equal(after.ignored, read_mask(buffer.getvalue()))
    maps = [seen(assistant, bank).small_map for bank in (before, after)]
    assert maps[0] is not None
    assert maps[1] is not None
    side = len(maps[0])
    hidden = np.s_[side * 11 // 64 : side * 39 // 64, side * 31 // 64 : side * 54 // 64]
    assert maps[0][hidden].min() > 0
    assert (maps[1][hidden] == 0).all()
    others = np.s_[: side * 9 // 64]
    assert np.array_equal(maps[0][others], maps[1][others])


def changed(plant: Plant, **values: object) -> Product:
    product = plant.products.find("disc")
    settings = type(product.settings).from_dict({**product.settings.to_dict(), **values})
    return plant.products.change("disc", Change(settings=settings), who="ann")


def test_what_makes_another_bank_has_another_key(plant: Plant, assistant: AnomalyGPT) -> None:
    keys = [bank_key(discs(plant, 1, 2), assistant)]
    others = ({"flips": True}, {"rotations": 3}, {"detail": 2}, {"bit_depth": 12})
    keys += [bank_key(changed(plant, **values), assistant) for values in others]
    keys.append(
        bank_key(plant.products.change("disc", Change(references=[new(3)]), who="a"), assistant)
    )
    assert len(set(keys)) == len(keys)


def test_references_that_are_missing_or_damaged_are_told(
    plant: Plant, assistant: AnomalyGPT
) -> None:
    empty = plant.products.add("nut", who="ann")
    with pytest.raises(MissingPartError, match="has no photo of a good part yet"):
        plant.shelf.bank(empty, assistant)
    product = discs(plant, 1)
    plant.blobs.path(product.references[0].photo).write_bytes(part(2))
    with pytest.raises(RecordsError, match="is damaged"):
        plant.shelf.bank(product, assistant)


def test_only_so_many_banks_stay_in_memory(
    plant: Plant, assistant: AnomalyGPT, banks: Path
) -> None:
    shelf = Shelf(banks, plant.blobs, most=1)
    first = discs(plant, 1)
    second = plant.products.change("disc", Change(references=[new(2)]), who="ann")
    kept = seen(assistant, shelf.bank(first, assistant))
    shelf.bank(second, assistant)
    same(kept, seen(assistant, shelf.bank(first, assistant)))
