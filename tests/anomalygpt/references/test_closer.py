"""Photos looked at closely: small damage on large ones, the same for all who compare."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.errors import ConfigError, ImageError
from anomalygpt.presets import PRESETS
from anomalygpt.references.pictures import MOST_CLOSER
from decoder import MemoryBank


def photo(seed: int, height: int = 120, width: int = 150) -> Image.Image:
    """A bright disc on a dark ground with noise; large enough for a closer look at 64 pixels."""
    rows, columns = np.mgrid[:height, :width]
    disc = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (height / 3) ** 2
    noise = np.random.default_rng(seed).normal(0, 8, (height, width, 3))
    values = np.where(disc, 190, 40)[..., None] + noise
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def board(seed: int) -> np.ndarray:
    """(640, 640) uint8: bright traces on a dark ground."""
    generator = np.random.default_rng(seed)
    pixels = np.full((640, 640), 40, np.uint8)
    for y in range(30, 620, 40):
        left, right = sorted(generator.integers(0, 640, 2))
        pixels[y : y + 12, left : max(right, left + 200)] = 210
    return pixels


@pytest.fixture
def closer(assistant: AnomalyGPT) -> MemoryBank:
    return assistant.remember([photo(1)])


def test_only_photos_with_the_pixels_for_it_are_looked_at_closely(assistant, parts) -> None:
    small = assistant.remember([parts / "good.png"])
    assert small.detail == "auto"
    assert small.closer is None
    assert assistant.remember([parts / "good.png"], detail=2).closer is not None
    assert assistant.remember([photo(1)]).closer is not None
    assert assistant.remember([photo(1)], detail="whole").closer is None
    assert assistant.remember([photo(1)], formulation="published").closer is None


def test_a_small_reference_keeps_all_from_being_looked_at_closely(assistant, parts) -> None:
    for references in ([photo(1), parts / "good.png"], [parts / "good.png", photo(1)]):
        assert assistant.remember(references).closer is None


def test_a_small_photo_is_seen_whole(assistant, closer, parts) -> None:
    whole = assistant.remember([photo(1)], detail="whole")
    maps = [
        assistant.inspect(parts / "stained.png", bank, map_only=True).small_map
        for bank in (closer, whole)
    ]
    assert np.array_equal(*maps)


@pytest.mark.parametrize("fixed_pose", [False, True])
@pytest.mark.parametrize("detail", [2, 3])
def test_a_part_against_itself_scores_nothing(assistant, fixed_pose, detail) -> None:
    bank = assistant.remember([photo(1)], fixed_pose=fixed_pose, detail=detail)
    seen = assistant.encode([photo(1)])
    evidence = assistant.examine(seen, bank)
    text = assistant.decoder.config.text_weight  # words for damage have their share of the whole
    with torch.inference_mode():
        alone = assistant.decoder.text_map(seen.features.stages, seen.features.grid)
    assert torch.allclose(evidence.maps, text * alone, atol=1e-4)


def test_more_references_than_are_looked_at_closely(assistant) -> None:
    bank = assistant.remember([photo(seed) for seed in range(MOST_CLOSER + 2)])
    assert bank.closer is not None
    assert bank.closer.names == bank.names[:MOST_CLOSER]
    bank.remove(bank.names[0])
    assert bank.closer.names == bank.names[: MOST_CLOSER - 1]
    left_out = bank.without(bank.names[0])
    assert left_out.closer is not None
    assert left_out.closer.names == bank.closer.names[1:]


def test_without_the_last_reference_nothing_is_left(assistant, closer) -> None:
    closer.remove(closer.names[0])
    assert closer.closer is None
    assistant.remember([photo(2)], bank=closer)
    assert closer.closer is not None


def test_the_bank_keeps_it_in_files_and_between_processes(assistant, tmp_path) -> None:
    bank = assistant.remember([photo(1), photo(2)], detail=3)
    bank.save(tmp_path / "bank.safetensors")
    expected = assistant.inspect(photo(3), bank, map_only=True)
    for other in (
        MemoryBank.load(tmp_path / "bank.safetensors"),
        pickle.loads(pickle.dumps(bank)),
    ):
        assert other.detail == 3
        found = assistant.inspect(photo(3), other, map_only=True)
        assert np.array_equal(found.small_map, expected.small_map)
    with pytest.raises(ConfigError, match="detail 3, not whole"):
        assistant.remember([photo(4)], bank=bank, detail="whole")


def test_photos_in_a_batch_and_alone_have_the_same_map(assistant, closer, parts) -> None:
    images = [photo(3), parts / "good.png", photo(4, 150, 120)]
    together = list(assistant.inspect_batch(images, closer, map_only=True))
    for image, found in zip(images, together, strict=True):
        alone = assistant.inspect(image, closer, map_only=True)
        assert found.small_map == pytest.approx(alone.small_map, abs=1e-5)


@pytest.mark.parametrize("fixed_pose", [False, True])
def test_photos_of_another_shape_are_not_laid_over_each_other(assistant, fixed_pose) -> None:
    """As many patches of a transposed photo lie elsewhere."""
    upright, lying = photo(1, 150, 120), photo(1, 120, 150)
    bank = assistant.remember([upright], fixed_pose=fixed_pose)
    assert bank.closer is not None
    rows, columns = bank.closer.grid
    assert rows > columns
    assert bank.closer.place_weight((rows, columns)) == float(fixed_pose)
    assert bank.closer.place_weight((columns, rows)) == 0.0
    whole = assistant.remember([upright], fixed_pose=fixed_pose, detail="whole")
    found, plain = (
        assistant.inspect(lying, each, map_only=True).small_map for each in (bank, whole)
    )
    if fixed_pose:
        assert np.array_equal(found, plain)
    assert (found >= plain - 1e-6).all()


def test_a_failed_reading_leaves_closer_looks_and_scale(assistant, monkeypatch, tmp_path) -> None:
    bank = assistant.remember([photo(1)])
    closer, bank.factor = bank.closer, 1.25
    path = tmp_path / "part.png"
    photo(2).save(path)
    with pytest.raises(ImageError):
        assistant.remember([path, tmp_path / "missing.png"], bank=bank)
    assert (bank.closer, bank.factor) == (closer, 1.25)


def test_a_thin_photo_keeps_its_damage_in_its_strip(build_assistant) -> None:
    """Longer than its width four times, and padded: the closer look has another shape than it."""
    assistant = build_assistant()
    assistant.photos.config = replace(assistant.photos.config, resize="pad")
    good = np.asarray(photo(1, 120, 960))
    damaged = good.copy()
    damaged[20:60, 700:740] = (220, 20, 20)
    bank = assistant.remember([Image.fromarray(good)], fixed_pose=True)
    assert bank.closer is not None
    whole = assistant.remember([Image.fromarray(good)], fixed_pose=True, detail="whole")
    found, plain = (
        assistant.inspect(Image.fromarray(damaged), each, map_only=True) for each in (bank, whole)
    )
    changed = np.abs(found.small_map - plain.small_map).max(axis=1) > 1e-6
    top, _, bottom, _ = (edge * len(changed) / 64 for edge in found.geometry.box)
    assert changed[round(top) : round(bottom)].all()
    assert changed.sum() == round(bottom) - round(top)


def test_a_result_does_not_hold_the_photo(assistant, closer) -> None:
    assert not assistant.examine(assistant.encode([photo(3)]), closer).photos.closer


@pytest.mark.skipif(not PRESETS["embedded"].is_dir(), reason="the embedded model is not here")
def test_small_damage_on_a_large_photo_is_found_closely(tmp_path: Path) -> None:
    assistant = AnomalyGPT.from_pretrained("embedded", device="cpu", map_only=True)
    good = board(0)
    damaged = good.copy()
    damaged[312:320, 300:308] = 255 - damaged[312:320, 300:308]
    peaks = {}
    for detail in ("whole", "auto"):
        bank = assistant.remember(
            [Image.fromarray(good).convert("RGB")], fixed_pose=True, detail=detail
        )
        found = assistant.inspect(Image.fromarray(damaged).convert("RGB"), bank, map_only=True)
        full = found.geometry.back_project(found.small_map)
        peaks[detail] = full[300:332, 288:320].max()
    assert np.unravel_index(full.argmax(), full.shape) == pytest.approx((316, 304), abs=12)
    assert peaks["auto"] > peaks["whole"]
