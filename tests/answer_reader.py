"""An independent reader of answers, which holds each against the masks themselves.

The reader knows English words and nothing of the templates. It objects to a fact that is wrong
and, for a question about a fact, to an answer in which it finds none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulation.anomaly import PLACES

KINDS = ("patch", "scratch", "stain", "hole", "missing part", "blowhole", None)
SIZE_WORDS = ("tiny", "small", "medium-sized", "large", "very large")
SEVERITY_WORDS = {
    **dict.fromkeys(("minor", "slight"), "minor"),
    **dict.fromkeys(("moderate", "noticeable"), "moderate"),
    **dict.fromkeys(("severe", "serious"), "severe"),
}
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven")
NOUN = r"(?:defect|anomaly|flaw|irregularity|fault|damaged spot)"
NOUNS = r"(?:defects|anomalies|flaws|irregularities|faults|damaged spots)"
SIZE = r"(?:very large|large|medium-sized|small|tiny)"
NOT_FINE = (
    r"not (quite )?fine|not in order|is (damaged|affected)|I see damage|affected by|damaged place"
)
FINE = (
    r"\bno (sign of )?(damage|difference)|\b(no|not any|nor any|no other|not see any|not find any|"
    rf"any other) {NOUN}|no {NOUNS}|nothing (wrong|unusual|out of place|that stands out|like )|"
    r"nothing about it looks unusual|found nothing|\bzero\b|\b0 percent|count none|find none|"
    r"see none|without visible damage|do not see (a|an) |cannot find (a|an) |matches the reference|"
    r"looks (like|the same as) the reference|"
    r"\b(looks|is|seems|everything|all)( (?!not)\w+)? (fine|undamaged|normal|in order|clean)\b|"
    r"as it should\b|\baccept (it|the)\b"
)
NO_KIND = r"cannot name|does not tell me the kind|do not know the kind|can only say|cannot say"
AGREES = r"Exactly|That is correct|Correct|I can confirm|Indeed|Partly|That is (the|one) place"
CANNOT_TELL = r"cannot (see|tell|know|be seen)|does not show|beyond what"

ROWS = {"top": 0, "upper": 0, "bottom": 2, "lower": 2, "middle": 1, "center": 1, "centre": 1}
COLUMNS = {"left": 0, "right": 2, "center": 1, "middle": 1, "centre": 1}
AREA = re.compile(
    r"\b(?:(upper|lower) (?:part|third)|(left|right) (?:side|third)"
    r"|(top|upper|bottom|lower|middle|center) (left|right|center|middle)(?: corner)?"
    r"|(top|bottom|left|right|center|centre|middle))\b"
)


def areas(text: str, *, alone_is_a_third: bool = False) -> list[frozenset[str]]:
    """The cells of each place that a text names. "The top" alone is a cell or a whole third."""
    found = []
    for band, side, row, column, alone in AREA.findall(text.replace("all right", "fine")):
        rows, columns = {0, 1, 2}, {0, 1, 2}
        if band:
            rows = {ROWS[band]}
        elif side:
            columns = {COLUMNS[side]}
        elif row:
            rows, columns = {ROWS[row]}, {COLUMNS[column]}
        else:
            is_row = alone in ("top", "bottom")
            rows = {ROWS.get(alone, 1)}
            columns = {COLUMNS.get(alone, 1)}
            if is_row and alone_is_a_third:
                columns = {0, 1, 2}
        found.append(frozenset(PLACES[3 * r + c] for r in rows for c in columns))
    return found


def named(text: str) -> set[str]:
    """The cells that a text names one by one."""
    return {place for area in areas(text) if len(area) == 1 for place in area}


@dataclass(frozen=True)
class Truth:
    """What the masks say, counted here without the product's facts."""

    count: int
    places: set[str]
    reach: list[set[str]]
    shares: list[float]
    total: float
    kinds: list[tuple[str | None, str]]
    elongated: bool

    @classmethod
    def of(cls, masks: list[np.ndarray], kinds: list[str | None]) -> Truth:
        shares = [mask.sum() / mask.size for mask in masks]
        cells = [share_of_cells(mask) for mask in masks]
        places = [PLACES[int(pixels.argmax())] for pixels, _ in cells]
        reach = [
            {place} | {PLACES[i] for i in range(9) if fractions[i] >= 0.005}
            for place, (_, fractions) in zip(places, cells, strict=True)
        ]
        union = np.any(masks, axis=0).mean() if masks else 0.0
        largest = masks[int(np.argmax(shares))] if masks else None
        return cls(
            len(masks),
            set(places),
            reach,
            shares,
            float(union),
            list(zip(kinds, places, strict=True)),
            largest is not None and is_long(largest),
        )

    @property
    def size(self) -> str:
        limits = (0.002, 0.015, 0.06, 0.2)
        return SIZE_WORDS[sum(max(self.shares) >= limit for limit in limits)]

    @property
    def severity(self) -> str:
        return ("minor", "moderate", "severe")[(self.total >= 0.01) + (self.total >= 0.05)]

    @property
    def largest_places(self) -> set[str]:
        ties = zip(self.shares, self.kinds, strict=True)
        return {place for share, (_, place) in ties if share == max(self.shares)}

    @property
    def affected(self) -> set[str]:
        return set().union(*self.reach)

    @property
    def known_kinds(self) -> set[str]:
        return {kind for kind, _ in self.kinds if kind}


