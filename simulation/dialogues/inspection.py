"""Dialogues about a photo in several turns, in many words, all of them from the same facts."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulation.dialogues import situations
from simulation.dialogues.english.answers import ANSWERS
from simulation.dialogues.english.phrases import WORDS
from simulation.dialogues.english.questions import FIRST_OPENINGS, LATER_OPENINGS, QUESTIONS
from simulation.dialogues.english.wording import (
    as_typed,
    pick,
    plain_words,
    say,
    sentence_case,
    with_article,
)
from simulation.dialogues.facts import Facts

# The most questions that a dialogue has room for.
MOST_TURNS = 20

# Share of questions that begin with a few words of courtesy or haste, in [0, 1].
_OPENING_SHARE = 0.08
_MOST_TRIES = 100

# Categories that take no "a".
_MATERIALS = frozenset(
    ("leather", "wood", "carpet", "fabric", "cloth", "paper", "glass", "metal", "steel", "plastic")
) | {"concrete", "chewinggum"}

# Questions that begin with such words already.
_OPENED = re.compile(r"(And|Also|By the way|Okay|Hello|Hi|Hey|Good|Great|Thank|Many|I see)\b")


@dataclass(frozen=True)
class Intent:
    """One thing that people ask for.

    Attributes:
        name: the key of its questions and answers.
        find: which case it meets.
        stage: where in a dialogue it comes up, from 0 (at once) to 3 (at the end).
        weights: how often it comes up after the first turn, for a good part and for another.
        first: how often a dialogue begins with it, in percent.
        gives_verdict: whether its answer says if something is wrong.
    """

    name: str
    find: situations.Finder
    stage: float
    weights: tuple[float, float]
    first: float = 0
    gives_verdict: bool = True


_ROWS = (
    Intent("anomaly", situations.find_count, 0, (6, 6), 58),
    Intent("ok", situations.find_count, 0, (2, 2), 12),
    Intent("describe", situations.find_count, 0.5, (2, 2), 6),
    Intent("where", situations.find_nothing_to("where"), 1, (2, 8), 4),
    Intent("count", situations.find_count, 1, (2, 4), 2),
    Intent("size", situations.find_nothing_to("size"), 1.2, (1, 5), 1),
    Intent("coverage", situations.find_count, 1.3, (1, 3), 1),
    Intent("largest", situations.find_nothing_to("largest"), 1.3, (1, 2)),
    Intent("kind", situations.find_kind, 1.5, (1, 5), 1),
    Intent("shape", situations.find_nothing_to("shape"), 1.5, (1, 2)),
    Intent("cell", situations.find_cell, 1.5, (4, 5), 3, gives_verdict=False),
    Intent("clean", situations.find_clean, 1.7, (2, 3), 1),
    Intent("confirm", situations.find_confirmed, 1.7, (1, 3)),
    Intent("check", situations.find_checked, 1.7, (4, 4), 2),
    Intent("reference", situations.find_missing_reference, 1.5, (2, 2), 1, gives_verdict=False),
    Intent("severity", situations.find_severity, 2, (2, 5), 1),
    Intent("why", situations.find_count, 2, (3, 3)),
    Intent("sure", situations.find_certainty, 2, (3, 3)),
    Intent("doubt", situations.find_count, 2.2, (3, 3)),
    Intent("advice", situations.find_advice, 2.3, (3, 5), 1),
    Intent("summary", situations.find_count, 2.5, (2, 3), 1),
    Intent("unknown", situations.find_topic, 2, (5, 4), 1, gives_verdict=False),
    Intent("identity", situations.find_any, 1, (1, 1), 1, gives_verdict=False),
    Intent("method", situations.find_any, 2, (1.5, 1), 0.5, gives_verdict=False),
    Intent("greeting", situations.find_any, 0, (0, 0), 3, gives_verdict=False),
    Intent("thanks", situations.find_any, 3, (1.5, 1.5), gives_verdict=False),
    Intent("goodbye", situations.find_any, 3.5, (1, 1), gives_verdict=False),
)
_BY_NAME = {intent.name: intent for intent in _ROWS}

# The names of everything that a dialogue may be about, for `intents=`.
INTENTS: tuple[str, ...] = tuple(_BY_NAME)


def inspection_dialogue(
    facts: Facts,
    generator: np.random.Generator,
    *,
    category: str | None = None,
    description: str | None = None,
    has_reference: bool = False,
    turns: tuple[int, int] = (1, 5),
    intents: Sequence[str] | None = None,
) -> list[tuple[str, str]]:
    """A dialogue about a photo.

    Only the answer to whether something is wrong begins with "Yes" (something is) or "No"; no
    other answer begins with a word like these. No question comes twice.

    Args:
        facts: what is true; every answer keeps to it.
        generator: source of chance; the same state gives the same dialogue.
        category: what the part is ("metal_nut"), used now and then instead of "part".
        description: a sentence that precedes the first question.
        has_reference: whether a photo of a good part was given, too.
        turns: fewest and most questions, from 1 to `MOST_TURNS`, 20.
        intents: names out of `INTENTS` to ask for, in this order, instead of drawn ones.

    Returns:
        (question, answer) in order, one to five of them by default.

    Raises:
        ValueError: `turns` is no range from 1 to 20, an intent has another name, or the same one is
            forced so often that no new question is left for it.
    """
    _check(turns, intents)
    count = int(generator.integers(*turns, endpoint=True))
    names = _plan(facts, count, generator) if intents is None else intents
    facts = _with_plain_kinds(facts)
    words = {**WORDS, **_part_words(category), **situations.fact_words(facts)}
    asked: set[str] = set()
    dialogue = [_turn(name, facts, words, asked, generator, has_reference) for name in names]
    if description and dialogue:
        dialogue[0] = (f"{description} {dialogue[0][0]}", dialogue[0][1])
    return dialogue


def _check(turns: tuple[int, int], intents: Sequence[str] | None) -> None:
    if not 1 <= turns[0] <= turns[1] <= MOST_TURNS:
        raise ValueError(f"turns is (fewest, most), from 1 to {MOST_TURNS}, got {turns}")
    if unknown := sorted(set(intents or ()) - set(INTENTS)):
        raise ValueError(f"intents are among {', '.join(INTENTS)}; got {', '.join(unknown)}")


def _plan(facts: Facts, count: int, generator: np.random.Generator) -> list[str]:
    """Which intents come up: an opening, then what people go on to ask, in a natural order."""
    first = _draw([(intent, intent.first) for intent in _ROWS], generator)
    chosen = [first]
    if not first.gives_verdict and count > 1:
        chosen.append(_BY_NAME["anomaly"])
    open_rows = [(row, row.weights[bool(facts.defects)]) for row in _ROWS if row not in chosen]
    # Several places, kinds and things that no photo shows can be asked for one after another.
    open_rows += [row for row in open_rows if row[0].name in ("cell", "check", "unknown")]
    start = len(chosen)
    while len(chosen) < count:
        intent = _draw(open_rows, generator)
        open_rows.remove((intent, intent.weights[bool(facts.defects)]))
        chosen.append(intent)
    later = sorted(chosen[start:], key=lambda intent: intent.stage + generator.random())
    return [intent.name for intent in chosen[:start] + later]


def _draw(rows: Sequence[tuple[Intent, float]], generator: np.random.Generator) -> Intent:
    limits = np.cumsum([weight for _, weight in rows])
    return rows[int(np.searchsorted(limits, generator.random() * limits[-1], side="right"))][0]


def _turn(
    name: str,
    facts: Facts,
    words: dict[str, str],
    asked: set[str],
    generator: np.random.Generator,
    has_reference: bool,
) -> tuple[str, str]:
    """One question that has not been asked yet, which is noted in `asked`, and its answer."""
    find = _BY_NAME[name].find
    if name == "reference" and has_reference:
        find = situations.find_reference
    questions = QUESTIONS[_question_key(name, facts)]
    for _ in range(_MOST_TRIES):
        case, special = find(facts, generator)
        # A topic must be the same in the question and in the answer, so it is written out once.
        known = {**words, **special}
        if "topic" in special:
            known["topic"] = say(special["topic"], known, generator)
        question = _open(say(pick(questions, generator), known, generator), asked, known, generator)
        if (key := _letters(question)) not in asked:
            asked.add(key)
            answer = say(pick(ANSWERS[name][case], generator), known, generator)
            return as_typed(sentence_case(question), generator), sentence_case(answer)
    raise ValueError(f"no new question is left for the intent {name!r}")


def _question_key(name: str, facts: Facts) -> str:
    """A person doubts what was said, so the questions depend on what is true."""
    if name != "doubt":
        return name
    return "doubt_good" if facts.defects else "doubt_bad"


def _open(
    question: str, asked: set[str], words: dict[str, str], generator: np.random.Generator
) -> str:
    if generator.random() >= _OPENING_SHARE or _OPENED.match(question):
        return question
    opening = say(pick(LATER_OPENINGS if asked else FIRST_OPENINGS, generator), words, generator)
    starts_with_name = re.match(r"I\b", question) is not None
    if opening.endswith((", ", ": ", "And ")) and not starts_with_name:
        question = question[0].lower() + question[1:]
    return opening + question


def _letters(question: str) -> str:
    return re.sub(r"[^a-z]", "", question.lower())


def _part_words(category: str | None) -> dict[str, str]:
    """What the part is called: by its category where that names one thing or a material."""
    name = plain_words(category or "")
    is_plural = name.endswith("s") and not name.endswith("ss")
    names = ["part", "part", "object", "item", "piece"]
    if name and not is_plural:
        names = [name, name, name, "part"]
    with_articles = [
        f"a piece of {name}" if name in _MATERIALS else with_article(name) for name in names
    ]
    return {"part": f"[{'|'.join(names)}]", "a_part": f"[{'|'.join(with_articles)}]"}


def _with_plain_kinds(facts: Facts) -> Facts:
    """Kinds as people name them. A "patch" of another photo is not one; it stays unnamed."""
    defects = tuple(
        dataclasses.replace(
            defect, kind=plain_words("" if defect.kind == "patch" else defect.kind or "") or None
        )
        for defect in facts.defects
    )
    return dataclasses.replace(facts, defects=defects)
