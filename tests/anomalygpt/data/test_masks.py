"""Which pixels of a mask are defects, in whatever way it is stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomalygpt.data import Sample, load_mask
from anomalygpt.errors import DataError

SIZE = (20, 24)
TRUTH = np.zeros(SIZE, dtype=bool)
TRUTH[2:6, 3:7] = True


def sample(*masks: Path) -> Sample:
    return Sample(Path("part.png"), "part", "test", True, "crack", masks)


def grey(value: int, kind: str = "uint8") -> Image.Image:
    return Image.fromarray((TRUTH * value).astype(kind))


def colours(inside: tuple[int, ...], outside: tuple[int, ...]) -> Image.Image:
    return Image.fromarray(np.where(TRUTH[..., None], inside, outside).astype(np.uint8))


def palette(*pairs: tuple[int, tuple[int, int, int]]) -> Image.Image:
    """A picture with a palette: (index, colour) inside and outside of the defect."""
    (inside, _), (outside, _) = pairs
    picture = Image.fromarray(np.where(TRUTH, inside, outside).astype(np.uint8))
    table = [0] * 768
    for index, colour in pairs:
        table[3 * index : 3 * index + 3] = colour
    picture.putpalette(table)
    return picture


KINDS = {
    "white": grey(255),
    "class number": grey(3),
    "16 bit": grey(256, "uint16"),
    "32 bit float": grey(1, "float32"),
    "1 bit": Image.fromarray(TRUTH),
    "RGB": colours((0, 0, 1), (0, 0, 0)),
    "RGBA, drawn on nothing": colours((255, 0, 0, 255), (0, 0, 0, 0)),
    "RGBA, white made transparent": colours((255, 255, 255, 255), (255, 255, 255, 0)),
    "palette, low index": palette((1, (128, 0, 0)), (0, (0, 0, 0))),
    "palette, black at the end": palette((0, (255, 255, 255)), (1, (0, 0, 0))),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_counts_as_a_defect(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mask.tif"
    KINDS[kind].save(path)
    assert np.array_equal(load_mask(sample(path), SIZE), TRUTH)


def test_the_noise_of_jpeg_does_not_count(tmp_path: Path) -> None:
    KINDS["white"].save(tmp_path / "mask.jpg", quality=60)
    assert (np.asarray(Image.open(tmp_path / "mask.jpg")) > 0).sum() > TRUTH.sum()
    assert (load_mask(sample(tmp_path / "mask.jpg"), SIZE) != TRUTH).sum() <= 2


def test_good_parts_have_an_empty_mask() -> None:
    good = Sample(Path("part.png"), "part", "train", False)
    found = load_mask(good, SIZE)
    assert found.shape == SIZE
    assert found.dtype == bool
    assert not found.any()


def test_a_mask_of_half_the_size_is_stretched(tmp_path: Path) -> None:
    KINDS["white"].save(tmp_path / "mask.png")
    found = load_mask(sample(tmp_path / "mask.png"), (40, 48))
    assert np.array_equal(found, TRUTH.repeat(2, axis=0).repeat(2, axis=1))


def test_a_mask_of_another_shape_is_refused(tmp_path: Path) -> None:
    KINDS["white"].save(tmp_path / "mask.png")
    with pytest.raises(DataError, match=r"mask\.png is 24×20 pixels, its photo 20×24"):
        load_mask(sample(tmp_path / "mask.png"), SIZE[::-1])


def test_masks_are_turned_upright(tmp_path: Path) -> None:
    picture = KINDS["white"].transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "mask.png", exif=exif)
    assert np.array_equal(load_mask(sample(tmp_path / "mask.png"), SIZE), TRUTH)


def _cut(path: Path) -> None:
    KINDS["white"].save(path)
    path.write_bytes(path.read_bytes()[:60])


def _text(path: Path) -> None:
    path.write_text("no mask", encoding="utf-8")


def _not_finite(path: Path) -> None:
    Image.fromarray(np.full(SIZE, np.nan, dtype=np.float32)).save(path, format="TIFF")


def _nothing(path: Path) -> None:
    """No file is made."""


@pytest.mark.parametrize(
    ("make_file", "message"),
    [
        (_cut, "cannot be read as a mask"),
        (_text, "not an image, or its start is damaged"),
        (_not_finite, "NaN or infinite"),
        (_nothing, "is not there"),
    ],
)
def test_masks_that_cannot_be_read(
    tmp_path: Path, make_file: Callable[[Path], None], message: str
) -> None:
    make_file(tmp_path / "mask.png")
    with pytest.raises(DataError, match=message) as raised:
        load_mask(sample(tmp_path / "mask.png"), SIZE)
    assert "mask.png" in str(raised.value)


# --- CrackForest ---------------------------------------------------------------------------------


def test_only_region_two_is_crack(make, tmp_path: Path) -> None:
    regions = np.where(TRUTH, 2, 1)
    regions[15:] = 3
    path = make.crack_file(tmp_path / "1.mat", regions)
    assert np.array_equal(load_mask(sample(path), SIZE), TRUTH)


def test_other_matlab_files(make, tmp_path: Path) -> None:
    from scipy.io import savemat

    savemat(tmp_path / "other.mat", {"x": 1})
    savemat(tmp_path / "flat.mat", {"groundTruth": np.ones(SIZE)})
    make.crack_file(tmp_path / "deep.mat", np.ones((2, 3, 4)))
    (tmp_path / "words.mat").write_text("no MATLAB file", encoding="utf-8")
    (tmp_path / "empty.mat").touch()
    for path in sorted(tmp_path.glob("*.mat")):
        with pytest.raises(DataError, match=rf"{path.name} .*download it again"):
            load_mask(sample(path), SIZE)
