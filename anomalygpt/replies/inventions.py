"""What a language model's words say of a photo that its result does not say.

Milder than `support`: what holds for any part may be said in any words. Of this one nothing may
be said but what is known: no place, number or size that the result has not, no kind of damage as
seen that nobody named, and nothing against the verdict.
"""

from __future__ import annotations

import re

from anomalygpt.replies.ends import sentences
from anomalygpt.replies.kinds import claimed_kinds, kinds_in
from anomalygpt.replies.known import Known, places_named
from anomalygpt.replies.measures import boxes_named, wrong_measures
from anomalygpt.replies.support import CLAUSES, LOCAL_FINE, NOT_GOOD, REST, THING
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
_APART = re.compile(r"\b(?:apart from|besides|else|other|further|more)\b")
_FINE = re.compile(
    r"\b(?:part|photo|image|it|everything|all|object|item|piece) (?:is|are|looks?|seems?|appears?)"
    r" (?:(?!not\b)\w+ )?(?:fine|good|ok|undamaged|in order|normal|intact|flawless|perfect"
    r"|acceptable|faultless|conforming)\b"
    r"|\bnothing (?:that |really |at all )?(?:stands|stood) out\b|\bnothing is wrong\b"
    r"|\bnot (?:have|show|contain|see|find|any|an?) (?:(?:any|an?) )?(?:\w+ )?"
    rf"(?:{THING}|issues?)\b|\b(?:no|without|free of) (?:\w+ )?(?:{THING}|issues?)\b"
    r"|\b(?:is|are|looks?|seems?) not (?:\w+ )?(?:damaged|defective|broken|faulty|affected)\b"
    r"|\b(?:it|this|part) is an? (?:good|perfect|flawless) (?:part|one|piece)\b|\bverdict is no\b"
    r"|\bmeets? (?:all |the |your )*(?:requirements?|specifications?|standards?)\b"
    r"|\bfeel free to (?:use|ship|accept|sell|release)\b"
    r"|\b(?:can|may) (?:still )?(?:be (?:used|accepted|shipped|released|sold|passed|delivered)"
    r"|pass|go on)\b|\byou (?:can|may) (?:\w+ )?(?:accept|use|ship|release|sell) (?:it|the|this)\b"
    r"|\bsafe to use\b|\bno action (?:is )?(?:needed|required|necessary)\b"
    r"|\b(?:part|it) passes\b"
)
_DAMAGED = re.compile(
    r"\bstands? out at (?!all)|\bdiffers? at\b|\bdamage at\b|\bverdict is yes\b"
    r"|\b(?:the|this) (?:photo|part) differs\b|\b(?:it|this|part) (?:fails|is (?:\w+ )?bad)$"
    r"|\b(?:it|this|part) (?:(?:must|should) be (?:rejected|scrapped|reworked|repaired)"
    r"|needs (?:\w+ )?(?:rework|repair))\b"
    r"|\b(?:is|are|looks?|seems?) (?:(?!not\b)\w+ )?(?:damaged|defective|broken|faulty)\b"
    r"|\bthere (?:is|are|was|were|seems? to be|appears? to be) "
    rf"(?:(?!no\b|not\b|nothing\b)\w+ ){{0,2}}?{THING}\b"
    r"|\bi (?:see|found|find|detected|marked) (?:(?!no\b|not\b|nothing\b|any\b)\w+ ){0,2}?"
    rf"{THING}"
    rf"|\b(?:has|have|shows?|contains?) (?:(?!no\b|not\b|nothing\b|any\b)\w+ ){{0,2}}?{THING}\b"
    r"|\b(?:part|it|photo|everything|something) (?:is|looks|seems) not (?:fine|ok|good|in order)\b"
    r"|\bsomething (?:is|looks|seems) (?:wrong|odd|unusual|off)\b"
    r"|\b(?:would|should|must) (?:reject|scrap)\b|^(?:reject|scrap) "
)
_HEDGE = re.compile(
    r"\b(?:whether|if|until|unless|before|could|might|suppose|when|nothing|no)\b"
    r"|\bnot (?:\w+ )?(?:say|tell|know|mean|claim|promise)\b|\bwould(?! (?:reject|scrap))\b"
)
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
_OFTEN = "(?:often|usually|mostly|typically|sometimes|commonly|frequently|rarely|generally)"
# Where it came from no photo tells.
_CAUSED = re.compile(
    rf"\bthe (?:root |likely )?cause (?:is|was)\b(?! (?:not|un\w+|hard|difficult|{_OFTEN}))"
    r"|\b(?:it|this|that|damage|defect|anomaly|region) (?:is|was|were|has been) "
    rf"(?:(?!{_OFTEN}\b)\w+ )?caused by\b"
    r"|\b(?:it|part|this) was (?:dropped|mishandled|overloaded|overheated)\b"
    r"|\b(?:operator|supplier|manufacturer) (?:made|sent|damaged|dropped|forgot|used)\b"
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
        if plain(sentence):
            found += _of_sentence(sentence, known)
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
        found += _against(clause, known)
        found += _unhedged(_CAUSED, plain(clause))
    if re.match(r"\W*yes\b", sentence, re.IGNORECASE):
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
        if _APART.search(told):
            return places - {*known.facts.places}
        return places & {*known.facts.cells}
    meant = [each for _, each in known.meant(boxes_named(clause))]
    there = {each.place for each in meant}
    if _REACHES.search(words):
        there |= {cell for each in meant for cell in each.cells}
    return places - there


def _against(clause: str, known: Known) -> list[str]:
    """What a clause says against the verdict."""
    words = plain(clause)
    if known.inspection.is_anomalous:
        pattern = _FINE
        if REST.search(words) or _APART.search(words) or places_named(clause):
            return []
    else:
        pattern = _DAMAGED
    return _unhedged(pattern, words)


def _unhedged(pattern: re.Pattern[str], words: str) -> list[str]:
    return [
        match[0].strip()
        for match in pattern.finditer(words)
        if not _HEDGE.search(words[: match.start()])
    ]


def _affirmed(known: Known) -> list[str]:
    """What "yes" takes over from the question and the result does not say."""
    places = places_named(known.asked) - {*known.facts.cells}
    return [*sorted(places), *wrong_measures(known.asked, known), *kinds_in(known.asked)]
