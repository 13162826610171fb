"""The result in a language of the table, in a few sentences."""

from __future__ import annotations

from anomalygpt.replies.facts import facts_of_inspection
from anomalygpt.replies.languages import LANGUAGES, SPEAKS_ENGLISH, place_names
from anomalygpt.results.certainty import QUITE_SURE, how_sure
from anomalygpt.results.inspection import Inspection

__all__ = ["SPEAKS_ENGLISH", "sentences"]

# Written without spaces between sentences.
_UNSPACED = ("zh", "ja")


def sentences(language: str, intent: str, inspection: Inspection) -> str | None:
    """That the assistant speaks English, and what the result says.

    Args:
        language: a key of `languages.LANGUAGES`.
        intent: "ok", "where" or "count".
        inspection: one with a verdict.

    Returns:
        None for another language.
    """
    phrases = LANGUAGES.get(language)
    if phrases is None:
        return None
    parts = [phrases.speaks]
    if not inspection.is_anomalous:
        parts.append(phrases.good)
    elif intent == "ok" or not inspection.regions:
        parts.append(phrases.bad)
    if inspection.regions:
        names = place_names(language)
        places = [names[place] for place in facts_of_inspection(inspection).places]
        count = len(inspection.regions)
        parts.append(phrases.number.format(n=count, places=phrases.comma.join(places)))
    if not inspection.references:
        parts.append(phrases.guess)
    elif how_sure(inspection) != QUITE_SURE:
        parts.append(phrases.unsure)
    return ("" if language in _UNSPACED else " ").join(parts)
