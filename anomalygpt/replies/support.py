"""Whether a result bears out what a language model says freely about it.

Each clause stands for itself: one that names a place, a number or a size must name those of the
regions, and one that calls a place fine must name a place that no region reaches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from anomalygpt.replies.facts import facts_of_inspection
from anomalygpt.replies.words import answer_words, plain
from anomalygpt.results.inspection import Inspection
from simulation.anomaly import PLACES
from simulation.dialogues import Facts
from simulation.dialogues.facts import SEVERITY_LIMITS, SIZE_LIMITS

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SIZES = tuple(plain(word) for word, _ in SIZE_LIMITS)
_SEVERITIES = tuple(word for word, _ in SEVERITY_LIMITS)
# Words for what is measured; the templates of answers have braces in their place.
_MEASURED = frozenset(NUMBERS)
_MEASURED |= frozenset(plain(" ".join([*PLACES, *_SIZES, *_SEVERITIES])).split())
_MEASURED |= {"upper", "lower", "middle", "centre", "box", "boxes"}
NAMES = (
    ("upper", "top"),
    ("lower", "bottom"),
    ("(?:middle|centre)", "center"),
    ("(top|bottom) center", r"\1"),
    ("center (left|right)", r"\1"),
)


def _any_of(words: tuple[str, ...]) -> re.Pattern[str]:
    """The longest first: "very large" before "large"."""
    return re.compile(rf"\b(?:{'|'.join(sorted(words, key=len, reverse=True))})\b")


_PLACE, SIZE, SEVERITY = map(_any_of, (PLACES, _SIZES, _SEVERITIES))

THING = "(?:defects?|damages?|anomal(?:y|ies)|flaws?|faults?|irregularit(?:y|ies)|problems?)"
_ONE = (
    "(?:defect|anomaly|flaw|fault|irregularity|region|box|scratch|crack|hole|stain|dent|chip"
    "|(?:damaged )?(?:spot|place|area))"
)
_MANY = (
    "(?:defects|anomalies|flaws|faults|irregularities|regions|boxes|scratches|cracks|holes|stains"
    "|dents|chips|(?:damaged )?(?:spots|places|areas))"
)
DENIED = re.compile(
    rf"\b(?:no|not|any|without|never|nothing|free of)\b(?: \w+){{0,3}}?"
    rf" (?:{THING}|wrong|unusual|damaged|affected)|\bfree of (?:\w+ )?{THING}"
)
GOOD = r"(?:fine|ok|undamaged|normal|good|clean|intact|in order)\b"
_FINE = re.compile(
    r"\b(?:part|photo|image|it|everything|all|object|item|piece) (?:is|looks|seems) (?:\w+ )?"
    rf"{GOOD}|\ball fine\b|\baccept\b"
)
NOT_GOOD = re.compile(rf"\bnot (?:\w+ )?{GOOD}")
LOCAL_FINE = re.compile(rf"\b{GOOD}|\bnot (?:at|in|on) the\b|\bnothing\b")
_DAMAGED = re.compile(rf"\b(?:{THING}|damaged|broken|defective|affected|reject|rework)\b")
REST = re.compile(r"\b(?:rest|elsewhere|otherwise|(?:every|any)where else|everything else)\b")
ALL_OVER = re.compile(
    r"\b(?:everywhere|all over|(?:whole|entire) (?:part|photo|image|object|item|piece|surface))\b"
)
# Of itself, not of the photo: "ask me whether something is wrong".
_OFFER = re.compile(
    r"\b(?:ask me|i can tell|i look for|i am an|i mark|tell you|i inspect|show me)\b"
)
CLAUSES = re.compile(r"[;:]\s|,? (?=\b(?:but|while|whereas|although|though|except)\b)")

_SHARE = re.compile(
    r"\b(\d+(?:\.\d+)?|zero|one|two|three|four|five|six|seven|eight|nine|ten)"
    r" (?:percent|per cent)\b"
)
_SINGLE = re.compile(
    rf"\b(?:an?|one|single|only|just) (?:(?!of\b|the\b)\w+ ){{0,3}}?{_ONE}\b"
    r"|\b(?:only|just|exactly|single) one\b|^one$"
)
_SEVERAL = re.compile(rf"\b(?:{_MANY}|several|multiple|both|couple)\b")


def supports(inspection: Inspection, answer: str) -> bool:
    """Whether every word of an answer is one that results have, and no claim of it differs from
    the verdict, the places, the number and the sizes of the regions.

    Args:
        inspection: one with a verdict.
        answer: the language model's words.
    """
    words = plain(answer)
    if not words or not {*words.split()} <= answer_words() | _MEASURED | _digits(words):
        return False
    facts = facts_of_inspection(inspection)
    return all(_is_true(claim, inspection, facts) for claim in _claims(answer))


def _claims(answer: str) -> Iterator[str]:
    for sentence in re.split(r"(?<=[.!?])\s+", answer):
        if _OFFER.search(plain(sentence)):
            continue
        for clause in CLAUSES.split(sentence):
            if claim := plain(clause):
                yield claim


def _digits(words: str) -> set[str]:
    return {word for word in words.split() if re.fullmatch(r"\d+(?:\.\d+)?", word)}


def _is_true(claim: str, inspection: Inspection, facts: Facts) -> bool:
    for other, name in NAMES:
        claim = re.sub(rf"\b{other}\b", name, claim)
    places = set(_PLACE.findall(claim))
    denies = bool(DENIED.search(claim) or _FINE.search(claim)) and not NOT_GOOD.search(claim)
    is_local = bool(places or REST.search(claim))
    if is_local and not NOT_GOOD.search(claim):
        denies = denies or bool(LOCAL_FINE.search(claim))
    if places and not (places.isdisjoint(facts.cells) if denies else places <= {*facts.places}):
        return False
    # One clause says one thing: what it calls damaged beside what it denies is not followed.
    if denies and _DAMAGED.search(DENIED.sub(" ", claim)):
        return False
    if not denies and not _is_measured(claim, places, facts):
        return False
    if claim.split()[:1] in (["yes"], ["no"]):
        return (claim.split()[0] == "yes") is inspection.is_anomalous
    if inspection.is_anomalous:
        # One place, or all that is left, may be fine where others are not.
        return not denies or (is_local and not _FINE.search(claim))
    return denies or not (_DAMAGED.search(claim) or NOT_GOOD.search(claim) or places)


def _is_measured(claim: str, places: set[str], facts: Facts) -> bool:
    """Whether the numbers and sizes of a claim about damage are those of the regions."""
    if facts.count and ALL_OVER.search(claim):
        return False
    shares = [*(each.area_fraction for each in facts.defects), facts.total_fraction]
    if not all(_is_share(text, shares) for text in _SHARE.findall(claim)):
        return False
    if any(number != facts.count for number in _stated(_SHARE.sub(" ", claim))):
        return False
    if _SEVERAL.search(claim) and facts.count < 2:
        return False
    meant = [each for each in facts.defects if not places or each.place in places]
    if not {*SIZE.findall(claim)} <= {plain(each.size) for each in meant}:
        return False
    return {*SEVERITY.findall(claim)} <= {facts.severity}


def _is_share(text: str, shares: list[float]) -> bool:
    """As tables show it, or rounded where it is said in whole numbers."""
    said = float(NUMBERS.index(text)) if text in NUMBERS else float(text)
    slack = 0.05 if "." in text else 0.5
    return any(abs(said - 100 * share) <= slack + 1e-9 for share in shares)


def _stated(claim: str) -> list[int]:
    """Numbers of regions in a claim; "one" is as often a word for the thing itself."""
    words = [word for word in claim.split() if word != "one"]
    numbers = [int(word) for word in words if word.isdigit()]
    numbers += [NUMBERS.index(word) for word in words if word in NUMBERS]
    # Not a whole number: nothing is counted so.
    numbers += [-1 for word in words if re.fullmatch(r"\d+\.\d+", word)]
    return numbers + [1 for _ in _SINGLE.findall(claim)]
