"""Files of knowledge, and those that cannot be used."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from anomalygpt.errors import AnomalyGPTError, DataError, MissingExtraError
from anomalygpt.knowledge import reading
from anomalygpt.knowledge.reading import files_of, read_passages

pypdf = pytest.importorskip("pypdf")
Written = Callable[..., Path]


def read(folder: Path, name: str) -> list[tuple[str | None, str | None, str, str]]:
    found = read_passages(folder / name, name)
    return [(each.product, each.kind, each.source, each.text) for each in found]


# --- what can be read ----------------------------------------------------------------------------


def test_json_of_one_two_and_three_levels(written: Written) -> None:
    folder = written(
        {
            "a.json": json.dumps({"nut": "Steel."}),
            "b.json": json.dumps({"nut": {"good": "Clean.", "rust": ["Brown.", "Or red."]}}),
            "c.json": json.dumps({"Set": {"nut": {"good": "Clean."}}}),
            "nut/d.json": json.dumps({"rust": "Brown."}),
        }
    )
    assert read(folder, "a.json") == [("nut", None, "a.json, nut", "Steel.")]
    assert read(folder, "b.json") == [
        ("nut", "good", "b.json, nut / good", "Clean."),
        ("nut", "rust", "b.json, nut / rust", "Brown.\n\nOr red."),
    ]
    assert read(folder, "c.json") == [("nut", "good", "c.json, Set / nut / good", "Clean.")]
    assert read(folder, "nut/d.json") == [("nut", "rust", "nut/d.json, rust", "Brown.")]


def test_a_pdf_is_read_page_by_page(written: Written, pdf: Callable[..., bytes]) -> None:
    folder = written({"nut/manual.pdf": pdf("Rust is brown.", "", "Dry the nut.")})
    assert read(folder, "nut/manual.pdf") == [
        ("nut", None, "nut/manual.pdf, page 1", "Rust is brown."),
        ("nut", None, "nut/manual.pdf, page 3", "Dry the nut."),
    ]


def test_a_pdf_that_is_locked_against_changes_alone(
    written: Written, pdf: Callable[..., bytes]
) -> None:
    folder = written({"a.pdf": locked(pdf("Rust is brown."), "")})
    assert read(folder, "a.pdf")[0][3] == "Rust is brown."


def locked(data: bytes, password: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(data))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_texts_in_usual_encodings(written: Written, encoding: str) -> None:
    folder = written({"a.txt": "Rost ist rötlich, 錆は赤い。".encode(encoding)})
    assert read(folder, "a.txt") == [(None, None, "a.txt", "Rost ist rötlich, 錆は赤い。")]


# --- what cannot ---------------------------------------------------------------------------------

BROKEN = [
    ("a.txt", b"", "is empty"),
    ("a.md", b" \n\n", "is empty"),
    ("a.md", b"# Only\n\n## headings\n", "no text but headings"),
    ("a.txt", "Fläche".encode("latin-1"), "is not UTF-8 text"),
    ("a.txt", b"\x7fELF\x00\x01", "is no text"),
    ("a.json", b"", "is empty"),
    ("a.json", b'{"nut": ', "is no whole JSON file"),
    ("a.json", b"[" * 100_000, "is no whole JSON file"),
    ("a.json", b'["nut"]', "has a list that is not of texts outside"),
    ("a.json", b'"nut"', "has a text outside"),
    ("a.json", b"{}", "holds no text"),
    ("a.json", b'{"nut": {"good": 3}}', "has a value that is no text at nut / good"),
    ("a.json", b'{"a": {"b": {"c": {"d": "e"}}}}', "has more than 3 objects within each other"),
    ("a.json", b'{"nut": {"good": " "}}', "holds no text"),
    ("a.pdf", b"", "is empty"),
    ("a.pdf", b"%PDF-1.4\nnothing", "cannot be read as a PDF"),
    ("a.pdf", b"this is no PDF at all", "cannot be read as a PDF"),
]


@pytest.mark.parametrize(("name", "content", "told"), BROKEN)
def test_what_cannot_be_used_is_told_in_one_line(
    written: Written, name: str, content: bytes, told: str
) -> None:
    folder = written({name: content})
    with pytest.raises(DataError, match=told) as raised:
        read_passages(folder / name, name)
    assert "\n" not in str(raised.value)


def test_pdfs_that_are_locked_scanned_or_cut_off(
    written: Written, pdf: Callable[..., bytes]
) -> None:
    whole = pdf("Rust is brown.")
    folder = written(
        {"locked.pdf": locked(whole, "secret"), "scanned.pdf": pdf("", ""), "cut.pdf": whole[:150]}
    )
    for name, told in (
        ("locked.pdf", "locked with a password"),
        ("scanned.pdf", "has no text in it"),
        ("cut.pdf", "cannot be read as a PDF"),
    ):
        with pytest.raises(DataError, match=told):
            read_passages(folder / name, name)


def test_files_that_are_too_large(
    written: Written, pdf: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(
        {"a.txt": "word " * 2000, "b.pdf": pdf("one", "two"), "c.md": "# A\n\nx\n\n# B\n\ny"}
    )
    with (folder / "large.txt").open("wb") as file:
        file.truncate(reading.MOST_BYTES + 1)
    with pytest.raises(DataError, match=r"has 8,000,001 bytes, more than 8,000,000"):
        read_passages(folder / "large.txt", "large.txt")
    monkeypatch.setattr(reading, "MOST_PAGES", 1)
    with pytest.raises(DataError, match="more than 1 pages"):
        read_passages(folder / "b.pdf", "b.pdf")
    monkeypatch.setattr(reading, "MOST_PASSAGES", 1)
    with pytest.raises(DataError, match="more than 1 passages"):
        read_passages(folder / "c.md", "c.md")


def test_without_the_package_for_pdfs(
    written: Written, pdf: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written({"a.pdf": pdf("Rust.")})
    monkeypatch.setitem(sys.modules, "pypdf", None)
    with pytest.raises(MissingExtraError, match=r"anomalygpt\[knowledge\]"):
        read_passages(folder / "a.pdf", "a.pdf")


def test_odd_keys_are_shown_on_one_line(written: Written) -> None:
    folder = written({"a.json": json.dumps({"nu\nt\x1b[2J": {"": "Clean.", "\ud800": "Rust."}})})
    assert read(folder, "a.json") == [
        ("nu t [2J", "…", "a.json, nu t [2J / …", "Clean."),
        ("nu t [2J", "…", "a.json, nu t [2J / …", "Rust."),
    ]


# --- which files count ---------------------------------------------------------------------------


def listed(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): reason for path, reason in files_of(folder)}


def test_photos_and_hidden_files_are_no_matter(written: Written, parts: Path) -> None:
    photo = (parts / "plain.jpg").read_bytes()
    folder = written(
        {
            "b.md": "x",
            "a/B.TXT": "x",
            "nut/photos/1.jpg": photo,
            ".hidden.md": "x",
            ".git/a.md": "x",
            "sheet.xlsx": b"PK",
        }
    )
    assert listed(folder) == {
        "a/B.TXT": "",
        "b.md": "",
        "sheet.xlsx": "is no markdown, text, PDF or JSON file; save it as one of these",
    }


@pytest.mark.skipif(os.name == "nt", reason="making links needs a right there")
def test_links_do_not_lead_out_of_the_folder(written: Written, tmp_path: Path) -> None:
    outside = written({"secret.md": "x", "inner/a.md": "x"}, "outside")
    folder = written({"a.md": "x"})
    (folder / "b.md").symlink_to(folder / "a.md")
    (folder / "c.md").symlink_to(outside / "secret.md")
    (folder / "d.md").symlink_to(outside / "absent.md")
    (folder / "e").symlink_to(outside)
    found = listed(folder)
    assert found.keys() == {"a.md", "b.md", "c.md", "d.md", "e"}
    assert found["a.md"] == found["b.md"] == ""
    assert "leads out of the folder" in found["c.md"]
    assert "cannot be read" in found["d.md"]
    assert "link to a folder" in found["e"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_no_text(written: Written) -> None:
    folder = written({"a.md": "x"})
    for name in (b"b\xff.md", b"c\xff"):
        path = folder / os.fsdecode(name)
        if name.endswith(b".md"):
            path.write_text("x")
        else:
            path.mkdir()
    assert sorted(listed(folder).values()) == ["", *["has a name that is no text; rename it"] * 2]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes there")
def test_a_pipe_is_not_waited_for(written: Written) -> None:
    folder = written({"a.md": "x"})
    os.mkfifo(folder / "b.md")
    assert "no markdown" in listed(folder)["b.md"]


def test_more_files_than_are_read(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written({f"{number}.md": "x" for number in range(4)})
    monkeypatch.setattr(reading, "MOST_FILES", 2)
    assert listed(folder) == {
        "0.md": "",
        "1.md": "",
        "2.md": "and what follows was not read: more than 2 files",
    }


def test_a_file_that_went_away(tmp_path: Path) -> None:
    with pytest.raises(AnomalyGPTError, match="cannot be read: No such file"):
        read_passages(tmp_path / "gone.md", "gone.md")
