"""Which pictures of a good part a memory bank keeps: turned copies, and simulated other photos."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np

from anomalygpt.errors import ConfigError
from decoder.config import Formulation
from simulation import NormalVariation, rotations_and_flips, vary

# One or two references do not show how parts lie: they are also compared turned, so many views in
# all. More of them show it: where they do not lie alike, each is turned so often, with so many
# views in all.
FEW_REFERENCES, FEW_VIEWS = 2, 12
MOST_TURNS, MOST_VIEWS = 6, 24

# Simulated other photos of each reference; they tell how much a good part differs from itself.
VARIED_COPIES = 4
VARIATION_SEED = 0

# They are moved and lit more than two photos of the same part usually are: so much that 9 of 10 of
# their patches lie within the distance that two good parts keep.
COPY_VARIATION = NormalVariation(
    max_shift=0.03,
    max_rotation_degrees=15.0,
    scale=(0.85, 1.15),
    brightness=0.15,
    contrast=0.25,
    gamma=(0.75, 1.3),
    max_blur_sigma=1.3,
    # A model that stretches photos to a square sees a longer one moved too far otherwise.
    max_aspect=4 / 3,
)

# Parts in a fixed pose are compared place by place, which moved copies tell nothing about.
FIXED_POSE_VARIATION = replace(COPY_VARIATION, max_rotation_degrees=6.0, scale=(0.92, 1.08))

# Part of what encoded references are kept under; another number where the pictures change.
PICTURES_VERSION = 2

# A closer look costs several encodings each time: it is taken of every third turned copy, of fewer
# simulated photos, and of no more than so many references.
CLOSER_TURNS = 3
CLOSER_COPIES = 2
MOST_CLOSER = 8


def turns_of_each(
    references: int,
    formulation: Formulation,
    *,
    rotations: int | None = None,
    fixed_pose: bool = False,
    lie_alike: bool = True,
) -> int:
    """Turned copies of each reference, the photo itself included; all who compare ask here.

    Args:
        references: how many there are in all.
        formulation: how distances become a map.
        rotations: what somebody asked for; None leaves it to this rule: 12 of a single reference,
            6 of two; from three on 1 where they lie alike, else up to 6; 1 for published maps.
        fixed_pose: True for parts that are compared place by place, without turns.
        lie_alike: whether they do, see `MemoryBank.lie_alike`; True as long as nobody looked.

    Raises:
        ConfigError: an unknown formulation.
    """
    if formulation not in get_args(Formulation):
        raise ConfigError(f"formulation is 'normalised' or 'published', got {formulation!r}")
    if fixed_pose:
        return 1
    if rotations is not None:
        return rotations
    if formulation == "published" or references < 1:
        return 1
    if references <= FEW_REFERENCES:
        return FEW_VIEWS // references
    return 1 if lie_alike else max(1, min(MOST_TURNS, MOST_VIEWS // references))


def closer_turns(turns: int) -> int:
    """Turned copies of a reference that are looked at closely, the photo itself included."""
    return max(1, turns // CLOSER_TURNS)


def reference_pictures(
    pixels: np.ndarray,
    rotations: int,
    flips: bool,
    fixed_pose: bool = False,
    closer: bool = False,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The pictures of one reference; the same photo always gives the same.

    Args:
        pixels: (H, W, 3) uint8, RGB.
        rotations: evenly spaced turns, the photo itself included and first.
        flips: True adds mirrored copies.
        fixed_pose: True moves the simulated other photos only as much as parts that lie alike.
        closer: whether they are for a closer look.

    Returns:
        Those that are searched, and the simulated other photos of it, all (H, W, 3) uint8.
    """
    generator = np.random.default_rng(VARIATION_SEED)
    variation = FIXED_POSE_VARIATION if fixed_pose else COPY_VARIATION
    copies = CLOSER_COPIES if closer else VARIED_COPIES
    varied = [vary(pixels, generator, variation) for _ in range(copies)]
    return rotations_and_flips(pixels, rotations, flips), varied
