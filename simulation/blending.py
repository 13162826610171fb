"""How a piece gets into a photo, by plain pasting or Poisson editing, and whether it is seen."""

from __future__ import annotations

import cv2
import numpy as np

from simulation.labels import bounding_window
from simulation.patches import window_at
from simulation.profiles import Blend

# Poisson editing of a smaller patch leaves none of it: OpenCV takes 3 pixels off every side.
SMALLEST_POISSON = 10
# Change after smoothing that the eye notices: in grey levels, and as a share of the contrast
# that the place has anyway. A texture moved onto itself differs pixel by pixel and looks the same.
_VISIBLE_LEVELS = 7.0
_VISIBLE_CONTRAST = 0.4
# Weaker Poisson edits are raised to this visibility, but not by more than this factor.
_COMFORTABLE = 1.5
_LARGEST_GAIN = 2.5
# Larger patches are blended and judged on a reduced copy, so that large photos do not take long.
_WORKING_SIDE = 128
_LARGEST_POISSON = 320
# The blends that are Poisson editing, as OpenCV names them.
POISSON_FLAGS = {"normal": cv2.NORMAL_CLONE, "mixed": cv2.MIXED_CLONE}


def blended(
    image: np.ndarray,
    piece: np.ndarray,
    outline: np.ndarray,
    top_left: tuple[int, int],
    blend: Blend,
) -> np.ndarray:
    """Put a piece into a photo.

    Poisson editing (Pérez et al., 2003) keeps the piece's gradients and takes the colours from
    around it: ∇f = ∇piece inside with f = image on the border; "mixed" takes the stronger of both
    gradients. Pixels outside the patch's rectangle are those of the image, bit by bit.

    Args:
        image: (H, W, 3) uint8.
        piece: (h, w, 3) uint8.
        outline: (h, w) bool, which of its pixels count.
        top_left: row and column of its first pixel in the image.
        blend: "normal" or "mixed" for Poisson editing, "paste" or "scar" for plain pasting. A
            patch too small for Poisson editing is pasted.

    Returns:
        (H, W, 3) uint8, a new array.
    """
    changed = image.copy()
    view = changed[window_at(top_left, outline.shape)]
    inner = bounding_window(outline)
    if inner is None:
        return changed
    sides = [axis.stop - axis.start for axis in inner]
    if blend not in POISSON_FLAGS or min(sides) < SMALLEST_POISSON:
        view[outline] = piece[outline]
        return changed
    target = view[inner]
    change = _poisson_change(target, piece[inner], outline[inner], blend)
    target[...] = np.clip(np.rint(target + change), 0, 255).astype(np.uint8)
    return changed


def visibility(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> float:
    """How far a change is seen, and not only measured; from 1 on it counts as visible.

    Both are smoothed, because a texture moved onto itself differs pixel by pixel and looks the
    same; what remains is compared with the contrast that the place has anyway.

    Args:
        before: (h, w, 3) uint8, the changed place with a little around it.
        after: (h, w, 3) uint8.
        mask: (h, w) bool, what counts as changed; some pixel is set.
    """
    scale = min(1.0, _WORKING_SIDE / max(mask.shape))
    if scale < 1:
        size = (max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale)))
        before, after = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (before, after))
        small = cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
        mask = small >= min(127, small.max())
    sigma = max(0.5, 0.08 * float(np.sqrt(np.count_nonzero(mask))))
    smooth_before, smooth_after = (
        cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), sigma) for pixels in (before, after)
    )
    change = np.abs(smooth_after - smooth_before)[mask].mean()
    contrast = smooth_before.reshape(-1, 3).std(axis=0).mean()
    return float(change / max(_VISIBLE_LEVELS, _VISIBLE_CONTRAST * contrast))


def strengthened(before: np.ndarray, after: np.ndarray, region: np.ndarray) -> np.ndarray | None:
    """Raise a change that is almost too weak to be seen until it is seen.

    Poisson editing takes the colours from around the patch, so that on calm surfaces only a faint
    trace remains.

    Args:
        before: (h, w, 3) uint8.
        after: (h, w, 3) uint8.
        region: (h, w) bool, where it was changed.

    Returns:
        (h, w, 3) uint8, `after` itself if it is strong enough; None if it is too weak for that.
    """
    if not region.any():
        return None
    seen = visibility(before, after, region)
    if seen >= _COMFORTABLE:
        return after
    if seen * _LARGEST_GAIN < 1:
        return None
    # Less towards its border, because a sharp end of the grain would show as a box.
    depth = cv2.distanceTransform(np.pad(region.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    ramp = np.minimum(1, depth / (0.2 * np.sqrt(np.count_nonzero(region))))[..., None]
    gain = 1 + (min(_LARGEST_GAIN, 1.5 * _COMFORTABLE / seen) - 1) * ramp
    raised = before + gain * (after.astype(np.float32) - before)
    return np.clip(np.rint(raised), 0, 255).astype(np.uint8)


def _poisson_change(
    target: np.ndarray, piece: np.ndarray, outline: np.ndarray, blend: Blend
) -> np.ndarray:
    """What Poisson editing adds to this window, (h, w, 3) float32, 0 well outside the outline."""
    height, width = outline.shape
    scale = _LARGEST_POISSON / max(height, width)
    if scale >= 1:
        cloned = _cloned(target, piece, outline, POISSON_FLAGS[blend]).astype(np.float32)
        return _fading(outline)[..., None] * (cloned - target)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small_target, small_piece = (
        cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) for pixels in (target, piece)
    )
    small = cv2.resize(outline.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    small[[0, -1]], small[:, [0, -1]] = True, True
    cloned = _cloned(small_target, small_piece, small, POISSON_FLAGS[blend]).astype(np.float32)
    fading = cv2.resize(_fading(outline), (width, height))[..., None]
    if blend == "normal":
        # The piece itself at full sharpness, and the smooth correction of its colours.
        correction = cv2.resize(cloned - small_piece, (width, height))
        return fading * (piece + correction - target)
    return fading * cv2.resize(cloned - small_target, (width, height))


def _cloned(target: np.ndarray, piece: np.ndarray, outline: np.ndarray, flag: int) -> np.ndarray:
    """Poisson editing of exactly this window, (h, w, 3) uint8.

    seamlessClone fails at the photo's border and shifts a patch by the bounding box of its mask.
    A margin of two pixels keeps it off the border; the outline must reach all four sides of the
    window, so that its bounding box is the window.
    """
    height, width = outline.shape
    margin = (2, 2, 2, 2)
    around = cv2.copyMakeBorder(target, *margin, cv2.BORDER_REPLICATE)
    source = cv2.copyMakeBorder(piece, *margin, cv2.BORDER_REPLICATE)
    mask = np.zeros(around.shape[:2], np.uint8)
    mask[2:-2, 2:-2][outline] = 255
    centre = (2 + width // 2, 2 + height // 2)
    return cv2.seamlessClone(source, around, mask, centre, flag)[2:-2, 2:-2]


def _fading(outline: np.ndarray) -> np.ndarray:
    """1 inside an outline, 0 well outside, (h, w) float32: Poisson editing bleeds, a little."""
    if outline.all():
        return np.ones(outline.shape, np.float32)
    sigma = 0.05 * float(np.sqrt(outline.sum()))
    weight = cv2.GaussianBlur(outline.astype(np.float32), (0, 0), max(0.8, sigma))
    return np.clip(2 * weight, 0, 1)
