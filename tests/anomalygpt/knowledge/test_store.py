"""A folder of knowledge, asked with questions."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from anomalygpt.errors import SourceError
from anomalygpt.knowledge.index import FILE_NAME
from anomalygpt.knowledge.store import NOTHING, Knowledge, quoted

Written = Callable[..., Path]


def sources(knowledge: Knowledge, question: str, **options) -> list[str]:
    return [each.passage.source for each in knowledge.search(question, **options)]


# --- questions -----------------------------------------------------------------------------------


def test_what_is_known(two_products: Path) -> None:
    knowledge = Knowledge.open(two_products)
    assert knowledge.products == ["metal nut", "zipper"]
    assert knowledge.problems == []
    assert {name: len(each) for name, each in knowledge.files.items()} == {
        "handbook.md": 2,
        "metal nut/nut.json": 2,
        "zipper/notes.md": 6,
    }


@pytest.mark.parametrize(
    ("question", "source"),
    [
        ("What does a faultless zipper look like?", "zipper/notes.md, Normal state"),
        ("How far apart are the teeth of a zipper?", "zipper/notes.md, Normal state"),
        ("A tooth of the zipper is gone. What is this?", "zipper/notes.md, Broken teeth"),
        ("What causes broken teeth on a zipper?", "zipper/notes.md, Broken teeth / Causes"),
        (
            "The zipper has a broken tooth, what should I do?",
            "zipper/notes.md, Broken teeth / What to do",
        ),
        ("Why does yarn hang out of the zipper?", "zipper/notes.md, Loose threads / Causes"),
        ("Is the metal nut fine although it is rusty?", "metal nut/nut.json, rust"),
        ("why is this nut corroded", "metal nut/nut.json, rust"),
        ("Who decides about scrap?", "handbook.md, Handbook / Whom to call"),
    ],
)
def test_the_right_passage_is_first(two_products: Path, question: str, source: str) -> None:
    assert sources(Knowledge.open(two_products), question)[0] == source


@pytest.mark.parametrize(
    ("question", "source"),
    [
        ("What causes it?", "zipper/notes.md, Broken teeth / Causes"),
        ("why?", "zipper/notes.md, Broken teeth / Causes"),
        ("what should I do", "zipper/notes.md, Broken teeth / What to do"),
        ("How should it look?", "zipper/notes.md, Normal state"),
        ("Which defects are there?", "zipper/notes.md, Broken teeth"),
    ],
)
def test_questions_that_a_map_cannot_answer(two_products: Path, question: str, source: str) -> None:
    """The product is that of the photo."""
    knowledge = Knowledge.open(two_products)
    assert sources(knowledge, question, product="Zippers")[0] == source
    # Without a product nobody knows what "it" is.
    assert sources(knowledge, question) == []


@pytest.mark.parametrize(
    "question",
    [
        "",
        "???",
        "What will the weather be like?",
        "What does one pay for a zipper?",
        "How much is a metal nut?",
        "Why is the windscreen cracked?",
        "The gear has a broken tooth on its wheel",
        "What is the tensile strength of the zipper?",
        '"; DROP TABLE passages; -- NEAR(* AND OR NOT',
        "scratch " * 5000,
    ],
)
def test_what_nothing_covers(two_products: Path, question: str) -> None:
    found = Knowledge.open(two_products).search(question)
    assert found == []
    assert quoted(found) == NOTHING


def test_a_product_that_is_given_decides(two_products: Path) -> None:
    knowledge = Knowledge.open(two_products)
    assert sources(knowledge, "Is there rust?", product="metal_nut") == ["metal nut/nut.json, rust"]
    assert sources(knowledge, "Is there rust?", product="zipper") == []
    assert sources(knowledge, "What does a good zipper look like?", product="metal nut") == []
    assert sources(knowledge, "How should it look?", product="valve") == []
    # What is about no product holds for each.
    assert sources(knowledge, "Who decides about scrap?", product="valve") == [
        "handbook.md, Handbook / Whom to call"
    ]


def test_only_one_product_needs_no_name(written: Written) -> None:
    knowledge = Knowledge.open(written({"nut/a.json": json.dumps({"rust": "It was wet."})}))
    assert sources(knowledge, "Why is there rust?") == ["nut/a.json, rust"]
    assert sources(knowledge, "Why is there rust on my old garden gate?") == []


def test_at_most_as_many_as_are_wanted(two_products: Path) -> None:
    knowledge = Knowledge.open(two_products)
    question = "zipper teeth"
    assert len(knowledge.search(question)) == 3
    assert len(knowledge.search(question, limit=4)) == 4
    best = knowledge.search(question, limit=1)
    assert best == knowledge.search(question)[:1]
    scores = [each.score for each in knowledge.search(question)]
    assert scores == sorted(scores, reverse=True)


def test_an_excerpt_has_the_sentences_that_answer(written: Written) -> None:
    filler = [f"Sentence {number} tells of the packing of nuts." for number in range(12)]
    rust = "Rust comes from coolant that was not dried off."
    text = " ".join([*filler[:6], rust, *filler[6:]])
    knowledge = Knowledge.open(written({"nut/a.txt": text}))
    (found,) = knowledge.search("Why is the nut rusty?")
    assert found.excerpt == rust
    assert found.passage.text == text
    assert quoted([found]) == f"“{rust}” (nut/a.txt)"
    (found,) = knowledge.search("nut packing and coolant")
    assert rust in found.excerpt


def test_what_an_excerpt_leaves_out_is_marked(written: Written) -> None:
    filler = " ".join(f"Sentence {number} tells of nothing." for number in range(12))
    text = f"Coolant makes it rusty. {filler} Rain makes it rusty."
    (found,) = Knowledge.open(written({"nut/a.txt": text})).search("rusty nut")
    assert found.excerpt == "Coolant makes it rusty. … Rain makes it rusty."


def test_contradictions_are_shown_with_their_sources(written: Written) -> None:
    folder = written(
        {
            "old.json": json.dumps({"metal nut": {"rust": "Rust on a nut is harmless."}}),
            "new.json": json.dumps({"Metal_Nut": {"Rust": "Rust on a nut is dangerous; scrap."}}),
            "old, copied.json": json.dumps({"metal nut": {"rust": "Rust on a nut is harmless."}}),
            "other.json": json.dumps({"metal nut": {"dent": "A nut with rust in its dent: rust."}}),
        }
    )
    knowledge = Knowledge.open(folder)
    assert len(knowledge.contradictions) == 1
    assert "new.json and old, copied.json and old.json tell it" in knowledge.contradictions[0]
    assert knowledge.problems == knowledge.contradictions
    found = knowledge.search("What about rust on the metal nut?", limit=2)
    texts = {each.passage.text for each in found}
    assert texts == {"Rust on a nut is harmless.", "Rust on a nut is dangerous; scrap."}
    answer = quoted(found)
    assert answer.count("“") == len(answer.splitlines()) == 2
    assert "(new.json, Metal_Nut / Rust)" in answer


def test_many_contradictions_are_counted(written: Written) -> None:
    for_each = {str(number): {"rust": f"{number}"} for number in range(30)}
    other = {str(number): {"rust": f"not {number}"} for number in range(30)}
    folder = written({"a.json": json.dumps(for_each), "b.json": json.dumps(other)})
    lines = Knowledge.open(folder).contradictions
    assert len(lines) == 21
    assert lines[-1].startswith("10 more")


# --- the folder ----------------------------------------------------------------------------------


def test_problems_are_named_and_the_rest_is_read(two_products: Path) -> None:
    (two_products / "zipper" / "b.md").write_bytes(b"")
    (two_products / "table.xlsx").write_bytes(b"PK\3\4")
    knowledge = Knowledge.open(two_products)
    assert [line.split()[0] for line in knowledge.problems] == ["table.xlsx", "zipper/b.md"]
    assert all("\n" not in line for line in knowledge.problems)
    assert sources(knowledge, "Why is the nut rusty?")
    # Told again the next time, when nothing was read.
    assert Knowledge.open(two_products).problems == knowledge.problems


def test_new_changed_and_removed_files(two_products: Path) -> None:
    Knowledge.open(two_products)
    nut = two_products / "metal nut" / "nut.json"
    nut.write_text(json.dumps({"rust": "It was stored in the rain for a week."}))
    (two_products / "handbook.md").unlink()
    (two_products / "valve.md").write_text("# Valve\n\n## Leak\n\nThe seat is worn.")
    knowledge = Knowledge.open(two_products)
    assert knowledge.search("Why is the nut rusty?")[0].passage.text.startswith("It was stored")
    assert sources(knowledge, "Who decides about scrap?") == []
    assert sources(knowledge, "Why has the valve a leak?") == ["valve.md, Leak"]
    assert len(knowledge.files) == 3


def test_what_did_not_change_is_not_read_again(two_products: Path) -> None:
    """The text is another one, its size and time are not."""
    Knowledge.open(two_products)
    path = two_products / "handbook.md"
    before = path.stat()
    path.write_text(path.read_text().replace("Wipe", "Lick"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    found = Knowledge.open(two_products).search("lens and lamp of the part")
    assert found[0].passage.text.startswith("Wipe")
    (two_products / FILE_NAME).unlink()
    found = Knowledge.open(two_products).search("lens and lamp of the part")
    assert found[0].passage.text.startswith("Lick")


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\7" * 5000])
def test_a_damaged_index_is_made_anew(two_products: Path, content: bytes) -> None:
    (two_products / FILE_NAME).write_bytes(content)
    assert sources(Knowledge.open(two_products), "Why is the nut rusty?")
    assert (two_products / FILE_NAME).read_bytes() != content


def test_an_index_with_other_tables_is_made_anew(two_products: Path) -> None:
    """Such as a trigger, which somebody put in it."""
    Knowledge.open(two_products)
    base = sqlite3.connect(two_products / FILE_NAME)
    base.execute("UPDATE passages SET text = 'changed'")
    base.execute("CREATE TRIGGER t AFTER INSERT ON passages BEGIN DELETE FROM files; END")
    base.commit()
    base.close()
    assert Knowledge.open(two_products).search("rusty nut")[0].passage.text.startswith("Brown")


def test_where_no_index_can_be_written_memory_will_do(two_products: Path) -> None:
    """A folder stands where its file would be, which stops even those who may write anywhere."""
    (two_products / FILE_NAME).mkdir()
    for _ in range(2):
        assert sources(Knowledge.open(two_products), "Why is the nut rusty?")
    assert sorted(path.name for path in two_products.iterdir()) == [
        *(FILE_NAME, "handbook.md", "metal nut", "zipper")
    ]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_folder_that_is_read_only(two_products: Path) -> None:
    two_products.chmod(0o555)
    try:
        assert sources(Knowledge.open(two_products), "Why is the nut rusty?")
    finally:
        two_products.chmod(0o755)


def test_an_index_that_went_with_its_folder(two_products: Path, tmp_path: Path) -> None:
    Knowledge.open(two_products)
    copy = shutil.copytree(two_products, tmp_path / "a #? b%20")
    assert sources(Knowledge.open(copy), "Why is the nut rusty?")


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        Knowledge.open(tmp_path / "absent")
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="is no folder"):
        Knowledge.open(tmp_path / "file")


def test_an_empty_folder(tmp_path: Path) -> None:
    knowledge = Knowledge.open(tmp_path)
    assert (knowledge.products, knowledge.problems, knowledge.passages) == ([], [], [])
    assert knowledge.search("Why is the nut rusty?") == []


# --- several at a time ---------------------------------------------------------------------------

OPENING = """
import sys
from anomalygpt.knowledge.store import Knowledge
for _ in range(8):
    found = Knowledge.open(sys.argv[1]).search("Why is the nut rusty?")
    assert found[0].passage.kind == "rust", found
heavy = {"torch", "numpy", "PIL", "transformers"} & set(sys.modules)
assert not heavy, heavy
"""


def test_several_processes_open_one_folder(two_products: Path) -> None:
    """While files come and go; and none of them needs torch."""
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", OPENING, str(two_products)], stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    number = 0
    while any(run.poll() is None for run in runs):
        (two_products / "zipper" / f"{number % 5}.md").write_text(f"Change {number}.")
        (two_products / "zipper" / f"{(number + 2) % 5}.md").unlink(missing_ok=True)
        number += 1
    for run in runs:
        assert run.communicate()[1] == ""
        assert run.returncode == 0
    assert not list(two_products.glob("*.partial"))


def test_several_threads_ask_at_the_same_time(two_products: Path) -> None:
    knowledge = Knowledge.open(two_products)
    questions = ["Why is the nut rusty?", "What causes broken teeth on a zipper?"] * 20
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(knowledge.search, questions))
    assert found == [knowledge.search(question) for question in questions]
