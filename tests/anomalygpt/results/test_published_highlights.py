"""The published pictures of evidence come out pixel by pixel."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from anomalygpt.errors import ConfigError
from anomalygpt.results.published_highlights import (
    MAP_NOTATIONS,
    MASK_NOTATIONS,
    foreground_of,
    from_map,
    from_mask,
)

FOLDER = Path(__file__).parents[4] / "shared" / "reference" / "mmad"
recorded = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the recordings are no part of the project: ../shared/reference"
)


def picture(name: str = "picture_64") -> Image.Image:
    with Image.open(FOLDER / f"{name}.png") as opened:
        return opened.copy()


def anomaly_map(name: str = "map_64") -> np.ndarray:
    return np.load(FOLDER / f"{name}.npy")


def same(drawn: Image.Image, name: str) -> None:
    wanted = picture(name)
    assert drawn.mode == wanted.mode
    assert np.array_equal(np.asarray(drawn), np.asarray(wanted)), name


# --- the recordings of the published MMAD code ---------------------------------------------------


@recorded
@pytest.mark.parametrize("notation", MASK_NOTATIONS)
@pytest.mark.parametrize("mask", ["mask_255", "mask_01", "mask_colours"])
def test_mmad_pictures_from_a_mask(mask: str, notation: str) -> None:
    gt_mask = np.asarray(picture(mask))
    same(from_mask(picture(), gt_mask, notation), f"gt_{mask}_{notation}")
    coloured = np.dstack([np.zeros_like(gt_mask), gt_mask, gt_mask // 2])
    same(from_mask(picture(), coloured, notation), f"gt_{mask}_{notation}")


@recorded
@pytest.mark.parametrize("notation", MASK_NOTATIONS)
def test_mmad_picture_without_a_mask(notation: str) -> None:
    same(from_mask(picture(), None, notation), "gt_none")


@recorded
@pytest.mark.parametrize("notation", MAP_NOTATIONS)
def test_mmad_pictures_of_anomalyclip(notation: str) -> None:
    drawn = from_map(picture(), anomaly_map(), notation, normalisation="min-max")
    same(drawn, f"anomalyclip_{notation}")


@recorded
def test_mmad_pictures_of_patchcore() -> None:
    """Made one after another in a fresh process: GrabCut's random numbers go on."""
    drawn = [
        from_map(picture(), anomaly_map(name), notation, seed=None if number else 0)
        for number, (name, notation) in enumerate(
            [
                *(("map_64", each) for each in ("contour", "bbox", "heatmap", "highlight")),
                ("map_64", "contour"),  # where the recording tried "mask", which failed late
                *(("map_flat_64", each) for each in ("contour", "bbox")),
            ]
        )
    ]
    names = ("contour", "bbox", "heatmap", "highlight", None, "flat_contour", "flat_bbox")
    for each, name in zip(drawn, names, strict=True):
        if name:
            same(each, f"patchcore_{name}")


@recorded
def test_mmad_picture_of_the_mismatch() -> None:
    """A map of its own size puts boxes in the wrong place only where that is asked for."""
    large = cv2.resize(anomaly_map(), (128, 128))
    wrong = from_map(picture(), large, "bbox", normalisation="min-max", fitted=False)
    same(wrong, "anomalyclip_mismatch_bbox")
    right = from_map(picture(), large, "bbox", normalisation="min-max")
    first, second = (
        np.argwhere((np.asarray(each)[..., :3] == (255, 0, 0)).all(axis=-1))
        for each in (wrong, right)
    )
    at = np.array(np.unravel_index(anomaly_map().argmax(), (64, 64)))
    assert np.abs(second - at).max(axis=1).min() < 8
    assert np.abs(first - at).max(axis=1).min() > 8


@recorded
def test_mmad_what_raises_there_raises_here() -> None:
    large = cv2.resize(anomaly_map(), (128, 128))
    for normalisation in ("max", "min-max"):
        with pytest.raises(ConfigError, match="there is no 'mask' to reproduce"):
            from_map(picture(), anomaly_map(), "mask", normalisation=normalisation)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="there is no 'heatmap' to reproduce"):
        from_mask(picture(), np.ones((64, 64)), "heatmap")
    with pytest.raises(ConfigError, match=r"128×128 does not lie over a picture of 64×64"):
        from_map(picture(), large, "highlight", normalisation="min-max", fitted=False)


# --- what no recording shows ---------------------------------------------------------------------


