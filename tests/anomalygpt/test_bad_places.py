"""Places that cannot be written, and Ctrl-C while writing: one line, and no half files."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest

from anomalygpt.images import reading
from anomalygpt.results import pictures


class _FullDisk(io.BytesIO):
    def write(self, data) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("option", ["--save-overlay", "--save-map"])
def test_a_full_disk(inspect, parts, tmp_path, monkeypatch, option) -> None:
    opened = Path.open

    def full(path: Path, mode: str = "r", *arguments, **options):
        return _FullDisk() if mode == "xb" else opened(path, mode, *arguments, **options)

    monkeypatch.setattr(reading.Path, "open", full)
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

    monkeypatch.setattr(reading.Path, "mkdir", refuse)
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
