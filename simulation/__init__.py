"""Simulated changes of normal photos: other photos of the same part, and anomalies."""

from simulation.anomaly import (
    LABEL_THRESHOLD,
    PLACES,
    Defect,
    DefectKind,
    SimulatedAnomaly,
    find_defects,
)
from simulation.damage import damage
from simulation.labels import soft_label
from simulation.nsa import paste_patch
from simulation.objects import object_mask
from simulation.profiles import BLENDS, Blend, SimulationProfile, profile_for
from simulation.simulate import KINDS, simulate
from simulation.variation import NormalVariation, geometric_matrix, rotations_and_flips, vary

__all__ = [
    "BLENDS",
    "KINDS",
    "LABEL_THRESHOLD",
    "PLACES",
    "Blend",
    "Defect",
    "DefectKind",
    "NormalVariation",
    "SimulatedAnomaly",
    "SimulationProfile",
    "damage",
    "find_defects",
    "geometric_matrix",
    "object_mask",
    "paste_patch",
    "profile_for",
    "rotations_and_flips",
    "simulate",
    "soft_label",
    "vary",
]
