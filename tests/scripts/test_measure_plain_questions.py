"""Plain questions over made results, without a model."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import measure_plain_questions
from anomalygpt.replies import intents
from chats.plain_questions import PlainQuestion, questions

ROOT = Path(__file__).parents[2]


def share(shown: str, kind: str) -> float:
    found = re.search(rf"^\| {kind} \| \d+ \| \d+ \| ([\d.]+)% \|$", shown, re.MULTILINE)
    assert found is not None, shown
    return float(found[1])


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """What was mended stays so; the other list is not looked at."""
    assert measure_plain_questions.main(["--half", "mending", "--failures"]) == 0
    shown = capsys.readouterr().out
    assert share(shown, "all") >= 99
    for kind in ("count", "where", "cell", "box", "box_where", "box_size", "compare", "missing"):
        assert share(shown, kind) == 100, kind
    assert share(shown, "unanswerable") >= 98
    assert measure_plain_questions.main(["--failures"]) == 0
    shown = capsys.readouterr().out
    assert share(shown, "all") > 90
    assert not any(each.text in shown for each in questions("counted"))


def test_a_wrong_answer_is_a_failure() -> None:
    result = measure_plain_questions.made_result(2, np.random.default_rng(0))
    assert len(result.regions) == 2
    asked = PlainQuestion("count", "How heavy is it?")
    assert measure_plain_questions.failures(asked, [result])
    assert not measure_plain_questions.failures(PlainQuestion("count", "How many?"), [result])


def test_no_pattern_and_no_test_takes_its_words_from_the_counted_list() -> None:
    """Whole questions of five words and more; shorter ones everybody asks."""
    folders = (Path(intents.__file__).parent, ROOT / "tests" / "anomalygpt" / "replies")
    paths = [path for folder in folders for path in folder.glob("*.py")]
    texts = {path: path.read_text(encoding="utf-8").lower() for path in paths}
    for question in questions("counted"):
        words = question.text.lower().rstrip("?.")
        if len(words.split()) > 4:
            assert not [path for path, text in texts.items() if words in text], words
