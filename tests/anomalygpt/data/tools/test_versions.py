"""Versions of a collection, their manifests, and whether a folder is still as it was."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from pathlib import Path

import pytest

from anomalygpt.data.tools.manifests import read_manifest, verify
from anomalygpt.data.tools.versions import compare, create_version, versions_of, write_manifest
from anomalygpt.errors import ConfigError, DataError, OutputError


@pytest.fixture
def source(make, tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    for number in range(3):
        make.photo(folder / "normal" / f"{number}.png")
    make.photo(folder / "error" / "Kratzer ü.png")
    (folder / "notes.txt").write_text("taken by hand")
    (folder / "Thumbs.db").write_text("litter")
    return folder


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_version_is_a_copy_with_a_manifest(source: Path, tmp_path: Path) -> None:
    before = state(source)
    made = create_version(tmp_path / "all", source, "raw photos", day="20240910")
    assert state(source) == before
    assert made.folder.name == "20240910_V0_raw_photos"
    assert made.counts() == {"photos": 4, "good": 3, "bad": 1, "other": 0, "masks": 0, "files": 5}
    manifest = read_manifest(made.folder / "manifest.json")
    assert manifest == made.manifest
    for entry in manifest.files:
        content = (source / entry.path).read_bytes()
        assert entry.size == len(content)
        assert entry.sha256 == hashlib.sha256(content).hexdigest()
        assert entry.md5 == hashlib.md5(content).hexdigest()
        assert entry.parent is None
    assert not verify(made.folder)
    assert [path.name for path in (tmp_path / "all").iterdir()] == [made.folder.name]


def test_the_next_version_knows_where_its_files_come_from(make, source, tmp_path: Path) -> None:
    collection = tmp_path / "all"
    first = create_version(collection, source, "raw", day="20240910")
    (source / "normal" / "0.png").rename(source / "error" / "renamed.png")
    make.photo(source / "normal" / "1.png")
    make.photo(source / "normal" / "9.png")
    (source / "notes.txt").unlink()
    second = create_version(collection, source, "sorted", day="20240911")
    assert second.folder.name == "20240911_V1_sorted"
    assert second.manifest is not None
    assert second.manifest.parent == first.folder.name
    parents = {entry.path: entry.parent for entry in second.manifest.files}
    assert parents == {
        "error/Kratzer ü.png": "error/Kratzer ü.png",
        "error/renamed.png": "normal/0.png",
        "normal/1.png": "normal/1.png",
        "normal/2.png": "normal/2.png",
        "normal/9.png": None,
    }
    found = compare(first.folder, second.folder)
    assert found.changed == ("normal/1.png",)
    assert found.missing == ("notes.txt",)
    assert found.new == ("normal/9.png",)
    assert found.moved == (("normal/0.png", "error/renamed.png"),)
    assert not compare(second.folder, source)
    assert [version.number for version in versions_of(collection)] == [0, 1]
    named = create_version(collection, source, "again", parent=first.folder.name)
    assert named.manifest is not None
    assert named.manifest.parent == first.folder.name


def test_an_interrupted_copy_goes_on(source: Path, tmp_path: Path) -> None:
    def stop(files, total):
        for number, file in enumerate(files):
            if number == 2:
                raise KeyboardInterrupt
            yield file

    with pytest.raises(KeyboardInterrupt):
        create_version(tmp_path / "all", source, "raw", progress=stop)
    assert versions_of(tmp_path / "all") == []
    kept = next((tmp_path / "all" / ".V0.partial").rglob("*.png"))
    inode = kept.stat().st_ino
    # What was copied and is gone by now must not come into the version.
    (tmp_path / "all" / ".V0.partial" / "gone.png").write_text("old")
    made = create_version(tmp_path / "all", source, "raw")
    assert not verify(made.folder)
    assert inode in {path.stat().st_ino for path in made.folder.rglob("*.png")}
    assert not (made.folder / "gone.png").exists()


def test_verify_names_what_is_not_as_it_was(anomalygpt, make, source: Path) -> None:
    assert anomalygpt("data", "version", "manifest", source).status == 0
    assert anomalygpt("data", "verify", source).out == f"{source}: as its manifest says\n"
    make.photo(source / "normal" / "0.png")
    (source / "normal" / "1.png").unlink()
    (source / "normal" / "2.png").rename(source / "normal" / "3.png")
    make.photo(source / "normal" / "7.png")
    ran = anomalygpt("data", "verify", source)
    assert ran.status == 1
    assert ran.out.splitlines() == [
        "changed normal/0.png",
        "missing normal/1.png",
        "new     normal/7.png",
        "moved   normal/2.png -> normal/3.png",
    ]


@pytest.mark.parametrize("name", ["md5", "sha256"])
def test_lists_of_other_programs(source: Path, tmp_path: Path, name: str) -> None:
    paths = sorted(path for path in source.rglob("*") if path.suffix in (".png", ".txt"))
    lines = [
        f"{hashlib.new(name, path.read_bytes()).hexdigest()}  ./{path.relative_to(source)}"
        for path in paths
    ]
    for place in (tmp_path / "sums.txt", source / "sums.txt"):
        place.write_text("\n".join(lines) + "\n", "utf-8")
        assert not verify(source, place)
        (tmp_path / "sums.txt").unlink(missing_ok=True)
    (source / "notes.txt").write_text("other")
    assert verify(source, source / "sums.txt").changed == ("notes.txt",)


def test_accents_written_in_another_way_are_the_same_name(source: Path) -> None:
    write_manifest(source)
    name = source / "error" / "Kratzer ü.png"
    name.rename(name.with_name(unicodedata.normalize("NFD", name.name)))
    assert not verify(source)


def test_links_become_files_and_broken_ones_are_named(make, source: Path, tmp_path: Path) -> None:
    elsewhere = make.photo(tmp_path / "elsewhere.png")
    (source / "linked.png").symlink_to(elsewhere)
    (source / "circle").symlink_to(source)
    made = create_version(tmp_path / "all", source, "raw")
    assert (made.folder / "linked.png").read_bytes() == elsewhere.read_bytes()
    assert not (made.folder / "linked.png").is_symlink()
    (source / "broken.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"broken\.png is no file, or a link that leads nowhere"):
        create_version(tmp_path / "all", source, "raw")


def test_what_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no day"):
        create_version(tmp_path / "all", source, "raw", day="20241399")
    with pytest.raises(ConfigError, match="cannot be part"):
        create_version(tmp_path / "all", source, "../raw")
    with pytest.raises(DataError, match="has no version V7"):
        create_version(tmp_path / "all", source, "raw", parent="V7")
    with pytest.raises(DataError, match="lies in"):
        create_version(source / "all", source, "raw")
    os.mkdir(tmp_path / "empty")  # noqa: PTH102
    with pytest.raises(DataError, match="holds no file"):
        create_version(tmp_path / "all", tmp_path / "empty", "raw")
    write_manifest(source)
    with pytest.raises(OutputError, match="is there already"):
        write_manifest(source)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("hello", "expected a hash and a path"),
        (f"{'0' * 32}  ../up.png", "expected a hash and a path below"),
        ('{"version": "a"}', "is no manifest"),
        ('{"version": "a", "files": [{"path": "/etc/passwd", "sha256": "0"}]}', "leads out"),
        ('{"version": "a", "files": [{"path": "a.png"}]}', "has no hash"),
    ],
)
def test_manifests_that_are_none(source: Path, text: str, message: str) -> None:
    (source / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=message):
        verify(source)


def test_masks_are_no_photos(make, tmp_path: Path) -> None:
    make.mvtec(tmp_path / "set")
    counts = create_version(tmp_path / "all", tmp_path / "set", "raw").counts()
    assert counts == {"photos": 7, "good": 5, "bad": 0, "other": 2, "masks": 2, "files": 9}


def test_the_commands(anomalygpt, source: Path, tmp_path: Path) -> None:
    new = ("data", "version", "new", tmp_path / "all", "--source", source, "--text")
    ran = anomalygpt(*new, "raw", "--day", "20240910")
    assert ran.out.endswith("20240910_V0_raw: 5 files, 4 photos (3 good, 1 bad, 0 other)\n")
    made = create_version(tmp_path / "all", source, "more", day="20240911")
    rows = anomalygpt("data", "version", "list", tmp_path / "all").out.splitlines()
    assert rows[2].split() == ["20240911_V1_more", "20240910_V0_raw", *"431005"]
    ran = anomalygpt("data", "version", "diff", source, made.folder)
    assert (ran.status, ran.out) == (0, "the same files\n")
    assert json.loads((made.folder / "manifest.json").read_text())["schema_version"] == 1
    assert anomalygpt("data", "version", "list", source).status == 2
