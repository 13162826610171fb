"""What is read off an answer, against the facts that it was written from, and word by word."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from chats.judging import answer_about, read
from simulation import find_defects
from simulation.dialogues import INTENTS, Facts, facts_of, inspection_dialogue

PHOTOS = 200
AGREEMENT = 0.99

# Whose answers say whether something is wrong, in so many words.
VERDICTS = ("anomaly", "ok", "where", "count", "describe", "doubt", "clean", "confirm", "summary")
# Whose answers may leave it open, as "it is large" does.
OPEN = ("size", "coverage", "largest", "severity", "reference", "why", "sure", "kind", "shape")
OPEN = (*OPEN, "advice", "check", "cell")

# intent, question, answer, facts, whether a reference was given
Example = tuple[str, str, str, Facts, bool]

CELL_OF_WORDS = {
    **{f"{row} {side}": f"{row} {side}" for row in ("top", "bottom") for side in ("left", "right")},
    "upper left": "top left",
    "upper right": "top right",
    "lower left": "bottom left",
    "lower right": "bottom right",
    **dict.fromkeys(("top center", "upper middle", "top middle", "upper center"), "top"),
    **dict.fromkeys(("bottom center", "lower middle", "bottom middle", "lower center"), "bottom"),
    **dict.fromkeys(("middle left", "center left"), "left"),
    **dict.fromkeys(("middle right", "center right"), "right"),
}


def random_facts(generator: np.random.Generator) -> Facts:
    """Up to five rectangles, of known and unknown kinds."""
    mask = np.zeros((96, 96), bool)
    for _ in range(int(generator.choice([0, 1, 1, 2, 3, 5]))):
        height, width = (int(side) for side in generator.integers(2, 28, size=2))
        top, left = int(generator.integers(96 - height)), int(generator.integers(96 - width))
        mask[top : top + height, left : left + width] = True
    kinds = (None, "scratch", "hole", "stain", "patch")
    defects = [
        dataclasses.replace(defect, kind=kinds[int(generator.integers(len(kinds)))])
        for defect in find_defects(mask)
    ]
    return facts_of(defects, mask.shape)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """Thousands of answers of the simulation: every intent about each of many photos."""

    def made() -> Iterator[Example]:
        for seed in range(PHOTOS):
            generator = np.random.default_rng(seed)
            facts = random_facts(generator)
            names = [str(name) for name in generator.permutation(INTENTS)]
            given = bool(generator.random() < 0.5)
            dialogue = inspection_dialogue(
                facts, generator, category="leather", has_reference=given, intents=names
            )
            for name, (question, answer) in zip(names, dialogue, strict=True):
                yield name, question, answer, facts, given

    return list(made())


def check(examples: list[Example], agrees: Callable[[Example], bool | None]) -> None:
    """`AGREEMENT` of the cases agree; None leaves one out. Which do not is in the message."""
    judged = [(example, agrees(example)) for example in examples]
    counted = [(example, agreed) for example, agreed in judged if agreed is not None]
    wrong = [example[:3] for example, agreed in counted if not agreed]
    assert len(counted) > PHOTOS / 4
    assert len(wrong) <= (1 - AGREEMENT) * len(counted), (Counter(w[0] for w in wrong), wrong[:5])


def test_verdicts_agree_with_the_facts(examples: list[Example]) -> None:
    def agrees(example: Example) -> bool | None:
        name, _, answer, facts, _ = example
        truth = bool(facts.defects)
        if name in VERDICTS:
            return read(answer).verdict == truth
        return read(answer).verdict in ((truth, None) if name in OPEN else (None,))

    check(examples, agrees)


def test_no_answer_contradicts_itself(examples: list[Example]) -> None:
    check(examples, lambda example: not read(example[2]).contradicts_itself)


def test_named_places_are_where_the_damage_is(examples: list[Example]) -> None:
    check(examples, lambda example: read(example[2]).places <= set(example[3].cells))


def test_denied_places_are_fine(examples: list[Example]) -> None:
    check(examples, lambda example: not read(example[2]).denied & set(example[3].places))


def test_where_names_all_places(examples: list[Example]) -> None:
    def agrees(example: Example) -> bool | None:
        name, _, answer, facts, _ = example
        return read(answer).places == set(facts.places) if name == "where" else None

    check(examples, agrees)


def test_counts_agree_with_the_facts(examples: list[Example]) -> None:
    def agrees(example: Example) -> bool:
        name, _, answer, facts, _ = example
        return read(answer).count in ((facts.count,) if name == "count" else (facts.count, None))

    check(examples, agrees)


def test_only_what_no_photo_shows_is_declined(examples: list[Example]) -> None:
    def agrees(example: Example) -> bool | None:
        name, _, answer, _, given = example
        if name in ("check", "kind"):
            return None  # some of them tell the damage, but not its kind
        return read(answer).declined == (name == "unknown" or (name == "reference" and not given))

    check(examples, agrees)


def test_answers_about_a_place_agree_with_the_facts(examples: list[Example]) -> None:
    def agrees(example: Example) -> bool | None:
        name, question, answer, facts, _ = example
        asked = {cell for words, cell in CELL_OF_WORDS.items() if words in question.lower()}
        if name not in ("cell", "confirm") or len(asked) != 1:
            return None
        place = asked.pop()
        return answer_about(answer, place) == (place in facts.cells)

    check(examples, agrees)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("Yes.", True),
        ("No", False),
        ("I see no defect", False),
        ("It looks fine.", False),
        ("There is a flaw at the top", True),
        ("The part isn't fine.", True),
        ("No defects were found.", False),
        ("Nothing is wrong with it.", False),
        ("There doesn't seem to be any damage.", False),
        ("I don't see anything wrong.", False),
        ("Everything is fine except the bottom right corner.", True),
        ("It is at the right.", True),
        ("Three of them.", True),
        ("The center looks fine.", None),
        ("The center looks fine, and so does the rest.", False),
        ("The center is fine; the rest is damaged.", True),
        ("I cannot tell whether it is damaged.", None),
        ("Ask me whether something is wrong.", None),
        ("It is made of steel.", None),
        ("", None),
    ],
)
def test_verdicts_in_other_words(answer: str, verdict: bool | None) -> None:
    assert read(answer).verdict is verdict


def test_yes_and_no_come_before_other_words() -> None:
    reading = read("No, there is an anomaly in the image, at the top of the image.")
    assert reading.verdict is False
    assert reading.worded is True
    assert reading.contradicts_itself


@pytest.mark.parametrize(
    ("answer", "places", "denied"),
    [
        ("In the upper left corner and the centre.", {"top left", "center"}, set()),
        ("It's in the top-left corner", {"top left"}, set()),
        ("Look at the lower middle, center left and top.", {"bottom", "left", "top"}, set()),
        ("The top is fine and the left is damaged.", {"left"}, {"top"}),
        ("The damage is not at the top, but at the left.", {"left"}, {"top"}),
        ("Neither the top nor the left is damaged.", set(), {"top", "left"}),
        ("The left shows damage, the right is clean.", {"left"}, {"right"}),
        ("The center is clean, unlike the bottom right.", {"bottom right"}, {"center"}),
        ("I see no flaw, at the center or elsewhere.", set(), {"center"}),
        ("It is in the upper third, on the left side.", set(), set()),
        ("The rest is fine. All right? That is right.", set(), set()),
        ("What is left of it sits on top of a box.", set(), set()),
    ],
)
def test_places_in_other_words(answer: str, places: set[str], denied: set[str]) -> None:
    reading = read(answer)
    assert reading.places == places
    assert reading.denied == denied


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        ("3", 3),
        ("There are 12 anomalies.", 12),
        ("I see two at the top.", 2),
        ("Ten small, roundish damaged spots.", 10),
        ("Just one.", 1),
        ("There is a long and narrow defect.", 1),
        ("None.", 0),
        ("It looks fine.", 0),
        ("The center looks fine.", None),
        ("There is damage at the left.", None),
        ("There are several defects.", None),
        ("About 20 percent of the image in total.", None),
        ("1 region stands out, at the left.", 1),
        ("There are two boxes, 1 and 2.", 2),
        ("Region 1, at the left (1.0 % of the photo, score 0.60).", None),
        ("Unsure: probability of an anomaly 2 %.", None),
        ("It weighs 3 kg.", None),
        ("9" * 5000, None),
    ],
)
def test_counts_in_other_words(answer: str, count: int | None) -> None:
    assert read(answer).count == count


@pytest.mark.parametrize(
    ("answer", "declined"),
    [
        ("I can't tell from the photo.", True),
        ("An image cannot tell how heavy it is.", True),
        ("Unfortunately I do not know.", True),
        ("It is not possible to tell that from a photo.", True),
        ("I do not have that information.", True),
        ("I am an inspection assistant and only speak about the image.", True),
        ("I am only here to inspect the part; ask me about visible damage.", True),
        ("I am an inspection assistant. I look for damage in photos.", False),
        ("I see damage at the left; whether it is a crack, I cannot tell.", False),
        ("The photo cannot tell that; what they show: 1 region stands out, at the top.", True),
        ("I see 1 region, at the top; what it is, the photo cannot tell.", False),
        ("As far as I can tell, it is fine.", False),
        ("It weighs 3 kg.", False),
        ("No.", False),
    ],
)
def test_refusals_in_other_words(answer: str, declined: bool) -> None:
    assert read(answer).declined is declined


@pytest.mark.parametrize(
    ("answer", "is_damaged"),
    [
        ("Exactly.", True),
        ("I see damage there.", True),
        ("It is clean there.", False),
        ("Only partly, it is affected by the damage at the left.", True),
        ("That is not the place. Look at the left.", False),
        ("I mean the left.", False),
        ("No, I see no defect.", False),
        ("Thank you.", None),
    ],
)
def test_answers_about_the_top(answer: str, is_damaged: bool | None) -> None:
    assert answer_about(answer, "top") is is_damaged
