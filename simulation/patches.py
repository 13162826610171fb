"""The pieces that NSA moves: how large, cut from where, in which outline, and where they go."""

from __future__ import annotations

import cv2
import numpy as np

from simulation.profiles import SimulationProfile

_TRIES = 20


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
    return bounded(float(shares[0]) * shape[0], float(shares[1]) * shape[1], shape, profile)


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
        window = window_at((top, left), size)
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
    height, width = bounded(factor * height, factor * width, shape, profile)
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
        covered = np.count_nonzero(outline & place[window_at((top, left), outline.shape)])
        if covered >= profile.min_overlap * pixels:
            return top, left
    return None


def bounded(
    height: float, width: float, shape: tuple[int, ...], profile: SimulationProfile
) -> tuple[int, int]:
    """A height and width in whole pixels, within the profile's bounds for a photo of (H, W)."""
    sides = []
    bounds = (profile.height_bounds, profile.width_bounds)
    for value, side, (low, high) in zip((height, width), shape[:2], bounds, strict=True):
        largest = max(1, int(high * side))
        sides.append(int(np.clip(round(value), min(largest, np.ceil(low * side)), largest)))
    return sides[0], sides[1]


def window_at(top_left: tuple[int, int], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a patch of (h, w) from its first pixel on."""
    top, left = top_left
    return slice(top, top + shape[0]), slice(left, left + shape[1])
