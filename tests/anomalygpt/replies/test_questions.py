"""What questions are understood to ask, in words that the patterns were not written from."""

from __future__ import annotations

import pytest

from anomalygpt.replies import understand

ASKED = {
    "ok": (
        *("is it ok?", "Is it OK?", "ok?", "OK", "O.K.?", "Okay?", "pass or fail?", "PASS?"),
        *("fine?", "good or bad", "Good?", "is this one alright", "everything in order?"),
        *("Does this unit pass?", "did it pass inspection", "is the plate undamaged", "Verdict?"),
        *("would you say it's fine", "quality ok?", "ng?", "is teh part fine", "Good part?"),
        *("so is it good", "Is it a good part?", "Is this cookie broken?", "all good?"),
    ),
    "advice": (
        *("scrap it?", "accept?", "Should we scrap this one?", "can it be shipped?", "ship it?"),
        *("may I use it", "reject?", "keep or discard", "can we still use this", "What now?"),
    ),
    "percentage": ("percentage?", "percent?", "%?", "give me the percentage"),
    "sure": (
        *("how sure?", "probability", "What's the probability of a defect?", "Really?"),
        *("how confident are you", "are you certain about that", "could you be wrong?"),
        *("how likely is it that it is broken", "Can I trust this?", "what are the odds?"),
    ),
    "count": (
        *("how many?", "How many defects are there", "number of flaws?", "count them"),
        *("is there more than one defect?", "how many boxes did you draw", "hwo many defects?"),
    ),
    "where": (
        *("where?", "Where is it", "where's the damage?", "location?", "wehre is the defect?"),
        *("show me the spot where it's broken", "whereabouts is the flaw"),
    ),
    "worst": (
        *("which box is the worst?", "which one is worst", "What is the biggest defect?"),
        *("where should I look first?", "the most serious one?"),
    ),
    "box": ("what does box 1 mean?", "box 2?", "Tell me about region 3", "the second one?", "#1?"),
    "size": ("how large?", "How big is it?", "size?", "what are the dimensions", "how many mm?"),
    "coverage": ("total area", "how much of the photo is affected?", "overall area?"),
    "cell": (
        *("is the lower right fine?", "lower right ok?", "what about the top left corner"),
        *("anything in the center?", "is the upper half damaged", "And the bottom?", "top right?"),
        "is something wrong on the left side?",
    ),
    "severity": ("severity?", "how severe is it?", "is it serious", "how bad?", "minor or major?"),
    "reference": ("compare with the good part", "difference to the good one?"),
    "method": ("what did you check?", "how do you work?", "how was this inspected?"),
    "report": ("report", "summary", "8D report", "8-D?", "give me a short report", "sum it up"),
    "part": ("what is it?", "What is this?", "which part is this?"),
    "colour": ("What color is the part?", "colour?"),
    "why": ("why?", "How do you know?", "explain your verdict"),
    "clean": ("is the rest ok?", "everything else fine?", "any damage elsewhere?"),
    "kind": ("what kind of defect is it?", "what is wrong?", "what type of damage"),
    "anomaly": (
        *("any defects?", "Is there any anomaly in the image?", "defcet?", "anything wrong?"),
        *("found any issues?", "does it have a fault", "is something wrong with it"),
    ),
    "doubt": ("I think it is fine", "you missed something", "my boss says it is ok"),
    "beyond": (
        *("is there a short circuit?", "how heavy is it?", "What does it cost?", "who made it?"),
        *("where was it made?", "can you see a bird?", "What caused the damage?", "does it work?"),
        *("what is the capital of France?", "How many units were sold last quarter?"),
        *("Where is the matching lid stored?", "Why did the founder start this business?"),
        "Is the torque on the inner bolt set to twelve newton metres?",
    ),
    "social": ("hello", "Hi!", "good morning", "Good day", "thanks", "who are you?", "ok thanks"),
}
CASES = [(intent, question) for intent, asked in ASKED.items() for question in asked]


def intents(question: str) -> list[str]:
    return [each.intent for each in understand(question)]


@pytest.mark.parametrize(("intent", "question"), CASES)
def test_what_is_asked(intent: str, question: str) -> None:
    assert intents(question) == [intent]


@pytest.mark.parametrize(("intent", "question"), CASES)
def test_case_and_punctuation_do_not_matter(intent: str, question: str) -> None:
    bare = question.rstrip("?!. ")
    for spelled in (bare.upper(), bare.lower(), f"  {bare} ??", f"{bare}!", f"{bare} ."):
        assert intents(spelled) == [intent], spelled


def test_several_questions_at_once() -> None:
    assert intents("Is it ok? And where is the defect?") == ["ok", "where"]
    assert intents("How many are there and how large are they") == ["count", "size"]
    assert intents("Hello. Is it ok?") == ["ok"]
    assert intents("Is it ok? What does it weigh?") == ["ok", "beyond"]


@pytest.mark.parametrize(
    ("question", "cells"),
    [
        ("is the lower right fine?", ("bottom right",)),
        ("right bottom ok", ("bottom right",)),
        ("how is the top", ("top left", "top", "top right")),
        ("anything at the right?", ("top right", "right", "bottom right")),
        ("the center left?", ("left",)),
        ("in the middle?", ("center",)),
    ],
)
def test_which_place_is_meant(question: str, cells: tuple[str, ...]) -> None:
    (asked,) = understand(question)
    assert asked.place is not None
    assert asked.place.cells == cells


@pytest.mark.parametrize("question", ["is that right?", "all right?", "the right part?", "left?"])
def test_words_that_are_a_place_only_sometimes(question: str) -> None:
    (asked,) = understand(question)
    assert (asked.place is not None) is (question == "left?")


@pytest.mark.parametrize(
    ("question", "number"),
    [("box 3", 3), ("region two", 2), ("#12", 12), ("the third one?", 3), ("what is number 1?", 1)],
)
def test_which_region_is_meant(question: str, number: int) -> None:
    (asked,) = understand(question)
    assert asked.numbers == (number,)
