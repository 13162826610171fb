"""Natural synthetic anomalies: a piece of a normal photo, moved into a normal photo and blended.

After NSA (Schlüter et al., ECCV 2022), one function per step: draw a size, cut a piece, give it
an outline, choose where it goes, blend it, label what changed. All steps but the label are in
`patches` and `blending`.
"""

from __future__ import annotations

import cv2
import numpy as np

from simulation.anomaly import LABEL_THRESHOLD
from simulation.blending import POISSON_FLAGS, SMALLEST_POISSON, blended, strengthened, visibility
from simulation.labels import largest_group, smallest_change, soft_label
from simulation.patches import (
    bounded,
    cut_window,
    destination,
    patch_outline,
    patch_size,
    resized,
    scar_size,
    turned,
    window_at,
)
from simulation.profiles import Blend, SimulationProfile

# Share of the mask that must pass the threshold pixel by pixel, before gaps are closed.
_SOLID = 0.8
# Scattered specks are no defect.
_LEAST_IN_ONE_GROUP = 0.7


def paste_patch(
    image: np.ndarray,
    source: np.ndarray,
    generator: np.random.Generator,
    profile: SimulationProfile,
    place: np.ndarray,
    *,
    source_place: np.ndarray | None = None,
    blend: Blend | None = None,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Try once to put a piece of a photo into another one.

    Args:
        image: (H, W, 3) uint8.
        source: (H, W, 3) uint8, what the piece is cut from.
        generator: source of chance.
        profile: bounds of sizes and shares, and the steepness of the label.
        place: (H, W) bool; at least `profile.min_overlap` of the patch lies on it.
        source_place: (H, W) bool, where the source shows the part; None means everywhere.
        blend: how the patch gets in; drawn from the profile by default.

    Returns:
        (H, W, 3) uint8 and its (H, W) float32 label, 0 wherever the pixels are those of `image`;
        None where the shares do not hold or the change would not be seen.
    """
    blend = blend or profile.blends[int(generator.integers(len(profile.blends)))]
    cut = _cut(source, source_place, generator, profile, blend)
    if cut is None:
        return None
    piece, parts, outline = cut
    top_left = destination(outline, place, generator, profile)
    if top_left is None:
        return None
    target = window_at(top_left, outline.shape)
    if parts is not None:
        # Ground onto ground is no defect, so it is not even blended.
        outline = outline & (parts | place[target])
    if not outline.any():
        return None
    changed = blended(image, piece, outline, top_left, blend)
    return _labelled(image, changed, target, profile)


def _cut(
    source: np.ndarray,
    source_place: np.ndarray | None,
    generator: np.random.Generator,
    profile: SimulationProfile,
    blend: Blend,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray] | None:
    """A piece at its final size, where it shows the part, and its outline; None if none fits."""
    if blend == "scar":
        size = scar_size(source.shape, generator)
    else:
        size = patch_size(source.shape, generator, profile)
        if blend in POISSON_FLAGS:
            size = _large_enough(*size, source.shape, profile)
    window = cut_window(generator, size, source_place, profile, source.shape)
    if window is None:
        return None
    if blend == "scar":
        piece, outline = turned(source[window], generator)
        return piece, None, outline
    parts = None if source_place is None else source_place[window]
    piece, parts = resized(source[window], parts, generator, profile, source.shape)
    return piece, parts, patch_outline(piece.shape, generator, profile)


def _labelled(
    image: np.ndarray,
    changed: np.ndarray,
    target: tuple[slice, slice],
    profile: SimulationProfile,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Label a change and take back all that is not in its one group; None if it is not seen."""
    around = _grown(target, 4, image.shape)
    region = (changed[around] != image[around]).any(axis=2)
    strong = strengthened(image[around], changed[around], region)
    if strong is None:
        return None
    changed[around] = strong
    everywhere = np.zeros(image.shape[:2], bool)
    everywhere[target] = True
    label = soft_label(
        image, changed, everywhere, sharpness=profile.sharpness, midpoint=profile.midpoint
    )
    mask = label[around] > LABEL_THRESHOLD
    group = largest_group(mask, image.shape)
    if group.sum() <= _LEAST_IN_ONE_GROUP * mask.sum():
        return None
    # What stays below the threshold would be a change that the mask denies.
    label[around][~group] = 0
    changed[around][~group] = image[around][~group]
    change = cv2.absdiff(image[around], changed[around]).sum(axis=2, dtype=np.uint16) / 3
    passing = change > smallest_change(profile.sharpness, profile.midpoint)
    if np.count_nonzero(passing) < _SOLID * np.count_nonzero(group):
        return None
    if visibility(image[around], changed[around], group) < 1:
        return None
    return changed, label


def _large_enough(
    height: int, width: int, shape: tuple[int, ...], profile: SimulationProfile
) -> tuple[int, int]:
    """A size that Poisson editing works with even after the piece was made smaller, if allowed."""
    least = SMALLEST_POISSON / profile.resize_bounds[0]
    return bounded(max(height, least), max(width, least), shape, profile)


def _grown(window: tuple[slice, slice], margin: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows, columns = (
        slice(max(0, axis.start - margin), min(side, axis.stop + margin))
        for axis, side in zip(window, shape[:2], strict=True)
    )
    return rows, columns
