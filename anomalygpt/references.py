"""Which pictures of a good part a memory bank keeps: turned copies, and simulated other photos."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from torch import Tensor

from decoder.config import Formulation
from simulation import NormalVariation, rotations_and_flips, vary

# Patch tokens of a reference in all its turns, and of its simulated other photos, per stage.
ReferenceViews: TypeAlias = "tuple[tuple[Tensor, ...], tuple[Tensor, ...]]"

# One or two references do not show how parts lie: they are also compared turned, so many views in
# all. From three references on that no longer helps.
FEW_REFERENCES, FEW_VIEWS = 2, 12

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
    max_aspect=4 / 3,
)


def turns_of_each(references: int, formulation: Formulation) -> int:
    """Turned copies, the photo itself included, that `remember` keeps of each reference."""
    if formulation == "published" or not 1 <= references <= FEW_REFERENCES:
        return 1
    return FEW_VIEWS // references


def reference_pictures(
    pixels: np.ndarray, rotations: int, flips: bool
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The pictures of one reference; the same photo always gives the same.

    Args:
        pixels: (H, W, 3) uint8, RGB.
        rotations: evenly spaced turns, the photo itself included and first.
        flips: True adds mirrored copies.

    Returns:
        Those that are searched, and the simulated other photos of it, all (H, W, 3) uint8.
    """
    generator = np.random.default_rng(VARIATION_SEED)
    varied = [vary(pixels, generator, COPY_VARIATION) for _ in range(VARIED_COPIES)]
    return rotations_and_flips(pixels, rotations, flips), varied
