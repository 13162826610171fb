"""Folders, patterns and names become lists of photos."""

from pathlib import Path

import pytest

from anomalygpt.errors import SourceError
from anomalygpt.images.listing import list_images


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
