"""Which boxes a question names and what it asks of them, in words other than the patterns."""

from __future__ import annotations

import pytest

from anomalygpt.replies import follow_up, names_box, understand
from anomalygpt.replies.boxes import LAST
from anomalygpt.replies.questions import Asked


def asked(question: str) -> Asked:
    (one,) = understand(question)
    return one


NAMED = {
    (1,): (
        *("whats box 1", "BOX #1?", "box1", "explain the 1st mark", "and the first?", "1?"),
        *("the thing in box one", "region no. 1 please", "what did you flag as 1", "Is box 1 ok?"),
        *("why did you draw box 1?", "is region number one a scratch", "the very first box?"),
    ),
    (2,): (
        *("is box 2 serious", "how big is #2", "explain the second mark", "number two?", "2nd one"),
        *("tell me more about finding 2", "where can i see rectangle 2", "what is nr 2"),
        *("the second region, where?", "Marking no 2: harmless?", "spot two"),
    ),
    (12,): ("box 12", "the twelfth box?", "#12 ?", "12th mark"),
    (0,): ("box 0", "what is in box zero", "region 0?"),
    (-3,): ("box -3?",),
    (LAST,): ("the last box?", "explain the last one"),
    (1, 2): (
        *(
            "box 1 or box 2?",
            "boxes 1 and 2",
            "difference between 1 and 2",
            "1 vs 2: which is worse",
        ),
        *("is the first one larger than the second", "how do box 1 and 2 differ", "#1 versus #2"),
    ),
    (3, 1): ("is box 3 bigger than box 1?", "compare the third mark with the first"),
    (1, 2, 3): ("compare boxes 1, 2 and 3",),
}
CASES = [(numbers, text) for numbers, texts in NAMED.items() for text in texts]


@pytest.mark.parametrize(("numbers", "question"), CASES)
def test_which_boxes_are_named(numbers: tuple[int, ...], question: str) -> None:
    for spelled in (question, question.upper(), question.rstrip("? ")):
        one = asked(spelled)
        assert (one.intent, one.numbers) == ("box", numbers), spelled


@pytest.mark.parametrize(
    ("aspect", "questions"),
    [
        ("where", ("where does box 2 sit", "in what corner is the second mark", "locate #2")),
        ("size", ("how wide is box 2", "percentage of box 2?", "dimensions of the 2nd region")),
        ("severity", ("is box 2 dangerous", "should mark 2 concern me", "how bad is #2?")),
        ("all", ("what is box 2", "box 2?", "describe number 2", "score of box 2")),
    ],
)
def test_what_is_asked_of_a_box(aspect: str, questions: tuple[str, ...]) -> None:
    for question in questions:
        assert asked(question).aspect == aspect, question


@pytest.mark.parametrize(
    "question",
    [
        *("how many boxes?", "are there 2 defects?", "just one?", "3 percent?", "part number 2?"),
        *(
            "is it 3 mm wide",
            "which box is the worst?",
            "list the boxes",
            "in the first place, ok?",
        ),
        *(
            "who made box 1?",
            "what did box 2 cost?",
            "Will the second shift go?",
            "is it a 10 cm",
        ),
        *("lot number 3?", "is one of the boxes at the top?", "one defect or two?"),
    ],
)
def test_numbers_of_something_else_are_no_boxes(question: str) -> None:
    assert all(one.intent != "box" for one in understand(question))


@pytest.mark.parametrize(
    "question",
    ["What are the boxes?", "list all marks", "what do the numbers mean", "describe every box",
     "go over all the regions", "what is a box", "explain the boxes",
     "show me all the findings", "both boxes?"],
)  # fmt: skip
def test_all_of_them(question: str) -> None:
    assert asked(question).intent == "boxes"


