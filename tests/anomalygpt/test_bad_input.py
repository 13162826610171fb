"""Whatever people hand over at the command line: it works, or one line says what to do.

Exit status 1: some photos were skipped and the others are done; 2: nothing could be done.
"""

from __future__ import annotations

import errno
import io
import os
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from anomalygpt import Inspection
from anomalygpt.images import reading as image_io
from anomalygpt.results import pictures
from decoder import DecoderError, MemoryBank

Inspect = Callable[..., "object"]


@pytest.fixture
def inspect(anomalygpt, parts, encoder_options) -> Inspect:
    """`anomalygpt inspect … --reference good.png` with a tiny encoder."""

    def run(*arguments: object):
        return anomalygpt("inspect", *arguments, "-r", parts / "good.png", *encoder_options)

    return run


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


def _folder_named_like_a_photo(good: Path, path: Path) -> None:
    path.mkdir()


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


# --- weights that are of something else --------------------------------------------------------


class _Code:
    """Unpickling it would make a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("another architecture", "missing"),
        ("another width", "misshaped"),
        ("text", "neither a safetensors nor a torch file"),
        ("web page", "web page"),
        ("empty", "is empty"),
        ("cut short", "damaged or incomplete"),
        ("code", "nothing was run"),
        ("code in a plain pickle", "no pickle as torch.save writes it"),
        ("no tensors", "not tensors"),
        ("a folder", "folder"),
        ("nothing", "does not exist"),
    ],
)
def test_wrong_weights(
    anomalygpt, parts, tmp_path, encoder_file, encoder_options, content, message
) -> None:
    path, target = tmp_path / "weights.pth", tmp_path / "was_run"
    if content == "another architecture":
        torch.save(timm.create_model("resnet10t", pretrained=False).state_dict(), path)
    elif content == "another width":
        network = timm.create_model(
            "vit_tiny_patch16_224", pretrained=False, embed_dim=48, depth=4, num_heads=2
        )
        torch.save(network.state_dict(), path)
    elif content == "text":
        path.write_text("weights", encoding="utf-8")
    elif content == "web page":
        path.write_text("<!DOCTYPE html><html>404</html>", encoding="utf-8")
    elif content == "empty":
        path.touch()
    elif content == "cut short":
        path.write_bytes(encoder_file.read_bytes()[:5000])
    elif content == "code":
        torch.save({"a": _Code(target)}, path)
    elif content == "code in a plain pickle":
        path.write_bytes(pickle.dumps({"a": _Code(target)}))
    elif content == "no tensors":
        torch.save({"epoch": 3}, path)
    elif content == "a folder":
        path.mkdir()
    options = [str(path) if option == str(encoder_file) else option for option in encoder_options]
    ran = anomalygpt("inspect", parts / "good.png", "-r", parts / "other.png", *options)
    assert ran.status == 2
    assert str(path) in ran.error
    assert message in ran.error
    assert not target.exists()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", None, "has no config.json"),
        ("config.json", "{", "cannot be read as JSON"),
        ("config.json", '{"model_type": "llama"}', "belongs to another program"),
        ("config.json", '{"format_version": 99}', "format_version 99"),
        ("encoder.safetensors", None, "encoder"),
        ("encoder.safetensors", "", "encoder.safetensors is empty"),
        ("projection.safetensors", "x", "projection.safetensors"),
        ("prompt_learner.safetensors", None, "prompt_learner"),
        ("language_model/model.safetensors", None, "language_model"),
        ("language_model/model.safetensors", "x", "language_model"),
        ("language_model/config.json", "{", "language_model"),
        ("language_model/tokenizer.json", "{", "language_model"),
    ],
)
def test_damaged_assistants(
    anomalygpt, parts, tmp_path, assistant_folder, file, content, message
) -> None:
    folder = tmp_path / "assistant"
    for source in assistant_folder.rglob("*"):
        place = folder / source.relative_to(assistant_folder)
        if source.is_dir() or source == assistant_folder / file:
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.hardlink_to(source)
    if content is not None:
        (folder / file).write_text(content, encoding="utf-8")
    ran = anomalygpt("inspect", parts / "good.png", "--model", folder)
    assert ran.status == 2
    assert message in ran.error
    assert str(folder) in ran.error


def test_a_foreground_mask_of_another_size() -> None:
    bank = MemoryBank()
    with pytest.raises(DecoderError, match=r"\(15,\).*\(1, 16\)") as caught:
        bank.add([torch.rand(1, 16, 8)], foreground=torch.ones(15, dtype=torch.bool))
    assert "\n" not in str(caught.value)
    assert len(bank) == 0


# --- places that cannot be written -------------------------------------------------------------


class _FullDisk(io.BytesIO):
    def write(self, data) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("option", ["--save-overlay", "--save-map"])
def test_a_full_disk(inspect, parts, tmp_path, monkeypatch, option) -> None:
    opened = Path.open

    def full(path: Path, mode: str = "r", *arguments, **options):
        return _FullDisk() if mode == "xb" else opened(path, mode, *arguments, **options)

    monkeypatch.setattr(image_io.Path, "open", full)
    ran = inspect(parts / "other.png", option, tmp_path / "results")
    assert ran.status == 2
    assert str(tmp_path / "results" / "other.png") in ran.error
    assert "no space left; free some or choose another disk" in ran.error
    assert not list((tmp_path / "results").iterdir())


@pytest.mark.parametrize("option", ["--save-overlay", "--save-map"])
def test_a_file_where_a_folder_is_needed(inspect, parts, tmp_path, option) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine", encoding="utf-8")
    for place in (taken, taken / "deeper"):
        ran = inspect(parts / "other.png", option, place)
        assert ran.status == 2
        assert str(place) in ran.error
        assert "a file stands where a folder is needed" in ran.error
    assert taken.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("option", ["--save-overlay", "--save-map"])
def test_a_folder_where_a_file_is_needed(inspect, parts, tmp_path, option) -> None:
    (tmp_path / "other.png").mkdir()
    ran = inspect(parts / "other.png", option, tmp_path)
    assert ran.status == 2
    assert f"{tmp_path / 'other.png'} is a folder" in ran.error


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write everywhere"
)
def test_a_folder_without_permission(inspect, parts, tmp_path) -> None:
    tmp_path.chmod(0o500)
    ran = inspect(parts / "other.png", "--save-overlay", tmp_path / "new")
    tmp_path.chmod(0o700)
    assert ran.status == 2
    assert "no permission; choose another folder" in ran.error


def test_no_permission_to_write(inspect, parts, tmp_path, monkeypatch) -> None:
    """The same as above, for machines where tests run as the superuser."""

    def refuse(path: Path, *arguments, **options) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(image_io.Path, "mkdir", refuse)
    ran = inspect(parts / "other.png", "--save-overlay", tmp_path / "new")
    assert ran.status == 2
    assert str(tmp_path / "new") in ran.error
    assert "no permission; choose another folder" in ran.error


@pytest.mark.parametrize("taken", ["file", "folder"])
def test_convert_overwrites_nothing(anomalygpt, tmp_path, taken) -> None:
    place = tmp_path / "out"
    if taken == "folder":
        place.mkdir()
    mine = place / "mine.txt" if taken == "folder" else place
    mine.write_text("mine", encoding="utf-8")
    (tmp_path / "imagebind.pth").write_bytes(b"x" * 100)
    ran = anomalygpt("convert", "--imagebind", tmp_path / "imagebind.pth", "--output", place)
    assert ran.status == 2
    assert str(place) in ran.error
    assert mine.read_text(encoding="utf-8") == "mine"


# --- the person stops it -----------------------------------------------------------------------


def test_ctrl_c_while_writing_leaves_whole_files_only(
    inspect, parts, tmp_path, monkeypatch
) -> None:
    """What was printed before is there; the file being written is not."""
    saved = pictures.save_image

    def interrupted(picture, path: Path, **options: bool) -> Path:
        if path.name == "other.png":
            picture.save = lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
        return saved(picture, path, **options)

    monkeypatch.setattr(pictures, "save_image", interrupted)
    ran = inspect(parts, "--save-overlay", tmp_path)
    assert ran.status == 130
    assert "interrupted; what was written so far is complete" in ran.error
    assert [file.name for file in tmp_path.iterdir()] == ["good.png"]
    assert len(ran.out.splitlines()) == 1
