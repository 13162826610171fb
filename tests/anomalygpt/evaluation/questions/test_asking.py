"""How questions are put."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from anomalygpt.data import Question
from anomalygpt.evaluation.questions.asking import (
    in_words,
    is_detection,
    is_localisation,
    published_text,
    scored_kind,
    shown_options,
    yes_and_no,
)

QUESTION = Question("Object Details", "What is it?", {"B": "One.", "A": "Two.", "C": "Three."}, "A")


def test_recorded_mmad_questions_are_written_alike(asking: SimpleNamespace) -> None:
    """Also where letters are out of order, which the published code letters anew."""
    recorded = asking.recorded("answer_parsing.json")
    talk = recorded["render_input"]["conversation"]
    for number, (told, wanted) in enumerate(
        zip(talk, recorded["rendered_questions"], strict=True), 1
    ):
        text = published_text(number, told["Question"], told["Options"].values())
        assert text == wanted["text"]


def test_mmad_options_keep_their_letters() -> None:
    options, correct = shown_options(QUESTION, None, "x 1")
    assert list(options.items()) == [("A", "Two."), ("B", "One."), ("C", "Three.")]
    assert correct == "A"
    assert in_words("What is it?", options) == "What is it?\nA. Two.\nB. One.\nC. Three."


def test_mmad_options_are_shuffled_by_a_seed() -> None:
    orders = set()
    for seed in range(20):
        options, correct = shown_options(QUESTION, seed, "x 1")
        assert sorted(options) == ["A", "B", "C"]
        assert options[correct] == "Two."
        assert shown_options(QUESTION, seed, "x 1") == (options, correct)
        orders.add(tuple(options.values()))
    assert len(orders) == 6
    by_name = {tuple(shown_options(QUESTION, 0, f"x {n}")[0].values()) for n in range(20)}
    assert len(by_name) > 1


@pytest.mark.parametrize(
    ("kind", "options", "detects"),
    [
        ("Anomaly Detection", {"A": "Yes.", "B": "No."}, True),
        ("Anomaly detection (robust)", {"A": "no, it is fine", "B": "Yes", "E": "?"}, True),
        ("Anomaly Detection", {"A": "Yes.", "B": "Perhaps."}, False),
        ("Object Analysis", {"A": "Yes.", "B": "No."}, False),
    ],
)
def test_which_mmad_questions_are_detection(
    kind: str, options: dict[str, str], detects: bool
) -> None:
    assert is_detection(Question(kind, "?", options, "A")) == detects


def test_meanings_of_mmad_options_and_kinds() -> None:
    told = yes_and_no({"A": "No.", "B": "yes, there is", "C": "Nothing", "D": "Yesterday"})
    assert told == {"A": False, "B": True}
    assert scored_kind(QUESTION) == "Object Analysis"
    assert scored_kind(Question("Weight", "?", {"A": "1"}, "A")) == "Weight"
    assert is_localisation(Question("Defect Localization", "?", {"A": "1"}, "A"))
    assert not is_localisation(QUESTION)
