"""The part is found on plain grounds, and a texture is all part."""

import numpy as np
import pytest

from simulation import object_mask


def part(
    ground: tuple[int, int, int],
    colour: tuple[int, int, int],
    size: tuple[int, int] = (150, 200),
    noise: float = 4,
) -> tuple[np.ndarray, np.ndarray]:
    """An ellipse with a hole of the ground's colour that is too small to count as one."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    truth = ((x / width - 0.45) / 0.3) ** 2 + ((y / height - 0.5) / 0.25) ** 2 <= 1
    image = np.where(truth[..., None], colour, ground)
    image = image + np.random.default_rng(0).normal(0, noise, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8), truth


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


@pytest.mark.parametrize(
    ("ground", "colour"),
    [
        ((240, 240, 240), (90, 60, 50)),
        ((15, 15, 15), (150, 150, 150)),
        ((60, 110, 60), (200, 170, 90)),
        ((110, 110, 110), (170, 60, 60)),
    ],
)
def test_a_part_on_a_plain_ground(
    ground: tuple[int, int, int], colour: tuple[int, int, int]
) -> None:
    image, truth = part(ground, colour)
    assert overlap(object_mask(image), truth) > 0.93


def test_holes_are_filled_and_specks_dropped() -> None:
    image, truth = part((240, 240, 240), (90, 60, 50))
    image[70:80, 85:95] = 240
    image[10:14, 10:14] = 0
    found = object_mask(image)
    assert found[75, 90]
    assert not found[11, 11]
    assert overlap(found, truth) > 0.93


def test_a_known_ground_by_brightness() -> None:
    image, truth = part((205, 200, 195), (90, 60, 50))
    assert overlap(object_mask(image, ((200, 60),)), truth) > 0.93
    assert object_mask(image, ()).all()


def test_several_known_grounds() -> None:
    image, truth = part((205, 200, 195), (90, 60, 50))
    image[:, :20] = 20
    assert overlap(object_mask(image, ((200, 60), (20, 20))), truth) > 0.93


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (16, 600), (400, 3)])
def test_without_a_part_everything_counts(size: tuple[int, int]) -> None:
    generator = np.random.default_rng(0)
    texture = generator.integers(0, 255, (*size, 3), dtype=np.uint8)
    assert object_mask(np.full((*size, 3), 90, np.uint8)).all()
    assert object_mask(np.full((*size, 3), 200, np.uint8), ((200, 60),)).all()
    assert object_mask(texture).shape == size


def test_a_texture_is_all_part() -> None:
    generator = np.random.default_rng(0)
    assert object_mask(generator.integers(60, 200, (200, 200, 3), dtype=np.uint8)).all()


def test_the_mask_grows_with_the_photo() -> None:
    image, truth = part((240, 240, 240), (90, 60, 50), size=(900, 1200))
    found = object_mask(image)
    assert found.shape == (900, 1200)
    assert overlap(found, truth) > 0.93
