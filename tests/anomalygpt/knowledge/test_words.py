"""What a question asks for."""

from __future__ import annotations

import pytest

from anomalygpt.knowledge import words


@pytest.mark.parametrize(
    ("question", "normal", "cause", "remedy", "every"),
    [
        ("How does a good one look?", True, False, False, False),
        ("What should this part look like?", True, False, False, False),
        ("Describe it without any faults", True, False, False, False),
        ("There are fine lines on it", False, False, False, False),
        ("I look at it in order to sort it out", False, False, False, False),
        ("What causes it?", False, True, False, False),
        ("Why is there a hole?", False, True, False, False),
        ("Where does this come from?", False, True, False, False),
        ("What should I do?", False, False, True, False),
        ("how do we handle that", False, False, True, False),
        ("How can this be prevented, and what is the reason?", False, True, True, False),
        ("Which defects are there?", False, False, False, True),
        ("What can go wrong with it?", False, False, False, True),
        ("Where is it?", False, False, False, False),
    ],
)
def test_intents(question: str, normal: bool, cause: bool, remedy: bool, every: bool) -> None:
    assert words.asks_normal(question) is normal
    assert words.asks_cause(question) is cause
    assert words.asks_remedy(question) is remedy
    assert words.asks_all(question) is every


def test_words_in_one_spelling() -> None:
    assert words.words_of("A broken Tooth is COLOURED grey") == [
        *("a", "break", "teeth", "is", "color", "gray")
    ]


def test_other_words_for_the_same() -> None:
    assert "scuff" in words.alike("scratched")
    assert "scratch" in words.alike("lines")
    assert "line" not in words.alike("scratch")
    assert words.alike("weather") == frozenset()
    assert words.phrases_in("There are too few of them") == ["missing"]


def test_only_telling_words_count() -> None:
    told = [word for word in words.words_of("What is that hole on my part?") if word]
    assert [word for word in told if words.is_telling(word)] == ["hole"]
