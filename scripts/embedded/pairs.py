"""A good part in several photos, and a photo of it with simulated damage, from a single photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from anomalygpt.image_io import load_image
from anomalygpt.references import COPY_VARIATION
from simulation import NormalVariation, profile_for, rotations_and_flips, simulate, vary

# Photos of one part differ more or less; a bank also holds turned copies of its references.
OTHER_PHOTO = NormalVariation(
    max_shift=0.03,
    max_rotation_degrees=10.0,
    scale=(0.9, 1.1),
    brightness=0.12,
    contrast=0.2,
    gamma=(0.8, 1.25),
    max_blur_sigma=0.8,
)
# What a camera does without moving; the mask of the damage stays true.
OTHER_LIGHT = NormalVariation(
    max_shift=0.0,
    max_rotation_degrees=0.0,
    scale=(1.0, 1.0),
    brightness=0.1,
    contrast=0.15,
    gamma=(0.85, 1.2),
)

# Share of the pairs that show two places of the same pile or cloth: another part of the same
# kind, of which no patch has an exact counterpart.
OTHER_PART_SHARE = 0.4
TURNS = 12


@dataclass(frozen=True)
class Pair:
    """Photos (S, S, 3) uint8 for one lesson.

    Attributes:
        good: the reference.
        turned: the reference in another pose; it is in the bank as well.
        copy: a simulated other photo of the reference; it is not in the bank.
        query: the photo to inspect.
        mask: (S, S) bool, the damage in the query; all False for a good one.
    """

    good: np.ndarray
    turned: np.ndarray
    copy: np.ndarray
    query: np.ndarray
    mask: np.ndarray


def make_pair(
    photos: Sequence[Path], number: int, seed: int, side: int, good_share: float = 0.15
) -> Pair:
    """Lesson `number`; the same whoever makes it.

    Args:
        photos: to choose from.
        number: from 0 on without end.
        seed: of all chance.
        side: of the pictures in pixels.
        good_share: share of lessons without damage.
    """
    generator = np.random.default_rng([seed, number])
    first, other = generator.choice(len(photos), size=2, replace=len(photos) < 2)
    pixels = np.asarray(load_image(photos[first]))
    other_part = generator.random() < OTHER_PART_SHARE
    zoom = generator.uniform(0.45, 0.75) if other_part else generator.uniform(0.6, 1.0)
    good = crop(pixels, generator, zoom, side)
    query = crop(pixels, generator, zoom, side) if other_part else good
    mask = np.zeros((side, side), bool)
    if generator.random() >= good_share:
        source = np.asarray(
            load_image(photos[other]).resize((side, side), Image.Resampling.BICUBIC)
        )
        found = simulate(query, generator, source=source, profile=profile_for("object"))
        query, mask = found.image, found.mask
    pose = int(generator.integers(1, TURNS))
    return Pair(
        vary(good, generator, OTHER_PHOTO),
        rotations_and_flips(good, TURNS, False)[pose],
        vary(good, generator, COPY_VARIATION),
        vary(query, generator, OTHER_LIGHT),
        mask,
    )


def crop(pixels: np.ndarray, generator: np.random.Generator, zoom: float, side: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    rows, columns = max(1, int(zoom * height)), max(1, int(zoom * width))
    top = int(generator.integers(height - rows + 1))
    left = int(generator.integers(width - columns + 1))
    part = pixels[top : top + rows, left : left + columns]
    shrinks = rows > side
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(part, (side, side), interpolation=method)
