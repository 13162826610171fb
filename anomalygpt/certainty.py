"""How sure a verdict may be called, in words; the one place where that is decided."""

from __future__ import annotations

from anomalygpt.results import Inspection

SURE, FAIRLY_SURE = 0.9, 0.7


def how_sure(inspection: Inspection) -> str:
    """In words, how far the probability of an anomaly is from a coin's; "" without a verdict."""
    if inspection.anomaly_probability is None:
        return ""
    certainty = max(inspection.anomaly_probability, 1 - inspection.anomaly_probability)
    if certainty >= SURE:
        return "quite sure"
    return "fairly sure" if certainty >= FAIRLY_SURE else "unsure, look for yourself"
