"""What the assistant is asked: which questions a chat has, and their words."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from chats import plain_questions
from simulation.anomaly import PLACES
from simulation.dialogues import Facts
from simulation.dialogues.english.phrases import WORDS
from simulation.dialogues.english.questions import QUESTIONS, TOPICS
from simulation.dialogues.english.wording import pick, say, sentence_case

# Asked whether something is wrong: at first, and in other words later.
VERDICT_KINDS = ("anomaly", "ok", "doubt")
PLACE_KINDS = ("cell", "confirm")

# Every chat has these, and then as many of the others as there is room for.
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

# Further things that no photo shows, by someone who did not know what the assistant had learned;
# those of the simulation are `TOPICS`.
UNANSWERABLE = (
    "What did the customer pay for it?",
    "When was this produced?",
    "Which shift was running when this came off the line?",
    "How much does it weigh in grams?",
    "Tell me the batch number from the shipping label.",
    "Was the operator certified for that machine?",
    "Which supplier delivered the raw material?",
    "Does it smell fresh?",
    "What sound does it make when you tap it?",
    "Please give me the serial number stamped on the underside.",
    "Is there any moisture trapped inside?",
    "What alloy is this made from, down to the percentages?",
    "How many calories would I get from eating it?",
    "Which country was it shipped from?",
    "Will this product still be sold in five years?",
    "Did the previous piece on the conveyor look the same?",
    "Has the patent on this design expired?",
    "I'd like to know the oven temperature used during baking.",
    "Can you tell me the name of the person who took this picture?",
    "What is the tensile strength of the material?",
    "How long did the curing step take?",
    "Is our company legally liable if a buyer gets hurt using one of these?",
    "Were any pesticides sprayed on the field where it grew?",
    "Who designed the original version, and what year was that?",
    "What's the capital of Portugal?",
    "How was your weekend?",
    "Do you enjoy looking at pictures all day?",
    "Which firmware version is loaded on the chip?",
    "How many units did the factory ship last quarter?",
    "Tell me a joke about quality inspectors.",
    "Where is the matching lid for this one stored?",
    "Is it compliant with the REACH regulation?",
    "Could you look up the tracking number for the pallet it travelled on?",
    "What resistance would a multimeter read across its two ends?",
    "Why did the founder decide to start this business?",
    "Was it washed in cold or hot water before packing?",
    "Does it contain traces of peanuts or gluten?",
    "When does the warranty run out?",
    "Who will be my supervisor tomorrow morning?",
    "How warm would it feel if I picked it up right now?",
    "What was the humidity in the warehouse last Tuesday?",
    "Give me the phone number of the vendor's sales department.",
    "Are the workers who sewed it paid a fair wage?",
    "What did the last auditor write in his report about this production line?",
    "Explain how injection molding works.",
    "How often is the cutting blade replaced on that machine?",
    "Which truck carried it here and how long was the drive?",
    "Has anyone ever returned one of these for a refund?",
    "How many volts can it handle before it burns out?",
    "What is the pH of the coating bath?",
    "Would my grandmother like the taste?",
    "I wonder whether the competitor sells a cheaper version of this.",
    "Did it rain the day this was harvested?",
    "What does the page three footnote in the user manual say?",
    "Who won the football match last night?",
    "What is the carbon footprint of manufacturing one thousand of these and flying them to Japan?",
    "Is the torque on the hidden inner bolt set to twelve newton metres?",
    "My boss seems upset with me today, any idea why?",
)


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        kind: "anomaly", "ok", "doubt", "where", "count", "cell", "confirm" or "unanswerable"; of
            fresh ones also the others of `plain_questions`.
        text: its words.
        place: what "cell" and "confirm" ask about, of `PLACES`; None for others.
        boxes: numbers of the boxes that are asked about.
    """

    kind: str
    text: str
    place: str | None = None
    boxes: tuple[int, ...] = ()


def plan(turns: int, generator: np.random.Generator) -> list[str]:
    """The kinds of a chat's questions in order; "again" becomes "ok" or "doubt".

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


def fresh_plan(turns: int, generator: np.random.Generator) -> list[Question]:
    """Questions in words that nobody tuned on, of as many kinds as there is room for; the first
    is whether something is wrong. The halves of `plain_questions` say which they are.

    Args:
        turns: from `FEWEST_TURNS` on.
        generator: source of chance.
    """
    left = [
        Question(each.kind, each.text, each.place, each.boxes)
        for each in plain_questions.questions("counted")
    ]
    others = sorted({each.kind for each in left} - {"ok", *_ALWAYS})
    rest = [str(kind) for kind in generator.choice(others, turns - FEWEST_TURNS)]
    chosen: list[Question] = []
    for kind in ["ok", *(str(kind) for kind in generator.permutation([*_ALWAYS, *rest]))]:
        fitting = [each for each in left if each.kind == kind and each not in chosen]
        chosen.append(fitting[int(generator.integers(len(fitting)))])
    return [replace(chosen[0], kind="anomaly"), *chosen[1:]]


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
