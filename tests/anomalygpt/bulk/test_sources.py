"""Where photos of a run lie."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomalygpt.bulk.run import How, inspect_photos
from anomalygpt.bulk.sources import find_photos, is_remote, read_photo
from anomalygpt.errors import ImageError, MissingExtraError, SourceError


def test_photos_of_a_folder_are_called_by_their_path_in_it(parts: Path, tmp_path: Path) -> None:
    shutil.copytree(parts, tmp_path / "night" / "line 3")
    (tmp_path / "night" / "notes.txt").touch()
    found, _ = find_photos([str(tmp_path / "night")])
    assert [each.image for each in found] == [
        f"line 3/{name}" for name in ("good.png", "other.png", "plain.jpg", "stained.png")
    ]
    assert found[0].size == (parts / "good.png").stat().st_size
    assert read_photo(found[0].place).size == (96, 80)


def test_several_sources_keep_their_names(parts: Path) -> None:
    given = [str(parts / "good.png"), str(parts / "missing.png")]
    found, _ = find_photos(given)
    assert [each.image for each in found] == given
    assert found[1].version == "missing"


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no photo"):
        find_photos([str(tmp_path)])


@pytest.fixture
def store(parts: Path):
    """The photos in a store, and its address."""
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for path in parts.iterdir():
        memory.pipe(f"/bucket/night/{path.name}", path.read_bytes())
    memory.pipe("/bucket/night/.hidden/a.png", b"")
    memory.pipe("/bucket/night/notes.txt", b"")
    yield memory, "memory://bucket/night"
    memory.rm("/bucket", recursive=True)


def test_a_store_gives_the_rows_of_its_files(store, parts, assistant, bank) -> None:
    _, url = store
    found, _ = find_photos([url])
    assert [each.image for each in found] == ["good.png", "other.png", "plain.jpg", "stained.png"]
    here, _ = find_photos([str(parts)])
    same = [
        [
            {k: v for k, v in row.items() if k not in ("seconds", "version")}
            for row in inspect_photos(assistant, bank, photos, How(map_only=True))
        ]
        for photos in (found, here)
    ]
    assert same[0] == same[1]


def test_a_store_reads_deep_photos_and_names_bad_ones(store) -> None:
    memory, url = store
    with memory.open("/bucket/night/deep.png", "wb") as file:
        Image.fromarray(np.full((20, 30), 1000, np.uint16)).save(file, "PNG")
    assert read_photo(f"{url}/deep.png", 12).getpixel((0, 0)) == (62, 62, 62)
    memory.pipe("/bucket/night/bad.png", b"no photo at all")
    with pytest.raises(ImageError, match=r"memory://bucket/night/bad\.png is a text file"):
        read_photo(f"{url}/bad.png")
    memory.rm("/bucket/night/bad.png")
    with pytest.raises(ImageError, match=r"bad\.png does not exist"):
        read_photo(f"{url}/bad.png")


def test_what_changes_in_a_store_has_another_version(store) -> None:
    memory, url = store
    before = {each.image: each.version for each in find_photos([url])[0]}
    memory.pipe("/bucket/night/good.png", b"other")
    after = {each.image: each.version for each in find_photos([url])[0]}
    assert {name for name in before if before[name] != after[name]} == {"good.png"}


def test_addresses_that_lead_nowhere() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(SourceError, match="holds no photo"):
        find_photos(["memory://nothing/here"])
    with pytest.raises(SourceError, match="stands alone"):
        find_photos(["memory://a", "b.png"])
    with pytest.raises(SourceError, match="cannot be opened"):
        find_photos(["nonsense://bucket"])
    assert not is_remote("C:\\photos")


def test_a_store_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"anomalygpt\[scale\]"):
        find_photos(["s3://bucket/night"])
