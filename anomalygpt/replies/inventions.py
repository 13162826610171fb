"""What a language model's words say of a photo that its result does not say.

Milder than `support`: what holds for any part may be said in any words. Of this one nothing may
be said but what is known: no place, number or size that the result has not, no kind of damage as
seen that nobody named, no cause as a fact, and nothing against the verdict.

It goes by words: many invented sentences are found, and an odd wording of a false one can pass.
"""

from __future__ import annotations

import re

from anomalygpt.replies.claims import APART, against_verdict, claimed_causes
from anomalygpt.replies.ends import sentences
from anomalygpt.replies.fields import read_fields
from anomalygpt.replies.kinds import bare_kinds, claimed_kinds, kinds_in
from anomalygpt.replies.known import Known, places_named
from anomalygpt.replies.measures import boxes_named, wrong_measures
from anomalygpt.replies.support import CLAUSES, LOCAL_FINE, NOT_GOOD, THING
from anomalygpt.replies.words import plain

__all__ = ["Known", "inventions"]

# The number of a line in a list counts nothing.
_MARKER = re.compile(r"^\s*(?:\d{1,2}[.)]|[-*•]|#+)\s+")
_UNKNOWN = re.compile(
    r"\b(?:can|could|do|does|did) not (?:\w+ )?(?:tell|say|know|show|see)\b"
    r"|\bwhether\b|\bif\b"
)
# Neither calls a place fine: what it is compared with, and what it is to become.
_NOT_OF_THIS = re.compile(
    r"\bgood (?:parts?|ones?|pieces?|light|photos?)\b"
    r"|\bclean(?= (?:the|it|this|that)\b|.*\bphoto\b)"
)
_NOTHING = re.compile(
    r"\b(?:no|not|any|nothing|never|without|neither)\b(?: \w+){0,4}?"
    rf" (?:{THING}|wrong|unusual|damaged|affected|marked|region|box|scratch\w*|cracks?|dents?"
    r"|stains?|holes?|burrs?|chips?|bubbles?)\b|\bmarked nothing\b|\bnothing\b"
)
_BESIDE = re.compile(r",? and (?=(?:box|region) )", re.IGNORECASE)
_REACHES = re.compile(r"\b(?:reach\w*|extend\w*|spread\w*|into|affected)\b")
_LOCATED = re.compile(
    r"\b(?:stands? out|differs?|lies?|located|damaged?|defect|anomaly|visible|seen|regions?|marks?)"
    r"(?: (?:is|are|lies?|sits?|found))? (?:on|at|in|near|along|around) the (\w+(?: \w+)?)"
    r"|\bthe (\w+) (?:is|are|looks?) (?:\w+ )?(?:damaged|defective|faulty|affected)\b"
)
_NO_PLACE = re.compile(
    r"\b(?:photo|image|picture|part|surface|same|map|table|list|result|places?|regions?|box(?:es)?"
    r"|areas?|rest|whole|piece|item|object|good|comparison|material|very|upper|lower|middle|center"
    r"|centre|left|right|top|bottom|spots?|marked|product|unit"
    r"|one)\b"
)

_AGREES = re.compile(
    r"\W*(?:yes|yeah|yep|exactly|indeed|absolutely|definitely|(?:right|correct|true|agreed)"
    r"(?=\s*(?:[,.!]|$))|(?:that|this|it|you)(?: is| are|'s|’s|'re|’re) (?:\w+ )?(?:right|correct"
    r"|true|so)(?=\s*(?:[,.!]|$)))\b",
    re.IGNORECASE,
)


def inventions(text: str, known: Known) -> list[str]:
    """What sentences say of the photo that is not known, in their words; [] for none.

    Args:
        text: the language model's.
        known: the result and what was said before.
    """
    found: list[str] = []
    for each in sentences(text):
        sentence = " ".join(_MARKER.sub("", each).split())
        if not plain(sentence):
            continue
        found += _of_sentence(sentence, known)
        for told in read_fields(sentence):
            found += _of_sentence(told, known)
        if not _MARKER.match(each):
            found += bare_kinds(sentence, known)
    return found


def _of_sentence(sentence: str, known: Known) -> list[str]:
    found: list[str] = []
    clauses = _clauses(sentence)
    for clause in clauses:
        found += sorted(_wrong_places(clause, known))
    for clause in clauses:
        found += wrong_measures(clause, known)
    found += claimed_kinds(sentence, known)
    for clause in clauses:
        found += against_verdict(clause, known)
        found += claimed_causes(clause, known)
    if _AGREES.match(sentence):
        found += _affirmed(known)
    return found


def _clauses(sentence: str) -> list[str]:
    """Parts that stand for themselves: also "box 1 at the left and box 2 at the right"."""
    found: list[str] = []
    for clause in CLAUSES.split(sentence):
        parts = _BESIDE.split(clause)
        found += parts if all(places_named(part) for part in parts) else [clause]
    return [each for each in found if plain(each)]


def _wrong_places(clause: str, known: Known) -> set[str]:
    """Places where the result has nothing, and places called fine where it has something."""
    clause = known.without_names(clause)
    places, words = places_named(clause), plain(clause)
    if not places:
        found = [] if _UNKNOWN.search(words) else _LOCATED.findall(words)
        located = {each for both in found for each in both if each}
        said = " ".join(known.said)
        return {each for each in located if not _NO_PLACE.search(each) and each not in said}
    told = _NOT_OF_THIS.sub(" ", _UNKNOWN.sub(" ", words))
    denies = _NOTHING.search(told) or LOCAL_FINE.search(told)
    if denies and not NOT_GOOD.search(told):
        if APART.search(told):
            return places - {*known.facts.places}
        return places & {*known.facts.cells}
    meant = [each for _, each in known.meant(boxes_named(clause))]
    there = {each.place for each in meant}
    if _REACHES.search(words):
        there |= {cell for each in meant for cell in each.cells}
    return places - there


def _affirmed(known: Known) -> list[str]:
    """What "yes" or "exactly" takes over from the question and the result does not say."""
    places = places_named(known.asked) - {*known.facts.cells}
    verdicts = [each for part in _clauses(known.asked) for each in against_verdict(part, known)]
    measures = wrong_measures(known.asked, known)
    return [*sorted(places), *measures, *kinds_in(known.asked), *verdicts]
