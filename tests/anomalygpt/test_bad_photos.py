"""Whatever photos people hand over: they work, or one line says what to do.

Exit status 1: some photos were skipped and the others are done; 2: nothing could be done.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomalygpt import Inspection

# --- photos that cannot be used ----------------------------------------------------------------


def _cut(good: Path, path: Path) -> None:
    path.write_bytes(good.read_bytes()[: good.stat().st_size // 2])


def _text(good: Path, path: Path) -> None:
    path.write_text("Dear inspector, the photo is attached.", encoding="utf-8")


def _bytes(good: Path, path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 4)


def _pdf(good: Path, path: Path) -> None:
    path.write_bytes(b"%PDF-1.7 \xff\xfe")


def _empty(good: Path, path: Path) -> None:
    path.touch()


def _pixel(good: Path, path: Path) -> None:
    Image.new("RGB", (1, 1)).save(path)


def _missing(good: Path, path: Path) -> None:
    """Nothing is made."""


def _pipe(good: Path, path: Path) -> None:
    os.mkfifo(path)


def _too_large(good: Path, path: Path) -> None:
    # 400 megapixels, of which only the header is there.
    header = b"\x00\x00\x4e\x20\x00\x00\x4e\x20\x08\x00\x00\x00\x00"
    crc = zlib.crc32(b"IHDR" + header).to_bytes(4, "big")
    start = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + header + crc
    path.write_bytes(start + b"\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e")


BROKEN = [
    pytest.param(_cut, "cut short", id="truncated PNG"),
    pytest.param(_text, "is a text file", id="text"),
    pytest.param(_bytes, "not an image", id="bytes"),
    pytest.param(_pdf, "PDF document", id="PDF"),
    pytest.param(_empty, "is empty (0 bytes)", id="empty file"),
    pytest.param(_pixel, "1×1 pixels", id="1×1 pixel"),
    pytest.param(_missing, "does not exist", id="missing file"),
    pytest.param(
        _pipe,
        "no regular file",
        id="named pipe",
        marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX"),
    ),
    pytest.param(_too_large, "megapixels", id="decompression bomb"),
]


@pytest.mark.parametrize(("make", "message"), BROKEN)
def test_a_photo_that_cannot_be_used(inspect, parts, tmp_path, make, message) -> None:
    """Alone it is an error; among good ones it is skipped; as a reference it stops the work."""
    photo = tmp_path / "photo.png"
    make(parts / "good.png", photo)
    alone = inspect(photo)
    assert alone.status == 2
    assert str(photo) in alone.error
    assert message in alone.error
    among = inspect(photo, parts / "other.png")
    assert among.status == 1
    assert among.err.splitlines()[0].startswith(f"anomalygpt: skipped: {photo} ")
    assert message in among.err
    assert "other.png: score" in among.out
    reference = inspect(parts / "other.png", "-r", photo)
    assert reference.status == 2
    assert str(photo) in reference.error
    assert message in reference.error
    assert not reference.out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone", "does not exist"),
        ("gone/", "does not exist"),
        ("empty", "holds no photo"),
        ("empty/*.png", "matches no photo"),
        ("words", "holds no photo"),
    ],
)
def test_folders_without_a_photo(inspect, parts, tmp_path, name, message) -> None:
    (tmp_path / "empty" / "good").mkdir(parents=True)
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "notes.txt").write_text("x", encoding="utf-8")
    place = f"{tmp_path}/{name}"
    for ran in (inspect(place), inspect(parts / "other.png", "-r", place)):
        assert ran.status == 2
        assert str(tmp_path / name) in ran.error
        assert message in ran.error


def test_a_name_with_a_line_break_stays_in_one_line(inspect, tmp_path) -> None:
    photo = tmp_path / "two\nlines.png"
    photo.touch()
    ran = inspect(photo)
    assert ran.status == 2
    assert "lines.png" in ran.error


def test_a_folder_in_place_of_the_chat_photo(anomalygpt, parts, assistant_folder) -> None:
    ran = anomalygpt("chat", parts, "--model", assistant_folder)
    assert ran.status == 2
    assert f"{parts} is a folder" in ran.error


# --- photos that are unusual, and fine ---------------------------------------------------------


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _sixteen_bit(path: Path) -> tuple[int, int]:
    Image.fromarray(_noise(60, 50).astype(np.uint16) * 257).save(path)
    return 60, 50


def _cmyk(path: Path) -> tuple[int, int]:
    Image.fromarray(_noise(60, 50, 4), mode=None).convert("RGB").convert("CMYK").save(path, "JPEG")
    return 60, 50


def _alpha(path: Path) -> tuple[int, int]:
    Image.fromarray(_noise(60, 50, 4)).save(path)
    return 60, 50


def _palette(path: Path) -> tuple[int, int]:
    Image.fromarray(_noise(60, 50, 3)).quantize(16).save(path, transparency=3)
    return 60, 50


def _turned(path: Path) -> tuple[int, int]:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(_noise(60, 50, 3)).save(path, "JPEG", exif=exif)
    return 50, 60


def _bilevel(path: Path) -> tuple[int, int]:
    Image.fromarray(_noise(60, 50) > 127).save(path)
    return 60, 50


def _strip(path: Path) -> tuple[int, int]:
    Image.fromarray(_noise(1, 3000, 3)).save(path)
    return 1, 3000


def _column(path: Path) -> tuple[int, int]:
    Image.fromarray(_noise(3000, 1, 3)).save(path)
    return 3000, 1


def _hundred_megapixels(path: Path) -> tuple[int, int]:
    Image.new("L", (10_000, 10_000)).save(path, compress_level=1)
    return 10_000, 10_000


@pytest.mark.parametrize(
    "make",
    [
        _sixteen_bit,
        _cmyk,
        _alpha,
        _palette,
        _turned,
        _bilevel,
        _strip,
        _column,
        _hundred_megapixels,
    ],
)
def test_unusual_photos_work(inspect, tmp_path, make) -> None:
    photo = tmp_path / "photo.png"
    size = make(photo)
    ran = inspect(photo, "--json")
    assert (ran.status, ran.err) == (0, "")
    found = Inspection.from_json(ran.out)
    assert found.image_size == size
    assert 0 <= found.anomaly_score <= 1
    for region in found.regions:
        x0, y0, x1, y1 = region.bbox
        assert 0 <= x0 < x1 <= size[1]
        assert 0 <= y0 < y1 <= size[0]


@pytest.mark.parametrize("make", [_turned, _strip, _sixteen_bit])
def test_unusual_references_and_pictures_work(inspect, parts, tmp_path, make) -> None:
    photo = tmp_path / "photo.png"
    height, width = make(photo)
    ran = inspect(
        photo, "-r", photo, "--save-overlay", tmp_path / "o", "--save-map", tmp_path / "m"
    )
    assert (ran.status, ran.err) == (0, "")
    for folder in ("o", "m"):
        with Image.open(tmp_path / folder / "photo.png") as picture:
            # Overlays are drawn on at most 2048 pixels.
            assert picture.width == min(width, 2048) if folder == "o" else width
            assert picture.height == height
