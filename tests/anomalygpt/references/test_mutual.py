"""Photos of a run compared with each other."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.errors import ConfigError
from anomalygpt.references.mutual import FEWEST_PHOTOS, MOST_PHOTOS, compare_among
from anomalygpt.results.cautions import AMONG_PEERS
from decoder import MemoryBank
from tests.inspections import inspections

# Rows and columns of the stain.
STAIN = (slice(16, 36), slice(56, 76))


def picture(seed: int, *, stained: bool = False) -> np.ndarray:
    """(80, 96, 3) uint8: a bright disc with a little noise, with a stain or without."""
    rows, columns = np.mgrid[:80, :96]
    disc = (rows - 40) ** 2 + (columns - 48) ** 2 < 30**2
    pixels = np.where(disc, 170.0, 60.0)[..., None] + np.array([0.0, 10.0, 20.0])
    if stained:
        pixels[STAIN] = (230.0, 30.0, 20.0)
    noise = np.random.default_rng(seed).normal(0, 6, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twelve photos of parts, the fifth with a stain."""
    folder = tmp_path_factory.mktemp("run")
    found = []
    for number in range(12):
        found.append(folder / f"{number:02}.png")
        Image.fromarray(picture(number, stained=number == 4)).save(found[-1])
    return found


@pytest.fixture(scope="module")
def mute(encoder_file: Path) -> AnomalyGPT:
    """An encoder alone: no words for damage, which are random in a tiny assistant."""
    options = {"input_size": 64, "embed_dim": 32, "depth": 4, "num_heads": 2}
    return AnomalyGPT.from_encoder("vit_tiny_patch16_224", encoder_file, options=options)


def scores(assistant: AnomalyGPT, photos: list[Path], bank: MemoryBank) -> list[float]:
    found = assistant.inspect_batch(photos, bank, map_only=True)
    return [each.anomaly_score for each in found]


def test_the_damaged_part_stands_out_where_the_damage_is(mute: AnomalyGPT, run: list[Path]) -> None:
    bank = compare_among(mute, run)
    found = scores(mute, run, bank)
    assert int(np.argmax(found)) == 4
    assert np.sort(found)[-1] > np.sort(found)[-2] + 0.1
    inspection = mute.inspect(run[4], bank, map_only=True)
    drawn = inspection.geometry.back_project(inspection.small_map, (80, 96))
    inside = drawn[STAIN].mean()
    assert inside > np.delete(drawn, np.s_[10:44], axis=0).mean() + 0.2
    # The region is where the damage is: the middle of the stain lies in the strongest.
    x0, y0, x1, y1 = inspection.regions[0].bbox
    assert x0 <= 66 < x1
    assert y0 <= 26 < y1


def test_equal_parts_all_score_below_the_level(mute: AnomalyGPT, run: list[Path]) -> None:
    """Those that differ by one pixel, all of them; of those with noise of their own, most."""
    equal = []
    for number in range(10):
        pixels = picture(0)
        pixels[number, 0] ^= 1
        equal.append(Image.fromarray(pixels))
    for each in mute.inspect_batch(equal, compare_among(mute, equal), map_only=True):
        assert each.anomaly_score < each.level
        assert each.regions == ()
    good = [path for number, path in enumerate(run) if number != 4]
    found = list(mute.inspect_batch(good, compare_among(mute, good), map_only=True))
    assert np.median([each.anomaly_score for each in found]) < found[0].level


def test_no_good_part_vouched_for_it(mute: AnomalyGPT, run: list[Path]) -> None:
    for each in mute.inspect_batch(run, compare_among(mute, run), map_only=True):
        assert each.references == ()
        assert list(each.cautions) == [AMONG_PEERS]


