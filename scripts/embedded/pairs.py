"""A good part in several photos, and a photo of it with simulated damage, from a single photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from anomalygpt.images.reading import load_image
from anomalygpt.references.pictures import COPY_VARIATION
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


class Part:
    """A part of which there are several photos, all made from one."""

    def __init__(self, photos: Sequence[Path], generator: np.random.Generator, side: int) -> None:
        """Choose a photo, and a place in it.

        Args:
            photos: to choose from.
            generator: of all chance, also of the methods.
            side: of the pictures in pixels.
        """
        self._generator, self._side = generator, side
        first, other = generator.choice(len(photos), size=2, replace=len(photos) < 2)
        self._pixels = np.asarray(load_image(photos[first]))
        self._source = photos[other]
        self._is_pile = generator.random() < OTHER_PART_SHARE
        self._zoom = generator.uniform(0.45, 0.75) if self._is_pile else generator.uniform(0.6, 1.0)
        self.first = self._crop()

    def view(self) -> np.ndarray:
        """The part once more, or another part of the same pile; (side, side, 3) uint8."""
        return self._crop() if self._is_pile else self.first

    def damage(self, view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The view with simulated damage, and its mask (side, side) bool."""
        size = (self._side, self._side)
        source = load_image(self._source).resize(size, Image.Resampling.BICUBIC)
        profile = profile_for("object")
        found = simulate(view, self._generator, source=np.asarray(source), profile=profile)
        return found.image, found.mask

    def _crop(self) -> np.ndarray:
        return crop(self._pixels, self._generator, self._zoom, self._side)


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
    part = Part(photos, generator, side)
    good, query, mask = part.first, part.view(), np.zeros((side, side), bool)
    if generator.random() >= good_share:
        query, mask = part.damage(query)
    pose = int(generator.integers(1, TURNS))
    return Pair(
        vary(good, generator, OTHER_PHOTO),
        rotations_and_flips(good, TURNS, False)[pose],
        vary(good, generator, COPY_VARIATION),
        vary(query, generator, OTHER_LIGHT),
        mask,
    )


def crop(pixels: np.ndarray, generator: np.random.Generator, zoom: float, side: int) -> np.ndarray:
    """A random cut-out with so large a share of each side, as (side, side, 3)."""
    height, width = pixels.shape[:2]
    rows, columns = max(1, int(zoom * height)), max(1, int(zoom * width))
    top = int(generator.integers(height - rows + 1))
    left = int(generator.integers(width - columns + 1))
    part = pixels[top : top + rows, left : left + columns]
    method = cv2.INTER_AREA if rows > side else cv2.INTER_CUBIC
    return cv2.resize(part, (side, side), interpolation=method)
