"""Each step of cutting, placing and blending by itself."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation import BLENDS, Blend, SimulationProfile, paste_patch, profile_for
from simulation.blending import blended, strengthened, visibility
from simulation.patches import destination, patch_outline, patch_size, resized, scar_size, turned

PROFILE = SimulationProfile()


def surface(seed: int, size: tuple[int, int] = (120, 140), brightness: float = 130) -> np.ndarray:
    """Cloudy ground with fine grain, another colour for every seed."""
    generator = np.random.default_rng(seed)
    clouds = 250 * cv2.GaussianBlur(generator.normal(0, 1, (*size, 3)), (0, 0), 6)
    image = brightness + clouds + generator.normal(0, 4, (*size, 3)) + generator.uniform(-25, 25, 3)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["screw", "capsule", "zipper", None]))
@settings(max_examples=40, deadline=None)
def test_sizes_stay_within_the_bounds(seed: int, category: str | None) -> None:
    generator, profile = np.random.default_rng(seed), profile_for(category)
    shape = (200, 300, 3)
    size = patch_size(shape, generator, profile)
    piece, _ = resized(np.zeros((*size, 3), np.uint8), None, generator, profile, shape)
    bounds = (profile.height_bounds, profile.width_bounds)
    for drawn in (size, piece.shape[:2]):
        for value, side, (low, high) in zip(drawn, shape[:2], bounds, strict=True):
            assert low * side - 1 <= value <= high * side


def test_sizes_follow_the_gamma_distribution() -> None:
    wide = replace(PROFILE, height_bounds=(0.001, 1), width_bounds=(0.001, 1))
    generator = np.random.default_rng(0)
    sizes = np.array([patch_size((1000, 1000), generator, wide) for _ in range(2000)]) / 1000
    # Half of a side is 0.03 + Gamma(2, 0.05): mean 0.13, variance 2 · 0.05².
    assert sizes.mean() == pytest.approx(0.26, abs=0.01)
    assert sizes.std() == pytest.approx(2 * 0.05 * 2**0.5, abs=0.01)
    assert sizes.min() >= 0.06 - 0.001


def test_outlines_are_connected() -> None:
    for seed in range(60):
        outline = patch_outline((30, 50), np.random.default_rng(seed), PROFILE)
        assert cv2.connectedComponents(outline.astype(np.uint8))[0] == 2
        assert outline.sum() > 0.15 * outline.size


def test_a_destination_lies_on_its_place() -> None:
    place = np.zeros((100, 100), bool)
    place[60:90, 20:50] = True
    outline = np.ones((12, 16), bool)
    profile = replace(PROFILE, min_overlap=0.9)
    found = [destination(outline, place, np.random.default_rng(s), profile) for s in range(200)]
    corners = [corner for corner in found if corner is not None]
    assert len(corners) > 20
    for top, left in corners:
        assert place[top : top + 12, left : left + 16].mean() >= 0.9
    too_large = np.ones((101, 5), bool)
    assert destination(too_large, place, np.random.default_rng(0), profile) is None
    assert destination(outline, place & False, np.random.default_rng(0), profile) is None


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("corner", [(0, 0), (0, 110), (90, 0), (90, 110), (41, 53)])
def test_pixels_outside_the_patch_stay_bit_by_bit(blend: Blend, corner: tuple[int, int]) -> None:
    image, piece = surface(0), surface(1, (30, 30))
    before = image.copy()
    outline = np.ones((30, 30), bool)
    changed = blended(image, piece, outline, corner, blend)
    window = slice(corner[0], corner[0] + 30), slice(corner[1], corner[1] + 30)
    assert (changed[window] != image[window]).any()
    changed[window] = image[window]
    assert np.array_equal(changed, before)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("size", [(30, 40), (31, 40), (30, 41), (31, 41)])
@pytest.mark.parametrize("blend", ["normal", "mixed"])
def test_poisson_editing_hits_the_place_exactly(size: tuple[int, int], blend: Blend) -> None:
    """A dot of the piece arrives where it was cut from, however odd the outline."""
    image = np.full((100, 120, 3), 120, np.uint8)
    piece = np.full((*size, 3), 60, np.uint8)
    piece[14:17, 20:23] = 160
    y, x = np.mgrid[: size[0], : size[1]]
    outline = (y > 3) | (x > 5)
    outline[:, -4:] &= (y > 7)[:, -4:]
    changed = blended(image, piece, outline, (50, 60), blend)
    rows, columns = np.nonzero(changed[..., 0].astype(int) - image[..., 0] > 40)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (64, 66, 80, 82)


def border_step(image: np.ndarray, window: tuple[slice, slice]) -> float:
    """Mean jump between the pixels just inside and just outside a window."""
    pixels = image.astype(float)
    rows, columns = window
    jumps = [
        pixels[rows.start, columns] - pixels[rows.start - 1, columns],
        pixels[rows.stop - 1, columns] - pixels[rows.stop, columns],
        pixels[rows, columns.start] - pixels[rows, columns.start - 1],
        pixels[rows, columns.stop - 1] - pixels[rows, columns.stop],
    ]
    return float(np.mean([np.abs(jump).mean() for jump in jumps]))


def test_poisson_editing_leaves_no_box() -> None:
    """The jump across the patch's border is that of the surface, not that of pasting."""
    window = slice(40, 80), slice(50, 100)
    steps: dict[str, list[float]] = {"before": [], "normal": [], "mixed": [], "paste": []}
    for seed in range(10):
        image, source = surface(seed, brightness=100), surface(seed + 50, brightness=150)
        steps["before"].append(border_step(image, window))
        for blend in ("normal", "mixed", "paste"):
            outline = np.ones((40, 50), bool)
            changed = blended(image, source[window], outline, (40, 50), blend)  # type: ignore[arg-type]
            steps[blend].append(border_step(changed, window))
    means = {name: float(np.mean(values)) for name, values in steps.items()}
    assert means["paste"] > 4 * means["before"]
    for blend in ("normal", "mixed"):
        assert means[blend] < 1.6 * means["before"]
        assert means[blend] < 0.4 * means["paste"]


