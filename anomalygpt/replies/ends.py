"""Where sentences end in what a language model writes, also while it is still writing."""

from __future__ import annotations

import re

# An end mark with room behind it, or the end of a line.
_END = re.compile(r"[.!?][\"”')\]*_]*(?=\s)|\n")
# Neither the number of a line nor a word cut short ends a sentence.
_NO_END = re.compile(
    r"^\s*\d{1,2}\.$|(?:^|[\s(])(?:e\.g|i\.e|etc|approx|ca|vs|nr|dr|mr|ms|mrs|fig)\.$",
    re.IGNORECASE,
)
# A word cut short only before a number: "no. 2".
_NUMBER = re.compile(r"(?:^|[\s(])no\.$", re.IGNORECASE)
_ENDED = re.compile(r"(?:^|[.!?:][\"”')\]*_]*)\s*$")
# What stands for itself in a line: an item of a list, a heading, "Verdict: good".
_LINE = re.compile(r"\s*(?:$|\n|[-*•#|>]|\d{1,2}[.)]\s|[a-z][\w /]{0,24}:)", re.IGNORECASE)
# What may become one.
_HALF_LINE = re.compile(r"[ \t]*(?:\d{0,2}[.)]?|[a-z][\w /]{0,24})", re.IGNORECASE)


def sentence_end(text: str, is_all: bool = True) -> int | None:
    """How long the first sentence is; None where it does not end, or cannot be known to.

    A single line break inside a sentence is white space.

    Args:
        text: from the begin of the sentence on.
        is_all: whether nothing more will come behind it.
    """
    for match in _END.finditer(text):
        so_far, behind = text[: match.end()], text[match.end() :]
        is_end = _is_end(so_far, behind, is_all)
        if is_end is None:
            return None
        if is_end:
            return match.end()
    return None


def _is_end(so_far: str, behind: str, is_all: bool) -> bool | None:
    if so_far.endswith("\n"):
        if _ENDED.search(so_far.split("\n")[-2]):
            return True
        if not is_all and _HALF_LINE.fullmatch(behind):
            return None
        return bool(_LINE.match(behind))
    if _NUMBER.search(so_far):
        if not is_all and not behind.strip(" "):
            return None
        return not re.match(r" *\d", behind)
    return not _NO_END.search(so_far)


def sentences(text: str) -> list[str]:
    """The sentences of a text that is complete."""
    found = []
    while (end := sentence_end(text)) is not None:
        found.append(text[:end])
        text = text[end:]
    return [*found, text]