def share_of_cells(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Damaged pixels of the nine cells, and their share of each cell."""
    height, width = mask.shape
    rows = [[y for y in range(height) if 3 * y // height == r] for r in range(3)]
    columns = [[x for x in range(width) if 3 * x // width == c] for c in range(3)]
    cells = [mask[np.ix_(r, c)] for r in rows for c in columns]
    return np.array([cell.sum() for cell in cells]), np.array([cell.mean() for cell in cells])


def is_long(mask: np.ndarray) -> bool:
    y, x = np.nonzero(mask)
    spread = np.cov(x, y, bias=True) if len(x) > 1 else np.zeros((2, 2))
    small, large = np.linalg.eigvalsh(spread + np.eye(2) / 12)
    return bool(np.sqrt(large / small) >= 2.5)


def number(word: str) -> int:
    return int(word) if word.isdigit() else NUMBERS.index(word.lower())


def counts(answer: str) -> list[int]:
    """The numbers of defects that an answer states."""
    answer = re.sub(r"(?i)\b(\w+ )?(\d+(\.\d+)?|zero) (percent|%)", "a share", answer)
    word = rf"(\d+|{'|'.join(NUMBERS)})"
    found = re.findall(rf"\b{word} (?:{SIZE} )?(?:{NOUNS}|{NOUN}|of them|places)\b", answer, re.I)
    found += re.findall(rf"(?:^|Several: |count |largest of the ){word}\b", answer, re.I)
    single = rf"\b(a|an) single {NOUN}|"
    single += r"\b(only|just|exactly) one\b|^A single|\bsingle one\b|^One\b"
    return [number(word) for word in found] + [1] * bool(re.search(single, answer, re.I))


def shares(answer: str, truth: Truth) -> list[str]:
    """What is wrong with each share that the answer states."""
    wrong = []
    # Only a full stop before a space ends a clause: "0.1 percent" goes on.
    for clause in re.split(r"[;:]|\.(?= |$)", answer):
        total = bool(re.search(r"together|total|\ball\b|damaged|affected|estimate", clause, re.I))
        value = 100 * (truth.total if total else max(truth.shares, default=0))
        for bound, stated in re.findall(r"(\w+) (\d+(?:\.\d+)?) (?:percent|%)", clause):
            if bound.lower() in ("than", "under"):
                fits = value < float(stated)
            else:
                fits = abs(value - float(stated)) <= (0.501 if float(stated) < 10 else 2.501)
            wrong += [] if fits else [f"{stated} percent, not {value:.2f}"]
    return wrong


def kinds_in(text: str) -> dict[str, bool]:
    """The kinds that a text names, and whether in the plural."""
    found = {}
    for kind in KINDS[:-1]:
        if match := re.search(rf"\b{kind}(e?s)?\b", text):
            found[str(kind)] = bool(match[1])
    return found


def stated_facts(intent: str, answer: str, truth: Truth) -> list[str]:
    """Objections to whatever the answer states, whether it was asked for or not."""
    wrong = []
    if intent not in ("check", "identity", "greeting"):
        for kind, plural in kinds_in(answer).items():
            times = sum(known == kind for known, _ in truth.kinds)
            if times == 0 or plural != (times > 1):
                wrong.append(f"{kind} {times} times")
    sizes = re.findall(rf"\b{SIZE}\b", answer, re.I)
    wrong += [f"size {word}" for word in sizes if not truth.count or word.lower() != truth.size]
    for word, meaning in SEVERITY_WORDS.items():
        stated = re.search(rf"\b{word}\b", answer, re.I)
        if stated and (truth.count == 0 or meaning != truth.severity):
            wrong.append(f"severity {word}")
    wrong += [f"{n} defects" for n in counts(answer) if n != truth.count and n != 0]
    if truth.count and (0 in counts(answer) or re.search(r"\b0 percent|zero", answer, re.I)):
        wrong.append("zero")
    if not (truth.count == 0 and re.search(r"\b(0|zero) percent", answer, re.I)):
        wrong += shares(answer, truth)
    long = re.search(r"elongated|long and narrow|(?<!than )a line\b", answer)
    compact = re.search(r"compact|roundish|(?<!than )a spot\b", answer)
    if (long and not truth.elongated) or (compact and truth.elongated):
        wrong.append("shape")
    if truth.count != 1 and re.search(rf"\b(a|an) ({SIZE} )?{NOUN}\b", answer):
        wrong.append("one defect")
    if intent not in ("cell", "clean", "confirm") and not named(answer) <= truth.places:
        wrong.append(f"places {named(answer) - truth.places}")
    return wrong + unread_numbers(answer)


def unread_numbers(answer: str) -> list[str]:
    """Numbers that none of the rules above has read."""
    rest = re.sub(r"\d+(\.\d+)? (percent|%)", "", answer)
    return [] if len(re.findall(r"\d+", rest)) <= len(counts(answer)) else ["a number"]


def no_defect(intent: str, answer: str, truth: Truth, question: str) -> list[str]:
    if re.match("Yes", answer) or re.search(NOT_FINE, answer):
        return ["says that something is wrong"]
    if intent == "reference" and re.search("compare|reference photo", answer):
        return []
    return [] if re.search(FINE, answer, re.I) else ["does not say that nothing is wrong"]


def need(condition: object, what: str) -> list[str]:
    return [] if condition else [what]


def all_places(answer: str, truth: Truth, question: str) -> list[str]:
    return need(named(answer) == truth.places, "places are missing")


def a_count(answer: str, truth: Truth, question: str) -> list[str]:
    return need(truth.count in counts(answer), "no count")


def a_size(answer: str, truth: Truth, question: str) -> list[str]:
    return need(re.search(rf"\b{SIZE}\b|percent|%", answer), "no size")


def a_severity(answer: str, truth: Truth, question: str) -> list[str]:
    words = "|".join(SEVERITY_WORDS)
    return need(re.search(rf"\b({words})\b", answer, re.I), "no severity")


def a_share(answer: str, truth: Truth, question: str) -> list[str]:
    return need(re.search(r"\d (percent|%)", answer), "no share")


def a_shape(answer: str, truth: Truth, question: str) -> list[str]:
    return need(re.search("elongated|narrow|line|compact|roundish|spot", answer), "no shape")


def a_kind(answer: str, truth: Truth, question: str) -> list[str]:
    stated = set(kinds_in(answer))
    if any(kind is None for kind, _ in truth.kinds):
        unknown = re.search(f"{NO_KIND}|cannot tell the kind|cannot say", answer)
        return need(unknown and stated == truth.known_kinds, "unknown kinds")
    return need(stated == truth.known_kinds, "kinds are missing")


def the_largest(answer: str, truth: Truth, question: str) -> list[str]:
    return need(named(answer) and named(answer) <= truth.largest_places, "not the largest")


def a_cell(answer: str, truth: Truth, question: str) -> list[str]:
    (asked,) = areas(question, alone_is_a_third=True)
    affected = bool(asked & truth.affected)
    reached_by = {
        place for (_, place), cells in zip(truth.kinds, truth.reach, strict=True) if cells & asked
    }
    verdict = answer.split(", but")[0]
    wrong = need(bool(re.search(NOT_FINE, verdict)) == affected, "says damaged or does not")
    fine = re.search(FINE + "|fine there|clean there", verdict, re.I)
    wrong += need(bool(fine) != affected, "says fine or does not")
    # What is named besides the area itself is where the damage is.
    pairs = zip(areas(answer), areas(answer, alone_is_a_third=True), strict=True)
    sources = {place for cell, third in pairs if third != asked for place in cell}
    return wrong + need(sources <= (reached_by if affected else truth.places), f"{sources}")


def the_affected(answer: str, truth: Truth, question: str) -> list[str]:
    if len(truth.affected) == 9:
        return need(re.search("every|all", answer, re.I), "not all")
    return need(named(answer) == truth.affected, "affected cells")


def a_confirmation(answer: str, truth: Truth, question: str) -> list[str]:
    (asked,) = named(question)
    agrees = re.match(AGREES, answer)
    wrong = need(bool(agrees) == (asked in truth.places), "agrees wrongly")
    if agrees:
        return wrong + need(named(answer) | {asked} == truth.places, "places are missing")
    return wrong + need(named(answer) - {asked} == truth.places, "places are missing")


def a_check(answer: str, truth: Truth, question: str) -> list[str]:
    asked = kinds_in(question.lower())
    present = re.match("That fits|I think so|It does look|Indeed|Probably", answer)
    if present:
        (kind,) = asked
        places = {place for known, place in truth.kinds if known == kind}
        return need(kind in truth.known_kinds and named(answer) in (places, set()), "not that kind")
    wrong = need(not set(asked) & truth.known_kinds, "that kind is there")
    if any(kind is None for kind, _ in truth.kinds):
        return wrong + need(re.search("whether|might|cannot", answer), "sure of an unknown kind")
    stated = set(kinds_in(answer)) - set(asked)
    return wrong + need(stated == truth.known_kinds, "other kinds")


def a_difference(answer: str, truth: Truth, question: str) -> list[str]:
    if re.search("compare|reference photo", answer):
        return need(not named(answer), "compares without a reference")
    return all_places(answer, truth, question)


def an_advice(answer: str, truth: Truth, question: str) -> list[str]:
    words = {"minor": "closer", "moderate": "rework", "severe": "reject"}
    given = [severity for severity, word in words.items() if re.search(word, answer, re.I)]
    return need(given == [truth.severity], f"advice {given}")


def a_certainty(answer: str, truth: Truth, question: str) -> list[str]:
    faint = re.search(
        "less certain|some doubt|believe so|may be mistaken|partly sure", answer, re.I
    )
    wrong = need(bool(faint) == (truth.size in ("tiny", "small")), "certainty")
    return wrong + need(named(answer) <= truth.largest_places, "not the largest")


def a_summary(answer: str, truth: Truth, question: str) -> list[str]:
    is_one = re.search(rf"^(Report: )?A {SIZE} {NOUN}|: (a|an) {NOUN} at", answer, re.I)
    return need(truth.count in counts(answer) or (is_one and truth.count == 1), "no count")


Reader = Callable[[str, Truth, str], list[str]]
READERS: dict[str, Reader] = {
    "anomaly": all_places,
    "ok": all_places,
    "where": all_places,
    "describe": all_places,
    "doubt": all_places,
    "why": all_places,
    "count": a_count,
    "size": a_size,
    "coverage": a_share,
    "severity": a_severity,
    "shape": a_shape,
    "kind": a_kind,
    "largest": the_largest,
    "cell": a_cell,
    "clean": the_affected,
    "confirm": a_confirmation,
    "check": a_check,
    "reference": a_difference,
    "advice": an_advice,
    "sure": a_certainty,
    "summary": a_summary,
}
NO_FACTS = {"identity", "method", "greeting", "thanks", "goodbye", "unknown"}


def objections(intent: str, question: str, answer: str, truth: Truth) -> list[str]:
    wrong = stated_facts(intent, answer, truth)
    if intent == "unknown":
        return wrong + need(re.search(CANNOT_TELL, answer), "claims to know")
    if intent in NO_FACTS:
        return wrong
    if intent in ("anomaly",):
        start = "Yes" if truth.count else "No"
        wrong += need(re.match(rf"{start}\b", answer), "verdict")
    if truth.count == 0:
        return wrong + no_defect(intent, answer, truth, question)
    return wrong + READERS[intent](answer, truth, question)
