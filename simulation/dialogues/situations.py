"""Which case a question meets, and the words that the masks give to its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from simulation.anomaly import PLACES
from simulation.dialogues.english.questions import TOPICS
from simulation.dialogues.english.wording import (
    count_words,
    pick,
    place_words,
    share_words,
    with_article,
)
from simulation.dialogues.facts import DefectFacts, Facts
from simulation.dialogues.published import join_words

_SEVERITY_WORDS = {
    "minor": "[minor|minor|slight]",
    "moderate": "[moderate|moderate|noticeable]",
    "severe": "[severe|severe|serious]",
}

# What is asked for: the cells that a name covers. "The top" is taken for the whole upper third,
# as a person means it, so the cell itself is called the top center.
_AREAS: dict[str, tuple[str, ...]] = {
    "[top left|upper left|top left corner|upper left corner]": ("top left",),
    "[top center|upper middle|top middle|upper center]": ("top",),
    "[top right|upper right|top right corner|upper right corner]": ("top right",),
    "[middle left|center left]": ("left",),
    "[center|middle|centre]": ("center",),
    "[middle right|center right]": ("right",),
    "[bottom left|lower left|bottom left corner|lower left corner]": ("bottom left",),
    "[bottom center|lower middle|bottom middle|lower center]": ("bottom",),
    "[bottom right|lower right|bottom right corner|lower right corner]": ("bottom right",),
    "[top|upper part|upper third]": PLACES[:3],
    "[bottom|lower part|lower third]": PLACES[6:],
    "[left side|left third]": PLACES[0::3],
    "[right side|right third]": PLACES[2::3],
}
_CELL_WORDS = {cells[0]: words for words, cells in _AREAS.items() if len(cells) == 1}

# Kinds of defects that people ask for. Of two that a photo hardly tells apart, one is not denied
# where the other one is.
_ASKED_KINDS = (
    *("crack", "scratch", "hole", "stain", "dent", "chip", "burr", "bubble", "missing part"),
    *("cut", "patch", "broken edge", "foreign object", "discoloured area", "rust spot", "wrinkle"),
)
_ALIKE = (
    {"patch", "stain", "foreign object", "discoloured area", "rust spot"},
    {"hole", "dent", "missing part", "chip", "broken edge", "bubble"},
    {"scratch", "cut", "wrinkle"},
    {"crack", "cut", "broken edge"},
)

# What a good part gives no answer to: (verb, noun), after "nothing to" and "there is no".
_NOTHING_TO = {
    "where": ("locate", "place to name"),
    "size": ("measure", "size to give"),
    "severity": ("rate", "severity to rate"),
    "kind": ("name", "kind to name"),
    "shape": ("describe", "shape to describe"),
    "largest": ("compare", "largest one"),
}


class Situation(NamedTuple):
    """What an answer is about.

    Attributes:
        case: the key of the answers that fit.
        words: templates that the question and the answer need besides the facts.
    """

    case: str
    words: dict[str, str]


Finder = Callable[[Facts, np.random.Generator], Situation]


def fact_words(facts: Facts) -> dict[str, str]:
    """The words for what all answers may state; {} for a good part.

    Places, sizes and shares as templates. The size, the share and the shape are those of the
    largest defect, the severity and the total those of all.
    """
    if facts.largest is None or facts.severity is None:
        return {}
    largest = facts.largest
    return {
        "where": _list_places(facts.places),
        "named": join_words(facts.places),
        "n": count_words(facts.count),
        "digits": str(facts.count),
        "largest": place_words(largest.place),
        # Where all are at one place, the largest is there, too.
        "and_largest": " The largest is at the {largest}." if len(facts.places) > 1 else "",
        "size": largest.size,
        "share": share_words(largest.area_fraction),
        "total": share_words(facts.total_fraction),
        "severity": _SEVERITY_WORDS[facts.severity],
        "kinds": _kinds(facts.defects),
        "shape": "[elongated|long and narrow]" if largest.elongated else "[compact|roundish]",
        "like": "[like a line|a line than a spot]"
        if largest.elongated
        else "[like a spot|a spot than a line]",
    }


def find_any(facts: Facts, generator: np.random.Generator) -> Situation:
    """The facts do not matter."""
    return Situation("any", {})


def find_count(facts: Facts, generator: np.random.Generator) -> Situation:
    """None, one or many defects."""
    return Situation(("none", "one", "many")[min(facts.count, 2)], {})


def find_nothing_to(intent: str) -> Finder:
    """None, one or many defects, with the words for a question that needs one."""

    def find(facts: Facts, generator: np.random.Generator) -> Situation:
        ask, noun = _NOTHING_TO[intent]
        return Situation(find_count(facts, generator).case, {"ask": ask, "ask_noun": noun})

    return find


def find_severity(facts: Facts, generator: np.random.Generator) -> Situation:
    """None or some defects, to be rated."""
    ask, noun = _NOTHING_TO["severity"]
    return Situation("some" if facts.defects else "none", {"ask": ask, "ask_noun": noun})


def find_advice(facts: Facts, generator: np.random.Generator) -> Situation:
    """The severity, which decides what to do."""
    return Situation(facts.severity or "none", {})


def find_kind(facts: Facts, generator: np.random.Generator) -> Situation:
    """Whether the kinds are known: all, some or none of them."""
    case, words = find_nothing_to("kind")(facts, generator)
    if facts.defects and not facts.kinds:
        return Situation(f"unnamed_{case}", words)
    is_mixed = bool(facts.kinds) and any(d.kind is None for d in facts.defects)
    return Situation("mixed" if is_mixed else case, words)


def find_cell(facts: Facts, generator: np.random.Generator) -> Situation:
    """One of the nine cells or a third of the photo, and what reaches it."""
    words = pick(tuple(_AREAS), generator)
    cells = set(_AREAS[words])
    inside = [place for place in facts.places if place in cells]
    reaching = {d.place for d in facts.defects if cells & set(d.cells)}
    if not reaching:
        return Situation("elsewhere" if facts.defects else "none", {"cell": words})
    if inside and len(cells) == 1:
        return Situation("here", {"cell": words})
    named = inside or [place for place in facts.places if place in reaching]
    case = "band" if inside else "reached"
    return Situation(case, {"cell": words, "reaching": _list_places(named)})


def find_clean(facts: Facts, generator: np.random.Generator) -> Situation:
    """How much of the nine cells is affected: none, some or all."""
    case = "none" if not facts.cells else "all" if len(facts.cells) == len(PLACES) else "some"
    return Situation(case, {"affected": _list_places(facts.cells)})


def find_confirmed(facts: Facts, generator: np.random.Generator) -> Situation:
    """A place that a person names, where a defect is or where nothing is."""
    clean = [place for place in PLACES if place not in facts.cells]
    is_wrong = not facts.places or (bool(clean) and generator.random() < 0.5)
    asked = pick(clean if is_wrong else facts.places, generator)
    others = [place for place in facts.places if place != asked]
    words = {"cell": _CELL_WORDS[asked], "others": _list_places(others)}
    if not facts.defects:
        return Situation("none", words)
    return Situation("miss" if is_wrong else "part" if others else "hit", words)


def find_checked(facts: Facts, generator: np.random.Generator) -> Situation:
    """A kind that a person asks for: there, not there, or nobody knows."""
    known = facts.kinds
    if known and generator.random() < 0.4:
        kind = pick(known, generator)
        places = {d.place for d in facts.defects if d.kind == kind}
        where = _list_places([place for place in facts.places if place in places])
        return Situation("present", {"asked": with_article(kind), "asked_where": where})
    asked = pick([kind for kind in _ASKED_KINDS if not _resembles(kind, known)], generator)
    words = {"asked": with_article(asked)}
    if not facts.defects:
        return Situation("none", words)
    return Situation("unsure" if any(d.kind is None for d in facts.defects) else "other", words)


def find_reference(facts: Facts, generator: np.random.Generator) -> Situation:
    """None, one or many differences from the reference."""
    return find_count(facts, generator)


def find_missing_reference(facts: Facts, generator: np.random.Generator) -> Situation:
    """There is no reference to compare with."""
    return Situation("missing", {})


def find_certainty(facts: Facts, generator: np.random.Generator) -> Situation:
    """No defect, a small one that is easily mistaken, or one that stands out."""
    if facts.largest is None:
        return Situation("none", {})
    return Situation("faint" if facts.largest.size in ("tiny", "small") else "clear", {})


def find_topic(facts: Facts, generator: np.random.Generator) -> Situation:
    """Something that no photo shows, worded once for the question and the answer."""
    return Situation("any", {"topic": pick(TOPICS, generator)})


def _list_places(places: Sequence[str]) -> str:
    return join_words([place_words(place) for place in places])


def _kinds(defects: Sequence[DefectFacts]) -> str:
    """ "a scratch", "scratches and a hole"; "" where no kind is known."""
    known = [defect.kind for defect in defects if defect.kind is not None]
    nouns = dict.fromkeys(known)
    return join_words(
        [with_article(noun) if known.count(noun) == 1 else _plural(noun) for noun in nouns]
    )


def _plural(noun: str) -> str:
    return noun + ("es" if noun.endswith(("ch", "sh", "s", "x")) else "s")


def _resembles(asked: str, kinds: Sequence[str]) -> bool:
    return any(
        asked in kind or kind in asked or any({asked, kind} <= group for group in _ALIKE)
        for kind in kinds
    )
