"""What a result says, in sentences: one function for each thing that is asked for.

No answer but the verdict itself begins with "Yes" or "No", or with a word that starts like them:
whoever reads the first word only may take it for the verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from anomalygpt.replies.facts import facts_of_inspection
from anomalygpt.replies.questions import Asked
from anomalygpt.results.cautions import DESCRIPTION_UNREAD, NO_REFERENCE
from anomalygpt.results.certainty import FAIRLY_SURE, UNSURE, how_sure
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import MOST_REGIONS, Region
from simulation.dialogues import Facts
from simulation.dialogues.published import join_words

_ALL_FINE = "I see nothing that stands out"
_WHOLE = "the photo as a whole looks unusual, though no single region stands out"


def percent(share: float) -> str:
    """A share as tables show it."""
    return f"{100 * share:.1f} %" if share >= 0.0005 else "under 0.1 %"


def found(inspection: Inspection) -> str:
    """How many regions stand out, and where, without an end mark."""
    count = len(inspection.regions)
    if not count:
        return _WHOLE if inspection.is_anomalous else _ALL_FINE
    places = join_words(facts_of_inspection(inspection).places)
    return f"{count} region{'s stand' if count > 1 else ' stands'} out, at the {places}"


def reservation(inspection: Inspection) -> str:
    """What a verdict must be read with, as sentences; "" where it needs none."""
    parts = [text for text in inspection.cautions if text != DESCRIPTION_UNREAD]
    if not inspection.references and NO_REFERENCE not in parts:
        parts.insert(0, NO_REFERENCE)
    sure = how_sure(inspection)
    if sure == FAIRLY_SURE:
        escape = "" if inspection.is_anomalous else "; faint damage can escape me"
        parts.append(f"I am only fairly sure ({_probability(inspection)}){escape}.")
    elif sure == UNSURE:
        parts.append(f"This is unsure ({_probability(inspection)}): look for yourself.")
    return " ".join(parts)


def _warned(text: str, inspection: Inspection) -> str:
    """The text with its reservation, where that is more than an "only fairly sure"."""
    plain = how_sure(inspection) == FAIRLY_SURE and set(inspection.cautions) <= {DESCRIPTION_UNREAD}
    return text if plain else _with_reservation(text, inspection)


def _probability(inspection: Inspection) -> str:
    return f"probability of an anomaly {100 * (inspection.anomaly_probability or 0):.0f} %"


def _with_reservation(text: str, inspection: Inspection) -> str:
    return f"{text} {reservation(inspection)}".strip()


def _region(number: int, region: Region) -> str:
    return (
        f"region {number}, at the {region.location} ({percent(region.area_fraction)} of the photo, "
        f"score {region.score:.2f})"
    )


def _basis(inspection: Inspection) -> str:
    count = len(inspection.references)
    return (
        f"{count} photo{'s' if count > 1 else ''} of {'good parts' if count > 1 else 'a good part'}"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- whether something is wrong -----------------------------------------------------------------


def anomaly(asked: Asked, inspection: Inspection) -> str:
    return _with_reservation(inspection.answer or f"{_capital(found(inspection))}.", inspection)


def ok(asked: Asked, inspection: Inspection) -> str:
    words = asked.words.split()
    passes, fails = "It looks fine", "It is not fine"
    if {"pass", "passes", "passed", "fail", "fails", "failed"} & set(words):
        passes, fails = "Pass", "Fail"
    elif "good" in words and "bad" in words:
        passes, fails = "Good", "Bad"
    text = f"{fails if inspection.is_anomalous else passes}: {found(inspection)}."
    return _with_reservation(text, inspection)


def advice(asked: Asked, inspection: Inspection) -> str:
    facts = facts_of_inspection(inspection)
    if how_sure(inspection) in ("", UNSURE):
        text = f"Do not decide by this result alone: {found(inspection)}."
    elif not inspection.is_anomalous:
        text = "By the photo you can accept it: I see nothing that stands out."
    elif facts.severity == "minor":
        text = f"Take a closer look before you accept it: {found(inspection)}, of minor extent."
    elif facts.severity == "moderate":
        text = f"Set it aside for rework or a decision: {found(inspection)}."
    else:
        text = f"I would reject it: {found(inspection)}."
    return _with_reservation(text, inspection)


def doubt(asked: Asked, inspection: Inspection) -> str:
    text = f"I keep to what the comparison shows: {found(inspection)}."
    return _with_reservation(f"{text} You know the part better than I do.", inspection)


def sure(asked: Asked, inspection: Inspection) -> str:
    if not inspection.references:
        text = f"{NO_REFERENCE} How sure it is I cannot say."
        if "probability" in asked.words or "likel" in asked.words:
            text += f" The language model alone says: {_probability(inspection)}."
        return text
    others = " ".join(text for text in inspection.cautions if text != DESCRIPTION_UNREAD)
    words = _capital(how_sure(inspection))
    text = f"{words}: {_probability(inspection)}, compared with {_basis(inspection)}."
    return f"{text} {others}".strip()


def percentage(asked: Asked, inspection: Inspection) -> str:
    """Without a word of what: the probability, and the share of the photo."""
    if not inspection.references:
        return f"{coverage(asked, inspection)} {NO_REFERENCE}"
    first = f"{_capital(_probability(inspection))} ({how_sure(inspection)})."
    return f"{first} {coverage(asked, inspection)}"


def why(asked: Asked, inspection: Inspection) -> str:
    against = f", compared with {_basis(inspection)}" if inspection.references else ""
    text = f"Because {found(inspection)}{against}."
    if inspection.regions:
        text += (
            f" The strongest has score {inspection.regions[0].score:.2f}; a region is marked from "
            f"{inspection.level:.2f} on."
        )
    return _warned(text, inspection)


# --- what and where -----------------------------------------------------------------------------


def where(asked: Asked, inspection: Inspection) -> str:
    if not inspection.regions:
        return f"{_capital(found(inspection))}, so there is no place to name."
    named = [_region(n, region) for n, region in enumerate(inspection.regions, start=1)]
    return f"{_capital('; '.join(named))}."


def count(asked: Asked, inspection: Inspection) -> str:
    number = len(inspection.regions)
    if not number:
        return f"Zero: {found(inspection)}."
    more = " There may be more: so many are marked at most." if number >= MOST_REGIONS else ""
    return f"{_capital(found(inspection))}.{more}"


def box(asked: Asked, inspection: Inspection) -> str:
    number, regions = asked.number or 0, inspection.regions
    if not 1 <= number <= len(regions):
        return f"There is no region {number}: {found(inspection)}."
    region = regions[number - 1]
    x0, y0, x1, y1 = region.bbox
    good = "good parts do" if inspection.references else "is usual"
    return (
        f"{_capital(_region(number, region))}: there the photo differs more than {good}. Its box "
        f"goes from ({x0}, {y0}) to ({x1}, {y1}) in pixels; the score is 0 where all is as in a "
        "good part, and 1 at most. What it is, the result does not say."
    )


def worst(asked: Asked, inspection: Inspection) -> str:
    regions = inspection.regions
    if not regions:
        return f"{_capital(found(inspection))}, so there is no worst one."
    largest = max(range(len(regions)), key=lambda n: regions[n].area_fraction)
    strongest = f"{_capital(_region(1, regions[0]))}"
    if len(regions) == 1:
        return f"There is only one: {_region(1, regions[0])}."
    if largest == 0:
        return f"{strongest}, differs most, and it is also the largest."
    return f"{strongest}, differs most; the largest is {_region(largest + 1, regions[largest])}."


def size(asked: Asked, inspection: Inspection) -> str:
    facts, regions = facts_of_inspection(inspection), inspection.regions
    if not regions:
        return f"{_capital(found(inspection))}, so there is no size to give."
    at = max(range(len(regions)), key=lambda n: regions[n].area_fraction)
    x0, y0, x1, y1 = regions[at].bbox
    first = f"Region {at + 1}, at the {regions[at].location}," + (
        " is the largest:" if len(regions) > 1 else " is"
    )
    text = (
        f"{first} {facts.defects[at].size}, {percent(regions[at].area_fraction)} of the photo, in "
        f"a box of {x1 - x0} × {y1 - y0} pixels."
    )
    if len(regions) > 1:
        text += f" All together cover {percent(facts.total_fraction)}."
    return f"{text} A photo has no scale, so I can give no millimetres."


def coverage(asked: Asked, inspection: Inspection) -> str:
    facts = facts_of_inspection(inspection)
    if not facts.defects:
        return f"0 % of the photo: {found(inspection)}."
    what = f"The {facts.count} regions together cover" if facts.count > 1 else "The region covers"
    return f"{what} {percent(facts.total_fraction)} of the photo."


def severity(asked: Asked, inspection: Inspection) -> str:
    facts = facts_of_inspection(inspection)
    if facts.severity is None:
        return _warned(f"{_capital(found(inspection))}.", inspection)
    return _warned(
        f"By the area alone it is {facts.severity}: {percent(facts.total_fraction)} of the photo "
        "stands out. What that means for the use of the part, a photo cannot tell.",
        inspection,
    )


def cell(asked: Asked, inspection: Inspection) -> str:
    assert asked.place is not None
    name, cells = asked.place
    facts = facts_of_inspection(inspection)
    lying = _numbered(facts, lambda n: facts.defects[n].place in cells)
    reaching = _numbered(facts, lambda n: bool({*cells} & {*facts.defects[n].cells}))
    if lying:
        which = f"region{'s' if len(lying) > 1 else ''} {join_words(lying)}"
        lies = "lies" if len(lying) == 1 else "lie"
        return _warned(f"The {name} is not fine: {which} {lies} there.", inspection)
    if reaching:
        which = f"region{'s' if len(reaching) > 1 else ''} {join_words(reaching)}"
        reaches = "reaches" if len(reaching) == 1 else "reach"
        places = join_words([facts.defects[int(n) - 1].place for n in reaching])
        text = f"The {name} is affected: {which}, at the {places}, {reaches} into it."
        return _warned(text, inspection)
    rest = f"; {found(inspection)}" if facts.defects else ", like the rest"
    return _warned(f"The {name} looks fine{rest}.", inspection)


def _numbered(facts: Facts, chosen: Callable[[int], bool]) -> list[str]:
    return [str(n + 1) for n in range(facts.count) if chosen(n)]


def clean(asked: Asked, inspection: Inspection) -> str:
    facts = facts_of_inspection(inspection)
    if not facts.cells:
        return _warned(f"{_capital(found(inspection))}, anywhere.", inspection)
    if len(facts.cells) == 9:
        return "The regions reach every part of the photo."
    return f"The regions reach the {join_words(facts.cells)}; I see nothing elsewhere."


def kind(asked: Asked, inspection: Inspection) -> str:
    if not inspection.regions:
        return f"{_capital(found(inspection))}, so there is no kind to name."
    return (
        f"The comparison shows where the photo differs, not what it is: {found(inspection)}. "
        "Please look there."
    )


# --- what it rests on ---------------------------------------------------------------------------


def reference(asked: Asked, inspection: Inspection) -> str:
    if not inspection.references:
        return f"{NO_REFERENCE} Give one and I can compare. So far {found(inspection)}."
    return _warned(f"Compared with {_basis(inspection)}, {found(inspection)}.", inspection)


def method(asked: Asked, inspection: Inspection) -> str:
    if not inspection.references:
        basis = "I looked for what damage usually looks like, area by area, and had no good part."
    else:
        basis = (
            f"I compared the photo with {_basis(inspection)}, area by area, and mark what differs "
            "more than good parts differ among themselves."
        )
    return f"{basis} I see the surface only. Result: {found(inspection)}."


def score(asked: Asked, inspection: Inspection) -> str:
    return (
        f"The score of the photo is {inspection.anomaly_score:.2f}: 0 where all is as in a good "
        f"part, and 1 at most. A region is marked from {inspection.level:.2f} on; "
        f"{found(inspection)}."
    )


def report(asked: Asked, inspection: Inspection) -> str:
    verdict = "something is wrong" if inspection.is_anomalous else "looks good"
    sure = how_sure(inspection)
    parts = [
        f"Report on {inspection.image or 'the photo'}.",
        f"Verdict: {verdict}" + (f" ({_probability(inspection)}, {sure})." if sure else "."),
        f"Compared with: {', '.join(inspection.references) or 'nothing'}.",
        where(asked, inspection),
        coverage(asked, inspection) if inspection.regions else "",
        " ".join(inspection.cautions),
    ]
    if "8d" in asked.words.split():
        parts.append("Team, causes and measures of an 8D report are not in the photo.")
    return " ".join(part for part in parts if part)


def part(asked: Asked, inspection: Inspection) -> str:
    told = _told(inspection)
    if told:
        text = f"You described it so: {told} What the comparison shows: {found(inspection)}."
    else:
        text = f"I was not told what part it is, and only compare photos: {found(inspection)}."
    return _warned(text, inspection)


def colour(asked: Asked, inspection: Inspection) -> str:
    told = _told(inspection)
    start = f"You described the part so: {told} " if told else ""
    return (
        f"{start}I compare with good parts and do not name colours; please see the photo. What I "
        f"can say: {found(inspection)}."
    )


def _told(inspection: Inspection) -> str:
    """The user's own description, in quotation marks, without its end mark doubled."""
    words = " ".join((inspection.description or "").split())
    return f"“{words}”." if words else ""


