"""From the words of an answer to its letter, by rules with a name.

"published" gives what MMAD's code gives, its faults included: an article counts as the letter A,
small letters do not count, and where no letter stands alone some option always fits. "strict" takes
a letter only where there can be no doubt. Accuracies by different rules do not compare.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from anomalygpt.evaluation.questions.answering import Answer, likeliest

Parser: TypeAlias = Literal["probability", "published", "strict"]
PARSERS: tuple[Parser, ...] = ("probability", "published", "strict")

_ALONE = re.compile(r"\b[A-E]\b")
# Unlike \b, signs of other scripts may stand beside the letter.
_CAPITAL = re.compile(r"(?<![A-Za-z0-9_])[A-Z](?![A-Za-z0-9_'’])")
_ARTICLE = re.compile(r"(?<![A-Za-z0-9_])A(?= [a-z])")
_NOTHING_ELSE = re.compile(r"\W*([A-Ea-e])\W*")
_SAID = re.compile(
    r"\b(?:answer|option|choice)(?: is)?\s*[:=]?\s*\W{0,3}([A-Ea-e])(?![A-Za-z0-9_'’])(?! [a-z])",
    re.IGNORECASE,
)


def published_letters(text: str, options: Mapping[str, str] | None) -> list[str]:
    """All letters that MMAD's code finds in an answer.

    Args:
        text: the answer.
        options: text by letter, to compare with where no letter stands alone; None leaves that out.
    """
    found = _ALONE.findall(text)
    if found or options is None:
        return found
    nearest = difflib.get_close_matches(text, list(options.values()), n=1, cutoff=0.0)
    return [letter for letter, each in options.items() if each in nearest][:1]


def strict_letter(text: str, letters: Sequence[str]) -> str | None:
    """The one letter that an answer names; None for none, for several, or one of no option."""
    alone = _NOTHING_ELSE.fullmatch(text)
    said = {alone[1].upper()} if alone else {each.upper() for each in _SAID.findall(text)}
    if not said:
        said = set(_CAPITAL.findall(text)) - {"I"}
        if said == {"A"} and len(_ARTICLE.findall(text)) == len(re.findall(r"\bA\b", text)):
            return None
    letter = said.pop() if len(said) == 1 else None
    return letter if letter in letters else None


def letter_of(answer: Answer, options: Mapping[str, str], parser: Parser) -> str | None:
    """The letter that an answer is scored by; None where it cannot be told.

    Args:
        answer: with or without shares.
        options: text by letter, as they were shown.
        parser: "probability" takes the likeliest letter, and reads words strictly where nobody
            knows probabilities.
    """
    if parser == "published":
        # The last one, which nearly all scripts score; it may be a letter of no option.
        found = published_letters(answer.text, options)
        return found[-1] if found else None
    letter = likeliest(answer) if parser == "probability" else None
    return letter or strict_letter(answer.text, list(options))
