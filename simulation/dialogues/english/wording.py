"""How one thing is said in many ways: templates, numbers, places, and people's typing.

A template chooses between the options in square brackets, which may be nested or empty, and
takes words from the braces: "[There is|I see] {a_defect}[| here]." The words are templates too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_WORD = re.compile(r"\{(\w+)\}")
_SENTENCE_START = re.compile(r"(?:^|(?<=[.!?] ))[a-z]")

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

# Other names of the places; the name itself comes most often.
_PLACE_WORDS = {
    "top left": "[top left|top left|upper left]",
    "top": "[top|top|top center|upper middle]",
    "top right": "[top right|top right|upper right]",
    "left": "[left|left|middle left]",
    "center": "[center|center|middle|centre]",
    "right": "[right|right|middle right]",
    "bottom left": "[bottom left|bottom left|lower left]",
    "bottom": "[bottom|bottom|bottom center|lower middle]",
    "bottom right": "[bottom right|bottom right|lower right]",
}

# How people type: shares of questions that are changed, in [0, 1].
_LOWER_CASE, _NO_END_MARK, _TYPO = 0.12, 0.1, 0.04


def pick(options: Sequence[str], generator: np.random.Generator) -> str:
    """One of the options, all equally likely."""
    return options[int(generator.integers(len(options)))]


def say(template: str, words: Mapping[str, str], generator: np.random.Generator) -> str:
    """Write out a template.

    Args:
        template: text with [choices] and {words}.
        words: what the braces stand for, templates themselves.
        generator: source of chance.

    Raises:
        KeyError: a word in braces is missing.
    """
    while (choice := _CHOICE.search(template)) is not None:
        chosen = pick(choice[1].split("|"), generator)
        template = template[: choice.start()] + chosen + template[choice.end() :]
    return _WORD.sub(lambda word: say(words[word[1]], words, generator), template)


def sentence_case(text: str) -> str:
    """The text with a capital at the start of each sentence."""
    return _SENTENCE_START.sub(lambda letter: letter[0].upper(), text)


def plain_words(text: str) -> str:
    """A name from outside as plain words: no brackets, braces, digits or underscores."""
    return " ".join(re.findall(r"[^\W\d_]+", text)).lower()


def with_article(noun: str) -> str:
    """The noun after "a" or "an"."""
    return ("an " if noun[:1] in "aeiou" else "a ") + noun


def count_words(number: int) -> str:
    """A number in digits or, up to ten, in words; a template."""
    return f"[{number}|{_NUMBERS[number]}|{_NUMBERS[number]}]" if number <= 10 else str(number)


def place_words(place: str) -> str:
    """The names of a place; a template that follows "the"."""
    return _PLACE_WORDS[place]


def share_words(fraction: float) -> str:
    """A share of the photo in round percent; a template.

    Whole percent below 10, then steps of 5, so that nobody takes an estimate for a measurement.

    Args:
        fraction: above 0, at most 1.
    """
    percent = 100 * fraction
    if percent < 1:
        bound = "0.1" if percent < 0.1 else "1"
        return f"[less than|under] {bound} [percent|%]"
    rounded = round(percent) if percent < 9.5 else 5 * round(percent / 5)
    return f"[about|about|roughly|around] {rounded} [percent|%]"


def as_typed(question: str, generator: np.random.Generator) -> str:
    """A question as a person may type it: sometimes in lower case, unpunctuated or misspelt."""
    lower, unmarked, misspelt = generator.random(3) < (_LOWER_CASE, _NO_END_MARK, _TYPO)
    if misspelt:
        question = _misspell(question, generator)
    if unmarked:
        question = question.rstrip(".?!")
    return question.lower() if lower else question


def _misspell(text: str, generator: np.random.Generator) -> str:
    """Swap two neighbouring letters inside a long word, or leave one of them out."""
    words = list(re.finditer(r"[A-Za-z]{5,}", text))
    if not words:
        return text
    word = words[int(generator.integers(len(words)))]
    at = int(generator.integers(word.start() + 1, word.end() - 2))
    swapped = text[at + 1] + text[at] if generator.random() < 0.5 else text[at]
    return text[:at] + swapped + text[at + 2 :]
