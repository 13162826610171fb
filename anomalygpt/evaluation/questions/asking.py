"""How a question is put: the order of its options, and its words."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from anomalygpt.data import Question
from anomalygpt.data.mmad import DETECTION, LOCALISATION, MERGED
from anomalygpt.data.questionnaires import LETTERS

Protocol: TypeAlias = Literal["separate", "cumulative"]
# "separate" asks each question alone, "cumulative" after the earlier ones and their answers.
PROTOCOLS: tuple[Protocol, ...] = ("separate", "cumulative")

_YES_OR_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


def shown_options(question: Question, seed: int | None, name: str) -> tuple[dict[str, str], str]:
    """The options as they are shown, and the letter of the right one.

    Args:
        question: with its options in any order.
        seed: None keeps their letters; else they are shuffled, the same way for the same seed.
        name: of the photo and the number of the question, so that each is shuffled by itself.
    """
    if seed is None:
        return dict(sorted(question.options.items())), question.answer
    order = sorted(question.options)
    random.Random(f"{seed} {name}").shuffle(order)
    letters = dict(zip(LETTERS, order, strict=False))
    shown = {letter: question.options[former] for letter, former in letters.items()}
    return shown, next(letter for letter, former in letters.items() if former == question.answer)


def in_words(question: str, options: Mapping[str, str]) -> str:
    """A question with its options, one a line."""
    listed = "\n".join(f"{letter}. {text}" for letter, text in options.items())
    return f"{question}\n{listed}"


def published_text(number: int, question: str, options: Iterable[str]) -> str:
    """A question as result files in the published format have it.

    Args:
        number: from 1 on.
        question: its text.
        options: their texts, which get letters in this order.
    """
    lines = [f"{letter}. {text}\n" for letter, text in zip(LETTERS, options, strict=False)]
    return f"Question {number}: {question} \n{''.join(lines)}"


def scored_kind(question: Question) -> str:
    """The type that a question is scored as."""
    return MERGED.get(question.kind, question.kind)


def is_detection(question: Question) -> bool:
    """Whether it asks if something is wrong at all, with yes and no among its options."""
    is_named = question.kind == DETECTION or "detection" in question.kind.casefold()
    return is_named and set(yes_and_no(question.options).values()) == {True, False}


def is_localisation(question: Question) -> bool:
    """Whether it asks where the defect is."""
    kind = question.kind.casefold()
    return question.kind == LOCALISATION or "localization" in kind or "localisation" in kind


def yes_and_no(options: Mapping[str, str]) -> dict[str, bool]:
    """By letter, whether an option says yes; those that say neither are left out."""
    found = {letter: _YES_OR_NO.match(text) for letter, text in options.items()}
    return {letter: each[1].lower() == "yes" for letter, each in found.items() if each}