def test_the_order_does_not_matter(assistant: AnomalyGPT, run: list[Path]) -> None:
    one = scores(assistant, run, compare_among(assistant, run))
    other = scores(assistant, run, compare_among(assistant, run[::-1]))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_many_photos_are_drawn_whatever_their_order(
    assistant: AnomalyGPT, tmp_path: Path, encoded: list[int]
) -> None:
    photos = []
    for number in range(MOST_PHOTOS + 9):
        photos.append(tmp_path / f"{number:02}.png")
        Image.fromarray(picture(number)).save(photos[-1])
    one = compare_among(assistant, photos).peers
    assert sum(encoded) == MOST_PHOTOS
    other = compare_among(assistant, photos[::-1]).peers
    assert one is not None
    assert other is not None
    assert len(one) == MOST_PHOTOS
    assert one.marks == other.marks


def test_a_copy_does_not_hide_the_damage(
    assistant: AnomalyGPT, run: list[Path], tmp_path: Path
) -> None:
    """Neither the photo itself nor a copy of it is what a photo is compared with."""
    copies = [Path(shutil.copy(run[4], tmp_path / f"copy{number}.png")) for number in range(12)]
    alone = scores(assistant, run, compare_among(assistant, run))
    among = scores(assistant, [*run, *copies], compare_among(assistant, [*run, *copies]))
    np.testing.assert_allclose(among[:12], alone, atol=1e-5)
    np.testing.assert_allclose(among[12:], alone[4], atol=1e-5)


def test_too_few_are_refused(assistant: AnomalyGPT, run: list[Path], tmp_path: Path) -> None:
    few = run[: FEWEST_PHOTOS - 1]
    with pytest.raises(ConfigError, match=r"7 different photos .* at least 8"):
        compare_among(assistant, few)
    copies = [Path(shutil.copy(run[0], tmp_path / f"{number}.png")) for number in range(9)]
    with pytest.raises(ConfigError, match="1 different photos"):
        compare_among(assistant, copies)
    with pytest.raises(ConfigError, match="published"):
        compare_among(assistant, run, formulation="published")


def test_unreadable_photos_are_left_out(
    assistant: AnomalyGPT, run: list[Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    bank = compare_among(assistant, [broken, *run])
    assert bank.peers is not None
    assert len(bank.peers) == 12
    with torch.inference_mode():
        assert len(list(assistant.inspect_batch([broken, *run], bank, map_only=True))) == 13


def test_the_command(anomalygpt, encoder_options, run, tmp_path) -> None:
    maps = tmp_path / "maps"
    ran = anomalygpt(
        "inspect", run[0].parent, "--mutual", *encoder_options, "--json", "--save-overlay", maps
    )
    assert ran.status == 0, ran.err
    found = inspections(ran.out)
    assert len(found) == 12
    assert max(found, key=lambda each: each.anomaly_score).image == str(run[4])
    assert all(AMONG_PEERS in each.cautions for each in found)
    assert len(list(maps.glob("*.png"))) == 12


def test_the_command_asks_the_language_model(anomalygpt, assistant_folder, run) -> None:
    ran = anomalygpt("inspect", run[0].parent, "--mutual", "--model", assistant_folder, "--json")
    assert ran.status == 0, ran.err
    assert all(each.anomaly_probability is not None for each in inspections(ran.out))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--reference", "good.png"], "--reference out"),
        (["--most-are-good"], "--most-are-good out"),
        (["--rotations", "4", "--fixed-pose"], "--rotations, --fixed-pose"),
        (["--formulation", "published"], "leave out --mutual"),
    ],
)
def test_what_does_not_go_with_it_is_refused(
    anomalygpt, parts, encoder_options, run, more, message
) -> None:
    named = [str(parts / name) if name == "good.png" else name for name in more]
    ran = anomalygpt("inspect", run[0].parent, "--mutual", *named, *encoder_options)
    assert ran.status == 2
    assert message in ran.error


def test_a_few_photos_are_refused_by_the_command(anomalygpt, parts, encoder_options) -> None:
    ran = anomalygpt("inspect", parts, "--mutual", *encoder_options)
    assert ran.status == 2
    assert "give at least 8" in ran.error
