"""Who answers a question where the language model can talk: the result, or the model."""

from __future__ import annotations

import pytest

from anomalygpt.replies import route

OPEN = [
    # Kinds of damage, and what to look for.
    "Which flaws turn up most often on bottle caps?",
    "What are typical defects of plastic lids?",
    "What would you look for on a casting?",
    "What can go wrong with a seal like this?",
    "Name common faults of stamped sheets.",
    "What might an experienced inspector check next?",
    "Give me a checklist for inspecting such parts.",
    # Causes.
    "What could have led to a mark like that?",
    "Could poor handling have caused it?",
    "How did that get there?",
    "What is the root cause?",
    # What to do.
    "What would you do now in my place?",
    "What should I do with it?",
    "Which next steps do you see?",
    "How do I deal with such a lid?",
    "What should the operator do with this piece?",
    "Is it worth repairing?",
    # A box in the model's words.
    "Explain box 2 to me",
    "Why did you mark region 1?",
    "What does box 1 mean?",
    "Tell me more about box 2.",
    "What is going on in the second box?",
    "What caused box 2?",
    "What would you check in the first place?",
    # Texts for others.
    "Summarise this for the shift log",
    "How do I describe this to the supplier?",
    "Draft two lines for purchasing about this part.",
    "I have to tell my boss. What do I say?",
    "Write a short complaint about it.",
    # How to make sure, what words mean, inspections in general.
    "How can I make sure myself?",
    "What is a hairline crack?",
    "How is a dent different from a scratch?",
    "Can dirt look like damage?",
    "Why do inspectors use raking light?",
    "How should I store such parts?",
    "What do good photos need in the way of lighting?",
    "What are your limits?",
    "Does that affect its strength?",
    "Is a burr dangerous for whoever handles it?",
    "Which cloth should I use to wipe it?",
    "Can you explain the result in plain words?",
    "Does such damage get worse over time?",
    "What is the capital of France?",
    "Tell me a joke.",
]

TOLD = [
    "How many spots are there?",
    "Where are they?",
    "How large is box 1?",
    "Where is box 2?",
    "Compare box 1 and 2",
    "What about box 7?",
    "Explain box 7",
    "What caused box 7?",
    "Why did boxes 1 and 3 happen?",
    "Which box is the largest?",
    "List all boxes",
    "Is it fine?",
    "is this one good",
    "Is there anything wrong?",
    "Is there damage at the top left?",
    "Is the left side clean?",
    "How sure are you?",
    "Are you certain?",
    "What percentage of the photo is affected?",
    "How big is the defect?",
    "how bad is it?",
    "why?",
    "What is the score?",
    "What kind of damage is it?",
    "What kinds of damage are there?",
    "What did you compare it with?",
    "Should I reject it?",
    "Can I ship it?",
    "Give me the report",
    "In simple words, how many are there?",
    # What no photo tells.
    "Is there a short circuit?",
    "How heavy is it?",
    "What does it cost?",
    "Who made it?",
    "What material is it made of?",
    "Who packed it?",
    "Was the tool changed this morning?",
    "Which lot does it belong to?",
    "How many parts like this did we make?",
    # Courtesies, and other languages.
    "Thanks!",
    "Hello",
    "Wie viele Fehler gibt es?",
    "Was soll ich tun?",
]


@pytest.mark.parametrize("question", OPEN)
def test_open_questions_go_to_the_model(question: str) -> None:
    assert route(question, 2) == ("", question)


@pytest.mark.parametrize("question", TOLD)
def test_what_the_result_tells_is_told_by_it(question: str) -> None:
    assert route(question, 2) == (question, "")


@pytest.mark.parametrize(
    ("question", "told", "opened"),
    [
        (
            "How many are there and what could have caused them?",
            "How many are there?",
            "What could have caused them?",
        ),
        (
            "Where is it? What do I write in the log book?",
            "Where is it?",
            "What do I write in the log book?",
        ),
        ("Thanks! What do I do now?", "", "Thanks! What do I do now?"),
        (
            "I am new here. How many boxes are there?",
            "I am new here. How many boxes are there?",
            "",
        ),
        ("I am new here. What do I look for?", "", "I am new here. What do I look for?"),
        (
            "Is it ok? And how do I tell the supplier?",
            "Is it ok?",
            "And how do I tell the supplier?",
        ),
    ],
)
def test_each_part_of_a_question_has_its_answer(question: str, told: str, opened: str) -> None:
    assert route(question, 2) == (told, opened)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_a_box_that_does_not_exist_is_nothing_to_talk_about(count: int) -> None:
    for number in range(1, 8):
        is_open = bool(route(f"Explain box {number}, please.", count).open)
        assert is_open is (number <= count)
        for asked in ("What caused box {}?", "What should I do about box {}?"):
            assert number <= count or route(asked.format(number), count).open == ""
    assert bool(route("Explain the last box", count).open) is (count > 0)
