"""What a result says of its numbered boxes: of one, of several side by side, of all.

Every number, place and size in these sentences is that of the region with this number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from anomalygpt.replies.boxes import LAST
from anomalygpt.replies.questions import Asked
from anomalygpt.replies.wording import capital, found, percent
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import Region
from simulation.dialogues.facts import severity_of

_UNTOLD = "What kind of damage it is, the result does not say."
_SMALL = frozenset(("smallest", "tiniest", "littlest", "slightest"))
_LARGE = frozenset(
    ("largest", "biggest", "greatest", "main", "hugest", "covers", "widest", "larger", "bigger")
)
_WEAK = frozenset(("weakest", "weaker", "faintest", "least", "mildest"))

# Parts of the way from the level to 1 from which on a region stands out clearly, or strongly.
_CLEARLY, _STRONGLY = 0.2, 0.5


def named(asked: Asked, inspection: Inspection) -> tuple[int, ...]:
    """The numbers that a question means, also of boxes that do not exist.

    Returns:
        For "the worst" the one that is; () for questions about no single box.
    """
    if asked.intent == "box":
        count = len(inspection.regions)
        meant = (max(count, 1) if n == LAST else n for n in asked.numbers)
        return tuple(dict.fromkeys(meant))
    if asked.intent in ("worst", "smallest") and inspection.regions:
        return (_chosen(asked, inspection.regions),)
    return ()


def box(asked: Asked, inspection: Inspection) -> str:
    """Of the boxes that a question names, what it asks."""
    numbers, regions = named(asked, inspection), inspection.regions
    there = [n for n in numbers if 1 <= n <= len(regions)]
    texts = [_missing([n for n in numbers if n not in there], inspection)]
    if len(there) > 1:
        texts.append(_compared(there, inspection))
    else:
        texts += [_TOLD.get(asked.aspect, _whole)(n, inspection, asked.words) for n in there]
    return " ".join(text for text in texts if text)


def boxes(asked: Asked, inspection: Inspection) -> str:
    """All of them, one after the other."""
    if not inspection.regions:
        return f"There are no boxes: {found(inspection)}."
    count = len(inspection.regions)
    first = (
        f"{'Each box marks' if count > 1 else 'The one box marks'} where the photo differs more "
        f"than {_usual(inspection)}."
    )
    listed = "; ".join(
        f"{_at(n, region)}, {_share(region)}, score {region.score:.2f}"
        for n, region in enumerate(inspection.regions, start=1)
    )
    untold = _UNTOLD if count == 1 else _UNTOLD.replace("it is", "they are")
    return f"{first} {capital(listed)}. {untold}"


def worst(asked: Asked, inspection: Inspection) -> str:
    """The one that stands out most or least, is the largest or the smallest."""
    regions = inspection.regions
    if not regions:
        return f"{capital(found(inspection))}, so there is no box to choose."
    if len(regions) == 1:
        return f"There is only one: {detailed(1, regions[0])}."
    at = _chosen(asked, regions)
    chosen, words = capital(detailed(at, regions[at - 1])), {*asked.words.split()}
    if asked.intent == "smallest":
        return f"{chosen}, {'stands out least' if words & _WEAK else 'is the smallest'}."
    largest = _largest(regions)
    if at == 1:
        if largest == 1:
            return f"{chosen}, stands out most, and it is also the largest."
        other = detailed(largest, regions[largest - 1])
        return f"{chosen}, stands out most; the largest is {other}."
    return f"{chosen}, is the largest; {detailed(1, regions[0])}, stands out most."


def _chosen(asked: Asked, regions: Sequence[Region]) -> int:
    words = {*asked.words.split()}
    if asked.intent == "smallest":
        if words & _WEAK and not words & _SMALL and "large" not in words:
            return len(regions)
        return min(range(len(regions)), key=lambda n: regions[n].area_fraction) + 1
    return _largest(regions) if words & _LARGE else 1


def _largest(regions: Sequence[Region]) -> int:
    return max(range(len(regions)), key=lambda n: regions[n].area_fraction) + 1


# --- one box ------------------------------------------------------------------------------------


def _whole(number: int, inspection: Inspection, words: str) -> str:
    region = inspection.regions[number - 1]
    where = f"Box {number} lies at the {region.location} and covers {_share(region)} of the photo"
    return f"{where}, {_pixels(region)}. {_strength(number, inspection)} {_UNTOLD}"


def _where(number: int, inspection: Inspection, words: str) -> str:
    region = inspection.regions[number - 1]
    x0, y0, x1, y1 = region.bbox
    return (
        f"Box {number} lies at the {region.location}, from ({x0}, {y0}) to ({x1}, {y1}) in pixels."
    )


def _size(number: int, inspection: Inspection, words: str) -> str:
    region = inspection.regions[number - 1]
    share = f"what it marks covers {percent(region.area_fraction)} of the photo"
    text = f"{capital(_at(number, region))}, is {_sides(region)}; {share}."
    if re.search(r"\b(?:mm|cm|millimet\w*|centimet\w*|inch\w*)\b", words):
        text += " A photo has no scale, so I can give no millimetres."
    return text


def _severity(number: int, inspection: Inspection, words: str) -> str:
    severity = severity_of(inspection.regions[number - 1].area_fraction)
    return (
        f"{_whole(number, inspection, words)} By its area alone it is {severity}; what that means "
        "for the use of the part, a photo cannot tell."
    )


_TOLD: dict[str, Callable[[int, Inspection, str], str]] = {
    "where": _where,
    "size": _size,
    "severity": _severity,
}


def _strength(number: int, inspection: Inspection) -> str:
    """How strongly it stands out against what good parts show."""
    region, level = inspection.regions[number - 1], inspection.level
    way = (region.score - level) / max(1 - level, 1e-6)
    how = "strongly" if way >= _STRONGLY else "clearly" if way >= _CLEARLY else "only a little"
    return (
        f"There the photo differs {how} more than {_usual(inspection)}: score {region.score:.2f}, "
        f"where a place is marked from {level:.2f} on and 1 is the most."
        f"{_rank(number, len(inspection.regions))}"
    )


def _rank(number: int, count: int) -> str:
    """Boxes are numbered by their scores."""
    if count == 1:
        return ""
    if number in (1, count):
        return f" It is the {'strongest' if number == 1 else 'weakest'} of {count} boxes."
    return f" By score it is number {number} of {count} boxes."


def _usual(inspection: Inspection) -> str:
    return "good parts do" if inspection.references else "is usual"


# --- several ------------------------------------------------------------------------------------


def _compared(numbers: Sequence[int], inspection: Inspection) -> str:
    regions = inspection.regions
    texts = [
        f"box {n} lies at the {regions[n - 1].location} and covers {_share(regions[n - 1])} of the "
        f"photo, score {regions[n - 1].score:.2f}"
        for n in numbers
    ]
    strongest = min(numbers)
    largest = max(numbers, key=lambda n: regions[n - 1].area_fraction)
    most, more = ("most", "largest") if len(numbers) > 2 else ("more", "larger")
    if strongest == largest:
        ends = f"Box {strongest} stands out {most}, and is the {more}."
    else:
        ends = f"Box {strongest} stands out {most}; box {largest} is the {more}."
    return f"{capital('; '.join(texts))}. {ends}"


def _missing(numbers: Sequence[int], inspection: Inspection) -> str:
    if not numbers:
        return ""
    named = " or ".join(str(n) for n in numbers)
    count = len(inspection.regions)
    if not count:
        return f"There is no box {named}: {found(inspection)}."
    if count == 1:
        return f"There is no box {named}. There is one box, box 1."
    listed = "1 and 2" if count == 2 else f"1 to {count}"
    number = "two" if count == 2 else str(count)
    return f"There is no box {named}. There are {number} boxes, {listed}."


# --- pieces -------------------------------------------------------------------------------------


def _at(number: int, region: Region) -> str:
    return f"box {number}, at the {region.location}"


def detailed(number: int, region: Region) -> str:
    """A box as lists have it."""
    return f"{_at(number, region)} ({_share(region)} of the photo, score {region.score:.2f})"


def _share(region: Region) -> str:
    return percent(region.area_fraction)


def _sides(region: Region) -> str:
    x0, y0, x1, y1 = region.bbox
    return f"{x1 - x0} × {y1 - y0} pixels large"


def _pixels(region: Region) -> str:
    x0, y0, x1, y1 = region.bbox
    return f"in a box of {x1 - x0} × {y1 - y0} pixels from ({x0}, {y0}) to ({x1}, {y1})"
