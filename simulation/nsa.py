"""Natural synthetic anomalies: a piece of a normal photo, moved into a normal photo and blended.

After NSA (Schlüter et al., ECCV 2022), one function per step: draw a size, cut a piece, give it
an outline, choose where it goes, blend it, label what changed.
"""

from __future__ import annotations

import cv2
import numpy as np

from simulation.anomaly import LABEL_THRESHOLD
from simulation.labels import (
    bounding_window,
    largest_group,
    smallest_change,
    soft_label,
)
from simulation.profiles import Blend, SimulationProfile

# Poisson editing of a smaller patch leaves none of it: OpenCV takes 3 pixels off every side.
_SMALLEST_POISSON = 10
_TRIES = 20
# Change after smoothing that the eye notices: in grey levels, and as a share of the contrast
# that the place has anyway. A texture moved onto itself differs pixel by pixel and looks the same.
_VISIBLE_LEVELS = 7.0
_VISIBLE_CONTRAST = 0.4
# Weaker Poisson edits are raised to this visibility, but not by more than this factor.
_COMFORTABLE = 1.5
_LARGEST_GAIN = 2.5
# Share of the mask that must pass the threshold pixel by pixel, before gaps are closed.
_SOLID = 0.8
# Larger patches are blended and judged on a reduced copy, so that large photos do not take long.
_WORKING_SIDE = 128
_LARGEST_POISSON = 320
# Scattered specks are no defect.
_LEAST_IN_ONE_GROUP = 0.7
_FLAGS = {"normal": cv2.NORMAL_CLONE, "mixed": cv2.MIXED_CLONE}


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
    target = _window(top_left, outline.shape)
    if parts is not None:
        # Ground onto ground is no defect, so it is not even blended.
        outline = outline & (parts | place[target])
    if not outline.any():
        return None
    changed = blended(image, piece, outline, top_left, blend)
    return _labelled(image, changed, target, profile)


def patch_size(
    shape: tuple[int, ...], generator: np.random.Generator, profile: SimulationProfile
) -> tuple[int, int]:
    """Height and width of a patch in pixels: twice offset + Gamma(shape, scale), bounded.

    As published: the distribution gives half of a side, the bounds limit all of it.

    Args:
        shape: (H, W) of the photo.
        generator: source of chance.
        profile: the gamma distribution and the bounds.
    """
    offset, gamma_shape, scale = profile.size_gamma
    shares = 2 * (offset + generator.gamma(gamma_shape, scale, size=2))
    return _bounded(float(shares[0]) * shape[0], float(shares[1]) * shape[1], shape, profile)


def scar_size(shape: tuple[int, ...], generator: np.random.Generator) -> tuple[int, int]:
    """Height and width in pixels of a long thin patch, before it is turned.

    Args:
        shape: (H, W) of the photo; the scar is measured by its shorter side.
        generator: source of chance.
    """
    side = min(shape[:2])
    width = generator.uniform(0.015, 0.05) * side
    height = generator.uniform(0.1, 0.3) * side
    return max(1, round(height)), max(1, round(width))


def cut_window(
    generator: np.random.Generator,
    size: tuple[int, int],
    source_place: np.ndarray | None,
    profile: SimulationProfile,
    shape: tuple[int, ...],
) -> tuple[slice, slice] | None:
    """Choose what is cut from the source.

    Args:
        generator: source of chance.
        size: height and width in pixels, at most those of the source.
        source_place: (H, W) bool, where the source shows the part; None means everywhere.
        profile: `min_object` is the smallest share of the piece that shows the part.
        shape: (H, W) of the source.

    Returns:
        Rows and columns; None where no piece with enough of the part was found.
    """
    free = (shape[0] - size[0], shape[1] - size[1])
    for _ in range(_TRIES):
        top, left = (int(value) for value in generator.integers(0, free, endpoint=True))
        window = _window((top, left), size)
        if source_place is None or source_place[window].mean() >= profile.min_object:
            return window
    return None


