"""A photo's defects as nine words, one for each cell of the 3×3 grid of places.

A word is "clean", "reached" (by a defect that lies elsewhere), or how many defects lie in the cell
together with how much of the photo they cover, in levels. The words are ids; in the language model
each of them is a row of the embedding matrix beyond the tokenizer's pieces, so that no user can
type one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from simulation.anomaly import PLACES
from simulation.dialogues.facts import DefectFacts, Facts, severity_of, size_of

Words = tuple[int, ...]  # nine ids in the order of PLACES

COUNTS = ("one", "two", "many")
MANY = len(COUNTS)

# Upper limits of the share of the photo that the defects placed in a cell cover together.
AREA_LIMITS = (0.002, 0.006, 0.015, 0.03, 0.06, 0.12, 0.2, math.inf)
LEVELS = len(AREA_LIMITS)
# Where the open ends of the lowest and the highest level are taken to lie.
_SMALLEST, _LARGEST = 0.001, 0.3

CLEAN, REACHED, _FIRST_PLACED = 0, 1, 2
WORDS: tuple[str, ...] = (
    "clean",
    "reached",
    *(f"{count}-{level}" for count in COUNTS for level in range(LEVELS)),
)

# Rows of the embedding matrix beyond the tokenizer's pieces: image, base prompt, cell words.
EXTRA_ROWS = 2 + len(WORDS)

# Random photos: how many are good, how many defects the others have, how large they are, and how
# often a cell of a level reaches into the one beside it (into one at a corner: that, times 0.4).
_GOOD_SHARE = 0.45
_DEFECT_WEIGHTS = (0.55, 0.2, 0.12, 0.08, 0.05)
_SAME_CELL = 0.15
_LEVEL_WEIGHTS = (0.06, 0.15, 0.18, 0.18, 0.16, 0.13, 0.09, 0.05)
_REACH = (0.01, 0.04, 0.1, 0.18, 0.3, 0.45, 0.6, 0.7)
_CORNER_REACH = 0.4


def image_row(pieces: int) -> int:
    """The row that stands for the image embedding, with so many pieces in the tokenizer."""
    return pieces


def base_row(pieces: int) -> int:
    """The row that stands for each base prompt."""
    return pieces + 1


def cell_row(pieces: int, word: int) -> int:
    """The row of a cell's word."""
    return pieces + 2 + word


def placed_word(count: int, level: int) -> int:
    """The word of a cell with defects.

    Args:
        count: defects placed there, at least 1; three and more are one word.
        level: from 0 to 7.
    """
    return _FIRST_PLACED + (min(count, MANY) - 1) * LEVELS + level


def is_placed(word: int) -> bool:
    """Whether defects lie in a cell with this word."""
    return word >= _FIRST_PLACED


def count_and_level(word: int) -> tuple[int, int]:
    """What `placed_word` was given, the count at most 3."""
    count, level = divmod(word - _FIRST_PLACED, LEVELS)
    return count + 1, level


def level_of(area: float) -> int:
    """The level of a share of the photo, in [0, 1]."""
    return next(level for level, limit in enumerate(AREA_LIMITS) if area < limit)


def area_of(level: int) -> float:
    """The geometric middle of a level."""
    lower = AREA_LIMITS[level - 1] if level else _SMALLEST
    return math.sqrt(lower * min(AREA_LIMITS[level], _LARGEST))


def words_of(facts: Facts) -> Words:
    """The nine words of a photo, in the order of PLACES."""
    words = []
    for place in PLACES:
        areas = [defect.area_fraction for defect in facts.defects if defect.place == place]
        if areas:
            words.append(placed_word(len(areas), level_of(sum(areas))))
        else:
            words.append(REACHED if place in facts.cells else CLEAN)
    return tuple(words)


def facts_of_words(words: Sequence[int]) -> Facts:
    """A photo that has these words.

    Reached cells belong to the defects of all cells beside them, corners included, or else to
    those of the nearest cell. Without any defect no cell is reached.

    Args:
        words: nine ids in the order of PLACES.
    """
    placed = [cell for cell, word in enumerate(words) if is_placed(word)]
    reached: dict[int, set[int]] = {cell: {cell} for cell in placed}
    for cell, word in enumerate(words):
        if word == REACHED and placed:
            beside = [other for other in placed if _is_beside(cell, other)]
            for owner in beside or [min(placed, key=lambda other: _distance(cell, other))]:
                reached[owner].add(cell)
    defects = [
        defect for cell in placed for defect in _defects_of(cell, words[cell], reached[cell])
    ]
    total = min(1.0, sum(defect.area_fraction for defect in defects))
    return Facts((3, 3), tuple(defects), total)


def settled(words: Sequence[int]) -> Words:
    """The words without reached cells that nothing reaches."""
    return words_of(facts_of_words(words))


def random_words(generator: np.random.Generator) -> Words:
    """The words of a random photo, nearly half of them good."""
    if generator.random() < _GOOD_SHARE:
        return (CLEAN,) * len(PLACES)
    count = 1 + int(generator.choice(len(_DEFECT_WEIGHTS), p=_DEFECT_WEIGHTS))
    areas: dict[int, list[float]] = {}
    for _ in range(count):
        cell = int(generator.integers(len(PLACES)))
        if areas and generator.random() < _SAME_CELL:
            cell = list(areas)[int(generator.integers(len(areas)))]
        level = int(generator.choice(LEVELS, p=_LEVEL_WEIGHTS))
        areas.setdefault(cell, []).append(area_of(level))
    levels = {cell: level_of(sum(found)) for cell, found in areas.items()}
    words = [CLEAN] * len(PLACES)
    for cell, level in levels.items():
        words[cell] = placed_word(len(areas[cell]), level)
    for cell in range(len(PLACES)):
        if words[cell] == CLEAN and _is_reached(cell, levels, generator):
            words[cell] = REACHED
    return tuple(words)


def _is_reached(cell: int, levels: dict[int, int], generator: np.random.Generator) -> bool:
    chances = [
        _REACH[level] * (1 if _distance(cell, other) == 1 else _CORNER_REACH)
        for other, level in levels.items()
        if _is_beside(cell, other)
    ]
    return any(generator.random() < chance for chance in chances)


def _is_beside(cell: int, other: int) -> bool:
    return 0 < _distance(cell, other) <= 2


def _distance(cell: int, other: int) -> int:
    """Squared, in cells."""
    (row, column), (other_row, other_column) = divmod(cell, 3), divmod(other, 3)
    return (row - other_row) ** 2 + (column - other_column) ** 2


def _defects_of(cell: int, word: int, reached: set[int]) -> list[DefectFacts]:
    count, level = count_and_level(word)
    area = area_of(level) / count
    defect = DefectFacts(
        place=PLACES[cell],
        cells=tuple(PLACES[other] for other in sorted(reached)),
        area_fraction=area,
        size=size_of(area),
        severity=severity_of(area),
        elongated=False,
        box=(0, 0, 1, 1),
    )
    return [defect] * count
