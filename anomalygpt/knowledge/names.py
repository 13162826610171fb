"""Products by name: which ones a question names, however it spells them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from anomalygpt.knowledge.words import is_telling, singular, words_of

# How sure a product is meant by its name, by its name in another number, by its last word alone.
NAME, OTHER_NUMBER, LAST_WORD = 1.0, 0.85, 0.6


@dataclass(frozen=True)
class Named:
    """Products that a text names.

    Attributes:
        weights: how sure each is meant, in (0, 1].
        words: positions of the words that name them.
    """

    weights: dict[str, float]
    words: frozenset[int]


def same_name(one: str, other: str) -> bool:
    """Whether two names are spelled alike but for case, spaces, signs and a plural."""
    return _key(words_of(one)) == _key(words_of(other)) != ""


def named_in(words: Sequence[str], products: Iterable[str]) -> Named:
    """The products that a text names; the longest names count, and whole ones before parts.

    Args:
        words: of the text, from `words_of`.
        products: names of all products.
    """
    names = {product: words_of(product) for product in products}
    weights: dict[str, float] = {}
    taken: set[int] = set()
    longest = max((len(each) for each in names.values()), default=0) + 1
    for size in range(longest, 0, -1):
        for start in range(len(words) - size + 1):
            place = range(start, start + size)
            if taken.intersection(place):
                continue
            found = _called(words[start : start + size], names)
            if found:
                weights |= found
                taken.update(place)
    if not weights:
        for place_of, word in enumerate(words):
            ends = [name for name, own in names.items() if own and _ends_with(own, word)]
            if ends and is_telling(word):
                weights |= dict.fromkeys(ends, LAST_WORD)
                taken.add(place_of)
    return Named(weights, frozenset(taken))


def _called(words: Sequence[str], names: dict[str, list[str]]) -> dict[str, float]:
    spelled, key = "".join(words), _key(words)
    found = {}
    for product, own in names.items():
        if own and "".join(own) == spelled:
            found[product] = NAME
        elif own and _key(own) == key:
            found[product] = OTHER_NUMBER
    # A question about bottles of a folder that has "bottle" and "bottles" may mean both.
    return found


def _ends_with(name: Sequence[str], word: str) -> bool:
    return len(name) > 1 and singular(name[-1]) == singular(word)


def _key(words: Sequence[str]) -> str:
    return "".join([*words[:-1], singular(words[-1])]) if words else ""
