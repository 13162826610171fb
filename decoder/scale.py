"""What a value of a normalised map means; the one place where distances become map values.

r is the distance of a patch to its nearest patch of good parts, in units of the distance that good
parts keep among themselves. A map holds r² / (1 + r²): 0 is identical, 0.5 is as far as good parts
are among themselves, 0.8 is twice as far. A published map holds the distance itself.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

Values = TypeVar("Values", Tensor, float)

# The middle patch of a good part lies this far at most, in units of what good parts keep.
MOST_LEVEL = 1.0

# A map value of 1 would be infinitely far.
_FARTHEST = 0.999


def as_map(ratio: Values) -> Values:
    """Map values in [0, 1) of distances r, from 0 on."""
    squared = ratio * ratio
    return squared / (1.0 + squared)


def as_ratio(values: Tensor) -> Tensor:
    """Distances r of map values in [0, 1]; those from .999 on count as .999."""
    cells = values.clamp(0.0, _FARTHEST)
    return (cells / (1.0 - cells)).sqrt()


def without_level(ratio: Tensor, share: float) -> Tensor:
    """Distances without what the whole photo differs by: light or camera rather than damage.

    A whole part that is wrong lies far everywhere, and must not be taken for light: at most 1 is
    taken for the level.

    Args:
        ratio: (B, P), distances r.
        share: of the photo's own middle distance that is taken off, in [0, 1].

    Returns:
        (B, P), nothing below 0.
    """
    if not share:
        return ratio
    level = ratio.median(dim=1, keepdim=True).values.clamp(max=MOST_LEVEL)
    return (ratio - share * level).clamp_min(0.0)


def fused(reference_values: Values, text_values: Values, text_weight: float) -> Values:
    """The map, or a score of it, from references and words together.

    Args:
        reference_values: from the distances to references.
        text_values: of the same shape, from the words for damage.
        text_weight: share of the words, in [0, 1].
    """
    if isinstance(reference_values, Tensor):
        return torch.lerp(reference_values, text_values, text_weight)
    return (1 - text_weight) * reference_values + text_weight * text_values
