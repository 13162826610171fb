"""What the assistant is asked: which questions a conversation has, and their words."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from simulation.anomaly import PLACES
from simulation.dialogues import Facts
from simulation.dialogues.answers import WORDS
from simulation.dialogues.questions import QUESTIONS, TOPICS
from simulation.dialogues.wording import pick, say, sentence_case

# Asked whether something is wrong: at first, and in other words later.
VERDICT_KINDS = ("anomaly", "ok", "doubt")
PLACE_KINDS = ("cell", "confirm")

# Every conversation has these, and then as many of the others as there is room for.
_ALWAYS = ("where", "unanswerable")
_ONCE = ("count", "cell", "confirm", "again", "unanswerable")
_TWICE = ("cell", "confirm", "unanswerable")
FEWEST_TURNS = 1 + len(_ALWAYS)
MOST_TURNS = FEWEST_TURNS + len(_ONCE) + len(_TWICE)

_MOST_TRIES = 100

# "The top" may be taken for the whole upper third: the cell itself is named.
_CELL_WORDS = {
    "top left": "[top left|upper left|top left corner]",
    "top": "[top center|upper middle|top middle]",
    "top right": "[top right|upper right|top right corner]",
    "left": "[middle left|center left]",
    "center": "[center|middle|centre]",
    "right": "[middle right|center right]",
    "bottom left": "[bottom left|lower left|bottom left corner]",
    "bottom": "[bottom center|lower middle|bottom middle]",
    "bottom right": "[bottom right|lower right|bottom right corner]",
}

# Further things that no photo shows; those of the simulation are `TOPICS`.
UNANSWERABLE = (
    "How many of these have been sold this year?",
    "Which machine cut this?",
    "Does it come with a warranty?",
    "What is the name of the person who packed it?",
    "How many times has it been dropped?",
    "Is it waterproof?",
    "Which country did the raw material come from?",
    "Was the customer happy with the last delivery?",
    "How many more are there in the box?",
    "When is the next maintenance due?",
    "What is its exact length in millimetres?",
    "Did the night shift or the day shift make this?",
    "Is it in stock?",
    "What colour is the underside?",
    "Which standard does it comply with?",
    "How long did it take to make?",
    "How much electricity does its production need?",
    "What is the order number?",
    "Who designed it?",
    "Would it survive a fall from the roof?",
    "Has it been cleaned with alcohol before?",
    "Which tool do I need to open it?",
    "What did the inspector before me write down?",
    "Is it magnetic?",
    "How often is it used in a week?",
    "Does it contain nickel?",
    "What sound does it make when it is tapped?",
    "When will the spare part arrive?",
    "Is the tax already included?",
    "How thick is the coating?",
    "Can it be recycled where I live?",
    "What was on the shelf beside it yesterday?",
)


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        kind: "anomaly", "ok", "doubt", "where", "count", "cell", "confirm" or "unanswerable".
        text: its words.
        place: what "cell" and "confirm" ask about, of `PLACES`; None for others.
    """

    kind: str
    text: str
    place: str | None = None


def plan(turns: int, generator: np.random.Generator) -> list[str]:
    """The kinds of a conversation's questions in order; "again" becomes "ok" or "doubt".

    Args:
        turns: from `FEWEST_TURNS` to `MOST_TURNS`.
        generator: source of chance.
    """
    rest = [str(kind) for kind in generator.permutation(_ONCE)]
    rest += [str(kind) for kind in generator.permutation(_TWICE)]
    later = [*_ALWAYS, *rest[: turns - FEWEST_TURNS]]
    return ["anomaly", *(str(kind) for kind in generator.permutation(later))]


def ask(
    kind: str, facts: Facts, said: bool | None, asked: set[str], generator: np.random.Generator
) -> Question:
    """Put a question that has not been asked yet, and note it in `asked`.

    Args:
        kind: out of `plan`.
        facts: decide which places are asked about: half of them damaged, where something is.
        said: the assistant's verdict so far; a person doubts it. None doubts the truth.
        asked: letters of the questions so far.
        generator: source of chance.
    """
    if kind == "again":
        kind = pick(("ok", "doubt"), generator)
    for _ in range(_MOST_TRIES):
        question = _question(kind, facts, said, generator)
        letters = re.sub(r"[^a-z]", "", question.text.lower())
        if letters not in asked:
            break
    asked.add(letters)
    return question


def _question(
    kind: str, facts: Facts, said: bool | None, generator: np.random.Generator
) -> Question:
    if kind == "unanswerable" and generator.random() < 0.5:
        return Question(kind, pick(UNANSWERABLE, generator))
    words = {**WORDS, "part": "[part|object|item]", "a_part": "[a part|an object|an item]"}
    place = None
    if kind in PLACE_KINDS:
        place = _place(facts.cells if kind == "cell" else facts.places, facts.cells, generator)
        words["cell"] = _CELL_WORDS[place]
    key = kind
    if kind == "unanswerable":
        key, words["topic"] = "unknown", pick(TOPICS, generator)
    elif kind == "doubt":
        key = "doubt_good" if (bool(facts.defects) if said is None else said) else "doubt_bad"
    text = say(pick(QUESTIONS[key], generator), words, generator)
    return Question(kind, sentence_case(text), place)


def _place(
    damaged: tuple[str, ...], reached: tuple[str, ...], generator: np.random.Generator
) -> str:
    clean = [place for place in PLACES if place not in reached]
    is_clean = not damaged or (bool(clean) and generator.random() < 0.5)
    return pick(clean if is_clean else damaged, generator)
