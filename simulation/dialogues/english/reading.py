"""What an answer in English says: the places it names, and how many defects."""

from __future__ import annotations

import re

from simulation.anomaly import PLACES

# In this order: "upper middle" becomes "top center" and then "top".
_OTHER_NAMES = (
    ("upper", "top"),
    ("lower", "bottom"),
    ("(?:middle|centre)", "center"),
    ("(top|bottom) center", r"\1"),
    ("center (left|right)", r"\1"),
)

_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBER = re.compile(rf"\b(\d+|{'|'.join(_NUMBERS)})\b(?!\.?\d*\s*(?:percent|%))")


def places_in(answer: str) -> set[str]:
    """The cells of the 3×3 grid that an answer names, also by the other names that the rich
    dialogues have for them."""
    text = answer.lower()
    for other, name in _OTHER_NAMES:
        text = re.sub(rf"\b{other}\b", name, text)
    # The longest first: "top left" is not also "top".
    places = sorted(PLACES, key=len, reverse=True)
    return set(re.findall(rf"\b(?:{'|'.join(places)})\b", text))


def count_in(answer: str) -> int:
    """How many defects an answer to whether something is wrong speaks of."""
    if answer.startswith("No"):
        return 0
    found = _NUMBER.search(answer)
    if found is None:
        return 1
    return int(found[1]) if found[1].isdigit() else 2 + _NUMBERS.index(found[1])