@pytest.mark.parametrize("blend", ["normal", "mixed"])
def test_large_patches_are_blended_on_a_reduced_copy(blend: Blend) -> None:
    image, piece = surface(0, (600, 700)), surface(1, (400, 500))
    changed = blended(image, piece, np.ones((400, 500), bool), (100, 100), blend)
    window = slice(100, 500), slice(100, 600)
    assert border_step(changed, window) < 1.6 * border_step(image, window)
    assert np.abs(changed[window].astype(int) - image[window]).mean() > 5


@pytest.mark.parametrize("blend", BLENDS)
def test_a_pasted_patch_and_its_label(blend: Blend) -> None:
    profile = replace(PROFILE, blends=(blend,))
    image, source = surface(3), surface(4, brightness=90)
    # Mixed gradients need a piece whose own are the stronger ones.
    source[:, ::16] = source[:, 1::16] = source[::20] = 20
    everywhere = np.ones(image.shape[:2], bool)
    found = 0
    for seed in range(40):
        drawn = paste_patch(image, source, np.random.default_rng(seed), profile, everywhere)
        if drawn is None:
            continue
        found += 1
        changed, label = drawn
        assert np.array_equal(changed[label == 0], image[label == 0])
        assert ((label == 0) | (label > 0.3)).all()
        mask = label > 0.3
        assert visibility(image, changed, mask) > 0
    assert found >= 5


def test_what_nobody_sees_is_refused() -> None:
    flat = np.full((100, 100, 3), 128, np.uint8)
    everywhere = np.ones((100, 100), bool)
    for blend in ("normal", "mixed", "paste"):
        for seed in range(5):
            generator = np.random.default_rng(seed)
            lighter = np.full_like(flat, 200)
            # Poisson editing takes the colour from around, so a flat piece leaves no trace.
            source = flat if blend == "paste" else lighter
            assert (
                paste_patch(flat, source, generator, PROFILE, everywhere, blend=blend)  # type: ignore[arg-type]
                is None
            )


def test_a_weak_change_is_raised_and_a_hopeless_one_is_not() -> None:
    before = np.full((60, 60, 3), 100, np.uint8)
    region = np.zeros((60, 60), bool)
    region[20:40, 20:40] = True
    for levels, raised in ((1, None), (5, True), (60, False)):
        after = before.copy()
        after[region] += np.uint8(levels)
        strong = strengthened(before, after, region)
        if raised is None:
            assert strong is None
        else:
            assert strong is not None
            assert visibility(before, strong, region) >= 1
            assert (strong[30, 30, 0] > after[30, 30, 0]) == raised
    assert strengthened(before, before, region & False) is None


def test_scars_keep_a_grey_photo_grey() -> None:
    grey = np.repeat(surface(0)[:30, :6, :1], 3, axis=2)
    for seed in range(10):
        piece, outline = turned(grey, np.random.default_rng(seed))
        assert np.array_equal(piece[..., 0], piece[..., 2])
        assert outline.shape == piece.shape[:2]
        assert outline.sum() == pytest.approx(180, rel=0.15)


def test_scars_are_long_and_thin() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        height, width = scar_size((200, 300), generator)
        assert 1 <= width <= 10 < height <= 60


def test_a_patch_shows_the_part_and_lies_on_it() -> None:
    image, source = surface(5), surface(6)
    place = np.zeros(image.shape[:2], bool)
    place[30:90, 40:100] = True
    profile = replace(PROFILE, min_object=0.5, min_overlap=0.6, blends=("paste",))
    found = 0
    for seed in range(40):
        drawn = paste_patch(
            image, source, np.random.default_rng(seed), profile, place, source_place=place
        )
        if drawn is not None:
            found += 1
            mask = drawn[1] > 0.3
            # The label holds nearly all of the patch, not all: hence a little less than 0.6.
            assert place[mask].mean() > 0.5
    assert found >= 5
