"""Damage is mild but visible, lies on the part, and is one defect; chance is reproducible."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.anomaly import LABEL_THRESHOLD, find_defects
from simulation.damage import damage

KINDS = ("scratch", "stain", "hole", "missing part")
# Change in grey levels that the label's logistic turns into 0.3.
LEAST_CHANGE = 24 - 12 * math.log(0.7 / 0.3)

every_kind = pytest.mark.parametrize("kind", KINDS)


def texture(height: int = 120, width: int = 160, seed: int = 0, grey: bool = False) -> np.ndarray:
    """(H, W, 3) uint8: waves and grain that fill the photo."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 9) * np.cos(y / 7), np.cos(x / 11 + y / 5), np.sin(y / 8)]
    grain = np.random.default_rng(seed).normal(0, 4, (height, width, 3))
    pixels = np.clip(np.rint(128 + 30 * np.stack(waves, axis=-1) + grain), 0, 255)
    return (np.repeat(pixels[..., :1], 3, axis=2) if grey else pixels).astype(np.uint8)


def part(
    height: int = 120, width: int = 160, light: int = 190, ground: int = 60
) -> tuple[np.ndarray, np.ndarray]:
    """A grainy photo of an ellipse on a plain ground, and where the ellipse is."""
    y, x = np.mgrid[:height, :width]
    place = ((y / height - 0.5) / 0.35) ** 2 + ((x / width - 0.5) / 0.4) ** 2 < 1
    grain = np.random.default_rng(0).normal(0, 3, (height, width, 3))
    pixels = np.where(place[..., None], (light, light - 20, light - 40), ground) + grain
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8), place


def everywhere(image: np.ndarray) -> np.ndarray:
    return np.ones(image.shape[:2], bool)


