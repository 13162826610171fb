"""From answers to letters."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from anomalygpt.evaluation.questions.answering import Answer
from anomalygpt.evaluation.questions.parsing import (
    letter_of,
    published_letters,
    strict_letter,
)

FOUR = {"A": "Milky film.", "B": "Paler paint.", "C": "Missing corner.", "D": "Scored surface."}


def test_all_recorded_answers_of_mmad_are_parsed_alike(asking: SimpleNamespace) -> None:
    """The faults of the published code are among them."""
    cases = asking.recorded("answer_parsing.json")["cases"]
    assert len(cases) == 76
    for case in cases:
        text, options = case["text"], case["options"]
        assert published_letters(text, options) == case["parse_answer"], text
        assert published_letters(text, None) == case["parse_answer_without_options"], text
        assert letter_of(Answer(text), options, "published") == case["taken_last"], text


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("A", "A"),
        ("b.", "B"),
        ("**C**", "C"),
        ("answer: c", "C"),
        ("The answer is D.", "D"),
        ("Option C", "C"),
        ("B. Paler paint.", "B"),
        ("答案是B", "B"),
        ("D</s>", "D"),
        ("Vitamin C is missing, answer A", "A"),
        # No letter, several, or one of no option.
        ("", None),
        ("Paler paint.", None),
        ("A scratch is visible", None),
        ("I see a scratch", None),
        ("Both A and C", None),
        ("A or B", None),
        ("not A but D", None),
        ("E", None),
        ("Answer: A. No, answer: B.", None),
        ("I cannot answer a question like this", None),
    ],
)
def test_strict_letters_of_mmad_answers(text: str, letter: str | None) -> None:
    assert strict_letter(text, list(FOUR)) == letter


def test_the_likeliest_letter_of_mmad_options() -> None:
    shares = {"A": 0.1, "B": 0.6, "C": 0.2, "D": 0.1}
    assert letter_of(Answer("D", shares), FOUR, "probability") == "B"
    assert letter_of(Answer("D", shares), FOUR, "strict") == "D"
    # Who tells no probabilities is read strictly.
    assert letter_of(Answer("The answer is C."), FOUR, "probability") == "C"
    assert letter_of(Answer("a scratch"), FOUR, "probability") is None
    assert letter_of(Answer("a scratch"), FOUR, "published") == "D"


def test_of_equally_likely_mmad_options_the_one_that_is_named() -> None:
    even = dict.fromkeys("ABCD", 0.25)
    assert letter_of(Answer("C", even), FOUR, "probability") == "C"
    assert letter_of(Answer("nothing", even), FOUR, "probability") == "A"
