"""Windows over a photo: they cover it, and their patches come together without a seam."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anomalygpt.errors import ConfigError
from anomalygpt.images.detail import MOST_WINDOWS, checked_detail
from anomalygpt.images.windows import Windows, shrunk, windows_along

SIZES = st.tuples(st.integers(16, 3000), st.integers(16, 3000))
ALONG = st.integers(1, MOST_WINDOWS)
CELLS = st.sampled_from([(4, 64), (8, 64), (16, 224), (32, 256)])


def tokens_of(windows: Windows) -> torch.Tensor:
    """For every patch of every window the row and column of the photo, in [0, 1], that it sees."""
    rows, columns = windows.grid
    y, x = np.mgrid[:rows, :columns]
    places = np.stack([(y + 0.5) / rows, (x + 0.5) / columns], axis=-1)
    size = (columns * windows.pixels // windows.cells, rows * windows.pixels // windows.cells)
    planes = [Image.fromarray(places[..., axis].astype(np.float32)) for axis in (0, 1)]
    cut = [windows.cut(plane.resize(size, Image.Resampling.NEAREST)) for plane in planes]
    step = windows.pixels // windows.cells
    centres = slice(step // 2, None, step)
    seen = np.stack([np.stack([np.asarray(w)[centres, centres] for w in axis]) for axis in cut], -1)
    return torch.from_numpy(seen).flatten(1, 2)


@given(SIZES, ALONG, CELLS)
def test_every_patch_lands_where_it_looked(
    size: tuple[int, int], along: int, cells: tuple[int, int]
) -> None:
    windows = Windows.over(size, along, *cells)
    rows, columns = windows.grid
    if rows * columns > 40_000:
        return  # the same again, only slower
    joined = windows.join(tokens_of(windows)).reshape(rows, columns, 2)
    y, x = np.mgrid[:rows, :columns]
    expected = np.stack([(y + 0.5) / rows, (x + 0.5) / columns], axis=-1)
    np.testing.assert_allclose(joined.numpy(), expected, atol=0.6 / min(rows, columns))


@given(SIZES, ALONG, CELLS)
def test_the_grid_keeps_the_proportions(
    size: tuple[int, int], along: int, cells: tuple[int, int]
) -> None:
    windows = Windows.over(size, along, *cells)
    aspect = min(4.0, max(size) / min(size))
    assert min(windows.grid) == cells[0] + round(0.75 * cells[0]) * (along - 1)
    assert max(windows.grid) == pytest.approx(aspect * min(windows.grid), abs=0.51)
    assert (windows.grid[0] > windows.grid[1]) <= (size[0] > size[1])


@pytest.mark.parametrize(("size", "count"), [((640, 640), 4), ((480, 640), 6), ((640, 480), 6)])
def test_two_windows_on_the_shorter_side(size: tuple[int, int], count: int) -> None:
    windows = Windows.over(size, 2, 32, 256)
    photo = Image.new("RGB", size[::-1])
    assert len(windows) == count
    assert {window.size for window in windows.cut(photo)} == {(256, 256)}


@pytest.mark.parametrize(
    ("detail", "size", "along"),
    [
        ("auto", (448, 9000), 2),
        ("auto", (447, 9000), 1),
        ("auto", (9000, 448), 2),
        ("whole", (9000, 9000), 1),
        (3, (100, 100), 3),
        (1, (9000, 9000), 1),
    ],
)
def test_how_closely_a_photo_is_looked_at(
    detail: int | str, size: tuple[int, int], along: int
) -> None:
    assert windows_along(detail, size, 256) == along


@pytest.mark.parametrize("wrong", [0, MOST_WINDOWS + 1, "close", True, 2.0, None])
def test_another_detail_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigError, match="detail"):
        checked_detail(wrong)  # type: ignore[arg-type]


def test_a_huge_photo_is_held_small() -> None:
    kept = shrunk(Image.new("RGB", (12000, 8000)), 256)
    assert kept.size == (2400, 1600)
    small = Image.new("RGB", (1600, 5000))
    assert shrunk(small, 256) is small
