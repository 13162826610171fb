"""Questions over a knowledge file, without a model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import measure_knowledge
from anomalygpt.errors import DataError
from anomalygpt.knowledge import words
from chats.product_questions import CHOOSING, REPORTED, UNCOVERED_CHOOSING, UNCOVERED_REPORTED

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT.parent / "shared" / "data" / "mmad_small" / "domain_knowledge.json"
published = pytest.mark.skipif(
    not PUBLISHED.is_file(), reason="needs ../shared with MMAD's domain_knowledge.json"
)


def share(shown: str, title: str) -> float:
    found = re.search(rf"^{title}: \d+ of \d+ \(([\d.]+) %\)$", shown, re.MULTILINE)
    assert found is not None, shown
    return float(found[1])


@published
@pytest.mark.parametrize("asked", ["reported", "choosing"])
def test_the_published_file(capsys: pytest.CaptureFixture[str], asked: str) -> None:
    arguments = [str(PUBLISHED), "--list", asked, "--failures"]
    assert measure_knowledge.main(arguments) == 0
    shown = capsys.readouterr().out
    assert share(shown, "right passage first") >= 80
    assert share(shown, "right passage among 3") >= 95
    assert share(shown, "answers that quote their source") == 100
    assert share(shown, "nothing known, and said so") >= 95
    # Nobody looks at what fails of the list that is reported.
    assert not any(question in shown for _, question in REPORTED)


def test_what_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "k.json"
    file.write_text(json.dumps({"nut": {"rust": "Rust is brown.", "dent": "A dent is a hollow."}}))
    covered = [
        ("nut/rust", "Why is the nut rusty?"),
        ("nut/dent", "Why is the nut brown?"),
        ("nut/dent", "Why is the nut torn?"),
    ]
    figures = measure_knowledge.measured(file, covered, ["Why is the nut brown?", "Who sells it?"])
    assert (figures.questions, figures.first, figures.among) == (3, 1, 1)
    assert (figures.found, figures.cited) == (2, 2)
    assert (figures.uncovered, figures.declined) == (2, 1)
    assert len(figures.failures) == 3
    with pytest.raises(DataError, match=r"lacks nut/oil"):
        measure_knowledge.measured(file, [("nut/oil", "Why?")], [])


def test_the_two_lists_have_nothing_in_common() -> None:
    assert len(REPORTED) == len(CHOOSING) == 60
    assert len(UNCOVERED_REPORTED) == len(UNCOVERED_CHOOSING) == 30
    assert not {key for key, _ in REPORTED} & {key for key, _ in CHOOSING}
    questions = [text for _, text in (*REPORTED, *CHOOSING)]
    questions += [*UNCOVERED_REPORTED, *UNCOVERED_CHOOSING]
    assert len(set(questions)) == 180


def test_no_table_and_no_test_takes_a_question_from_the_list_that_is_reported() -> None:
    folders = (Path(words.__file__).parent, ROOT / "tests" / "anomalygpt" / "knowledge")
    texts = [path.read_text("utf-8").lower() for folder in folders for path in folder.glob("*.py")]
    for question in (*(text for _, text in REPORTED), *UNCOVERED_REPORTED):
        if len(question.split()) > 4:
            assert not [text for text in texts if question.lower().rstrip("?.") in text], question


@published
def test_no_question_is_copied_from_the_published_text() -> None:
    """No five words that follow each other."""
    text = " ".join(re.findall(r"[\w']+", PUBLISHED.read_text("utf-8").lower()))
    for _, question in (*REPORTED, *CHOOSING):
        own = re.findall(r"[\w']+", question.lower())
        runs = [" ".join(own[start : start + 5]) for start in range(len(own) - 4)]
        assert not [run for run in runs if f" {run} " in text], question
