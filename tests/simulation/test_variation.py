"""Copies of a good part stay a good part, and chance is reproducible."""

import numpy as np
import pytest

from simulation import NormalVariation, geometric_matrix, rotations_and_flips, vary

NOTHING = NormalVariation(
    max_shift=0,
    max_rotation_degrees=0,
    scale=(1, 1),
    brightness=0,
    contrast=0,
    gamma=(1, 1),
    max_blur_sigma=0,
    jpeg_quality=None,
)


def photo(height: int = 60, width: int = 90) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 9) * np.cos(y / 7), np.cos(x / 11 + y / 5), np.sin(y / 8)]
    return np.rint(128 + 90 * np.stack(waves, axis=-1)).astype(np.uint8)


def test_no_bounds_no_change() -> None:
    image = photo()
    copy = vary(image, np.random.default_rng(0), NOTHING)
    assert np.array_equal(copy, image)
    assert not np.shares_memory(copy, image)


def test_the_same_seed_gives_the_same_copy_and_another_a_different_one() -> None:
    first, again, other = (vary(photo(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("shape", [(60, 90), (1, 40), (40, 1), (1, 1), (17, 300)])
def test_shape_type_and_input_are_kept(shape: tuple[int, int]) -> None:
    image = photo(*shape)
    before = image.copy()
    for seed in range(5):
        copy = vary(image, np.random.default_rng(seed))
        assert copy.shape == image.shape
        assert copy.dtype == np.uint8
    assert np.array_equal(image, before)


def test_a_copy_stays_close_to_its_photo() -> None:
    image = photo(224, 224)
    for seed in range(10):
        difference = vary(image, np.random.default_rng(seed)).astype(int) - image
        assert 0 < np.abs(difference).mean() < 60


def test_light_stays_within_its_bounds() -> None:
    grey = np.full((32, 32, 3), 128, np.uint8)
    bounds = NormalVariation(gamma=(1, 1), jpeg_quality=None)
    means = [vary(grey, np.random.default_rng(seed), bounds).mean() for seed in range(50)]
    assert max(abs(mean - 128) for mean in means) <= 0.08 * 255 + 1
    assert max(means) > 140
    assert min(means) < 116


def test_the_border_brings_in_no_foreign_colour() -> None:
    flat = np.full((50, 70, 3), (10, 200, 90), np.uint8)
    bounds = NormalVariation(
        max_shift=0.2,
        max_rotation_degrees=30,
        brightness=0,
        contrast=0,
        gamma=(1, 1),
        jpeg_quality=None,
    )
    for seed in range(5):
        assert np.array_equal(vary(flat, np.random.default_rng(seed), bounds), flat)


def test_movement_follows_the_matrix() -> None:
    image = np.zeros((80, 120, 3), np.uint8)
    image[20, 30] = 255
    bounds = NormalVariation(
        max_shift=0.1, brightness=0, contrast=0, gamma=(1, 1), max_blur_sigma=0, jpeg_quality=None
    )
    places = []
    for seed in range(20):
        copy = vary(image, np.random.default_rng(seed), bounds)
        places.append(np.unravel_index(copy[..., 0].argmax(), (80, 120)))
    rows, columns = np.array(places).T
    # 10 % shift, 3 degrees and 3 % zoom about the centre, one pixel of rounding.
    assert np.abs(rows - 20).max() <= 8 + 2 + 1 + 1
    assert np.abs(columns - 30).max() <= 12 + 2 + 1 + 1
    assert len(set(places)) > 10


def test_matrix_turns_about_the_centre() -> None:
    matrix = geometric_matrix(21, 41, rotation_degrees=90)
    assert matrix @ [20, 10, 1] == pytest.approx([20, 10])
    assert matrix @ [25, 10, 1] == pytest.approx([20, 5])
    moved = geometric_matrix(20, 40, shift=(0.1, -0.2), scale=2)
    assert moved @ [19.5, 9.5, 1] == pytest.approx([23.5, 5.5])
    assert moved @ [20.5, 9.5, 1] == pytest.approx([25.5, 5.5])
    assert np.array_equal(geometric_matrix(20, 40), np.eye(2, 3))


def test_four_rotations_of_a_square_are_exact() -> None:
    image = photo(31, 31)
    copies = rotations_and_flips(image, 4, flips=True)
    assert len(copies) == 8
    for index, copy in enumerate(copies[:4]):
        assert np.array_equal(copy, np.rot90(image, index))
        assert np.array_equal(copies[4 + index], copy[:, ::-1])
        assert copy.flags["C_CONTIGUOUS"]


def test_turns_between_quarters_and_of_oblong_photos() -> None:
    image = photo(40, 60)
    copies = rotations_and_flips(image, 8, flips=False)
    assert [copy.shape for copy in copies] == [image.shape] * 8
    assert np.array_equal(copies[0], image)
    assert np.array_equal(copies[4], np.rot90(image, 2))
    # A quarter turn of the part that stays in view agrees with the exact one.
    assert np.array_equal(copies[2][:, 10:50], np.rot90(image[:, 10:50]))


def test_corners_take_the_colour_of_the_ground() -> None:
    image = np.full((50, 50, 3), (40, 50, 60), np.uint8)
    image[15:35, 10:40] = 220
    for copy in rotations_and_flips(image, 7, flips=True):
        assert copy[0, 0].tolist() == copy[-1, -1].tolist() == [40, 50, 60]


@pytest.mark.parametrize(
    "image",
    [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((5, 5, 4), np.uint8)],
)
def test_other_pixels_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8"):
        vary(image, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8"):
        rotations_and_flips(image, 2, flips=False)


@pytest.mark.parametrize(
    "bounds",
    [
        {"max_shift": -0.1},
        {"max_rotation_degrees": float("nan")},
        {"contrast": 1.0},
        {"scale": (1.1, 0.9)},
        {"gamma": (0.0, 1.0)},
        {"jpeg_quality": (0, 90)},
    ],
)
def test_bounds_that_make_no_sense(bounds: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(bounds))):
        NormalVariation(**bounds)


def test_at_least_the_photo_itself() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        rotations_and_flips(photo(), 0, flips=False)
