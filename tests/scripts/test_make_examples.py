"""The example photos: made again as committed, and only the damaged ones show damage."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import make_examples

EXAMPLES = Path(__file__).parents[2] / "examples"
PRODUCTS = sorted(make_examples.PRODUCTS)
BLOCK, REACH = 16, 14  # pixels; two poses differ by a little less than REACH
LIMIT = 600_000  # bytes of all photos together


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    make_examples.main(folder)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))


def opened(path: Path) -> np.ndarray:
    photo = cv2.imread(str(path))
    assert photo is not None, path
    return photo


def block_differences(photo: np.ndarray, good: np.ndarray) -> np.ndarray:
    """How far each block is from the most similar place nearby in the good photo, in grey values.

    The brightness of both is taken out first: the lamp moves between photos.
    """
    photo, good = (cv2.GaussianBlur(p, (0, 0), 1.2).astype(np.float32) for p in (photo, good))
    photo, good = (p - cv2.GaussianBlur(p, (0, 0), 60) for p in (photo, good))
    around = cv2.copyMakeBorder(good, *[REACH] * 4, cv2.BORDER_REFLECT)
    span = BLOCK + 2 * REACH
    found = [
        cv2.matchTemplate(
            around[top : top + span, left : left + span],
            photo[top : top + BLOCK, left : left + BLOCK],
            cv2.TM_SQDIFF,
        ).min()
        for top in range(0, photo.shape[0] - BLOCK + 1, BLOCK)
        for left in range(0, photo.shape[1] - BLOCK + 1, BLOCK)
    ]
    return np.sqrt(np.maximum(found, 0) / photo[:BLOCK, :BLOCK].size)


def test_the_script_makes_the_committed_photos_and_no_others(written: Path) -> None:
    assert names(written) == names(EXAMPLES)


@pytest.mark.parametrize("name", names(EXAMPLES))
def test_a_committed_photo_is_what_the_script_makes(name: str, written: Path) -> None:
    """JPEG, and details of other versions of OpenCV, move values a little."""
    committed, again = opened(EXAMPLES / name), opened(written / name)
    assert committed.shape == again.shape
    assert np.abs(committed.astype(int) - again.astype(int)).mean() < 2


def test_there_are_at_least_six_products_and_they_stay_small() -> None:
    assert len(PRODUCTS) >= 6
    assert sum((EXAMPLES / name).stat().st_size for name in names(EXAMPLES)) < LIMIT


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_product_has_two_good_photos_and_a_damaged_one(product: str) -> None:
    found = {path.stem for path in (EXAMPLES / product).glob("*.jpg")}
    assert found == {"good_1", "good_2", make_examples.PRODUCTS[product].damage}


@pytest.mark.parametrize("product", PRODUCTS)
def test_good_specimens_differ(product: str) -> None:
    """More than by the noise of the camera, in pose and texture."""
    first, second = (opened(EXAMPLES / product / f"good_{k}.jpg") for k in (1, 2))
    blurred = (cv2.GaussianBlur(p, (0, 0), 1.5).astype(float) for p in (first, second))
    assert np.abs(np.subtract(*blurred)).mean() > 1.5


@pytest.mark.parametrize("product", PRODUCTS)
def test_damage_is_larger_than_what_good_specimens_differ_by(product: str) -> None:
    first, second, damaged = (
        opened(EXAMPLES / product / f"{name}.jpg")
        for name in ("good_1", "good_2", make_examples.PRODUCTS[product].damage)
    )
    between_good = block_differences(second, first).max()
    assert block_differences(damaged, first).max() > 1.5 * between_good
