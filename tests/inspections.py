"""Inspections that a command printed, and whether two are the same."""

from __future__ import annotations

import numpy as np

from anomalygpt import Inspection


def inspections(out: str) -> list[Inspection]:
    """What `anomalygpt inspect --json` printed."""
    return [Inspection.from_json(line) for line in out.splitlines()]


def same(first: Inspection, second: Inspection) -> None:
    """Everything that was found is identical, the map to the last bit; names are left aside."""
    assert first.answer == second.answer
    assert first.anomaly_probability == second.anomaly_probability
    assert first.is_anomalous == second.is_anomalous
    assert first.anomaly_score == second.anomaly_score
    assert first.regions == second.regions
    assert np.array_equal(first.anomaly_map, second.anomaly_map)
