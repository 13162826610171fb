"""What damage is drawn with: noise, irregular blobs, edges, light on slopes, changes of colour."""

from __future__ import annotations

import math

import cv2
import numpy as np

from simulation.spots import Spot

# Change that nine of ten pixels in a damage's core must reach, in grey levels.
VISIBLE_CHANGE = 24.0

# Relative change of red, green and blue; each has mean 1.
_NEUTRAL = np.ones(3, np.float32)
_STAIN_TINTS = np.array(
    [
        [1.0, 1.0, 1.0],  # water, dust
        [0.7, 1.0, 1.3],  # oil, coffee
        [0.45, 1.15, 1.4],  # rust
        [1.25, 1.05, 0.7],  # coolant
        [1.2, 0.75, 1.05],  # mould, verdigris
        [0.9, 1.0, 1.1],  # grease
    ],
    np.float32,
)


def noise(shape: tuple[int, int], cell: float, generator: np.random.Generator) -> np.ndarray:
    """(h, w) float32 smooth noise about 0 of deviation about 0.7; `cell` is its grain in pixels."""
    height, width = shape
    rows, columns = math.ceil(height / cell) + 2, math.ceil(width / cell) + 2
    coarse = generator.standard_normal((rows, columns)).astype(np.float32)
    if cell <= 1:
        return 0.7 * coarse[:height, :width]
    large = (max(width, round(columns * cell)), max(height, round(rows * cell)))
    return cv2.resize(coarse, large, interpolation=cv2.INTER_CUBIC)[:height, :width]


def blob(
    spot: Spot,
    generator: np.random.Generator,
    radius: float,
    *,
    elongation: float = 1.0,
    roughness: float = 0.2,
    lobes: int = 1,
    corners: int = 0,
) -> np.ndarray:
    """(h, w) float32: depth inside an irregular blob in pixels, below 0 outside of it.

    `lobes` round ones grown together, or a single one with a number of `corners`.
    """
    height, width = spot.place.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle = generator.uniform(0, math.pi)
    nearest = np.full((height, width), np.inf, np.float32)
    for lobe in range(lobes):
        size = radius * (1.0 if lobes == 1 else generator.uniform(0.45, 0.75))
        away = 0.0 if lobe == 0 else 0.8 * radius
        turn = generator.uniform(0, 2 * math.pi)
        dx = x - np.float32(spot.centre[0] + away * math.cos(turn))
        dy = y - np.float32(spot.centre[1] + away * math.sin(turn))
        along = (dx * math.cos(angle) + dy * math.sin(angle)) / (size * math.sqrt(elongation))
        across = (dy * math.cos(angle) - dx * math.sin(angle)) / (size / math.sqrt(elongation))
        if corners:
            nearest = _polygon(along, across, corners, generator)
        else:
            nearest = np.minimum(nearest, np.sqrt(along * along + across * across))
    uneven = noise((height, width), max(1.5, 0.7 * radius), generator)
    uneven += generator.uniform(0.1, 0.45) * noise(
        (height, width), max(1.0, 0.22 * radius), generator
    )
    # Calm at the centre, so that the blob cannot lose it.
    uneven *= np.minimum(1, 1.5 * nearest)
    return (radius * (1 - nearest + roughness * uneven)).astype(np.float32)


def _polygon(
    x: np.ndarray, y: np.ndarray, corners: int, generator: np.random.Generator
) -> np.ndarray:
    """(h, w): how far from the centre, 1 on the edges of a random convex polygon."""
    turns = (np.arange(corners) + generator.uniform(-0.3, 0.3, corners)) * 2 * math.pi / corners
    turns += generator.uniform(0, 2 * math.pi)
    distances = generator.uniform(0.7, 1.0, corners)
    sides = [
        (x * math.cos(turn) + y * math.sin(turn)) / distance
        for turn, distance in zip(turns, distances, strict=True)
    ]
    return np.maximum.reduce(sides)


def rise(depth: np.ndarray, softness: float) -> np.ndarray:
    """From 0 outside to 1 inside over `softness` pixels about the edge, smoothly."""
    share = np.clip(depth / softness + 0.5, 0, 1)
    return share * share * (3 - 2 * share)


def relief(height: np.ndarray, width: float, generator: np.random.Generator) -> np.ndarray:
    """Light from a random side on the slopes of `height` (h, w); (h, w) within about ±1."""
    smooth = cv2.GaussianBlur(height, (0, 0), width, borderType=cv2.BORDER_REPLICATE)
    angle = generator.uniform(0, 2 * math.pi)
    slope = math.cos(angle) * cv2.Sobel(smooth, cv2.CV_32F, 1, 0, borderType=cv2.BORDER_REPLICATE)
    slope += math.sin(angle) * cv2.Sobel(smooth, cv2.CV_32F, 0, 1, borderType=cv2.BORDER_REPLICATE)
    return slope * np.float32(width / 3)


def visible_shift(
    values: np.ndarray,
    generator: np.random.Generator,
    low: float,
    high: float,
    tint: np.ndarray = _NEUTRAL,
    *,
    darker: bool = False,
) -> np.ndarray:
    """A change of colour that stays visible on these pixels.

    Args:
        values: (N, 3) float, pixels of the core.
        generator: source of chance.
        low: smallest change in grey levels.
        high: largest change.
        tint: (3,) relative change of the channels, mean 1.
        darker: True lightens only what no darkening can be seen on.

    Returns:
        (3,) float32, all positive or all negative; larger than asked for where the pixels are so
        bright, dark or uneven that it would drown.
    """
    strength = float(generator.uniform(low, high))
    signs = (-1, 1) if generator.random() < 0.6 or darker else (1, -1)
    growths = (1.0, 1.5, 2.2, 3.3)
    trials = [(sign, growth) for growth in growths for sign in signs]
    if darker:
        trials.sort(key=lambda trial: trial[0])
    sample = values[:: max(1, len(values) // 500)]
    best: np.ndarray = _NEUTRAL
    best_change = -1.0
    for sign, growth in trials:
        shift = (sign * growth * strength * tint).astype(np.float32)
        change = np.abs(np.clip(sample + shift, 0, 255) - sample).mean(axis=1)
        least = float(np.quantile(change, 0.1))
        if least >= VISIBLE_CHANGE:
            return shift
        if least > best_change:
            best, best_change = shift, least
    return best


def stain_tint(spot: Spot, generator: np.random.Generator) -> np.ndarray:
    """(3,) relative change of the channels in a stain, mean 1; 1 for each on a grey photo."""
    tint = _STAIN_TINTS[generator.integers(len(_STAIN_TINTS))]
    strength = np.float32(generator.uniform(0.5, 1))
    return _NEUTRAL if spot.grey else 1 + strength * (tint - 1)


def core_pixels(spot: Spot, cover: np.ndarray) -> np.ndarray:
    """(N, 3) pixels of the part under the middle of `cover`; at least the centre."""
    inside = (cover > 0.5) & spot.place
    inside[spot.centre[1], spot.centre[0]] = True
    return spot.pixels[inside]
