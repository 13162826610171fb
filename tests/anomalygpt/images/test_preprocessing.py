"""Maps find their way back to the right pixel, and models get the published pixels."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from anomalygpt.constants import IMAGEBIND_MEAN, IMAGEBIND_STD
from anomalygpt.errors import ConfigError, ImageError
from anomalygpt.images.preprocessing import ImageGeometry, preprocess
from anomalygpt.images.reading import load_image
from tests.photos import pattern

# --- geometry --------------------------------------------------------------------------------

SIDES = st.one_of(st.integers(1, 40), st.integers(41, 700), st.sampled_from([1, 2, 5000]))
RESIZE: Any = st.sampled_from(["square", "pad"])


@st.composite
def geometries(draw: st.DrawFn) -> ImageGeometry:
    original = (draw(SIDES), draw(SIDES))
    assume(original[0] * original[1] <= 500_000)
    return ImageGeometry.fit(original, draw(st.sampled_from([14, 56, 100, 224])), draw(RESIZE))


def in_model(geometry: ImageGeometry, x: float, y: float) -> tuple[float, float]:
    """A point of the photo as a point (x, y) of the model square."""
    (height, width), (y0, x0, y1, x1) = geometry.original, geometry.box
    return x0 + x * (x1 - x0) / width, y0 + y * (y1 - y0) / height


@settings(deadline=None, max_examples=300)
@given(geometries(), st.sampled_from([16, 37, 56, 224]), st.data())
def test_a_lit_cell_peaks_at_its_pixel(
    geometry: ImageGeometry, cells: int, data: st.DataObject
) -> None:
    height, width = geometry.original
    x = data.draw(st.integers(0, width - 1)) + 0.5
    y = data.draw(st.integers(0, height - 1)) + 0.5
    model_x, model_y = in_model(geometry, x, y)
    per_cell = geometry.size / cells
    column, row = int(model_x / per_cell), int(model_y / per_cell)
    anomaly_map = np.zeros((cells, cells), np.float32)
    anomaly_map[row, column] = 1
    projected = geometry.back_project(anomaly_map)
    assert projected.shape == (height, width)
    peak_y, peak_x = np.unravel_index(projected.argmax(), projected.shape)
    assert projected.max() > 0
    y0, x0, y1, x1 = geometry.box
    reach_x = max(1.0, per_cell * width / (x1 - x0))
    reach_y = max(1.0, per_cell * height / (y1 - y0))
    assert abs(peak_x + 0.5 - x) <= reach_x + 1e-3
    assert abs(peak_y + 0.5 - y) <= reach_y + 1e-3


@settings(deadline=None, max_examples=60)
@given(geometries(), st.sampled_from([7, 16, 56, 224]), st.integers(0, 99))
def test_values_stay_in_range_and_constants_stay(
    geometry: ImageGeometry, cells: int, seed: int
) -> None:
    values = np.random.default_rng(seed).random((cells, cells), dtype=np.float32)
    projected = geometry.back_project(values)
    assert projected.dtype == np.float32
    assert values.min() <= projected.min()
    assert projected.max() <= values.max()
    flat = geometry.back_project(np.full((cells, cells), 0.3, np.float32))
    assert (flat == np.float32(0.3)).all()


@pytest.mark.parametrize("original", [(48, 48), (100, 37), (37, 100), (600, 450), (1000, 90)])
@pytest.mark.parametrize("resize", ["square", "pad"])
def test_a_ramp_through_preprocessing_comes_back(original: tuple[int, int], resize: str) -> None:
    height, width = original
    y, x = np.mgrid[:height, :width]
    ramp = np.stack([(x + 0.5) / width, (y + 0.5) / height, np.zeros(original)], axis=-1)
    pixels, geometry = preprocess(
        load_image(ramp),
        size=224,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        resize=resize,  # type: ignore[arg-type]
    )
    for channel, side in ((0, width), (1, height)):
        back = geometry.back_project(pixels[channel].numpy())
        covered = (geometry.box[3] - geometry.box[1], geometry.box[2] - geometry.box[0])[channel]
        rim = 3 * math.ceil(max(1.0, side / covered))
        inner = np.s_[:, rim:-rim] if channel == 0 else np.s_[rim:-rim, :]
        middle = (
            back[height // 2 : height // 2 + 1] if channel == 0 else back[:, width // 2 :][:, :1]
        )
        truth = ramp[height // 2 : height // 2 + 1, :, 0] if channel == 0 else ramp[:, :1, 1]
        tolerance = 1.5 / 255 + 0.1 / covered
        assert np.abs(middle[inner] - truth[inner]).max() <= tolerance


def test_shrinking_keeps_the_mean_and_growing_keeps_the_grid() -> None:
    values = np.random.default_rng(0).random((224, 224), dtype=np.float32)
    small = ImageGeometry.fit((7, 50), 224, "square").back_project(values)
    assert small.mean() == pytest.approx(values.mean(), abs=1e-5)
    assert np.array_equal(ImageGeometry.fit((224, 224), 224, "square").back_project(values), values)


@pytest.mark.parametrize("original", [(1, 10_000), (10_000, 1), (1, 70_000)])
@pytest.mark.parametrize("resize", ["square", "pad"])
def test_lines_of_pixels(original: tuple[int, int], resize: str) -> None:
    image = load_image(np.zeros(original, np.uint8))
    pixels, geometry = preprocess(
        image,
        size=224,
        mean=IMAGEBIND_MEAN,
        std=IMAGEBIND_STD,
        resize=resize,  # type: ignore[arg-type]
    )
    y0, x0, y1, x1 = geometry.box
    assert y1 - y0 >= 1
    assert x1 - x0 >= 1
    assert torch.isfinite(pixels).all()
    assert geometry.back_project(np.eye(56, dtype=np.float32)).shape == original


def test_box_edges_may_fall_between_cells() -> None:
    geometry = ImageGeometry.fit((90, 200), 224, "pad")
    assert (geometry.box[0] * 16 / 224) % 1 != 0
    ramp = np.repeat((np.arange(16, dtype=np.float32) + 0.5)[:, None] / 16, 16, axis=1)
    back = geometry.back_project(ramp)[:, 100]
    expected = [in_model(geometry, 0, row + 0.5)[1] / 224 for row in range(90)]
    assert np.abs(back - expected).max() < 1e-5


def test_geometry_refuses_nonsense() -> None:
    geometry = ImageGeometry.fit((20, 30), 14, "square")
    with pytest.raises(ImageError, match=r"\(2, 3, 4\)"):
        geometry.back_project(np.zeros((2, 3, 4)))
    with pytest.raises(ImageError, match="1 values not finite"):
        geometry.back_project(np.array([[0.0, np.nan]]))
    with pytest.raises(ConfigError, match="'crop'"):
        ImageGeometry.fit((20, 30), 14, "crop")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="box"):
        ImageGeometry((20, 30), 14, (0, 0, 14, 15))
    with pytest.raises(ConfigError, match="positive"):
        ImageGeometry((0, 30), 14, (0, 0, 14, 14))


# --- pixels ----------------------------------------------------------------------------------


def test_square_pixels_are_the_published_ones() -> None:
    image = Image.fromarray(pattern(50, 80))
    pixels, geometry = preprocess(image, size=28, mean=IMAGEBIND_MEAN, std=IMAGEBIND_STD)
    resized = np.asarray(image.resize((28, 28), Image.Resampling.BICUBIC), dtype=np.float32)
    expected = (resized / 255 - np.array(IMAGEBIND_MEAN, np.float32)) / np.array(
        IMAGEBIND_STD, np.float32
    )
    assert pixels.dtype == torch.float32
    assert np.abs(pixels.permute(1, 2, 0).numpy() - expected).max() < 1e-5
    assert geometry.box == (0, 0, 28, 28)


def test_padding_is_the_mean_colour() -> None:
    image = Image.new("RGB", (100, 50), "white")
    pixels, geometry = preprocess(
        image, size=32, mean=IMAGEBIND_MEAN, std=IMAGEBIND_STD, resize="pad"
    )
    assert geometry.box == (8, 0, 24, 32)
    assert (pixels[:, :8] == 0).all()
    assert (pixels[:, 24:] == 0).all()
    assert (pixels[:, 8:24] > 1).all()


def test_preprocess_asks_for_rgb() -> None:
    with pytest.raises(ImageError, match="mode L"):
        preprocess(Image.new("L", (20, 20)), size=8, mean=(0, 0, 0), std=(1, 1, 1))