@pytest.mark.parametrize(
    ("intent", "question"),
    [
        ("worst", "which mark is the gravest?"),
        ("worst", "the most striking box?"),
        ("smallest", "the tiniest mark?"),
        ("smallest", "which of them is weakest"),
        ("count", "what is the tally"),
        ("worst", "which is bigger?"),
        ("smallest", "which one is smaller?"),
        ("boxes", "compare them"),
        ("boxes", "boxes?"),
        ("anomaly", "are there any boxes?"),
        ("cell", "is there a mark at the lower left?"),
        ("box", "Hello, what is #2?"),
        ("beyond", "is it bigger than a coin?"),
        ("sure", "can I depend on that?"),
        ("where", "which spots did you highlight"),
        ("beyond", "where do the parts come from?"),
        ("beyond", "who broke it?"),
    ],
)
def test_other_questions(intent: str, question: str) -> None:
    assert asked(question).intent == intent


# --- after a question about a box --------------------------------------------------------------


def after(made, first: str, question: str, *cells: str) -> Asked:
    found = made(*(cells or ("left", "bottom right")))
    before = understand(first)
    assert names_box(before, found)
    (one,) = follow_up(understand(question), before[0], found)
    return one


@pytest.mark.parametrize(
    ("first", "question", "numbers", "aspect"),
    [
        ("where is box 2?", "how large is it?", (2,), "size"),
        ("how big is #1?", "and where is it?", (1,), "where"),
        ("what is box 1?", "is it serious?", (1,), "severity"),
        ("which box is the worst?", "where is it?", (1,), "where"),
        ("where is box 1?", "and the other one?", (2,), "where"),
        ("how large is box 2?", "what about the other box", (1,), "size"),
        ("where is box 1?", "how large is the other one?", (2,), "size"),
        ("what is box 1?", "and the next one?", (2,), "all"),
        ("what is box 2?", "and the next one?", (3,), "all"),
        ("compare box 1 and box 2", "and the other one?", (3,), "all"),
        ("the last box?", "where is it?", (2,), "where"),
    ],
)
def test_it_and_the_other_one(
    made, first: str, question: str, numbers: tuple[int, ...], aspect: str
) -> None:
    one = after(made, first, question)
    assert (one.intent, one.numbers, one.aspect) == ("box", numbers, aspect)


def test_it_within_one_question() -> None:
    where, size = understand("Where does box 2 lie, and how large is it?")
    assert (where.numbers, where.aspect) == ((2,), "where")
    assert (size.intent, size.numbers, size.aspect) == ("box", (2,), "size")
    assert [one.aspect for one in understand("Where is box 1? How big is box 1?")] == [
        "where",
        "size",
    ]


def test_the_others_are_all_that_are_left(made) -> None:
    one = after(made, "where is box 2?", "and the others?", "left", "top", "bottom right")
    assert one.numbers == (1, 3)


@pytest.mark.parametrize("question", ["is it ok?", "how many?", "how sure?", "where else?", "why?"])
def test_what_points_to_nothing_stays(made, question: str) -> None:
    found = made("left", "bottom right")
    (before,) = understand("where is box 2?")
    assert follow_up(understand(question), before, found) == understand(question)


def test_a_box_that_does_not_exist_is_not_pointed_to(made) -> None:
    assert not names_box(understand("where is box 4?"), made("left"))
    assert not names_box(understand("where is box 1?"), made())
    assert not names_box(understand("how many?"), made("left"))


@pytest.mark.parametrize(
    ("question", "intent"), [("Is the 3rd hole fine?", "ok"), ("One or two defects?", "count")]
)
def test_the_number_of_something_else_is_no_box(question, intent) -> None:
    assert (asked(question).intent, asked(question).numbers) == (intent, ())


@pytest.mark.parametrize(
    "question", ["Where is the defect in this photo?", "Why is this part bad?", "Are there more?"]
)
def test_this_photo_is_not_the_box_that_was_spoken_of(made, question) -> None:
    found = follow_up(understand(question), asked("What is box 1?"), made("top left", "center"))
    assert all(not each.numbers for each in found)
