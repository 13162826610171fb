"""Whether a result bears out what a language model says freely about it."""

from __future__ import annotations

import re

from anomalygpt.replies.facts import facts_of_inspection
from anomalygpt.replies.words import answer_words, plain
from anomalygpt.results.inspection import Inspection
from simulation.anomaly import PLACES
from simulation.dialogues.facts import SEVERITY_LIMITS, SIZE_LIMITS

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
# Words for what is measured; the templates of answers have braces in their place.
_MEASURES = [*PLACES, *(word for word, _ in SIZE_LIMITS), *(word for word, _ in SEVERITY_LIMITS)]
_MEASURED = frozenset(_NUMBERS) | frozenset(plain(" ".join(_MEASURES)).split())
_MEASURED |= {"upper", "lower", "middle", "centre"}
_NAMES = (
    ("upper", "top"),
    ("lower", "bottom"),
    ("(?:middle|centre)", "center"),
    ("(top|bottom) center", r"\1"),
    ("center (left|right)", r"\1"),
)
_PLACE = re.compile(rf"\b(?:{'|'.join(sorted(PLACES, key=len, reverse=True))})\b")

_THING = "(?:defects?|damages?|anomal(?:y|ies)|flaws?|faults?|irregularit(?:y|ies)|problems?)"
_DENIED = re.compile(
    rf"\b(?:no|not|any|without|never|nothing)\b(?: \w+){{0,3}}? (?:{_THING}|wrong|unusual|damaged)"
)
_FINE = re.compile(
    r"\b(?:part|photo|image|it|everything|all|object|item|piece) (?:is|looks|seems) (?:\w+ )?"
    r"(?:fine|ok|undamaged|normal|good|clean|in order)\b|\ball fine\b|\baccept\b"
)
_DAMAGED = re.compile(rf"\b(?:{_THING}|damaged|broken|defective|affected|reject|rework)\b")
# Of itself, not of the photo: "ask me whether something is wrong".
_OFFER = re.compile(
    r"\b(?:ask me|i can tell|i look for|i am an|i mark|tell you|i inspect|show me)\b"
)


def supports(inspection: Inspection, answer: str) -> bool:
    """Whether every word of an answer is one that results have, and no claim of it differs from
    the verdict, the places and the number of regions.

    Args:
        inspection: one with a verdict.
        answer: the language model's words.
    """
    words = plain(answer)
    if not words or not {*words.split()} <= answer_words() | _MEASURED | _digits(words):
        return False
    claims = [
        plain(sentence)
        for sentence in re.split(r"(?<=[.!?])\s+", answer)
        if not _OFFER.search(plain(sentence))
    ]
    return all(_is_true(claim, inspection) for claim in claims)


def _digits(words: str) -> set[str]:
    return {word for word in words.split() if word.isdigit()}


def _is_true(claim: str, inspection: Inspection) -> bool:
    facts = facts_of_inspection(inspection)
    if not _places(claim) <= {*facts.cells}:
        return False
    if any(number != len(inspection.regions) for number in _stated(claim)):
        return False
    denies = bool(_DENIED.search(claim) or _FINE.search(claim))
    if claim.split()[:1] in (["yes"], ["no"]):
        return (claim.split()[0] == "yes") is inspection.is_anomalous
    if inspection.is_anomalous:
        return not denies
    return denies or not _DAMAGED.search(claim)


def _places(claim: str) -> set[str]:
    for other, name in _NAMES:
        claim = re.sub(rf"\b{other}\b", name, claim)
    return set(_PLACE.findall(claim))


def _stated(claim: str) -> list[int]:
    """Numbers in a claim; "one" is as often a word for the thing itself."""
    words = [word for word in claim.split() if word != "one"]
    return [int(word) for word in words if word.isdigit()] + [
        _NUMBERS.index(word) for word in words if word in _NUMBERS
    ]
