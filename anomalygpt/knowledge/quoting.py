"""What was found, for a model that reads a budget of tokens, and for people."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from anomalygpt.files import shown
from anomalygpt.knowledge.passages import Found, sentences

NOTHING = "Nothing is known about this."

# A token of English text has about four letters; three leave room for numbers and names.
_LETTERS_OF_TOKEN = 3


def tokens_of(text: str) -> int:
    """How many tokens a text has at most, roughly, for whoever has no tokenizer."""
    return math.ceil(len(text) / _LETTERS_OF_TOKEN)


def within(
    found: Sequence[Found], tokens: int, count: Callable[[str], int] = tokens_of
) -> list[Found]:
    """The first of what was found that fits into a budget, sources counted too.

    The first one that does not fit is cut after a sentence, where at least one fits; what comes
    after it is left out.

    Args:
        found: the best first.
        tokens: how many there may be.
        count: tokens of a text.

    Returns:
        As many as fit; those that were cut have their shorter text in `passage` and `excerpt`.
    """
    kept: list[Found] = []
    left = tokens
    for each in found:
        needed = count(_cited(each.passage.text, each))
        if needed <= left:
            kept.append(each)
            left -= needed
            continue
        if shorter := _cut(each, left, count):
            kept.append(shorter)
        break
    return kept


def _cut(found: Found, left: int, count: Callable[[str], int]) -> Found | None:
    """As many sentences from the beginning as fit; else, as many of the excerpt."""
    for text in (found.passage.text, found.excerpt):
        said = ""
        for sentence in sentences(text):
            longer = f"{said} {sentence}".strip()
            if count(_cited(longer, found)) > left:
                break
            said = longer
        if said:
            return replace(found, passage=replace(found.passage, text=said), excerpt=said)
    return None


def _cited(text: str, found: Found) -> str:
    return f"“{text}” ({found.passage.source})"


def quoted(found: Sequence[Found]) -> str:
    """What was found, word for word, for people: the sentences that fit best, each with its source.

    Args:
        found: the best first; all of it is quoted, each on a line.

    Returns:
        `NOTHING` where nothing was found.
    """
    if not found:
        return NOTHING
    return "\n".join(f"“{_one_line(each)}” ({shown(each.passage.source)})" for each in found)


def _one_line(found: Found) -> str:
    return " ".join((found.excerpt or found.passage.text).split())
