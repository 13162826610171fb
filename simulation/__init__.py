"""Simulated changes of normal photos: other photos of the same part, and anomalies."""

from simulation.anomaly import (
    LABEL_THRESHOLD,
    PLACES,
    Defect,
    DefectKind,
    SimulatedAnomaly,
    find_defects,
)
from simulation.variation import NormalVariation, geometric_matrix, rotations_and_flips, vary

__all__ = [
    "LABEL_THRESHOLD",
    "PLACES",
    "Defect",
    "DefectKind",
    "NormalVariation",
    "SimulatedAnomaly",
    "find_defects",
    "geometric_matrix",
    "rotations_and_flips",
    "vary",
]
