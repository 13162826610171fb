"""The entry point: a normal photo goes in, the same photo with one or more defects comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import cv2
import numpy as np

from simulation.anomaly import LABEL_THRESHOLD, PLACES, Defect, DefectKind, SimulatedAnomaly
from simulation.damage import damage
from simulation.labels import bounding_window, grouping_radius, largest_group
from simulation.nsa import paste_patch
from simulation.objects import object_mask
from simulation.profiles import Blend, SimulationProfile, profile_for

KINDS: tuple[DefectKind, ...] = get_args(DefectKind)

# Six patches for four damages of other kinds.
_WEIGHTS: dict[DefectKind, float] = {kind: 6.0 if kind == "patch" else 1.0 for kind in KINDS}

# A defect's mask is at least this share of the photo.
SMALLEST_AREA = 6e-4
_SMALLEST_PIXELS = 4

# Draws for one defect on the part, and then anywhere in the photo.
_TRIES_ON_PART = 12
_TRIES_ANYWHERE = 12
_LAST_RESORT_LEVELS = 90


@dataclass
class _Scene:
    """What a defect is added to.

    Attributes:
        image: (H, W, 3) uint8, with the defects so far.
        label: (H, W) float32.
        part: (H, W) bool, where the part is.
        blocked: (H, W) bool, too close to the defects so far.
        source: (H, W, 3) uint8, what patches are cut from.
        source_part: (H, W) bool.
        profile: bounds.
    """

    image: np.ndarray
    label: np.ndarray
    part: np.ndarray
    blocked: np.ndarray
    source: np.ndarray
    source_part: np.ndarray
    profile: SimulationProfile


def simulate(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    source: np.ndarray | None = None,
    profile: SimulationProfile | None = None,
    kinds: Sequence[DefectKind] | None = None,
    max_defects: int | None = None,
) -> SimulatedAnomaly:
    """Simulate defects on a photo of a good part.

    Every defect is one group of changed pixels, keeps a gap to the others, and can be seen;
    what is not is drawn again. There is always at least one, whatever the photo.

    Args:
        image: (H, W, 3) uint8, RGB; it is not modified.
        generator: source of chance; the same state gives the same result.
        source: (h, w, 3) uint8, another normal photo of the product, of any size, that patches
            are cut from; by default the photo itself.
        profile: bounds; by default those for an unknown product, which need no knowledge of it.
        kinds: what to simulate; by default all, patches in six of ten cases.
        max_defects: largest number of defects, drawn evenly from 1; by default the profile's.

    Returns:
        The changed photo, its label, and its defects, sorted as `find_defects` sorts them; they
        are fewer than drawn where there is no room. Where the label is 0 no pixel was changed.

    Raises:
        ValueError: an image is of another shape or type, a kind is unknown, or max_defects < 1.
    """
    profile = profile_for(None) if profile is None else profile
    names = _checked_kinds(KINDS if kinds is None else kinds)
    most = profile.max_patches if max_defects is None else max_defects
    if most < 1:
        raise ValueError(f"max_defects must be at least 1, got {most}")
    scene = _scene(image, source, profile)
    weights = np.array([_WEIGHTS[name] for name in names])
    defects: list[Defect] = []
    for _ in range(int(generator.integers(1, most, endpoint=True))):
        kind = names[int(generator.choice(len(names), p=weights / weights.sum()))]
        defect = _add(scene, generator, kind, names, must=not defects)
        if defect is not None:
            defects.append(defect)
    defects.sort(key=lambda d: (PLACES.index(d.place), -d.area, d.box[1], d.box[0]))
    return SimulatedAnomaly(scene.image, scene.label, tuple(defects))


def _checked_kinds(kinds: Sequence[DefectKind]) -> tuple[DefectKind, ...]:
    names = tuple(dict.fromkeys(kinds))
    if isinstance(kinds, str) or not names or not set(names) <= set(KINDS):
        raise ValueError(f"kinds must name some of {KINDS}, got {kinds!r}")
    return names


def _checked(image: np.ndarray, name: str) -> np.ndarray:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"{name}: expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    return image


def _scene(image: np.ndarray, source: np.ndarray | None, profile: SimulationProfile) -> _Scene:
    height, width = _checked(image, "image").shape[:2]
    part = object_mask(image, profile.background)
    if source is None:
        source, source_part = image, part
    else:
        if _checked(source, "source").shape != image.shape:
            source = cv2.resize(source, (width, height), interpolation=cv2.INTER_AREA)
        source_part = object_mask(source, profile.background)
    return _Scene(
        image=image.copy(),
        label=np.zeros((height, width), np.float32),
        part=part,
        blocked=np.zeros((height, width), bool),
        source=source,
        source_part=source_part,
        profile=profile,
    )


def _add(
    scene: _Scene,
    generator: np.random.Generator,
    kind: DefectKind,
    kinds: tuple[DefectKind, ...],
    must: bool,
) -> Defect | None:
    """Draw until a defect is accepted; None where there is none and it need not be."""
    blends = scene.profile.blends
    blend = blends[int(generator.integers(len(blends)))]
    for attempt in range(_TRIES_ON_PART + (_TRIES_ANYWHERE if must else 0)):
        anywhere = attempt >= _TRIES_ON_PART
        if attempt and attempt % 6 == 0:
            # What does not fit here gives way to another kind, but not at once: the easy ones
            # would crowd out the others.
            kind = kinds[int(generator.integers(len(kinds)))]
            blend = "scar" if anywhere else blends[int(generator.integers(len(blends)))]
        drawn = _draw(scene, generator, kind, blend, anywhere)
        mask = None if drawn is None else _acceptable(scene, drawn[1])
        if drawn is not None and mask is not None:
            return _accept(scene, *drawn, mask, kind)
    if not must:
        return None
    drawn = _last_resort(scene, generator)
    return _accept(scene, *drawn, drawn[1] > LABEL_THRESHOLD, kind)


def _draw(
    scene: _Scene,
    generator: np.random.Generator,
    kind: DefectKind,
    blend: Blend,
    anywhere: bool,
) -> tuple[np.ndarray, np.ndarray] | None:
    part = np.ones_like(scene.part) if anywhere else scene.part
    free = part & ~scene.blocked
    if not free.any():
        return None
    if kind == "patch":
        return paste_patch(
            scene.image,
            scene.source,
            generator,
            scene.profile,
            free,
            source_place=None if anywhere else scene.source_part,
            blend=blend,
        )
    # A missing part needs the part's own edge, not the edge of what is free.
    return damage(scene.image, generator, kind, part if kind == "missing part" else free)


def _acceptable(scene: _Scene, label: np.ndarray) -> np.ndarray | None:
    """(H, W) bool, the mask of a new defect that stands by itself; None if it does not."""
    mask = label > LABEL_THRESHOLD
    window = bounding_window(mask)
    if window is None or (label[scene.blocked] > 0).any():
        return None
    pixels = int(np.count_nonzero(mask[window]))
    if pixels < max(_SMALLEST_PIXELS, SMALLEST_AREA * mask.size):
        return None
    if np.count_nonzero(largest_group(mask[window], mask.shape)) < pixels:
        return None
    return mask


def _accept(
    scene: _Scene, image: np.ndarray, label: np.ndarray, mask: np.ndarray, kind: DefectKind
) -> Defect:
    scene.image = image
    scene.label = np.maximum(scene.label, label)
    # Twice the widening of find_defects and one pixel more, so that two groups never touch.
    side = 2 * (2 * grouping_radius(mask.shape) + 1) + 1
    scene.blocked |= cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    return Defect.from_mask(mask, kind)


def _last_resort(scene: _Scene, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A darker or lighter block, for photos so plain or small that nothing else shows."""
    height, width = scene.label.shape
    sides = [max(1, round(0.15 * side)) for side in (height, width)]
    top, left = (
        int(generator.integers(0, whole - side, endpoint=True))
        for whole, side in zip((height, width), sides, strict=True)
    )
    window = slice(top, top + sides[0]), slice(left, left + sides[1])
    image, label = scene.image.copy(), np.zeros((height, width), np.float32)
    before = image[window].astype(np.int16)
    levels = np.where(before < 128, _LAST_RESORT_LEVELS, -_LAST_RESORT_LEVELS)
    image[window] = (before + levels).astype(np.uint8)
    label[window] = 1
    return image, label
