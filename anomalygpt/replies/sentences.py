"""What a result says, in sentences: one function for each thing that is asked for.

No answer but the verdict itself begins with "Yes" or "No", or with a word that starts like them:
whoever reads the first word only may take it for the verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from anomalygpt.replies import box_sentences
from anomalygpt.replies.facts import facts_of_inspection
from anomalygpt.replies.questions import Asked
from anomalygpt.replies.wording import (
    NO_PROBABILITY,
    basis,
    capital,
    found,
    percent,
    probability,
    warned,
    with_reservation,
)
from anomalygpt.results.cautions import DESCRIPTION_UNREAD, NO_REFERENCE
from anomalygpt.results.certainty import UNSURE, how_sure
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import MOST_REGIONS
from anomalygpt.results.sentences import limit_sentence
from simulation.dialogues import Facts
from simulation.dialogues.published import join_words

# --- whether something is wrong -----------------------------------------------------------------


def anomaly(asked: Asked, inspection: Inspection) -> str:
    return with_reservation(inspection.answer or f"{capital(found(inspection))}.", inspection)


def ok(asked: Asked, inspection: Inspection) -> str:
    words = asked.words.split()
    passes, fails = "It looks fine", "It is not fine"
    if {"pass", "passes", "passed", "fail", "fails", "failed"} & set(words):
        passes, fails = "Pass", "Fail"
    elif "good" in words and "bad" in words:
        passes, fails = "Good", "Bad"
    text = f"{fails if inspection.is_anomalous else passes}: {found(inspection)}."
    return with_reservation(text, inspection)


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
    return with_reservation(text, inspection)


def doubt(asked: Asked, inspection: Inspection) -> str:
    text = f"I keep to what the comparison shows: {found(inspection)}."
    return with_reservation(f"{text} You know the part better than I do.", inspection)


def sure(asked: Asked, inspection: Inspection) -> str:
    if not inspection.references:
        text = f"{NO_REFERENCE} How sure it is I cannot say."
        if "probability" in asked.words or "likel" in asked.words:
            text += f" The language model alone says: {probability(inspection)}."
        return text
    others = " ".join(text for text in inspection.cautions if text != DESCRIPTION_UNREAD)
    if inspection.anomaly_probability is None:
        return f"{capital(NO_PROBABILITY)}. {others}".strip()
    words = capital(how_sure(inspection))
    text = f"{words}: {probability(inspection)}, compared with {basis(inspection)}."
    return " ".join(each for each in (text, limit_sentence(inspection), others) if each)


def percentage(asked: Asked, inspection: Inspection) -> str:
    """Without a word of what: the probability, and the share of the photo."""
    if not inspection.references:
        return f"{coverage(asked, inspection)} {NO_REFERENCE}"
    sure = how_sure(inspection)
    first = f"{capital(probability(inspection))}{f' ({sure})' if sure else ''}."
    return f"{first} {coverage(asked, inspection)}"


def why(asked: Asked, inspection: Inspection) -> str:
    against = f", compared with {basis(inspection)}" if inspection.references else ""
    text = f"Because {found(inspection)}{against}. {limit_sentence(inspection)}".rstrip()
    if inspection.regions:
        text += (
            f" The strongest has score {inspection.regions[0].score:.2f}; a region is marked from "
            f"{inspection.level:.2f} on."
        )
    return warned(text, inspection)


# --- what and where -----------------------------------------------------------------------------


def where(asked: Asked, inspection: Inspection) -> str:
    if not inspection.regions:
        return f"{capital(found(inspection))}, so there is no place to name."
    named = [
        box_sentences.detailed(n, region) for n, region in enumerate(inspection.regions, start=1)
    ]
    return f"{capital('; '.join(named))}."


def count(asked: Asked, inspection: Inspection) -> str:
    number = len(inspection.regions)
    if not number:
        return f"Zero: {found(inspection)}."
    more = " There may be more: so many are marked at most." if number >= MOST_REGIONS else ""
    return f"{capital(found(inspection))}.{more}"


def size(asked: Asked, inspection: Inspection) -> str:
    facts, regions = facts_of_inspection(inspection), inspection.regions
    if not regions:
        return f"{capital(found(inspection))}, so there is no size to give."
    at = max(range(len(regions)), key=lambda n: regions[n].area_fraction)
    x0, y0, x1, y1 = regions[at].bbox
    first = f"Box {at + 1}, at the {regions[at].location}," + (
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
        return warned(f"{capital(found(inspection))}.", inspection)
    return warned(
        f"{capital(found(inspection))}, {percent(facts.total_fraction)} of the photo. By the area "
        f"alone that is {facts.severity}; what it means for the use of the part, a photo cannot "
        "tell.",
        inspection,
    )


def cell(asked: Asked, inspection: Inspection) -> str:
    assert asked.place is not None
    name, cells = asked.place
    facts = facts_of_inspection(inspection)
    lying = _numbered(facts, lambda n: facts.defects[n].place in cells)
    reaching = _numbered(facts, lambda n: bool({*cells} & {*facts.defects[n].cells}))
    if lying:
        which = f"box{'es' if len(lying) > 1 else ''} {join_words(lying)}"
        lies = "lies" if len(lying) == 1 else "lie"
        return warned(f"The {name} is not fine: {which} {lies} there.", inspection)
    if reaching:
        which = f"box{'es' if len(reaching) > 1 else ''} {join_words(reaching)}"
        reaches = "reaches" if len(reaching) == 1 else "reach"
        places = join_words([facts.defects[int(n) - 1].place for n in reaching])
        text = f"The {name} is affected: {which}, at the {places}, {reaches} into it."
        return warned(text, inspection)
    rest = f"; {found(inspection)}" if facts.defects else ", like the rest"
    return warned(f"The {name} looks fine{rest}.", inspection)


def _numbered(facts: Facts, chosen: Callable[[int], bool]) -> list[str]:
    return [str(n + 1) for n in range(facts.count) if chosen(n)]


def clean(asked: Asked, inspection: Inspection) -> str:
    if not inspection.regions:
        return warned(f"{capital(found(inspection))}, anywhere.", inspection)
    places = join_words(facts_of_inspection(inspection).places)
    which = "boxes" if len(inspection.regions) > 1 else "box"
    return f"Apart from the {which} at the {places}, nothing stands out."


def kind(asked: Asked, inspection: Inspection) -> str:
    if not inspection.regions:
        return f"{capital(found(inspection))}, so there is no kind to name."
    return (
        f"The comparison shows where the photo differs, not what it is: {found(inspection)}. "
        "Please look there."
    )


# --- what it rests on ---------------------------------------------------------------------------


def reference(asked: Asked, inspection: Inspection) -> str:
    if not inspection.references:
        return f"{NO_REFERENCE} Give one and I can compare. So far {found(inspection)}."
    return warned(f"Compared with {basis(inspection)}, {found(inspection)}.", inspection)


def method(asked: Asked, inspection: Inspection) -> str:
    if not inspection.references:
        how = "I looked for what damage usually looks like, area by area, and had no good part."
    else:
        how = (
            f"I compared the photo with {basis(inspection)}, area by area, and mark what differs "
            "more than good parts differ among themselves."
        )
    return f"{how} I see the surface only. Result: {found(inspection)}."


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
        f"Verdict: {verdict}" + (f" ({probability(inspection)}, {sure})." if sure else "."),
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
    return warned(text, inspection)


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
    "box": box_sentences.box,
    "boxes": box_sentences.boxes,
    "worst": box_sentences.worst,
    "smallest": box_sentences.worst,
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
