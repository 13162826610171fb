"""Putting files into a folder of knowledge, and taking them out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from anomalygpt.errors import ConfigError, OutputError, SourceError
from anomalygpt.knowledge.files import add_files, remove_files

Written = Callable[..., Path]


def names(folder: Path) -> list[str]:
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*.*"))


def test_files_and_folders_are_copied(written: Written, tmp_path: Path) -> None:
    source = written({"a.md": "Rust.", "nut/b.txt": "Dents.", "c.png": b"no photo"}, "source")
    folder = tmp_path / "new" / "knowledge"
    added = add_files([source / "a.md", source / "nut"], folder, "Metal nut")
    assert added.names == ["Metal nut/a.md", "Metal nut/b.txt"]
    assert added.refused == []
    again = add_files([source / "a.md"], folder, "Metal nut")
    assert again == type(added)(["Metal nut/a.md"], [])
    assert add_files([source], folder).names == ["a.md", "nut/b.txt"]
    assert names(folder) == ["Metal nut/a.md", "Metal nut/b.txt", "a.md", "nut/b.txt"]
    assert (folder / "nut" / "b.txt").read_text() == "Dents."


def test_what_cannot_be_used_is_refused_in_one_line_each(written: Written, tmp_path: Path) -> None:
    source = written(
        {
            "a.md": "Rust.",
            "empty.md": "",
            "binary.txt": b"\0\1",
            "photo.png": b"\x89PNG\r\n\x1a\n",
            ".hidden.md": "x",
            "folder/photo.png": b"\x89PNG\r\n\x1a\n",
        },
        "source",
    )
    folder = tmp_path / "knowledge"
    given = ["empty.md", "binary.txt", "photo.png", ".hidden.md", "folder", "absent.md", "a.md"]
    added = add_files([source / name for name in given], folder)
    assert added.names == ["a.md"]
    assert len(added.refused) == 6
    for line, told in zip(
        added.refused,
        ("is empty", "is no text", "is no markdown", "hidden", "holds no", "does not exist"),
        strict=True,
    ):
        assert told in line
        assert "\n" not in line
    assert names(folder) == ["a.md"]


def test_nothing_is_written_over(written: Written, two_products: Path) -> None:
    source = written({"handbook.md": "Another text."}, "source")
    added = add_files([source / "handbook.md"], two_products)
    assert added.names == []
    assert "is there already" in added.refused[0]
    assert "Wipe" in (two_products / "handbook.md").read_text()


@pytest.mark.parametrize(
    "product", ["", " ", ".", "..", "a/b", "a\\b", ".hidden", "a\nb", "a" * 300]
)
def test_products_whose_names_are_no_folders(
    two_products: Path, tmp_path: Path, product: str
) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a folder"):
        add_files([two_products / "handbook.md"], tmp_path / "new", product)
    assert not (tmp_path / "new").exists()


def test_odd_names_that_are_fine(two_products: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    for product in ("Ventil №3", "a'b; DROP", "50% nut (left)", "螺母"):
        added = add_files([two_products / "handbook.md"], folder, product)
        assert added.names == [f"{product}/handbook.md"]


def test_a_place_that_cannot_be_written(two_products: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        add_files([two_products / "handbook.md"], tmp_path / "file")


def test_removing(two_products: Path) -> None:
    (two_products / "zipper" / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (two_products / "zipper" / "table.xlsx").write_bytes(b"PK")
    assert remove_files("handbook.md", two_products) == ["handbook.md"]
    assert remove_files("zipper/", two_products) == ["zipper/notes.md"]
    assert names(two_products) == ["metal nut/nut.json", "zipper/photo.png", "zipper/table.xlsx"]
    assert remove_files("zipper/table.xlsx", two_products) == ["zipper/table.xlsx"]


@pytest.mark.parametrize("name", ["", "/", ".", "..", "../outside.md", "absent.md", "zip", "/etc"])
def test_only_what_is_listed_is_removed(two_products: Path, written: Written, name: str) -> None:
    (two_products.parent / "outside.md").write_text("x")
    before = names(two_products)
    with pytest.raises(SourceError, match="has no file"):
        remove_files(name, two_products)
    assert names(two_products) == before
    assert (two_products.parent / "outside.md").is_file()
    with pytest.raises(SourceError, match="does not exist"):
        remove_files("a.md", two_products / "absent")
