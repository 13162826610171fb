"""What a question asks for, as far as a result can tell it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

from anomalygpt.replies.boxes import aspect_of, boxes_in, known_words, means_it, others
from anomalygpt.replies.common_words import COMMON
from anomalygpt.replies.intents import BAD, DEFECT, GOOD, INTENTS, REGION
from anomalygpt.replies.languages import language_of, wanted_in
from anomalygpt.replies.places import Place, place_in
from anomalygpt.replies.words import asking_words, clauses, inspection_words, plain, respelled

# Who writes more tells a story; the language model reads it.
_MOST_WORDS = 40

# A place turns these into a question about it.
_WITH_PLACE = frozenset(
    ("anomaly", "ok", "where", "see", "beyond", "open", "clean", "kind", "worst", "part")
)
# After a question about a box, "it" is the box in these.
_OF_A_BOX = frozenset(("where", "size", "coverage", "severity", "kind", "why", "score"))
# These are no questions about a box, though they may name one.
_BEFORE_BOXES = frozenset(("beyond", "colour", "doubt"))
_THING = re.compile(
    r"\b(?:(?:is|are|was) (?:there|it|that|this)|(?:do|can|did|could) you (?:see|find|spot|notice)"
    r"|does (?:it|the \w+|this \w+) (?:have|show|contain)|has it|could it be|looking for|what about"
    r"|would you call (?:it|that|this)) (?P<thing>(?:an?|any|some|the) [\w ]{3,40})$"
)
_OPENINGS = re.compile(
    r"^(?:(?:and|but|so|also|then|please|hm|well|by the way|one more question|quick check"
    r"|new part|hello|hi|hey|thanks|ok) )+(?=\w+ \w)"
)
_ABOUT_RESULT = re.compile(
    rf"\b(?:{DEFECT}|{REGION}|{BAD}|{GOOD}|inspect\w*|look\w*|stand\w* out)\b"
)


_FOREIGN = frozenset(("social", "beyond", "advice"))
_MEASURING = frozenset(("where", "size", "coverage", "count", "worst", "smallest"))
_DAMAGE_WORD = re.compile(
    rf"\b(?:{DEFECT}|{REGION}|{BAD}|it|this|that|these|those|they|them|there|one|ones"
    r"|stand\w*|highlight\w*|scratch\w*|cracks?|stains?|dents?|holes?|cuts?|chips?)\b"
)
_PART_NOUNS = frozenset(("part", "piece", "unit", "product", "item", "object", "thing", "sample"))
# Nothing else can be meant by these, whatever other words there are.
_PLAIN = frozenset(intent for intent, _ in INTENTS) - {"social", "beyond", "colour", "doubt"}
_PART_NAME = re.compile(r"\b(?:the|this|that|my|our|your|an?|these|dis)(?= (\w+(?: \w+)?))")


@dataclass(frozen=True)
class Asked:
    """One thing that is asked for.

    Attributes:
        intent: "ok", "where", … as in `sentences`; "social" for courtesies, "beyond" for what no
            result can tell, "open" for what may be about the result and was not understood.
        words: the question as plain words.
        place: the part of the photo that is named.
        numbers: the boxes that are named; those of the result count from 1 on.
        aspect: what is asked of them, see `boxes.aspect_of`.
        thing: what is asked for by name, with its article: "a short circuit".
        language: of the question where that is not English, such as "de"; "other" for unknown.
    """

    intent: str
    words: str
    place: Place | None = None
    numbers: tuple[int, ...] = ()
    aspect: str = ""
    thing: str | None = None
    language: str = "en"


def understand(question: str) -> tuple[Asked, ...]:
    """What a question asks for, each thing once; courtesies beside something else are left out."""
    language = language_of(question)
    if language != "en":
        return (Asked(wanted_in(language, question), plain(question), language=language),)
    if len(plain(question).split()) > _MOST_WORDS:
        return (Asked("open", plain(question)),)
    found: dict[tuple[object, ...], Asked] = {}
    before: Asked | None = None
    for clause in clauses(question):
        each = _asked(clause)
        if before is not None and before.intent == "box":
            each = _of_it(each, before.numbers)
        before = each
        found.setdefault((each.intent, each.place, each.numbers, each.aspect), each)
    asked = tuple(found.values())
    return tuple(each for each in asked if each.intent != "social") or asked


def follow_up(
    asked: tuple[Asked, ...], before: Asked, boxes: tuple[int, ...], count: int
) -> tuple[Asked, ...]:
    """What "and the other one?" and "how large is it?" ask for, after a question about a box.

    Args:
        asked: the question, from `understand`.
        before: the question about a box that was asked last.
        boxes: which ones that was.
        count: how many boxes there are.

    Returns:
        The same where it points to nothing that was said before.
    """
    if not boxes or len(asked) != 1 or asked[0].intent == "box":
        return asked
    (one,) = asked
    meant, aspect = others(one.words, boxes, count), aspect_of(one.words)
    if meant:
        aspect = before.aspect if aspect == "all" and before.aspect != "compare" else aspect
        return (replace(one, intent="box", numbers=meant, aspect=aspect),)
    return (_of_it(one, boxes),)


def _of_it(one: Asked, boxes: tuple[int, ...]) -> Asked:
    """The question about the one box, where "it" in it means that."""
    if one.intent in _OF_A_BOX and len(boxes) == 1 and means_it(one.words):
        return replace(one, intent="box", numbers=boxes, aspect=aspect_of(one.words))
    return one


def _asked(clause: str) -> Asked:
    words = respelled(plain(clause), _known_words())
    whole, words = words, _OPENINGS.sub("", words)
    place = place_in(words)
    intent, is_told = _intent(words)
    numbers, is_strong = boxes_in(words)
    if intent in ("beyond", "open") and not numbers and _intent(whole)[0] == "social":
        return Asked("social", whole)
    thing = _THING.search(words)
    if numbers and not (is_told and intent in _BEFORE_BOXES):
        # Who names a box may use a word that nobody foresaw.
        if len(_strangers(words, "box")) <= is_strong:
            return Asked("box", words, numbers=numbers, aspect=aspect_of(words, len(numbers)))
        intent = "beyond"
    is_beyond = intent == "beyond" and is_told
    if intent in _PLAIN and _strangers(words, intent):
        intent = "beyond"
    if place is not None and intent in _WITH_PLACE and not is_beyond:
        return Asked("cell", words, place)
    if thing is not None and intent in ("beyond", "open"):
        return Asked("beyond", words, thing=thing["thing"])
    return Asked(intent, words)


def _strangers(words: str, intent: str) -> list[str]:
    """Words that questions about a result do not have, but for one name of the part: they ask
    for something else that only sounds alike ("How many units were sold?")."""
    asks = dict(_compiled()).get(intent)
    strange = [
        word
        for word in words.split()
        if word.isalpha()
        and word not in _ordinary_words(intent)
        and not (asks is not None and asks.search(word))
    ]
    if intent in _MEASURING and not _DAMAGE_WORD.search(words):
        # Where something else is, or how large, no result tells.
        return strange
    named = [name for name in _PART_NAME.findall(words) if name.split()[0] not in _PART_NOUNS]
    own: list[str] = next((name.split() for name in named if {*name.split()} & {*strange}), [])
    return [word for word in strange if word not in own]


def _intent(words: str) -> tuple[str, bool]:
    """What plain words ask for, and whether a pattern says so."""
    for intent, pattern in _compiled():
        if pattern.search(words):
            return intent, True
    is_open = _ABOUT_RESULT.search(words) and not _strangers(words, "open")
    return ("open" if is_open else "beyond"), False


@cache
def _compiled() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((intent, re.compile(pattern)) for intent, pattern in INTENTS)


@cache
def _known_words() -> frozenset[str]:
    """Words that need no mending: those of the patterns, and of dialogues."""
    return inspection_words() | COMMON | {*_spelled(text for _, text in INTENTS), *known_words()}


@cache
def _ordinary_words(asked: str) -> frozenset[str]:
    """Words of questions that a result answers; those of what to do with a part, only where that
    is asked."""
    patterns = [text for intent, text in INTENTS if intent == asked or intent not in _FOREIGN]
    return asking_words() | COMMON | {*_spelled(patterns), *known_words()}


def _spelled(patterns: Iterable[str]) -> list[str]:
    return re.findall(r"[a-z]+", re.sub(r"\\[a-zA-Z]", " ", " ".join(patterns)))
