"""Simulated changes of normal photos."""

from simulation.variation import NormalVariation, geometric_matrix, rotations_and_flips, vary

__all__ = ["NormalVariation", "geometric_matrix", "rotations_and_flips", "vary"]
