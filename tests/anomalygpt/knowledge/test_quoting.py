"""What was found, within a budget and as quotations."""

from __future__ import annotations

from anomalygpt.knowledge.passages import Found, Passage
from anomalygpt.knowledge.quoting import NOTHING, quoted, tokens_of, within


def found(text: str, source: str = "a.md", excerpt: str = "") -> Found:
    return Found(Passage(text, "nut", "rust", source), 1.0, excerpt)


def words(text: str) -> int:
    return len(text.split())


def test_as_many_as_fit() -> None:
    """Each has 4 words and 1 of its source."""
    three = [found("One two three four."), found("Five six. Seven eight."), found("Nine.")]
    assert within(three, 100, words) == three
    assert within(three, 12, words) == three
    assert within(three, 10, words) == three[:2]
    cut = within(three, 9, words)
    assert [each.passage.text for each in cut] == ["One two three four.", "Five six."]
    assert cut[1].excerpt == "Five six."
    assert cut[1].passage.source == "a.md"
    assert within(three, 5, words) == three[:1]
    assert within(three, 4, words) == []
    assert within(three, 0, words) == []
    assert within([], 10, words) == []


def test_nothing_is_over_the_budget_by_default() -> None:
    many = [found(f"Sentence {number} about rust. And one more of it.") for number in range(50)]
    for budget in (0, 10, 30, 100, 1000):
        kept = within(many, budget)
        told = "".join(f"“{each.passage.text}” ({each.passage.source})" for each in kept)
        assert tokens_of(told) <= budget
        assert len(kept) <= len(many)
    assert len(within(many, 100)) > len(within(many, 30)) > 0


def test_the_excerpt_is_taken_where_the_beginning_is_too_long() -> None:
    long = "a " * 50 + "end. Dry it."
    (cut,) = within([found(long, excerpt="Dry it.")], 5, words)
    assert cut.passage.text == "Dry it."


def test_quotations() -> None:
    assert quoted([]) == NOTHING
    one = found("Brown\nspots.  All over.", "nut.md, Rust")
    assert quoted([one]) == "“Brown spots. All over.” (nut.md, Rust)"
    assert quoted([found("A long text.", excerpt="Text.")]) == "“Text.” (a.md)"
    assert len(quoted([one, one]).splitlines()) == 2
