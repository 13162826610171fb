"""A question as plain words: lower case, without punctuation, contractions written out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import cache

from simulation.dialogues.english.answers import ANSWERS
from simulation.dialogues.english.phrases import WORDS
from simulation.dialogues.english.questions import QUESTIONS, TOPICS

_NTH = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_REPLACED = (
    (r"[’`´]", "'"),
    (r"\bo\s?\.\s?k\b\.?|\bokay\b|\bokey\b|\boki\b", "ok"),
    (r"\bn\s?[./]\s?g\b\.?|\bn\.?i\.?o\b\.?|\bnok\b", "ng"),
    (r"\b8\s?-?\s?d\b", "8d"),
    (r"\bcan't\b|\bcannot\b", "can not"),
    (r"\bwon't\b", "will not"),
    (r"n't\b", " not"),
    (r"\b(what|where|how|who|which|it|that|there|here|everything|all)'?s\b", r"\1 is"),
    (r"\b(i)'m\b", r"\1 am"),
    (r"\b(you|they|we)'re\b", r"\1 are"),
    (r"\b(wrong|good|bad|fine)w/", r"\1 with "),
    (r"\b(gonna|wanna)\b", "want to"),
    (r"\bteh\b", "the"),
    (r"\bhwo\b", "how"),
    (r"\bu\b", "you"),
    (r"\br\b", "are"),
    (r"\bpls\b|\bplz\b", "please"),
    (r"\b(any|every|some) (thing|where)\b", r"\1\2"),
    (r"%", " percent "),
    (r"#\s?(?=\d)", " number "),
    (r"(?<=\s)-(?=\d)", " minus "),
    *((rf"\b{number}\s?(?:st|nd|rd|th)\b", word) for number, word in enumerate(_NTH, start=1)),
    (r"\b(\d{1,3})\s?(?:st|nd|rd|th)\b", r" number \1 "),
)
_WORD = re.compile(r"8d|\d+(?:\.\d+)?|[^\W\d_]+")
_SENTENCE_ENDS = re.compile(
    r"(?<=[?!;。？！\n])\s*|\.\s+(?=[^\s\d])"
    r"|,? (?:and|but|or|also) (?=(?:where|how|what|which|why|is it|are there|is there|should)\b)",
    re.IGNORECASE,
)

# Shorter words are too alike to be taken for one another.
_SHORTEST_TYPO = 4


def plain(text: str) -> str:
    """The words of a text, one space between them."""
    text = unicodedata.normalize("NFKC", text).lower()
    for pattern, words in _REPLACED:
        text = re.sub(pattern, words, text)
    return " ".join(_WORD.findall(text))


def clauses(question: str) -> list[str]:
    """The single questions and statements of a question, as they were typed."""
    return [part.strip() for part in _SENTENCE_ENDS.split(question) if part.strip(" ,.?!;")]


@cache
def inspection_words() -> frozenset[str]:
    """Every word that the dialogues of `simulation.dialogues` are made of."""
    return asking_words() | frozenset(_WORD.findall(" ".join(TOPICS).lower()))


@cache
def asking_words() -> frozenset[str]:
    """Every word of them, but for what no photo shows."""
    templates = [text for texts in QUESTIONS.values() for text in texts]
    return answer_words() | frozenset(_WORD.findall(" ".join(templates).lower()))


@cache
def answer_words() -> frozenset[str]:
    """Every word that an answer in them may have."""
    templates = [text for cases in ANSWERS.values() for texts in cases.values() for text in texts]
    return frozenset(_WORD.findall(" ".join([*templates, *WORDS.values()]).lower()))


def respelled(text: str, known: Collection[str]) -> str:
    """Plain words with slips of the finger mended: a letter left out, doubled, or swapped with
    its neighbour, the first and last in their places."""
    return " ".join(
        word if len(word) < _SHORTEST_TYPO or word in known else _meant(word, known)
        for word in text.split()
    )


def _meant(word: str, known: Collection[str]) -> str:
    alike = [
        other
        for other in known
        if other[0] == word[0]
        and other[-1] == word[-1]
        and len(other) >= _SHORTEST_TYPO
        and _is_slip(word, other)
    ]
    # Swapped letters come before missing ones, these before doubled ones.
    return min(
        alike, key=lambda other: (abs(len(other) - len(word)), -len(other), other), default=word
    )


def _is_slip(typed: str, meant: str) -> bool:
    if len(typed) == len(meant):
        at = [n for n, (a, b) in enumerate(zip(typed, meant, strict=True)) if a != b]
        return len(at) == 2 and at[1] == at[0] + 1 and typed[at[0]] == meant[at[1]]
    longer, shorter = sorted((typed, meant), key=len, reverse=True)
    if len(longer) != len(shorter) + 1:
        return False
    return any(longer[:n] + longer[n + 1 :] == shorter for n in range(len(longer)))
