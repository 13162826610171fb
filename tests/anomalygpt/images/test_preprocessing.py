"""Photos of every kind come in upright, maps find their way back to the right pixel."""

import io
import math
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from anomalygpt.constants import IMAGEBIND_MEAN, IMAGEBIND_STD
from anomalygpt.errors import ConfigError, ImageError, SourceError
from anomalygpt.images import reading as image_io
from anomalygpt.images.listing import list_images
from anomalygpt.images.preprocessing import ImageGeometry, preprocess
from anomalygpt.images.reading import load_image


def pattern(height: int = 24, width: int = 40) -> np.ndarray:
    """(H, W, 3) uint8 without any symmetry."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 5, y * 9, (x + 2 * y) * 2], axis=-1).astype(np.uint8)


def refusal(source: object) -> str:
    with pytest.raises(ImageError) as caught:
        load_image(source)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- reading: what works ---------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "ppm", "jp2", "gif", "jpg"])
def test_reads_the_usual_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"part.{suffix}"
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(pattern()).save(path, **options)
    image = load_image(path)
    assert image.mode == "RGB"
    assert image.size == (40, 24)
    loss = {"jpg": 60, "gif": 60, "jp2": 3}.get(suffix, 0)
    assert np.abs(np.asarray(image).astype(int) - pattern()).max() <= loss
    assert list_images([path]) == [path]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_applies_all_eight_exif_orientations_once(tmp_path: Path, orientation: int) -> None:
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    upright = Image.fromarray(pattern())
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.png"
    (upright if undo is None else upright.transpose(undo)).save(path, exif=exif)
    once = load_image(path)
    assert np.array_equal(np.asarray(once), pattern())
    assert np.array_equal(np.asarray(load_image(once)), pattern())
    with Image.open(path) as opened:
        assert np.array_equal(np.asarray(load_image(opened)), pattern())


def test_damaged_exif_does_not_stop_a_photo() -> None:
    buffer = io.BytesIO()
    Image.fromarray(pattern()).save(buffer, format="JPEG", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff")
    buffer.seek(0)
    with Image.open(buffer) as opened:
        assert load_image(opened).size == (40, 24)


@pytest.mark.parametrize("depth", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_above_eight_bits_uses_the_smallest_depth(
    tmp_path: Path, depth: int, suffix: str
) -> None:
    top = (1 << depth) - 1
    values = np.linspace(0, top, 32 * 32).round().astype(np.uint16).reshape(32, 32)
    path = tmp_path / f"grey.{suffix}"
    Image.fromarray(values).save(path)
    expected = np.rint(values / top * 255)
    grey = np.asarray(load_image(path))
    assert np.abs(grey[..., 0] - expected).max() <= 1
    assert np.array_equal(grey[..., 0], grey[..., 2])
    assert np.array_equal(np.asarray(load_image(values)), grey)


def test_big_endian_and_32_bit_and_float_grey(tmp_path: Path) -> None:
    values = np.arange(1024, dtype=np.uint16).reshape(32, 32)
    expected = np.rint(values / 1023 * 255)
    big_endian = Image.frombytes("I;16B", (32, 32), values.astype(">u2").tobytes())
    assert np.array_equal(np.asarray(load_image(big_endian))[..., 0], expected)
    wide = Image.fromarray(values.astype(np.int32))
    assert wide.mode == "I"
    assert np.array_equal(np.asarray(load_image(wide))[..., 0], expected)
    for floats in (values.astype(np.float32), (values / 1023).astype(np.float32)):
        Image.fromarray(floats).save(tmp_path / "float.tif")
        assert np.array_equal(np.asarray(load_image(tmp_path / "float.tif"))[..., 0], expected)


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    alpha = np.zeros((24, 40, 1), dtype=np.uint8)
    alpha[:, 20:] = 255
    rgba = np.concatenate([pattern(), alpha], axis=-1)
    expected = np.where(alpha == 255, pattern(), 255)
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    assert np.array_equal(np.asarray(load_image(tmp_path / "rgba.png")), expected)
    assert np.array_equal(np.asarray(load_image(rgba)), expected)
    grey = Image.fromarray(rgba).convert("LA")
    assert np.asarray(load_image(grey))[0, 0].tolist() == [255, 255, 255]


def test_palettes_cmyk_and_one_bit(tmp_path: Path) -> None:
    palette = Image.fromarray(pattern()).quantize(16)
    assert np.array_equal(np.asarray(load_image(palette)), np.asarray(palette.convert("RGB")))
    palette.save(tmp_path / "clear.png", transparency=palette.getpixel((0, 0)))
    assert load_image(tmp_path / "clear.png").getpixel((0, 0)) == (255, 255, 255)
    cmyk = Image.new("CMYK", (20, 20), (0, 255, 255, 0))
    cmyk.save(tmp_path / "print.jpg")
    red, green, blue = load_image(tmp_path / "print.jpg").getpixel((5, 5))  # type: ignore[misc]
    assert (red > 240, green < 15, blue < 15) == (True, True, True)
    bits = Image.new("1", (20, 20), 1)
    assert load_image(bits).getpixel((5, 5)) == (255, 255, 255)


def test_first_frame_counts(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "two.tif", save_all=True, append_images=frames[1:])
    assert load_image(tmp_path / "two.tif").getpixel((0, 0)) == (255, 0, 0)


def test_arrays_of_each_kind() -> None:
    rgb = pattern()
    assert np.array_equal(np.asarray(load_image(rgb)), rgb)
    assert np.array_equal(np.asarray(load_image(rgb / 255)), rgb)
    assert np.array_equal(np.asarray(load_image((rgb / 255).astype(np.float32))), rgb)
    assert np.array_equal(np.asarray(load_image(rgb[..., :1]))[..., 1], rgb[..., 0])
    assert np.array_equal(np.asarray(load_image(rgb[::2, ::-1])), rgb[::2, ::-1])
    assert np.asarray(load_image(rgb[..., 0] > 50)).max() == 255


def test_a_given_image_keeps_its_own_pixels() -> None:
    given_image = Image.fromarray(pattern())
    load_image(given_image).putpixel((0, 0), (1, 2, 3))
    assert np.array_equal(np.asarray(given_image), pattern())


def test_a_hundred_megapixels_raise_no_warning(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (10_000, 10_000)).save(path)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        limit = Image.MAX_IMAGE_PIXELS
        image = load_image(path)
    assert image.size == (10_000, 10_000)
    assert not seen
    assert limit == Image.MAX_IMAGE_PIXELS
    pixels, geometry = preprocess(image, size=32, mean=(0, 0, 0), std=(1, 1, 1))
    assert pixels.shape == (3, 32, 32)
    assert geometry.original == (10_000, 10_000)


# --- reading: what is refused ----------------------------------------------------------------


def test_missing_folder_and_empty_file(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.png")
    assert "does not exist" in refusal("x" * 5000)
    assert "does not exist" in refusal("nul\0byte.png")
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "empty.png").touch()
    message = refusal(tmp_path / "empty.png")
    assert "empty" in message
    assert "empty.png" in message
    assert "web address" in refusal("https://example.com/part.jpg")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<?xml version='1.0'?>\n<svg xmlns='x'/>", "SVG"),
        (b"  <!DOCTYPE html><html></html>", "web page"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00", "HEIC"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00", "video"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"name,label\n1,good\n", "text file"),
        (bytes(range(128, 192)), "first bytes 80 81"),
    ],
)
def test_foreign_files_are_named_by_their_kind(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "foreign.png"
    path.write_bytes(content)
    message = refusal(path)
    assert words in message
    assert str(path) in message


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files(tmp_path: Path, suffix: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    kind = {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper())
    Image.fromarray(noise).save(buffer, format=kind)
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(buffer.getvalue()[: int(share * buffer.tell())])
    assert "damaged" in refusal(path)


def test_decompression_bomb(tmp_path: Path) -> None:
    path = tmp_path / "bomb.bmp"
    header = struct.pack(
        "<2sIHHIIiiHHIIiiII", b"BM", 54, 0, 0, 54, 40, 50_000, 50_000, 1, 24, *[0] * 6
    )
    path.write_bytes(header)
    assert "178 megapixels" in refusal(path)


def test_too_small() -> None:
    assert "too small to inspect" in refusal(Image.new("RGB", (1, 1)))
    assert "15×15" in refusal(np.zeros((15, 15), np.uint8))
    assert load_image(np.zeros((1, 16), np.uint8)).size == (16, 1)


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked.png"
    Image.fromarray(pattern()).save(path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(image_io.Image, "open", refuse)
    assert "no permission" in refusal(path)


def test_postscript_never_reaches_its_interpreter(tmp_path: Path) -> None:
    Image.fromarray(pattern()).save(tmp_path / "drawing.eps")
    assert "PostScript" in refusal(tmp_path / "drawing.eps")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 32, 33), np.uint8), "channels come last"),
        (np.zeros((32,), np.uint8), "shape (32,)"),
        (np.zeros((0, 32), np.uint8), "no pixels"),
        (np.full((32, 32), np.nan), "NaN"),
        (np.full((32, 32), np.inf), "NaN or infinite"),
        (np.full((32, 32), 200.0), "scale them to [0, 1]"),
        (np.full((32, 32), -1), "integers from -1"),
        (np.full((32, 32), 70_000), "to 70000"),
        (np.full((32, 32), 1j), "complex"),
        (np.full((32, 32), "a"), "<U1"),
    ],
)
def test_arrays_that_are_no_photo(array: np.ndarray, words: str) -> None:
    assert words in refusal(array)


def test_other_types_and_names_that_cannot_be_printed(tmp_path: Path) -> None:
    assert "got int" in refusal(5)
    path = tmp_path / "two\nlines.png"
    path.write_bytes(b"text")
    assert "two\\nlines" in refusal(path)


# --- lists of photos -------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.PNG", "a.jpg", "sub/c.tiff", "notes.txt", ".hidden.png", ".cache/d.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "photos"


def test_folders_patterns_and_files(folder: Path) -> None:
    a, b, c = folder / "a.jpg", folder / "b.PNG", folder / "sub" / "c.tiff"
    assert list_images([folder]) == [a, b, c]
    assert list_images(folder) == [a, b, c]
    assert list_images([str(folder / "*")]) == [a, b]
    assert list_images([str(folder / "**" / "*.tiff")]) == [c]
    assert list_images([c, folder, folder / "sub" / ".." / "a.jpg"]) == [c, a, b]
    assert list_images([folder / "notes.txt"]) == [folder / "notes.txt"]


def test_names_with_brackets_are_no_pattern_when_they_exist(folder: Path) -> None:
    odd = folder / "part[1].png"
    odd.touch()
    assert list_images([odd]) == [odd]


def test_one_missing_name_stays_in_the_batch_but_nothing_at_all_is_an_error(folder: Path) -> None:
    missing = folder / "missing.png"
    assert list_images([missing, folder / "a.jpg"]) == [missing, folder / "a.jpg"]
    with pytest.raises(SourceError, match=r"missing\.png does not exist"):
        list_images([missing])
    with pytest.raises(SourceError, match="no photo was given"):
        list_images([])


def test_empty_folders_and_patterns_say_what_was_expected(folder: Path) -> None:
    (folder / "void").mkdir()
    with pytest.raises(SourceError, match=r"void holds no photo; expected (avif, )?bmp, dib, gif"):
        list_images([folder / "a.jpg", folder / "void"])
    with pytest.raises(SourceError, match="matches no photo"):
        list_images([str(folder / "*.webp")])


# --- geometry --------------------------------------------------------------------------------

SIDES = st.one_of(st.integers(1, 40), st.integers(41, 700), st.sampled_from([1, 2, 5000]))
RESIZE: Any = st.sampled_from(["square", "pad"])


@st.composite
def geometries(draw: st.DrawFn) -> ImageGeometry:
    original = (draw(SIDES), draw(SIDES))
    assume(original[0] * original[1] <= 500_000)
    return ImageGeometry.fit(original, draw(st.sampled_from([14, 56, 100, 224])), draw(RESIZE))


@settings(deadline=None)
@given(geometries(), st.floats(0, 1), st.floats(0, 1))
def test_points_go_there_and_back(geometry: ImageGeometry, u: float, v: float) -> None:
    x, y = u * geometry.original[1], v * geometry.original[0]
    model_x, model_y = geometry.to_model(x, y)
    y0, x0, y1, x1 = geometry.box
    assert x0 - 1e-6 <= model_x <= x1 + 1e-6
    assert y0 - 1e-6 <= model_y <= y1 + 1e-6
    assert geometry.to_original(model_x, model_y) == pytest.approx((x, y), abs=1e-6 * 5000)


@settings(deadline=None, max_examples=300)
@given(geometries(), st.sampled_from([16, 37, 56, 224]), st.data())
def test_a_lit_cell_peaks_at_its_pixel(
    geometry: ImageGeometry, cells: int, data: st.DataObject
) -> None:
    height, width = geometry.original
    x = data.draw(st.integers(0, width - 1)) + 0.5
    y = data.draw(st.integers(0, height - 1)) + 0.5
    model_x, model_y = geometry.to_model(x, y)
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
    expected = [geometry.to_model(0, row + 0.5)[1] / 224 for row in range(90)]
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
