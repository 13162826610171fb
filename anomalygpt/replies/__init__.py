"""Answers to questions about a result, from the result: pure functions, no model.

What a question asks (`questions`, in other languages `languages`; which boxes it names, `boxes`),
what the result says to it (`sentences`, of boxes `box_sentences`), and whether what a small model
says freely is borne out by the result (`support`). For a model that talks: which questions are
open (`routing`), and what it invents (`inventions`, `guard`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anomalygpt.replies import box_sentences, foreign, questions, sentences
from anomalygpt.replies.inventions import Known
from anomalygpt.replies.questions import Asked, understand
from anomalygpt.replies.routing import Route, route
from anomalygpt.replies.support import supports
from anomalygpt.results.inspection import Inspection

__all__ = [
    "Asked",
    "Reply",
    "Route",
    "declined",
    "follow_up",
    "instead_of",
    "is_free",
    "names_box",
    "open_boxes",
    "reply_to",
    "route",
    "supports",
    "understand",
]


@dataclass(frozen=True)
class Reply:
    """An answer from the result.

    Attributes:
        text: for people, in the language of the question where that is known.
        in_english: the same, for the language model that reads the chat.
        question: what the language model reads instead of a question that is not English; None
            for the question as it was asked.
    """

    text: str
    in_english: str
    question: str | None = None


# What a language model may answer in its own words.
_FREE = frozenset(("social", "beyond", "open"))

_IN_ENGLISH = {
    "ok": "Is the part OK?",
    "where": "Where is the defect?",
    "count": "How many defects are there?",
}


def reply_to(
    asked: Sequence[Asked], inspection: Inspection, *, declining: bool = False
) -> Reply | None:
    """The answer that the result gives; None where a language model has to answer.

    Args:
        asked: from `understand`.
        inspection: the result.
        declining: True answers courtesies, and declines what no result can tell, in a sentence;
            False leaves such questions to the language model.
    """
    if not asked or inspection.is_anomalous is None:
        return None
    if asked[0].language != "en":
        return _foreign(asked[0], inspection)
    intents = {each.intent for each in asked}
    if intents <= {"open"} or (not declining and intents & _FREE):
        return None
    text = sentences.join([sentences.ANSWERS[each.intent](each, inspection) for each in asked])
    return Reply(text, text)


def names_box(asked: Sequence[Asked], inspection: Inspection) -> bool:
    """Whether a question is about boxes that exist, so that the next one may point to them."""
    return len(asked) == 1 and bool(_existing(asked[0], inspection))


def open_boxes(asked: Sequence[Asked], inspection: Inspection) -> tuple[int, ...]:
    """The numbers of existing boxes that an open question is about."""
    return _existing(asked[0], inspection) if names_box(asked, inspection) else ()


def follow_up(asked: tuple[Asked, ...], before: Asked, inspection: Inspection) -> tuple[Asked, ...]:
    """A question with "it" or "the other one" as one about the boxes that these mean.

    Args:
        asked: from `understand`.
        before: what was asked last; one for which `names_box` holds.
        inspection: the result.
    """
    boxes = _existing(before, inspection)
    return questions.follow_up(asked, before, boxes, len(inspection.regions))


def _existing(asked: Asked, inspection: Inspection) -> tuple[int, ...]:
    count = len(inspection.regions)
    return tuple(n for n in box_sentences.named(asked, inspection) if 1 <= n <= count)


def is_free(asked: Sequence[Asked]) -> bool:
    """Whether a question asks for something that the result does not tell."""
    return any(each.intent in _FREE for each in asked)


def declined(inspection: Inspection) -> str:
    """What is said instead of an answer that the result does not bear out."""
    return sentences.beyond(Asked("beyond", ""), inspection)


def instead_of(known: Known) -> str:
    """What is said where a model that talks said nothing but inventions.

    The result tells what comes nearest to the question, where it is about boxes, what to do, or a
    text for somebody.
    """
    asked = understand(known.asked)
    if {each.intent for each in asked} <= {"box", "advice", "report"}:
        reply = reply_to(asked, known.inspection, declining=True)
        if reply is not None:
            return reply.text
    return declined(known.inspection)


def _foreign(asked: Asked, inspection: Inspection) -> Reply:
    english = sentences.ANSWERS[asked.intent](Asked(asked.intent, ""), inspection)
    text = foreign.sentences(asked.language, asked.intent, inspection)
    return Reply(text or f"{foreign.SPEAKS_ENGLISH} {english}", english, _IN_ENGLISH[asked.intent])
