"""Which pixels of a mask are defects, in whatever way it is stored."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from anomalygpt.data import Sample, check, load_mask
from anomalygpt.data.masks import is_smeared, read_mask
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


# --- smeared edges -------------------------------------------------------------------------------

LARGE = (120, 160)
DISC = np.hypot(*np.mgrid[-60:60, -80:80]) < 25


def drawn(**values: int) -> np.ndarray:
    """(H, W) uint8: a disc and a thin line, each of its value."""
    picture = np.zeros(LARGE, np.uint8)
    picture[DISC] = values["disc"]
    picture[10:12, 20:140] = values["line"]
    return picture


def smeared_by(way: str, picture: np.ndarray) -> np.ndarray:
    image = Image.fromarray(picture)
    if way == "scaled":
        small = image.resize((80, 60), Image.Resampling.BILINEAR)
        return np.asarray(small.resize((160, 120), Image.Resampling.BICUBIC))
    buffer = io.BytesIO()
    if way == "blurred":
        return np.asarray(image.filter(ImageFilter.GaussianBlur(1.5)))
    image.save(buffer, format="JPEG" if way == "jpeg" else "WEBP", quality=40)
    with Image.open(buffer) as opened:
        return np.asarray(opened.convert("L"))


@pytest.mark.parametrize("way", ["scaled", "blurred", "jpeg", "webp"])
def test_smeared_masks_are_as_large_as_the_defect(tmp_path: Path, way: str) -> None:
    path = tmp_path / "mask.png"
    Image.fromarray(smeared_by(way, drawn(disc=255, line=0))).save(path)
    assert is_smeared(path)
    found = read_mask(path)
    assert 0.97 < found.sum() / DISC.sum() < 1.03
    assert np.count_nonzero(Image.open(path)) > 1.05 * DISC.sum()  # what any value would take


@pytest.mark.parametrize(
    ("disc", "line"), [(255, 255), (1, 2), (1, 255), (60, 200), (255, 40), (128, 64)]
)
def test_numbers_of_classes_all_count(tmp_path: Path, disc: int, line: int) -> None:
    Image.fromarray(drawn(disc=disc, line=line)).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png"), drawn(disc=disc, line=line) > 0)


def test_many_numbered_regions_all_count(tmp_path: Path) -> None:
    numbers = np.kron(np.arange(100).reshape(10, 10), np.ones((12, 16))).astype(np.uint8)
    Image.fromarray(numbers).save(tmp_path / "mask.png")
    assert not is_smeared(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png"), numbers > 0)


def test_outlines_drawn_with_soft_transparency(tmp_path: Path) -> None:
    alpha = smeared_by("blurred", drawn(disc=255, line=0))
    Image.fromarray(np.dstack([np.full((*LARGE, 3), 255, np.uint8), alpha])).save(
        tmp_path / "mask.png"
    )
    assert 0.97 < read_mask(tmp_path / "mask.png").sum() / DISC.sum() < 1.03


@pytest.mark.parametrize("alpha", [0, 7, 255])
def test_transparency_that_is_the_same_everywhere_says_nothing(tmp_path: Path, alpha: int) -> None:
    layers = np.dstack([*[drawn(disc=255, line=3)] * 3, np.full(LARGE, alpha, np.uint8)])
    Image.fromarray(layers).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png"), drawn(disc=255, line=3) > 0)


def test_the_check_says_once_that_edges_are_smeared(make, mvtec: Path) -> None:
    for path in sorted((mvtec / "bottle" / "ground_truth" / "crack").iterdir()):
        soft = Image.open(path).filter(ImageFilter.GaussianBlur(1))
        soft.save(path)
    text = check(mvtec).to_text()
    assert text.count("masks with smeared edges (2)") == 1
