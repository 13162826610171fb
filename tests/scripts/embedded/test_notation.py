"""Nine words for a photo's defects."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded.notation import (
    AREA_LIMITS,
    CLEAN,
    EXTRA_ROWS,
    LEVELS,
    REACHED,
    WORDS,
    area_of,
    base_row,
    cell_row,
    count_and_level,
    facts_of_words,
    image_row,
    is_placed,
    level_of,
    placed_word,
    random_words,
    settled,
    words_of,
)
from simulation import find_defects
from simulation.anomaly import PLACES
from simulation.dialogues import facts_of

NINE_WORDS = st.tuples(*[st.integers(0, len(WORDS) - 1)] * 9)
GOOD = (CLEAN,) * 9


@given(NINE_WORDS.filter(lambda words: any(map(is_placed, words)) or words == GOOD))
def test_words_become_facts_and_the_same_words_again(words: tuple[int, ...]) -> None:
    facts = facts_of_words(words)

    assert words_of(facts) == words
    assert facts_of_words(words_of(facts)) == facts
    assert facts.places == tuple(
        place for place, word in zip(PLACES, words, strict=True) if is_placed(word)
    )


@given(NINE_WORDS)
def test_settled_words_stay(words: tuple[int, ...]) -> None:
    assert settled(settled(words)) == settled(words)


def test_there_are_26_words_and_a_row_for_each() -> None:
    assert len(set(WORDS)) == 26
    rows = [image_row(100), base_row(100), *(cell_row(100, word) for word in range(26))]
    assert rows == list(range(100, 100 + EXTRA_ROWS))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("level", range(LEVELS))
def test_a_word_says_count_and_level(count: int, level: int) -> None:
    word = placed_word(count, level)

    assert WORDS[word] == f"{('one', 'two', 'many')[count - 1]}-{level}"
    assert count_and_level(word) == (count, level)
    assert level_of(area_of(level)) == level


def test_a_limit_belongs_to_the_level_above() -> None:
    assert [level_of(limit) for limit in AREA_LIMITS[:-1]] == list(range(1, LEVELS))


def test_reached_cells_belong_to_the_cells_beside_them_or_to_the_nearest() -> None:
    words = [CLEAN] * 9
    words[0], words[1], words[8] = placed_word(1, 3), REACHED, REACHED

    [defect] = facts_of_words(words).defects

    assert defect.cells == ("top left", "top", "bottom right")


def test_without_a_defect_no_cell_is_reached() -> None:
    assert facts_of_words((REACHED,) * 9).count == 0
    assert settled((REACHED,) * 9) == GOOD


def test_words_of_masks() -> None:
    mask = np.zeros((90, 90), bool)
    mask[5:15, 20:35] = True  # mostly top left, into the top
    mask[70:72, 70:72] = True

    words = words_of(facts_of(find_defects(mask), mask.shape))

    assert [WORDS[word] for word in words] == [
        *("one-3", "reached", "clean", "clean", "clean", "clean", "clean", "clean", "one-0"),
    ]


def test_random_words_are_valid_and_varied() -> None:
    generator = np.random.default_rng(0)
    drawn = [random_words(generator) for _ in range(2000)]

    assert all(settled(words) == words for words in drawn)
    assert 0.4 < sum(words == GOOD for words in drawn) / len(drawn) < 0.5
    seen = Counter(word for words in drawn for word in words)
    assert set(seen) >= set(range(2 + LEVELS)) | {placed_word(3, 5)}
