"""`anomalygpt knowledge`: files in, answers, files out, and what it says about bad input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

RUST = "Brown spots, mostly in the thread. They come from coolant that was not dried off."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "knowledge"
    (place / "metal nut").mkdir(parents=True)
    (place / "metal nut" / "notes.md").write_text(f"# Rust\n\n{RUST}\n")
    (place / "general.txt").write_text("The shift lead decides about scrap.")
    return place


def test_a_life_of_a_folder(anomalygpt, tmp_path: Path) -> None:
    place = tmp_path / "knowledge"
    notes = tmp_path / "notes.md"
    notes.write_text(f"# Rust\n\n{RUST}\n")
    ran = anomalygpt("knowledge", "add", notes, "--product", "nut", "--knowledge", place)
    assert (ran.status, ran.out, ran.err) == (0, "added: nut/notes.md\n", "")
    ran = anomalygpt("knowledge", "list", "--knowledge", place)
    assert (ran.status, ran.out, ran.err) == (0, "nut/notes.md: 1 passage, nut\n", "")
    question = "Why is the nut rusty?"
    ran = anomalygpt("knowledge", "search", question, "--knowledge", place)
    assert (ran.status, ran.out, ran.err) == (0, f"“{RUST}” (nut/notes.md, Rust)\n", "")
    ran = anomalygpt("knowledge", "remove", "nut", "--knowledge", place)
    assert (ran.status, ran.out) == (0, "removed: nut/notes.md\n")
    ran = anomalygpt("knowledge", "search", question, "--knowledge", place)
    assert (ran.status, ran.out) == (0, "Nothing is known about this.\n")
    assert anomalygpt("knowledge", "list", "--knowledge", place).out == ""


def test_some_files_are_refused(anomalygpt, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("Dry the nut.")
    (tmp_path / "bad.txt").write_bytes(b"\0\1")
    both = (tmp_path / "good.txt", tmp_path / "bad.txt")
    ran = anomalygpt("knowledge", "add", *both, "--knowledge", folder)
    assert ran.status == 1
    assert ran.out == "added: good.txt\n"
    assert "bad.txt is no text" in ran.error
    ran = anomalygpt("knowledge", "add", tmp_path / "bad.txt", "--knowledge", folder)
    assert ran.status == 2
    assert ran.out == ""
    assert "bad.txt is no text" in ran.error


def test_what_is_told_differently_is_said_while_adding(anomalygpt, folder, tmp_path) -> None:
    (tmp_path / "b.json").write_text(json.dumps({"metal nut": {"Rust": "Harmless."}}))
    ran = anomalygpt("knowledge", "add", tmp_path / "b.json", "--knowledge", folder)
    assert ran.status == 0
    assert "metal nut, Rust: b.json and metal nut/notes.md tell it differently" in ran.error
    assert anomalygpt("knowledge", "list", "--knowledge", folder).status == 0


def test_a_file_that_went_bad(anomalygpt, folder: Path) -> None:
    (folder / "general.txt").write_bytes(b"\xff\xff\xff")
    ran = anomalygpt("knowledge", "list", "--knowledge", folder)
    assert ran.status == 1
    assert ran.out == "metal nut/notes.md: 1 passage, metal nut\n"
    assert "general.txt is not UTF-8 text" in ran.error


def test_search_as_json(anomalygpt, folder: Path) -> None:
    options = ("--product", "Metal_Nut", "--limit", 1, "--json", "--knowledge", folder)
    ran = anomalygpt("knowledge", "search", "what causes it?", *options)
    assert ran.status == 0
    told = json.loads(ran.out)
    assert told["question"] == "what causes it?"
    (found,) = told["found"]
    assert found.pop("score") > 0
    assert found == {
        "text": RUST,
        "excerpt": RUST,
        "product": "metal nut",
        "kind": "Rust",
        "source": "metal nut/notes.md, Rust",
    }
    ran = anomalygpt("knowledge", "search", "the weather", "--json", "--knowledge", folder)
    assert json.loads(ran.out)["found"] == []


def test_control_codes_do_not_reach_the_terminal(anomalygpt, folder: Path) -> None:
    (folder / "valve.json").write_text(json.dumps({"valve": {"lea\x1b[2Jk": "Worn\x1b[31m seat."}}))
    ran = anomalygpt("knowledge", "search", "valve seat", "--knowledge", folder)
    assert ran.out == "“Worn [31m seat.” (valve.json, valve / lea [2Jk)\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("list", "--knowledge", "ABSENT"), "does not exist"),
        (("search", "x", "--knowledge", "ABSENT"), "does not exist"),
        (("remove", "x", "--knowledge", "ABSENT"), "does not exist"),
        (("remove", "x", "--knowledge", "FOLDER"), "has no file x"),
        (("add", "x.md", "--knowledge", "FOLDER"), "x.md does not exist"),
        (("add", "x.md", "--product", "../x", "--knowledge", "FOLDER"), "name of a folder"),
        (
            ("search", "x", "--product", "valve", "--knowledge", "FOLDER"),
            "nothing tells of the product valve; there are metal nut",
        ),
    ],
)
def test_bad_input_is_one_line(anomalygpt, folder: Path, arguments, told: str) -> None:
    places = {"ABSENT": folder / "absent", "FOLDER": folder}
    ran = anomalygpt("knowledge", *(places.get(each, each) for each in arguments))
    assert ran.status == 2
    assert told in ran.error


def test_without_the_package_for_meaning(anomalygpt, folder: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    ran = anomalygpt("knowledge", "search", "x", "--dense", "model", "--knowledge", folder)
    assert ran.status == 2
    assert "anomalygpt[dense]" in ran.error
