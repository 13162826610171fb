"""The findings on a photo in words for a terminal."""

from __future__ import annotations

from collections import Counter

from anomalygpt.files import shown
from anomalygpt.results.certainty import how_sure
from anomalygpt.results.inspection import Inspection
from decoder.limits import Limit


def sentence(inspection: Inspection) -> str:
    """The findings on a photo in one line for a person."""
    name = shown(inspection.image or "photo")
    if inspection.answer is not None:
        sure, probability = how_sure(inspection), inspection.anomaly_probability
        number = f"(P(anomaly) {probability:.2f}, {sure})" if sure else ""
        said = opinion_sentence(inspection)
        rule = limit_sentence(inspection)
        parts = [f"{name}: {inspection.answer}", number, rule, said, *inspection.cautions]
        return " ".join(part for part in parts if part)
    places = Counter(region.location for region in inspection.regions)
    where = ", ".join(
        f"{place} ({count})" if count > 1 else place for place, count in places.items()
    )
    score = f"{name}: score {inspection.anomaly_score:.3f}, stands out: {where or 'nothing'}"
    return ". ".join([score, *inspection.cautions])


def limit_sentence(inspection: Inspection) -> str:
    """That the product's limit decided, and what it promises; "" where the language model did."""
    limit = inspection.limit
    if limit is None:
        return ""
    return (
        f"The product's limit decides: score {inspection.anomaly_score:.3f}, limit "
        f"{limit.score:.3f} ({promise(limit)})."
    )


def promise(limit: Limit) -> str:
    """What a limit promises, without a full stop."""
    if limit.false_alarms is None or limit.confidence is None:
        return f"moved by hand, {limit.dated}; it promises nothing"
    return (
        f"at most {100 * limit.false_alarms:g} % false alarms with {100 * limit.confidence:g} % "
        f"confidence, from {limit.photos} good parts, {limit.dated}"
    )


def opinion_sentence(inspection: Inspection) -> str:
    """What a foreign model says, and whether it says the same; "" where none was asked."""
    opinion = inspection.opinion
    if opinion is None:
        return ""
    words = " ".join(opinion.answer.split()) or "(nothing)"
    against = " The two disagree; look for yourself." if opinion.agrees is False else ""
    return f"{opinion.model} says: {words}{against}"


def regions(inspection: Inspection, *, in_one_line: bool) -> str:
    found = [
        f"{region.location} ({percent(region.area_fraction)} of the photo, score "
        f"{region.score:.2f})"
        for region in inspection.regions
    ]
    if not found:
        return "Stands out: nothing"
    if in_one_line:
        return f"Stands out: {'; '.join(found)}"
    return "\n".join(["Stands out:", *(f"  {n}. {text}" for n, text in enumerate(found, 1))])


def percent(share: float) -> str:
    """A share of the photo for people."""
    return f"{100 * share:.1f} %" if share >= 0.0005 else "under 0.1 %"
