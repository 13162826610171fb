"""Which part of the photo a question names: cells of the 3×3 grid, as people mean them."""

from __future__ import annotations

import re
from typing import NamedTuple

from anomalygpt.constants import LOCATIONS

_ROWS = {"top": 0, "upper": 0, "bottom": 2, "lower": 2}
_COLUMNS = {"left": 0, "right": 2}
_MIDDLE = "(?:center|centre|middle|central)"
_ROW, _SIDE = "(?:top|upper|bottom|lower)", "(?:left|right)"
_ANY = f"(?:{_ROW}|{_SIDE}|{_MIDDLE})"
_PART = "(?:side|half|third|edge|border|corner|end|row|column|margin|rim|area|region|section)"

# "the right part" is a place only where something lies on or at it.
_OTHER_RIGHTS = (
    "(?! (?:one|thing|part|photo|answer|product|picture|image|reference|model|decision|choice"
    "|place|spot|way|size|word|now|away|over|of the)\\b)"
)
_PLACES = (
    re.compile(rf"\b(?P<a>{_ROW}|{_MIDDLE}) (?:hand )?(?P<b>{_SIDE}|{_MIDDLE})\b"),
    re.compile(rf"\b(?P<a>{_SIDE}|{_MIDDLE}) (?:hand )?(?P<b>{_ROW}|{_MIDDLE})\b"),
    re.compile(rf"\b(?P<a>{_ANY}) (?:hand )?{_PART}\b"),
    re.compile(rf"\b(?:on|at|in|to|near) the (?:very |far )?(?P<a>{_ANY})\b{_OTHER_RIGHTS}"),
    re.compile(rf"\b(?:on|at|in|to|near) the (?:very |far )?(?P<a>{_ANY}) part\b"),
    re.compile(rf"\bthe (?P<a>{_ROW}|{_MIDDLE}) part\b"),
    re.compile(rf"\bthe (?:very |far )?(?P<a>{_ANY})\b{_OTHER_RIGHTS}"),
    re.compile(rf"^(?:and |or |what about |how about )?(?P<a>{_ANY})$"),
)


class Place(NamedTuple):
    """A part of the photo that somebody named.

    Attributes:
        name: in their words, as it follows "the".
        cells: of the 3×3 grid, out of `constants.LOCATIONS`.
    """

    name: str
    cells: tuple[str, ...]


def place_in(words: str) -> Place | None:
    """The first place that plain words name; None where they name none."""
    for pattern in _PLACES:
        if found := pattern.search(words):
            parts = found.groupdict()
            named = [part for part in (parts.get("a"), parts.get("b")) if part]
            if named == ["right"] and words == "right":
                return None  # "right?" asks whether it is so
            return Place(" ".join(named), _cells(named))
    return None


def _cells(named: list[str]) -> tuple[str, ...]:
    """ "top left" is one cell, "the top" all three of its row, "the center" the one."""
    row = next((_ROWS[word] for word in named if word in _ROWS), None)
    column = next((_COLUMNS[word] for word in named if word in _COLUMNS), None)
    if len(named) > 1 or (row is None and column is None):
        row, column = (1 if number is None else number for number in (row, column))
    rows = range(3) if row is None else (row,)
    columns = range(3) if column is None else (column,)
    return tuple(LOCATIONS[3 * r + c] for r in rows for c in columns)
