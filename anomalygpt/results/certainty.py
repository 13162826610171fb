"""How sure a verdict may be called, in words; the one place where that is decided.

A probability alone does not carry it: a small model says .01 and .99 of parts that it misjudges.
So the words also go by what the verdict rests on: how many good parts were there to compare with,
and how far the map is from the level at which something stands out.
"""

from __future__ import annotations

from anomalygpt.results.cautions import AMONG_REFERENCES, OTHER_PRODUCT, UNSTEADY
from anomalygpt.results.inspection import Inspection

QUITE_SURE, FAIRLY_SURE = "quite sure", "fairly sure"
UNSURE = "unsure, look for yourself"

# Probabilities of the verdict from which on the words hold, in [0, 1].
_QUITE, _FAIRLY = 0.9, 0.7
# Fewer good parts say too little about how good parts differ among themselves.
_ENOUGH_REFERENCES = 3
# A map whose peak is less than this from the level might as well lie on its other side.
_NEAR = 0.1


def how_sure(inspection: Inspection) -> str:
    """In words, how much the verdict may be trusted.

    Returns:
        "quite sure", "fairly sure" or "unsure, look for yourself"; "" without a verdict, and
        without a photo of a good part, where no degree of certainty can be named. Compared with
        another product, or with itself, a photo says nothing for sure, and neither does a
        verdict that a foreign model contradicts or that harmless changes turn. Nobody is quite
        sure that a part is good: damage may be fainter than what good parts show.
    """
    probability = inspection.anomaly_probability
    if probability is None or inspection.is_anomalous is None or not inspection.references:
        return ""
    # A limit may say the opposite of the language model: then nobody is sure.
    certainty = probability if inspection.is_anomalous else 1 - probability
    if inspection.opinion is not None and inspection.opinion.agrees is False:
        return UNSURE
    if {AMONG_REFERENCES, OTHER_PRODUCT, UNSTEADY} & set(inspection.cautions):
        return UNSURE
    if certainty < _FAIRLY or _is_against_the_map(inspection):
        return UNSURE
    carried = (
        inspection.is_anomalous
        and len(inspection.references) >= _ENOUGH_REFERENCES
        and _distance_to_level(inspection) >= _NEAR
    )
    return QUITE_SURE if carried and certainty >= _QUITE else FAIRLY_SURE


def _distance_to_level(inspection: Inspection) -> float:
    """How far the map's peak is above the level, or below it where the verdict is good; 0 for
    published distances, whose level follows the map."""
    if inspection.formulation == "published":
        return 0.0
    above = _peak(inspection) - inspection.level
    return above if inspection.is_anomalous else -above


def _is_against_the_map(inspection: Inspection) -> bool:
    """Whether the map by itself says the opposite."""
    if inspection.formulation == "published":
        return False
    # Who says yes about a map that stays below the level gets one at nine tenths of the peak.
    lowered = inspection.level >= 0.9 * _peak(inspection) - 1e-6
    return lowered if inspection.is_anomalous else _peak(inspection) > inspection.level


def _peak(inspection: Inspection) -> float:
    if inspection.small_map is not None:
        return float(inspection.small_map.max())
    return max([inspection.anomaly_score, *(region.score for region in inspection.regions)])
