"""Options against what a map shows: places, numbers and sizes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np

from anomalygpt.constants import LOCATIONS
from anomalygpt.results.inspection import Inspection
from simulation.dialogues.english.reading import places_in
from simulation.dialogues.facts import SIZE_LIMITS

Shares = dict[str, float]

# How far the cell beside counts, in cells of the 3×3 grid.
_REACH = 0.7
# Rows and columns on which the map is added up by cells.
_SIDE = 96

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: number for number, word in enumerate(_WORDS)} | {"zero": 0, "none": 0}
_NUMBERS |= {"single": 1}
_NUMBER = re.compile(rf"\b(\d+|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})\b")
_OPEN = re.compile(r"\b(?:more than|over|several|multiple|many|at least)\b|\bor more\b")
_MANY = re.compile(r"\b(?:several|multiple|many)\b")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*(?:%|percent)")
_SIZE = re.compile(r"\b(very large|very small|tiny|small|medium|moderate|large|big|huge)\b")
_LIKE = {"very small": "tiny", "medium": "medium-sized", "moderate": "medium-sized"}
_LIKE |= {"big": "large", "huge": "very large"}


def cells_of(inspection: Inspection) -> np.ndarray:
    """How a photo's regions are spread over it.

    Args:
        inspection: with a map.

    Returns:
        (9,) shares of the cells of `LOCATIONS`, adding up to 1; all 0 where nothing stands out.
    """
    above = np.clip(inspection.map_at((_SIDE, _SIDE)) - inspection.level, 0.0, None)
    third = _SIDE // 3
    cells = above.reshape(3, third, 3, third).sum(axis=(1, 3)).ravel()
    total = float(cells.sum())
    return cells / total if total > 0 else cells


def place_shares(options: Mapping[str, str], cells: np.ndarray) -> Shares | None:
    """How well each option names where the regions lie.

    Args:
        options: text by letter.
        cells: from `cells_of`.

    Returns:
        Shares that add up to 1; None where fewer than two options name a place, or nothing stands
        out.
    """
    named = {letter: places_in(text.replace("-", " ")) for letter, text in options.items()}
    if sum(map(bool, named.values())) < 2 or not cells.any():
        return None
    return _shares({letter: _fit(places, cells) for letter, places in named.items()})


def _fit(places: set[str], cells: np.ndarray) -> float:
    """How much of the regions lies in or near the places, times how far each place is needed."""
    if not places:
        return 0.0
    near = np.array([_nearness(LOCATIONS.index(place)) for place in sorted(places)])
    covered = float((cells * near.max(axis=0)).sum())
    needed = float((near * (cells / cells.max())).max(axis=1).mean())
    return covered * needed


def _nearness(cell: int) -> np.ndarray:
    """(9,) from 1 in the cell down to nearly 0 in the opposite corner."""
    rows, columns = np.divmod(np.arange(9), 3)
    squared = (rows - cell // 3) ** 2 + (columns - cell % 3) ** 2
    return np.exp(-squared / (2 * _REACH**2))


def count_shares(options: Mapping[str, str], count: int) -> Shares | None:
    """How near each option is to a number of regions; None unless two options name numbers."""
    told = {letter: _distance(text.lower(), count) for letter, text in options.items()}
    if sum(each is not None for each in told.values()) < 2:
        return None
    return _shares({letter: 0.0 if far is None else math.exp(-far) for letter, far in told.items()})


def _distance(text: str, count: int) -> float | None:
    """How far a number is from what an option says; None where it says none."""
    if _MANY.search(text):
        return max(0.0, 2.0 - count)
    numbers = [_number(each) for each in _NUMBER.findall(text)]
    if not numbers:
        return None
    low, high = min(numbers), max(numbers)
    if _OPEN.search(text):
        low, high = low + bool(re.search(r"more than|over", text)), 10**6
    return float(max(low - count, count - high, 0))


def _number(word: str) -> int:
    return int(word) if word.isdigit() else _NUMBERS[word]


def size_shares(options: Mapping[str, str], share: float) -> Shares | None:
    """How near each option is to the share of the photo that the regions cover.

    Args:
        options: text by letter.
        share: in [0, 1].

    Returns:
        Shares that add up to 1; None unless two options name percentages or words for sizes.
    """
    told = {letter: _size(text.lower()) for letter, text in options.items()}
    if sum(each is not None for each in told.values()) < 2:
        return None
    own = math.log(max(share, 1e-5))
    return _shares(
        {
            letter: 0.0 if each is None else math.exp(-abs(math.log(max(each, 1e-5)) - own))
            for letter, each in told.items()
        }
    )


def _size(text: str) -> float | None:
    """The share of a photo that an option speaks of; of a word for a size the middle of what it
    stands for, by `SIZE_LIMITS`."""
    numbers = [float(each) / 100 for each in _PERCENT.findall(text)]
    if numbers:
        return sum(numbers) / len(numbers)
    word = _SIZE.search(text)
    if word is None:
        return None
    names = [name for name, _ in SIZE_LIMITS]
    limits = [0.0005, *(min(limit, 0.8) for _, limit in SIZE_LIMITS)]
    place = names.index(_LIKE.get(word[1], word[1]))  # type: ignore[arg-type]
    return math.sqrt(limits[place] * limits[place + 1])


def _shares(weights: Mapping[str, float]) -> Shares | None:
    total = sum(weights.values())
    if total <= 0:
        return None
    return {letter: weight / total for letter, weight in weights.items()}
