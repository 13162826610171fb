"""Pieces that several answers have: what was found, and what it must be read with."""

from __future__ import annotations

from anomalygpt.replies.facts import facts_of_inspection
from anomalygpt.results.cautions import AMONG_PEERS, DESCRIPTION_UNREAD, NO_REFERENCE
from anomalygpt.results.certainty import FAIRLY_SURE, UNSURE, how_sure
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.sentences import percent
from simulation.dialogues.published import join_words

__all__ = [
    "basis",
    "capital",
    "found",
    "percent",
    "probability",
    "reservation",
    "warned",
    "with_reservation",
]

_ALL_FINE = "I see nothing that stands out"
_WHOLE = "the photo as a whole looks unusual, though no single region stands out"


# An expert decided, and told none.
NO_PROBABILITY = "the verdict came without a probability"


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
    if not inspection.references and not {NO_REFERENCE, AMONG_PEERS} & set(parts):
        parts.insert(0, NO_REFERENCE)
    sure = how_sure(inspection)
    if sure == FAIRLY_SURE:
        escape = "" if inspection.is_anomalous else "; faint damage can escape me"
        parts.append(f"I am only fairly sure ({probability(inspection)}){escape}.")
    elif sure == UNSURE:
        parts.append(f"This is unsure ({probability(inspection)}): look for yourself.")
    return " ".join(parts)


def warned(text: str, inspection: Inspection) -> str:
    """The text with its reservation, where that is more than an "only fairly sure"."""
    plain = how_sure(inspection) == FAIRLY_SURE and set(inspection.cautions) <= {DESCRIPTION_UNREAD}
    return text if plain else with_reservation(text, inspection)


def with_reservation(text: str, inspection: Inspection) -> str:
    return f"{text} {reservation(inspection)}".strip()


def probability(inspection: Inspection) -> str:
    if inspection.anomaly_probability is None:
        return NO_PROBABILITY
    return f"probability of an anomaly {100 * inspection.anomaly_probability:.0f} %"


def basis(inspection: Inspection) -> str:
    """What the photo was compared with."""
    count = len(inspection.references)
    return (
        f"{count} photo{'s' if count > 1 else ''} of {'good parts' if count > 1 else 'a good part'}"
    )


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]