def change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(H, W) float: mean change of the channels."""
    return np.abs(after.astype(float) - before).mean(axis=2)


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


@every_kind
@pytest.mark.parametrize("with_ground", [True, False])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_damage_promises(kind: str, with_ground: bool, seed: int) -> None:
    image, place = part() if with_ground else (texture(), everywhere(texture()))
    before = image.copy()
    damaged, label = damage(image, np.random.default_rng(seed), kind, place)
    assert np.array_equal(image, before)
    assert damaged.shape == image.shape
    assert damaged.dtype == np.uint8
    assert label.shape == place.shape
    assert label.dtype == np.float32
    assert label.min() >= 0
    assert label.max() <= 1
    assert np.array_equal(damaged[label == 0], image[label == 0])
    mask = label > LABEL_THRESHOLD
    assert len(find_defects(mask)) == 1
    assert 5e-4 < mask.mean() < 0.15
    changes = change(image, damaged)
    assert np.quantile(changes[mask], 0.75) >= 20
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    closed = cv2.morphologyEx(changes, cv2.MORPH_CLOSE, cross)
    assert overlap(mask, (closed > LEAST_CHANGE) & (changes > 0)) > 0.9


@every_kind
def test_the_same_seed_gives_the_same_damage_and_another_a_different_one(kind: str) -> None:
    image, place = part()
    one, again, other = (
        damage(image, np.random.default_rng(seed), kind, place) for seed in (1, 1, 2)
    )
    assert np.array_equal(one[0], again[0])
    assert np.array_equal(one[1], again[1])
    assert not np.array_equal(one[0], other[0])


@every_kind
@pytest.mark.parametrize("level", [0, 40, 128, 215, 255])
def test_it_shows_on_any_brightness(kind: str, level: int) -> None:
    flat = np.full((90, 110, 3), level, np.uint8)
    for seed in range(8):
        damaged, label = damage(flat, np.random.default_rng(seed), kind, everywhere(flat))
        mask = label > LABEL_THRESHOLD
        assert change(flat, damaged).max() >= 20
        assert len(find_defects(mask)) == 1


@every_kind
@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 0, 255), (255, 255, 0), (20, 240, 20)])
def test_it_shows_on_pure_colours(kind: str, colour: tuple[int, int, int]) -> None:
    flat = np.full((90, 110, 3), colour, np.uint8)
    for seed in range(4):
        damaged, label = damage(flat, np.random.default_rng(seed), kind, everywhere(flat))
        assert change(flat, damaged).max() >= 20
        assert (label > LABEL_THRESHOLD).any()


@every_kind
def test_grey_stays_grey_and_colour_may_be_stained(kind: str) -> None:
    coloured = 0
    for seed in range(10):
        image = texture(seed=seed, grey=True)
        damaged, _ = damage(image, np.random.default_rng(seed), kind, everywhere(image))
        assert np.array_equal(damaged[..., 0], damaged[..., 1])
        assert np.array_equal(damaged[..., 0], damaged[..., 2])
        image = texture(seed=seed)
        damaged, label = damage(image, np.random.default_rng(seed), kind, everywhere(image))
        shift = (damaged.astype(float) - image)[label > 0.5].mean(axis=0)
        coloured += bool(np.ptp(shift) > 8)
    if kind == "stain":
        assert coloured >= 3


@every_kind
def test_damage_lies_on_the_part(kind: str) -> None:
    image, place = part()
    near = cv2.dilate(place.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    for seed in range(20):
        _, label = damage(image, np.random.default_rng(seed), kind, place)
        assert not (label[~near] > LABEL_THRESHOLD).any()
        if kind != "missing part":
            assert not label[~place].any()


@pytest.mark.parametrize("ground", [60, 175])
def test_a_missing_part_touches_the_edge(ground: int) -> None:
    """Also where the ground looks like the part, and a chip has to do."""
    image, place = part(ground=ground)
    beside = cv2.dilate((~place).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    for seed in range(20):
        _, label = damage(image, np.random.default_rng(seed), "missing part", place)
        assert ((label > LABEL_THRESHOLD) & beside).any()


def test_where_a_part_is_missing_the_ground_shows() -> None:
    image, place = part(light=190, ground=60)
    seen = 0
    for seed in range(20):
        damaged, label = damage(image, np.random.default_rng(seed), "missing part", place)
        # Away from the light on the fracture.
        mask = (label > LABEL_THRESHOLD).astype(np.uint8)
        core = (cv2.erode(mask, np.ones((9, 9), np.uint8)) > 0) & place
        if core.sum() < 10:
            continue
        assert np.abs(np.median(damaged[core], axis=0) - 60).max() < 8
        away = np.abs(damaged[core].astype(float) - 60)
        assert np.quantile(away, 0.85) < 10
        assert np.median(away) >= 1
        seen += 1
    assert seen > 10


def test_nothing_is_left_hanging_in_the_air() -> None:
    image, _ = part()
    place = np.zeros(image.shape[:2], bool)
    place[40:80, 20:140] = True
    place[80:110, 76:84] = True
    image = np.where(place[..., None], 200, 50).astype(np.uint8).repeat(3, axis=2)
    for seed in range(30):
        damaged, _ = damage(image, np.random.default_rng(seed), "missing part", place)
        left = (damaged[..., 0] > 150).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(left)
        assert (stats[1:, cv2.CC_STAT_AREA] > 20).sum() == 1


def test_the_texture_shows_through_a_stain() -> None:
    image = texture()
    likeness = []
    for seed in range(10):
        damaged, label = damage(image, np.random.default_rng(seed), "stain", everywhere(image))
        core = label > 0.6
        likeness.append(np.corrcoef(image[core].ravel(), damaged[core].ravel())[0, 1])
    assert np.median(likeness) > 0.7


def test_a_scratch_is_thin() -> None:
    image = texture(224, 224)
    for seed in range(20):
        _, label = damage(image, np.random.default_rng(seed), "scratch", everywhere(image))
        mask = (label > LABEL_THRESHOLD).astype(np.uint8)
        assert cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 3).max() < 9


@every_kind
@pytest.mark.parametrize("shape", [(16, 16), (16, 600), (600, 16), (1, 40), (40, 1), (1, 1)])
def test_small_and_thin_photos(kind: str, shape: tuple[int, int]) -> None:
    image = texture(*shape)
    for seed in range(6):
        damaged, label = damage(image, np.random.default_rng(seed), kind, everywhere(image))
        assert (label > LABEL_THRESHOLD).any()
        assert np.array_equal(damaged[label == 0], image[label == 0])


@every_kind
def test_large_photos(kind: str) -> None:
    image = cv2.resize(texture(), (1600, 1200))
    damaged, label = damage(image, np.random.default_rng(0), kind, everywhere(image))
    mask = label > LABEL_THRESHOLD
    assert len(find_defects(mask)) == 1
    assert 5e-4 < mask.mean() < 0.15
    assert np.array_equal(damaged[label == 0], image[label == 0])


@every_kind
def test_a_part_of_a_single_pixel_or_a_thread(kind: str) -> None:
    image, _ = part()
    dot, thread = np.zeros((2, *image.shape[:2]), bool)
    dot[50, 70] = True
    thread[60, 30:90] = True
    for place in (dot, thread):
        damaged, label = damage(image, np.random.default_rng(1), kind, place)
        assert (label > LABEL_THRESHOLD).any()
        assert np.array_equal(damaged[label == 0], image[label == 0])


def test_an_empty_place_is_refused() -> None:
    image = texture()
    with pytest.raises(ValueError, match="place is empty: none of its 19200 pixels"):
        damage(image, np.random.default_rng(0), "stain", np.zeros(image.shape[:2], bool))


@pytest.mark.parametrize("kind", ["patch", "dent", ""])
def test_other_kinds_are_refused(kind: str) -> None:
    image = texture()
    with pytest.raises(ValueError, match=f"scratch, stain, hole, missing part; got {kind!r}"):
        damage(image, np.random.default_rng(0), kind, everywhere(image))


@pytest.mark.parametrize("place", [np.ones((120, 160)), np.ones((160, 120), bool)])
def test_a_place_of_another_kind_is_refused(place: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"place must be \(120, 160\) bool"):
        damage(texture(), np.random.default_rng(0), "hole", place)


@pytest.mark.parametrize(
    "image", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((0, 5, 3), np.uint8)]
)
def test_other_pixels_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8"):
        damage(image, np.random.default_rng(0), "hole", np.ones(image.shape[:2], bool))
