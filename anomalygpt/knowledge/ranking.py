"""Which passages answer a question, and whether any does.

Three things decide: the products that the question names, or that are given; its telling words,
each with other words for the same, by BM25; and what it asks for: a normal part, which kinds of
damage there are, a cause, or what to do. Where too few of the telling words are covered, nothing is
known about the question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from anomalygpt.knowledge import words as asked
from anomalygpt.knowledge.index import Index
from anomalygpt.knowledge.names import LAST_WORD, Named, named_in, same_name
from anomalygpt.knowledge.passages import Passage

# How much another word for the same counts beside the word itself.
OTHER_WORD = 0.6
# Share of the telling words that a passage must cover, where the product is known and where not.
LEAST_COVERED, LEAST_WITHOUT_PRODUCT = 0.3, 0.6
# Telling words of a question that are looked at.
MOST_WORDS = 60
# What a passage gains that speaks of what is asked for, and loses otherwise; a word that only one
# of ten passages has, and only once, counts 2.4.
FITS, UNFIT = 6.0, 1.0
TELLS = 0.5
# How much passages count that are about no product, where one is asked about.
IN_GENERAL = 0.5


@dataclass(frozen=True)
class Question:
    """What a question asks for.

    Attributes:
        groups: for each telling word, itself and other words for the same.
        scope: numbers of the passages that it may be about, and how sure that is, in (0, 1].
        is_named: whether the product is given or named.
        has_product: whether the product is known: it is named, or there is only one.
        normal, cause, remedy, every: what it asks for.
        open: whether normal parts and damaged ones are as likely to be meant.
        needed: words of which a passage must have one; none for most questions.
    """

    groups: tuple[tuple[str, frozenset[str]], ...]
    scope: dict[int, float]
    is_named: bool
    has_product: bool
    normal: bool
    cause: bool
    remedy: bool
    every: bool
    open: bool
    needed: tuple[str, ...]


def understood(question: str, index: Index, product: str | None) -> Question:
    """Take a question apart.

    Args:
        question: as it was typed.
        index: of the passages.
        product: what it is about; a question that names another one alone is about nothing here.
            None reads it off the question.
    """
    words = asked.words_of(question)
    products = {each.product for each in index.passages.values() if each.product}
    named = named_in(words, products)
    names_another = False
    if product is not None:
        meant = {name: 1.0 for name in products if same_name(name, product)}
        # What the question calls the given product is no word to search for.
        own = named_in(words, [product, *meant])
        inside = set(asked.words_of(product))
        names_another = not own.weights and any(
            weight > LAST_WORD and not inside.issuperset(asked.words_of(name))
            for name, weight in named.weights.items()
        )
        named = Named(meant, own.words)
    telling = [
        word
        for place, word in enumerate(words)
        if place not in named.words and asked.is_telling(word) and word not in asked.intent_words()
    ]
    telling += asked.phrases_in(question)
    is_named = bool(named.weights) or product is not None
    if not is_named and len(products) == 1:
        named = Named(dict.fromkeys(products, 1.0), frozenset())
    normal = asked.asks_normal(question)
    # "Is a scratched one still fine?" asks about the scratch, "is it normal that …" about both.
    is_open = normal and asked.asks_yes_no(question) and bool(telling)
    return Question(
        tuple((word, asked.alike(word)) for word in list(dict.fromkeys(telling))[:MOST_WORDS]),
        {} if names_another else _scope(index, named, is_named),
        is_named,
        is_named or len(products) == 1,
        normal and not is_open,
        asked.asks_cause(question),
        asked.asks_remedy(question),
        asked.asks_all(question) and not normal,
        is_open,
        asked.must_have(question),
    )


def _scope(index: Index, named: Named, is_named: bool) -> dict[int, float]:
    if not named.weights and not is_named:
        return dict.fromkeys(index.passages, 1.0)
    scope = {}
    for number, passage in index.passages.items():
        if passage.product is None:
            scope[number] = IN_GENERAL
        elif weight := named.weights.get(passage.product):
            scope[number] = weight
    return scope


def ranked(question: Question, index: Index) -> list[tuple[int, float]]:
    """Passages that answer the question, the best first; empty where nothing covers it."""
    scores = dict.fromkeys(question.scope, 0.0)
    covered: dict[int, int] = {}
    unknown = 0
    for word, others in question.groups:
        own = index.matches([word])
        other = index.matches(others)
        unknown += not own and not other
        both = {
            number: max(own.get(number, 0.0), OTHER_WORD * other.get(number, 0.0))
            for number in scores.keys() & (own.keys() | other.keys())
        }
        for number, score in both.items():
            scores[number] += score
            covered[number] = covered.get(number, 0) + 1
    found = [
        (number, question.scope[number] * (score + _fit(question, index.passages[number])))
        for number, score in scores.items()
        if _answers(question, index, number, covered.get(number, 0), unknown)
    ]
    found.sort(key=lambda each: (-each[1], each[0]))
    return found


def _answers(question: Question, index: Index, number: int, covered: int, unknown: int) -> bool:
    """Whether a passage covers enough of what is asked for.

    Args:
        covered: telling words that it has.
        unknown: telling words that no passage has.
    """
    passage = index.passages[number]
    if question.needed and set(asked.words_of(passage.text)).isdisjoint(question.needed):
        return False
    if not covered and passage.product is None:
        return False
    telling = len(question.groups)
    if not telling:
        return question.has_product and _fits_intents(question, passage)
    if not question.is_named:
        # A word that is nowhere is often what the question is about: another product.
        return covered >= LEAST_WITHOUT_PRODUCT * (telling + unknown)
    # Who asks for a normal part, or for all kinds of damage, is answered by their passages also
    # where no other word of the question is in them.
    plain = [says_normal(passage)] * question.normal + [says_all(passage)] * question.every
    return covered + sum(plain) >= LEAST_COVERED * (telling + len(plain))


def _fits_intents(question: Question, passage: Passage) -> bool:
    """Whether a passage speaks of all that is asked for, where no other word tells what."""
    return (
        (not question.normal or says_normal(passage))
        and (not question.every or not says_normal(passage))
        and (not question.cause or tells_cause(passage))
        and (not question.remedy or tells_remedy(passage))
    )


def _fit(question: Question, passage: Passage) -> float:
    fit = 0.0
    if question.normal:
        fit += FITS if says_normal(passage) else 0.0
    elif says_normal(passage) and not question.open:
        fit -= UNFIT
    if question.every and says_all(passage):
        fit += FITS
    # Of several headings of one kind of damage, the one that says what it is.
    if not (question.cause or question.remedy) and passage.kind and not _is_beside(passage):
        fit += TELLS
    fit += TELLS * (question.cause and tells_cause(passage))
    fit += FITS * (question.cause and _under(passage, asked.SAYS_CAUSE))
    fit += TELLS * (question.remedy and tells_remedy(passage))
    fit += FITS * (question.remedy and _under(passage, asked.SAYS_REMEDY))
    return fit


def _is_beside(passage: Passage) -> bool:
    return _under(passage, asked.SAYS_CAUSE) or _under(passage, asked.SAYS_REMEDY)


def says_normal(passage: Passage) -> bool:
    """Whether a passage tells how a part should be."""
    return any(asked.SAYS_NORMAL.search(part) for part in _parts(passage))


def says_all(passage: Passage) -> bool:
    """Whether a passage tells which kinds of damage there are."""
    return any(asked.SAYS_ALL.search(part) for part in _parts(passage))


def tells_cause(passage: Passage) -> bool:
    """Whether a passage speaks of causes."""
    return _under(passage, asked.SAYS_CAUSE) or bool(asked.TELLS_CAUSE.search(passage.text))


def tells_remedy(passage: Passage) -> bool:
    """Whether a passage says what to do."""
    return _under(passage, asked.SAYS_REMEDY) or bool(asked.TELLS_REMEDY.search(passage.text))


def _parts(passage: Passage) -> list[str]:
    return [part.replace("_", " ") for part in (passage.kind or "").split(" / ")] + [passage.title]


def _under(passage: Passage, pattern: re.Pattern[str]) -> bool:
    return any(pattern.search(part) for part in _parts(passage))
