"""Photos of every kind come in upright; what is none is refused and named by its kind."""

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anomalygpt.errors import ImageError
from anomalygpt.images import reading
from anomalygpt.images.listing import list_images
from anomalygpt.images.preprocessing import preprocess
from anomalygpt.images.reading import load_image
from tests.photos import pattern

# --- what works ------------------------------------------------------------------------------


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


# --- what is refused -------------------------------------------------------------------------


def refusal(source: object) -> str:
    with pytest.raises(ImageError) as caught:
        load_image(source)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


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

    monkeypatch.setattr(reading.Image, "open", refuse)
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
