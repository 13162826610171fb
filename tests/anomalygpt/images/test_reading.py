"""What values, transparency, pages and names of photo files mean, and what is left out of lists."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from anomalygpt.errors import ConfigError, ImageError, SourceError
from anomalygpt.images.listing import IMAGE_SUFFIXES, find_images, list_images
from anomalygpt.images.pages import MOST_PAGES
from anomalygpt.images.reading import common_bit_depth, load_image
from anomalygpt.results.pictures import save_image

SIZE = (32, 40)


def pixels(*channels: int) -> np.ndarray:
    """(32, 40, …) uint8 without any symmetry, from 0 to 255."""
    values = np.random.default_rng(0).integers(0, 256, (*SIZE, *channels))
    return values.astype(np.uint8)


def in_bits(bits: int, *channels: int, share: float = 1.0) -> np.ndarray:
    """(32, 40, …) uint16 with values of so many bits, the brightest at a share of white."""
    top = (1 << bits) - 1
    return np.rint(pixels(*channels) / 255 * top * share).astype(np.uint16)


def grey_of(source: object, bit_depth: int | None = None) -> np.ndarray:
    return np.asarray(load_image(source, bit_depth))[..., 0].astype(int)  # type: ignore[arg-type]


# --- transparency that says nothing -------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0, 1, 128, 255])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "array"])
def test_the_same_transparency_everywhere_is_ignored(
    tmp_path: Path, alpha: int, mode: str, suffix: str
) -> None:
    """The fourth channel of cameras is often 0; the photo must not become white."""
    colours = Image.fromarray(pixels(3)).convert("L" if mode == "LA" else "RGB")
    image = colours.copy()
    image.putalpha(alpha)
    assert image.mode == mode
    source: object = np.asarray(image.convert("RGBA"))
    if suffix != "array":
        source = tmp_path / f"photo.{suffix}"
        options = {"lossless": True, "exact": True} if suffix == "webp" else {}
        image.save(source, **options)
    expected = np.asarray(colours.convert("RGB"))
    assert np.array_equal(np.asarray(load_image(source)), expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("alpha", [0, 200, 255])
def test_bitmaps_of_32_bits(tmp_path: Path, alpha: int) -> None:
    layers = np.dstack([pixels(3)[..., ::-1], np.full(SIZE, alpha, np.uint8)])
    fields = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, 40, -32, 1, 32, 3, layers.nbytes, 0, 0, 0, 0)
    header += fields + bytes(108 - len(header) - len(fields))
    start = struct.pack("<2sIHHI", b"BM", 122 + layers.nbytes, 0, 0, 122)
    (tmp_path / "photo.bmp").write_bytes(start + header + layers.tobytes())
    with Image.open(tmp_path / "photo.bmp") as opened:
        assert opened.mode == "RGBA"
    assert np.array_equal(np.asarray(load_image(tmp_path / "photo.bmp")), pixels(3))


def test_palettes_that_are_wholly_see_through(tmp_path: Path) -> None:
    palette = Image.fromarray(pixels(3)).quantize(16)
    palette.save(tmp_path / "photo.png", transparency=bytes(16))
    expected = np.asarray(palette.convert("RGB"))
    assert np.array_equal(np.asarray(load_image(tmp_path / "photo.png")), expected)


def test_deep_colours_with_a_full_transparency_channel(tmp_path: Path) -> None:
    """12 bits of colour beside 16 bits of transparency, as file and as array."""
    layers = np.dstack([in_bits(12, 3), np.full(SIZE, 65535, np.uint16)])
    cv2.imwrite(str(tmp_path / "photo.png"), layers)
    expected = pixels(3)[..., ::-1]
    assert np.abs(np.asarray(load_image(tmp_path / "photo.png")).astype(int) - expected).max() <= 1
    assert np.abs(np.asarray(load_image(layers)).astype(int) - pixels(3)).max() <= 1


# --- bit depth ----------------------------------------------------------------------------------


@given(st.sampled_from([10, 12, 14]), st.integers(1, 4), st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_few_hot_pixels_change_nothing_else(bits: int, hot: int, colour: bool) -> None:
    values = in_bits(bits, *([3] if colour else []))
    spoilt = values.copy()
    spoilt.reshape(-1)[np.arange(hot) * 7] = 65535
    before, after = (np.asarray(load_image(each)).astype(int) for each in (values, spoilt))
    assert (before != after).any(axis=-1).sum() <= hot
    assert common_bit_depth([values]) == common_bit_depth([spoilt]) == bits


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["grey.png", "grey.tif", "colour.png", "colour.tif", "colour.jp2"])
def test_files_and_arrays_of_the_same_values_are_the_same_photo(
    tmp_path: Path, bits: int, kind: str
) -> None:
    values = in_bits(bits, *([3] if "colour" in kind else []))
    options = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000] if "jp2" in kind else []
    bgr = values[..., ::-1] if values.ndim == 3 else values
    assert cv2.imwrite(str(tmp_path / kind), bgr, options)
    found = np.asarray(load_image(tmp_path / kind)).astype(int)
    expected = pixels(3) if values.ndim == 3 else pixels()[..., None]
    assert np.abs(found - expected).max() <= 1
    assert np.array_equal(found, np.asarray(load_image(values)))
    with Image.open(tmp_path / kind) as opened:
        assert np.array_equal(found, np.asarray(load_image(opened)))


def pgm(path: Path, values: np.ndarray, top: int) -> Path:
    kind = b"P5" if values.ndim == 2 else b"P6"
    path.write_bytes(kind + b" 40 32 %d\n" % top + values.astype(">u2").tobytes())
    return path


@pytest.mark.parametrize("share", [1.0, 0.2])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_the_range_that_a_pgm_states(tmp_path: Path, share: float, channels: tuple) -> None:
    """A dark photo stays dark."""
    path = pgm(tmp_path / "photo.pgm", in_bits(12, *channels, share=share), 4095)
    assert np.abs(grey_of(path) - pixels(*channels).reshape(*SIZE, -1)[..., 0] * share).max() <= 1
    assert common_bit_depth([path]) == (12 if not channels else None)


def test_the_widest_range_of_a_pgm_says_nothing(tmp_path: Path) -> None:
    """Every program writes 65535, whatever the camera has."""
    for name, channels in (("photo.pgm", ()), ("photo.ppm", (3,))):
        path = pgm(tmp_path / name, in_bits(12, *channels), 65535)
        assert np.abs(grey_of(path) - pixels(*channels).reshape(*SIZE, -1)[..., 0]).max() <= 1


@pytest.mark.parametrize("tag", [281, 341])
def test_the_highest_value_that_a_tiff_states(tmp_path: Path, tag: int) -> None:
    image = Image.fromarray(in_bits(12, share=0.2))
    image.save(tmp_path / "photo.tif", tiffinfo={tag: 4095})
    assert np.abs(grey_of(tmp_path / "photo.tif") - pixels() * 0.2).max() <= 1


def with_significant_bits(path: Path, values: np.ndarray, bits: int) -> Path:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format="PNG")
    data = buffer.getvalue()
    body = b"sBIT" + bytes([bits])
    chunk = struct.pack(">I", 1) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(data[:33] + chunk + data[33:])
    return path


@pytest.mark.parametrize("moved_up", [False, True])
def test_the_bits_that_a_png_calls_significant(tmp_path: Path, moved_up: bool) -> None:
    """Some programs move 12 bits up to fill 16, as the format asks for, and some do not."""
    values = in_bits(12, share=0.2)
    path = with_significant_bits(tmp_path / "photo.png", values << 4 if moved_up else values, 12)
    assert np.abs(grey_of(path) - pixels() * 0.2).max() <= 1


def test_photos_that_are_compared_have_one_depth(tmp_path: Path) -> None:
    dark, bright = in_bits(12, share=0.1), in_bits(12)
    for name, values in (("dark.png", dark), ("bright.tif", bright)):
        Image.fromarray(values).save(tmp_path / name)
    Image.fromarray(pixels(3)).save(tmp_path / "eight.png")
    sources = [tmp_path / "dark.png", tmp_path / "bright.tif", tmp_path / "eight.png"]
    assert common_bit_depth(sources) == common_bit_depth([dark, bright]) == 12
    assert common_bit_depth([tmp_path / "eight.png", pixels(3), tmp_path / "none.png"]) is None
    assert np.abs(grey_of(sources[0], 12) - pixels() * 0.1).max() <= 1
    # A range that one file states counts for those that state none.
    stated = pgm(tmp_path / "stated.pgm", dark, 4095)
    assert common_bit_depth([stated, sources[0]]) == 12


def test_a_depth_that_is_too_small_is_an_error_and_none_is_too_large(tmp_path: Path) -> None:
    values = in_bits(12)
    with pytest.raises(ImageError, match=r"up to 4095, which need 12 bits, .* 10 .*--bit-depth 12"):
        load_image(values, 10)
    assert np.abs(grey_of(values, 16) - values / 257).max() <= 1
    assert np.array_equal(grey_of(pixels(3), 16), pixels(3)[..., 0])  # 8 bits are 8 bits
    for wrong in (7, 17, 12.0, True):
        with pytest.raises(ConfigError, match="from 8 to 16"):
            load_image(values, wrong)  # type: ignore[arg-type]


# --- pages --------------------------------------------------------------------------------------


def make_pages(path: Path, count: int, **tags: dict[int, int]) -> Path:
    pages = [Image.new("RGB", (20, 20), (number, 0, 0)) for number in range(count)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


def test_every_page_of_a_tiff_is_a_photo(tmp_path: Path) -> None:
    path = make_pages(tmp_path / "part.tif", 3)
    expected = [path, tmp_path / "part.tif#2", tmp_path / "part.tif#3"]
    for source in (path, tmp_path, str(tmp_path / "*.tif")):
        assert list_images(source) == expected
    assert [load_image(each).getpixel((0, 0))[0] for each in expected] == [0, 1, 2]  # type: ignore[index]
    assert list_images([expected[1]]) == [expected[1]]
    with pytest.raises(ImageError, match=r"part\.tif#4 does not exist: the file has fewer pages"):
        load_image(tmp_path / "part.tif#4")
    with pytest.raises(ImageError, match=r"gone\.tif#2 does not exist"):
        load_image(tmp_path / "gone.tif#2")


def test_pages_of_16_bit_colour(tmp_path: Path) -> None:
    cv2.imwritemulti(str(tmp_path / "p.tif"), [in_bits(16, 3), in_bits(12, 3)[::-1]])
    first, second = (np.asarray(load_image(each)) for each in list_images(tmp_path))
    assert np.abs(first.astype(int) - pixels(3)[..., ::-1]).max() <= 1
    assert np.abs(second.astype(int) - pixels(3)[::-1, :, ::-1]).max() <= 1


def test_a_recording_is_cut_and_said_so(tmp_path: Path) -> None:
    make_pages(tmp_path / "long.tif", MOST_PAGES + 7)
    listing = find_images(tmp_path)
    assert len(listing.photos) == MOST_PAGES
    assert f"7 beyond page {MOST_PAGES} of a TIFF (long.tif)" in listing.note()


# Pillow's writer closes its file twice, of which Python tells since 3.14.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_smaller_copies_and_masks_of_a_page_are_no_photos(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (20, 20)) for _ in range(3)]
    with TiffImagePlugin.AppendingTiffWriter(str(tmp_path / "scan.tif"), new=True) as file:
        for page, kind in zip(pages, (0, 1, 4), strict=True):
            page.save(file, format="TIFF", tiffinfo={254: kind})
            file.newFrame()
    with Image.open(tmp_path / "scan.tif") as opened:
        assert opened.n_frames == 3
    assert list_images(tmp_path) == [tmp_path / "scan.tif"]


# --- what a folder holds ------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JFIF", ".avif"])
def test_more_suffixes_of_photos(tmp_path: Path, suffix: str) -> None:
    if suffix not in Image.registered_extensions():  # read by newer Pillows
        pytest.skip("this Pillow reads no AVIF")
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(pixels(3)).save(path, format="AVIF" if suffix == ".avif" else "JPEG")
    assert list_images(tmp_path) == [path]
    assert load_image(path).size == (40, 32)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP"])
def test_photos_without_a_suffix_are_known_by_their_beginning(tmp_path: Path, kind: str) -> None:
    Image.fromarray(pixels(3)).save(tmp_path / "photo", format=kind)
    (tmp_path / "README").write_text("no photo")
    assert list_images(tmp_path) == [tmp_path / "photo"]


def test_what_could_be_a_photo_is_never_left_out_in_silence(tmp_path: Path) -> None:
    Image.fromarray(pixels(3)).save(tmp_path / "a.png")
    Image.fromarray(pixels(3)).save(tmp_path / "b.dat", format="PNG")
    (tmp_path / "c.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "notes.txt").write_text("text")
    save_image(Image.fromarray(pixels(3)), tmp_path / "overlays" / "d.png", is_result=True)
    listing = find_images(tmp_path)
    assert listing.photos == [tmp_path / "a.png"]
    assert listing.note() == (
        "left out: 2 that cannot be read as photos (b.dat, c.heic); "
        "1 drawn by anomalygpt itself (d.png)"
    )
    assert find_images(tmp_path / "a.png").note() == ""


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    Image.fromarray(pixels(3)).save(real / "a.png")
    shown = tmp_path / "shown"
    shown.mkdir()
    for name in ("one", "two"):
        (shown / name).symlink_to(real)
    (real / "back").symlink_to(shown)
    (shown / "gone").symlink_to(tmp_path / "gone")
    assert list_images(shown) == [shown / "one" / "a.png"]


def test_only_results_is_no_photo(tmp_path: Path) -> None:
    path = save_image(Image.fromarray(pixels(3)), tmp_path / "map.png", is_result=True)
    for source in (path, tmp_path, str(tmp_path / "*.png")):
        with pytest.raises(SourceError, match=r"drawn by anomalygpt itself \(map\.png\)"):
            list_images(source)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
@pytest.mark.parametrize("name", ["pipe.png", "pipe.tif", "pipe"])
def test_named_pipes_are_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    Image.fromarray(pixels(3)).save(tmp_path / "a.png")
    assert list_images(tmp_path) == [tmp_path / "a.png"]
    assert list_images([tmp_path / name]) == [tmp_path / name]
    assert common_bit_depth([tmp_path / name]) is None


def test_names_of_links_and_pages_survive_odd_signs(tmp_path: Path) -> None:
    path = make_pages(tmp_path / "a\nb#2.tif", 2)
    assert list_images(tmp_path) == [path, tmp_path / "a\nb#2.tif#2"]
    assert os.sep not in "".join(IMAGE_SUFFIXES)
    assert load_image(tmp_path / "a\nb#2.tif#2").getpixel((0, 0)) == (1, 0, 0)


# --- the command line ---------------------------------------------------------------------------


def deep_part(path: Path, part: Path, *, hot: bool = False) -> Path:
    """A part in 12 of 16 bits."""
    values = np.asarray(load_image(part))[..., 0].astype(np.uint16) * 16
    if hot:
        values[0, 0] = 65535
    Image.fromarray(values).save(path)
    return path


def scores(out: str) -> list[float]:
    return [json.loads(line)["anomaly_score"] for line in out.splitlines()]


def test_hot_pixels_do_not_change_a_verdict(anomalygpt, parts, encoder_options, tmp_path) -> None:
    """Neither in the photo nor in its reference."""
    found = []
    for name, hot in (("clean", ()), ("photo", ("photo",)), ("reference", ("reference",))):
        folder = tmp_path / name
        folder.mkdir()
        photo = deep_part(folder / "photo.png", parts / "stained.png", hot="photo" in hot)
        good = deep_part(folder / "good.png", parts / "good.png", hot="reference" in hot)
        ran = anomalygpt("inspect", photo, "-r", good, "--json", *encoder_options)
        assert ran.status == 0
        found += scores(ran.out)
    assert max(found) - min(found) < 0.02


def test_the_given_depth_counts_for_photo_and_reference(
    anomalygpt, parts, encoder_options, tmp_path
) -> None:
    photo = deep_part(tmp_path / "photo.png", parts / "stained.png")
    good = deep_part(tmp_path / "good.png", parts / "good.png")
    command = ("inspect", photo, "-r", good, "--json", *encoder_options)
    own, deep = (scores(anomalygpt(*command, *given).out) for given in ((), ("--bit-depth", "16")))
    assert own != deep
    ran = anomalygpt(*command, "--bit-depth", "10")
    assert ran.status == 2
    assert "good.png holds values up to" in ran.error
    assert "--bit-depth 12" in ran.error


def test_memory_bank_remembers_its_depth(assistant, parts, tmp_path) -> None:
    good = deep_part(tmp_path / "good.png", parts / "good.png")
    bank = assistant.remember(good)
    bank.save(tmp_path / "bank.safetensors")
    assert type(bank).load(tmp_path / "bank.safetensors").bit_depth == bank.bit_depth == 12
    dark = np.asarray(Image.open(good)) // 16  # 8 bits would hold it
    kept = assistant.inspect(dark, bank, map_only=True)
    alone = assistant.inspect(dark, [good], map_only=True)
    eight = assistant.inspect(dark, [good], map_only=True, bit_depth=12)
    assert kept.anomaly_score == pytest.approx(alone.anomaly_score)
    assert kept.anomaly_score == pytest.approx(eight.anomaly_score)
    with pytest.raises(ConfigError, match=r"photos of 12 bits, bit_depth is 14; leave it out"):
        assistant.remember(good, bank=bank, bit_depth=14)
    with pytest.raises(ImageError, match="which need 16 bits"):
        assistant.inspect(np.asarray(Image.open(good)) * 16, bank, map_only=True)


@pytest.mark.parametrize("option", ["--save-overlay", "--save-map"])
def test_results_are_not_inspected(anomalygpt, parts, encoder_options, tmp_path, option) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(parts / "stained.png", photos / "part.jpg")
    command = ("inspect", photos, "-r", parts / "good.png", *encoder_options)
    assert "holds photos, and results among them" in anomalygpt(*command, option, photos).error
    assert anomalygpt(*command, option, photos / "results").status == 0
    ran = anomalygpt(*command)
    assert len(ran.out.splitlines()) == 1
    assert ran.error == "anomalygpt: left out: 1 drawn by anomalygpt itself (part.png)"


def test_line_breaks_in_names_are_not_printed(anomalygpt, parts, encoder_options, tmp_path) -> None:
    shutil.copy(parts / "stained.png", tmp_path / "a\nb\x1b[31m.png")
    ran = anomalygpt("inspect", tmp_path, "-r", parts / "good.png", *encoder_options)
    assert len(ran.out.splitlines()) == 1
    assert "\x1b" not in ran.out
    assert "a\\nb" in ran.out