def made(height: int, width: int) -> tuple[Image.Image, np.ndarray]:
    """A bright part on a dark ground with a faint spot in its map."""
    rows, columns = np.mgrid[:height, :width]
    inside = (np.abs(rows / height - 0.5) < 0.3) & (np.abs(columns / width - 0.5) < 0.3)
    noise = np.random.default_rng(0).integers(0, 20, (height, width))
    grey = (np.where(inside, 180, 30) + noise).astype(np.uint8)
    away = (rows / height - 0.5) ** 2 + (columns / width - 0.5) ** 2
    return Image.fromarray(np.dstack([grey] * 3)), 0.02 + 0.1 * np.exp(-away / 0.01)


@pytest.mark.parametrize("normalisation", ["max", "min-max"])
def test_something_is_marked_however_faint(normalisation) -> None:
    photo, values = made(120, 160)
    for notation in ("bbox", "contour"):
        drawn = from_map(photo, values, notation, normalisation=normalisation)
        strong = from_map(photo, 8 * values, notation, normalisation=normalisation)
        assert np.array_equal(np.asarray(drawn), np.asarray(strong))
        assert not np.array_equal(np.asarray(drawn.convert("RGB")), np.asarray(photo))


def test_large_pictures_are_scaled_down_and_masks_with_them() -> None:
    photo, values = made(600, 1200)
    mask = np.zeros((600, 1200), bool)
    mask[300:360, 600:720] = True
    drawn = from_mask(photo, mask, "mask")
    assert drawn.size == (512, 256)
    bright = np.argwhere(np.asarray(drawn)[..., 0] == 253)
    assert np.abs(bright.min(axis=0) - (128, 256)).max() <= 1
    assert np.abs(bright.max(axis=0) - (153, 307)).max() <= 1
    assert from_map(photo, values, "heatmap").size == (512, 256)


def test_the_same_call_gives_the_same_picture() -> None:
    photo, values = made(64, 64)
    noisy = Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))
    for each in (photo, noisy):
        first, second = (np.asarray(from_map(each, values, "heatmap")) for _ in range(2))
        assert np.array_equal(first, second)


@pytest.mark.parametrize("size", [(16, 1), (1, 16), (3, 40), (20, 20)])
@pytest.mark.parametrize("normalisation", ["max", "min-max"])
def test_small_and_empty_ones(size, normalisation) -> None:
    photo = Image.new("RGB", size, (90, 90, 90))
    flat = np.zeros(size[::-1])
    for notation in MAP_NOTATIONS:
        drawn = from_map(photo, flat, notation, normalisation=normalisation)
        assert drawn.size == size
        if notation in ("bbox", "contour"):
            assert np.array_equal(np.asarray(drawn.convert("RGB")), np.asarray(photo))
    for notation in MASK_NOTATIONS:
        assert from_mask(photo, np.ones(size[::-1]), notation).size == size


def test_a_foreground_that_is_known_is_not_looked_for_again() -> None:
    photo, values = made(600, 900)
    kept = foreground_of(photo)
    assert kept.shape == (341, 512)
    assert 0.3 < kept.mean() < 0.5  # the part and the border outside of the rectangle
    for notation in MAP_NOTATIONS:
        known = from_map(photo, values, notation, foreground=kept)
        assert np.array_equal(np.asarray(known), np.asarray(from_map(photo, values, notation)))
    nowhere = from_map(photo, values, "bbox", foreground=np.zeros_like(kept))
    assert not (np.asarray(nowhere)[..., :3] == (255, 0, 0)).all(axis=-1).any()
    with pytest.raises(ConfigError, match=r"shape \(600, 900\), the picture 341×512"):
        from_map(photo, values, "bbox", foreground=np.ones((600, 900), bool))


def test_no_map_no_mask_no_rule() -> None:
    photo, values = made(20, 20)
    with pytest.raises(ConfigError, match="1 values not finite"):
        from_map(photo, np.where(values == values.max(), np.nan, 0), "bbox")
    with pytest.raises(ConfigError, match="shape"):
        from_map(photo, np.ones(4), "bbox")
    with pytest.raises(ConfigError, match="shape"):
        from_mask(photo, np.ones(4), "bbox")
    with pytest.raises(ConfigError, match="'max' or 'min-max', got 'mean'"):
        from_map(photo, values, "bbox", normalisation="mean")  # type: ignore[arg-type]
    for draw in (lambda: from_map(photo, values, "words"), lambda: from_mask(photo, None, "words")):
        with pytest.raises(ConfigError, match="no 'words'"):
            draw()