def beyond(asked: Asked, inspection: Inspection) -> str:
    """For what no result tells."""
    thing = asked.thing or "that"
    whether = f"whether there is {thing}" if asked.thing else thing
    return (
        f"The photo and its comparison cannot tell {whether}; what they show: {found(inspection)}."
    )


def social(asked: Asked, inspection: Inspection) -> str:
    """For courtesies, and for who asks what this is."""
    offer = "Ask me whether something is wrong with the part, where, and how sure that is."
    words = {*asked.words.split()}
    if words & {"thanks", "thank", "cheers", "helps", "helpful", "work", "job", "well", "perfect"}:
        return "My pleasure."
    if words & {"bye", "goodbye", "see", "night", "until", "all", "everything", "done", "nice"}:
        return "Goodbye."
    if words & {"you", "your", "yourself", "talking"}:
        return f"I am an inspection assistant: a program that compares photos of parts. {offer}"
    return f"Hello. {offer}"


ANSWERS: dict[str, Callable[[Asked, Inspection], str]] = {
    "anomaly": anomaly,
    "ok": ok,
    "see": ok,
    "advice": advice,
    "doubt": doubt,
    "sure": sure,
    "percentage": percentage,
    "why": why,
    "where": where,
    "count": count,
    "box": box,
    "worst": worst,
    "size": size,
    "coverage": coverage,
    "severity": severity,
    "cell": cell,
    "clean": clean,
    "kind": kind,
    "reference": reference,
    "method": method,
    "score": score,
    "report": report,
    "part": part,
    "colour": colour,
    "beyond": beyond,
    "open": beyond,
    "social": social,
}


def join(texts: Sequence[str]) -> str:
    """Several answers as one; a sentence that was said is not said again."""
    sentences = [each for text in texts for each in re.split(r"(?<=[.!?]) (?=[A-Z0-9“])", text)]
    return " ".join(dict.fromkeys(sentences))