def resized(
    piece: np.ndarray,
    parts: np.ndarray | None,
    generator: np.random.Generator,
    profile: SimulationProfile,
    shape: tuple[int, ...],
) -> tuple[np.ndarray, np.ndarray | None]:
    """Resize a piece by a factor drawn from a normal distribution around 1 and clipped.

    Args:
        piece: (h, w, 3) uint8.
        parts: (h, w) bool, where it shows the part, or None.
        generator: source of chance.
        profile: bounds of the factor and of the result.
        shape: (H, W) of the photo.

    Returns:
        The piece and its parts at the new size.
    """
    height, width = piece.shape[:2]
    factor = float(np.clip(generator.normal(1, 0.5), *profile.resize_bounds))
    # One factor for both sides, so that what is pasted keeps its proportions.
    largest = min(
        profile.height_bounds[1] * shape[0] / height, profile.width_bounds[1] * shape[1] / width
    )
    smallest = max(
        profile.height_bounds[0] * shape[0] / height, profile.width_bounds[0] * shape[1] / width
    )
    factor = min(max(factor, smallest), largest)
    height, width = _bounded(factor * height, factor * width, shape, profile)
    piece = cv2.resize(piece, (width, height), interpolation=cv2.INTER_LINEAR)
    if parts is None:
        return piece, None
    parts = cv2.resize(parts.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return piece, parts > 0


def patch_outline(
    shape: tuple[int, ...], generator: np.random.Generator, profile: SimulationProfile
) -> np.ndarray:
    """The outline of a patch: all of its rectangle, or a union of two to four ellipses.

    Args:
        shape: (h, w) of the patch.
        generator: source of chance.
        profile: `ellipse_share` is how often ellipses are taken.

    Returns:
        (h, w) bool; connected.
    """
    height, width = shape[:2]
    if generator.random() >= profile.ellipse_share or min(height, width) < 6:
        return np.ones((height, width), bool)
    drawn = np.zeros((height, width), np.uint8)
    for _ in range(int(generator.integers(2, 4, endpoint=True))):
        # Near enough to the middle and large enough to cover it, so that all of them touch.
        centre = (0.5 + generator.uniform(-0.15, 0.15, size=2)) * (width, height)
        axes = generator.uniform(0.25, 0.45, size=2) * (width, height)
        cv2.ellipse(
            drawn,
            (round(centre[0]), round(centre[1])),
            (max(2, round(axes[0])), max(2, round(axes[1]))),
            float(generator.uniform(-30, 30)),
            0,
            360,
            1,
            cv2.FILLED,
        )
    return drawn > 0


def turned(piece: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Turn a long thin piece by any angle and shift its colours a little, as CutPaste's scars.

    Args:
        piece: (h, w, 3) uint8.
        generator: source of chance.

    Returns:
        The (h', w', 3) uint8 piece that holds the turned one, and its (h', w') bool outline.
    """
    height, width = piece.shape[:2]
    jitter = generator.uniform(-40, 40) + generator.uniform(-10, 10, size=3)
    if np.array_equal(piece[..., 0], piece[..., 1]) and np.array_equal(
        piece[..., 0], piece[..., 2]
    ):
        jitter = np.full(3, jitter[0])  # a grey photo stays grey
    piece = np.clip(piece + jitter, 0, 255).astype(np.uint8)
    angle = np.deg2rad(generator.uniform(0, 180))
    cosine, sine = abs(np.cos(angle)), abs(np.sin(angle))
    size = (
        max(1, int(np.ceil(width * cosine + height * sine))),
        max(1, int(np.ceil(width * sine + height * cosine))),
    )
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), np.rad2deg(angle), 1)
    matrix[:, 2] += ((size[0] - width) / 2, (size[1] - height) / 2)
    colours = cv2.warpAffine(piece, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    outline = cv2.warpAffine(np.full((height, width), 255, np.uint8), matrix, size)
    return colours, outline > 127


def destination(
    outline: np.ndarray,
    place: np.ndarray,
    generator: np.random.Generator,
    profile: SimulationProfile,
) -> tuple[int, int] | None:
    """Choose where a patch goes: its middle on the place, and enough of it, too.

    Args:
        outline: (h, w) bool, what is pasted.
        place: (H, W) bool, where it should lie.
        generator: source of chance.
        profile: `min_overlap` is the smallest share of the outline that lies on the place.

    Returns:
        Row and column of the patch's first pixel; None where nothing fits.
    """
    height, width = outline.shape
    free = (place.shape[0] - height, place.shape[1] - width)
    pixels = int(outline.sum())
    if min(free) < 0 or not pixels:
        return None
    for _ in range(_TRIES):
        top, left = (int(value) for value in generator.integers(0, free, endpoint=True))
        if not place[top + height // 2, left + width // 2]:
            continue
        covered = np.count_nonzero(outline & place[_window((top, left), outline.shape)])
        if covered >= profile.min_overlap * pixels:
            return top, left
    return None


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
    view = changed[_window(top_left, outline.shape)]
    inner = bounding_window(outline)
    if inner is None:
        return changed
    sides = [axis.stop - axis.start for axis in inner]
    if blend not in _FLAGS or min(sides) < _SMALLEST_POISSON:
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
        if blend in _FLAGS:
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


def _poisson_change(
    target: np.ndarray, piece: np.ndarray, outline: np.ndarray, blend: Blend
) -> np.ndarray:
    """What Poisson editing adds to this window, (h, w, 3) float32, 0 well outside the outline."""
    height, width = outline.shape
    scale = _LARGEST_POISSON / max(height, width)
    if scale >= 1:
        cloned = _cloned(target, piece, outline, _FLAGS[blend]).astype(np.float32)
        return _fading(outline)[..., None] * (cloned - target)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small_target, small_piece = (
        cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) for pixels in (target, piece)
    )
    small = cv2.resize(outline.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    small[[0, -1]], small[:, [0, -1]] = True, True
    cloned = _cloned(small_target, small_piece, small, _FLAGS[blend]).astype(np.float32)
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


def _bounded(
    height: float, width: float, shape: tuple[int, ...], profile: SimulationProfile
) -> tuple[int, int]:
    sides = []
    bounds = (profile.height_bounds, profile.width_bounds)
    for value, side, (low, high) in zip((height, width), shape[:2], bounds, strict=True):
        largest = max(1, int(high * side))
        sides.append(int(np.clip(round(value), min(largest, np.ceil(low * side)), largest)))
    return sides[0], sides[1]


def _large_enough(
    height: int, width: int, shape: tuple[int, ...], profile: SimulationProfile
) -> tuple[int, int]:
    """A size that Poisson editing works with even after the piece was made smaller, if allowed."""
    least = _SMALLEST_POISSON / profile.resize_bounds[0]
    return _bounded(max(height, least), max(width, least), shape, profile)


def _window(top_left: tuple[int, int], shape: tuple[int, ...]) -> tuple[slice, slice]:
    top, left = top_left
    return slice(top, top + shape[0]), slice(left, left + shape[1])


def _grown(window: tuple[slice, slice], margin: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows, columns = (
        slice(max(0, axis.start - margin), min(side, axis.stop + margin))
        for axis, side in zip(window, shape[:2], strict=True)
    )
    return rows, columns
