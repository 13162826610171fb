"""One bit depth for the photos of a category, which are compared with each other."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from anomalygpt.data.samples import Sample
from anomalygpt.images.reading import common_bit_depth


def bit_depths(samples: Iterable[Sample], bit_depth: int | None = None) -> dict[Path, int]:
    """Bit depths for `load_image`, of photos and references; {} where all photos have 8 bits.

    Args:
        samples: of any categories; photos with more than 8 bits are decoded.
        bit_depth: what the user says it is; None asks the files of each category together.
    """
    groups: dict[str, dict[Path, None]] = {}
    for sample in samples:
        group = groups.setdefault(sample.category, {})
        group[sample.image] = None
        if sample.reference is not None:
            group[sample.reference] = None
    found: dict[Path, int] = {}
    for group in groups.values():
        if depth := bit_depth or common_bit_depth(group):
            found |= dict.fromkeys(group, depth)
    return found
