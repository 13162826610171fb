"""Dialogues in many words: form, variety, order, and the rule about Yes and No."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from simulation.anomaly import Defect
from simulation.dialogues import INTENTS, Facts, facts_of, inspection_dialogue
from simulation.dialogues.english.answers import ANSWERS
from simulation.dialogues.english.questions import QUESTIONS
from simulation.dialogues.english.wording import as_typed, plain_words, say, share_words

KINDS = ("patch", "scratch", "stain", "hole", "missing part", "blowhole", None)
Dialogue = list[tuple[str, str]]


def some_facts(generator: np.random.Generator, most: int = 5) -> Facts:
    defects = []
    for _ in range(int(generator.integers(most + 1))):
        tall, wide = (int(60 * 10 ** generator.uniform(-1.7, -0.3)) for _ in range(2))
        top, left = (int(generator.integers(0, 60 - side)) for side in (tall, wide))
        mask = np.zeros((60, 60), bool)
        mask[top : top + tall, left : left + wide] = True
        defects.append(Defect.from_mask(mask, KINDS[int(generator.integers(len(KINDS)))]))
    return facts_of(defects, (60, 60))


def some_dialogues(number: int, seed: int = 0) -> list[tuple[Facts, Dialogue]]:
    generator = np.random.default_rng(seed)
    categories = (None, "tile", "metal_nut", "Capsules", "leather", "item")
    made = []
    for index in range(number):
        facts = some_facts(generator)
        category = categories[index % len(categories)]
        made.append(
            (
                facts,
                inspection_dialogue(
                    facts, generator, category=category, has_reference=index % 2 == 0
                ),
            )
        )
    return made


def ask(intent: str, facts: Facts, seed: int = 0) -> tuple[str, str]:
    ((question, answer),) = inspection_dialogue(
        facts, np.random.default_rng(seed), intents=[intent]
    )
    return question, answer


def letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())


def test_answers_are_well_formed() -> None:
    for _, dialogue in some_dialogues(3000):
        for question, answer in dialogue:
            assert not re.search(r"[{}\[\]|_]|  | [.,;:?!]|[.,;:]{2}|\?\.", question), question
            assert not re.search(r"[{}\[\]|_]|  | [.,;:?!]|[.,;:!?]{2}", answer), answer
            assert re.match(r"[A-Z0-9]", answer), answer
            assert re.search(r"[.!?]$", answer), answer
            assert not re.search(r"[.!?] [a-z]", answer), answer
            assert not re.search(r"\b[Aa] [aeio]\w+|\b[Aa]n [^aeiou]", answer), answer
            assert not re.search(r"\b(a|an|one|1) (anomalies|defects|flaws|spots)\b", answer), (
                answer
            )
            assert not re.search(r"\b(\w+) \1\b", answer.lower()), answer
            assert not re.search(r"\b(are|is) (is|are)\b|\bthere is (\d|two|three)", answer), answer


def test_lengths_are_bounded() -> None:
    for _, dialogue in some_dialogues(2000, seed=1):
        assert 1 <= len(dialogue) <= 5
        assert max(len(answer.split()) for _, answer in dialogue) <= 60
        assert sum(len(f"{q} {a}".split()) for q, a in dialogue) <= 300


def test_only_the_verdict_begins_with_yes_or_no() -> None:
    generator = np.random.default_rng(2)
    for _ in range(300):
        facts = some_facts(generator)
        for intent in INTENTS:
            ((_, answer),) = inspection_dialogue(facts, generator, intents=[intent])
            if intent == "anomaly":
                assert re.match(r"Yes\b" if facts.defects else r"No\b", answer)
            else:
                assert not re.match(r"yes|no|ye[ts]", answer, re.IGNORECASE), answer


def test_no_question_comes_twice_and_answers_agree() -> None:
    for facts, dialogue in some_dialogues(2000, seed=3):
        asked = [letters(question) for question, _ in dialogue]
        assert len(set(asked)) == len(asked)
        verdicts = {answer.split()[0].strip(",.") for _, answer in dialogue} & {"Yes", "No"}
        assert verdicts <= ({"Yes"} if facts.defects else {"No"})


def test_the_same_seed_gives_the_same_dialogue_and_another_a_different_one() -> None:
    facts = some_facts(np.random.default_rng(4))
    first, again, other = (
        inspection_dialogue(facts, np.random.default_rng(seed), turns=(4, 4)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_there_are_many_questions() -> None:
    facts = {"doubt_bad": Facts((60, 60))}
    generator = np.random.default_rng(5)
    damaged = facts_of([Defect.from_mask(np.ones((60, 60), bool))], (60, 60))
    for name in QUESTIONS:
        intent = "doubt" if name.startswith("doubt") else name
        seen = {
            letters(
                inspection_dialogue(facts.get(name, damaged), generator, intents=[intent])[0][0]
            )
            for _ in range(400)
        }
        assert len(seen) >= (100 if name == "anomaly" else 15), (name, len(seen))
        assert len(set(QUESTIONS[name])) >= (25 if name == "anomaly" else 12), name


def test_there_are_many_answers() -> None:
    answers = Counter(answer for _, dialogue in some_dialogues(8000, 6) for _, answer in dialogue)
    assert len(answers) > 10000
    # No answer but the published one to a good part is parroted.
    assert answers.most_common(1)[0][1] / answers.total() < 0.05
    assert all(len(options) >= 4 for cases in ANSWERS.values() for options in cases.values())


def test_most_dialogues_begin_with_the_verdict_and_end_politely() -> None:
    dialogues = [dialogue for _, dialogue in some_dialogues(2000, seed=7)]
    first = sum(dialogue[0][1].startswith(("Yes", "No")) for dialogue in dialogues)
    assert 0.45 < first / len(dialogues) < 0.75
    thanks = [
        index < len(dialogue) - 2
        for dialogue in dialogues
        for index, (question, _) in enumerate(dialogue)
        if re.search(r"\b(bye|goodbye)\b", question, re.IGNORECASE)
    ]
    assert len(thanks) > 5
    assert not any(thanks)


def test_the_main_question_is_the_published_one_often() -> None:
    questions = Counter(ask("anomaly", Facts((60, 60)), seed)[0] for seed in range(600))
    assert questions["Is there any anomaly in the image?"] > 60
    assert len(questions) > 150


def test_people_type_as_they_like_and_the_assistant_does_not() -> None:
    generator = np.random.default_rng(8)
    question = "Where is the defect on the part?"
    typed = Counter(as_typed(question, generator) for _ in range(4000))
    assert 0.7 < typed[question] / 4000 < 0.85
    assert typed[question.lower()] > 200
    assert typed[question[:-1]] > 200
    misspelt = {letters(text) for text in typed} - {letters(question)}
    assert len(misspelt) >= 8
    assert all(0 <= len(letters(question)) - len(text) <= 1 for text in misspelt)
    assert as_typed("Why?", generator) in {"Why?", "Why", "why?", "why"}


def test_the_description_precedes_the_first_question_only() -> None:
    facts = some_facts(np.random.default_rng(9))
    dialogue = inspection_dialogue(
        facts, np.random.default_rng(0), description="A grey tile.", turns=(3, 3)
    )
    assert dialogue[0][0].startswith("A grey tile. ")
    assert not any("grey" in question for question, _ in dialogue[1:])


def test_forced_intents_come_in_their_order() -> None:
    facts = some_facts(np.random.default_rng(10))
    dialogue = inspection_dialogue(
        facts, np.random.default_rng(0), intents=["unknown", "anomaly", "cell", "cell", "thanks"]
    )
    assert len(dialogue) == 5
    assert dialogue[1][1].startswith("Yes" if facts.defects else "No")


def test_without_a_reference_the_assistant_says_so() -> None:
    facts = some_facts(np.random.default_rng(11))
    for seed in range(100):
        generator = np.random.default_rng(seed)
        ((_, answer),) = inspection_dialogue(facts, generator, intents=["reference"])
        assert re.search("cannot compare|reference photo", answer)
        ((_, answer),) = inspection_dialogue(
            facts, generator, intents=["reference"], has_reference=True
        )
        assert not re.search("cannot compare|reference photo", answer)


@pytest.mark.parametrize("name", ["{part}", "[a|b]", "tile|", "Größe_1", "", "42", "brass"])
def test_foreign_names_do_no_harm(name: str) -> None:
    mask = np.zeros((60, 60), bool)
    mask[:5, :5] = True
    facts = facts_of([Defect.from_mask(mask, name)], (60, 60))
    for seed in range(60):
        generator = np.random.default_rng(seed)
        for question, answer in inspection_dialogue(facts, generator, category=name, turns=(5, 5)):
            assert not re.search(r"[{}\[\]|_]|  |None", question + answer)


def test_what_is_refused() -> None:
    facts, generator = Facts((60, 60)), np.random.default_rng(0)
    with pytest.raises(ValueError, match="weather"):
        inspection_dialogue(facts, generator, intents=["weather"])
    for turns in ((0, 3), (3, 2)):
        with pytest.raises(ValueError, match="turns"):
            inspection_dialogue(facts, generator, turns=turns)
    with pytest.raises(ValueError, match="no new question"):
        inspection_dialogue(facts, generator, intents=["thanks"] * 500)
    assert inspection_dialogue(facts, generator, intents=[]) == []


def test_long_dialogues_have_room() -> None:
    facts = some_facts(np.random.default_rng(12))
    dialogue = inspection_dialogue(facts, np.random.default_rng(0), turns=(20, 20))
    assert len(dialogue) == 20
    with pytest.raises(ValueError, match="turns"):
        inspection_dialogue(facts, np.random.default_rng(0), turns=(1, 21))


def test_templates_nest() -> None:
    generator = np.random.default_rng(13)
    said = {say("[a|b[c|]] {x}", {"x": "[1|{y}]", "y": "2"}, generator) for _ in range(200)}
    assert said == {"a 1", "a 2", "bc 1", "bc 2", "b 1", "b 2"}
    with pytest.raises(KeyError):
        say("{z}", {}, generator)
    assert plain_words("Metal_Nut [2]") == "metal nut"


@pytest.mark.parametrize(
    ("fraction", "number"),
    [(0.0004, "0.1"), (0.004, "1"), (0.0149, "1"), (0.094, "9"), (0.096, "10"), (1.0, "100")],
)
def test_shares_are_round(fraction: float, number: str) -> None:
    said = say(share_words(fraction), {}, np.random.default_rng(0))
    assert re.search(rf"(?<![\d.]){re.escape(number)} (percent|%)$", said)
