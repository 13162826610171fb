"""A woven linen towel with blue stripes; the defective one has a hole with frayed threads."""

from __future__ import annotations

import numpy as np

from example_parts.camera import Camera
from example_parts.product import Product
from example_parts.surface import SHAPE, grid, inside, lay, noise, shade, shadow

PITCH = 7.0  # pixels from thread to thread
LINEN, BLUE = np.array([214, 198, 166]), np.array([63, 82, 122])
STRIPES = ((6, 8), (10, 16), (18, 20), (49, 51), (53, 59), (61, 63))  # threads from, to
HOLE = (262.0, 200.0)


def draw(chance: np.random.Generator, damaged: bool) -> np.ndarray:
    """Both sets of threads woven in and out, over a dark table; (SHAPE, 3) float32."""
    x, y = grid()
    across = (x + 1.5 * noise(chance, 45)) / PITCH
    down = (y + 1.5 * noise(chance, 45)) / PITCH
    wave_warp = np.cos(np.pi * (down - 0.5 + np.floor(across)))
    wave_weft = -np.cos(np.pi * (across - 0.5 + np.floor(down)))
    warp = thread_height(across, wave_warp, thread_values(chance, across, 0.07))
    weft = thread_height(down, wave_weft, thread_values(chance, down, 0.07))
    if damaged:
        warp, weft = tear(chance, warp, weft, across, down)
    fuzz = noise(chance, 0.5) * 0.05 + noise(chance, 60) * 0.025
    over = warp > weft
    shine = np.where(over, noise(chance, 0.5, 3.5), noise(chance, 3.5, 0.5)) * 0.07
    tone = np.where(over, thread_values(chance, across, 0.05), thread_values(chance, down, 0.05))
    height = np.maximum(warp, weft)
    colour = dyed(across, over) * (1 + tone + fuzz + shine)[..., None]
    cloth = shade(colour, height * 1.5) * (0.66 + 0.24 * np.clip(height, 0, 1.5))[..., None]
    table = np.full((*SHAPE, 3), (62, 50, 41), np.float32) * (1 + 0.1 * noise(chance, 1))[..., None]
    covered = np.clip((height + 0.6) * 4, 0, 1).astype(np.float32)
    shadow(table, covered, 4, 0.75)
    lay(table, covered, cloth)
    return table.astype(np.float32)


def thread_values(chance: np.random.Generator, place: np.ndarray, deviation: float) -> np.ndarray:
    """One random value for each thread, at every point of it; SHAPE."""
    values = chance.normal(0, deviation, 300)
    return values[np.floor(place).astype(int) + 20]


def thread_height(place: np.ndarray, wave: np.ndarray, thickness: np.ndarray) -> np.ndarray:
    """A round thread that rises and sinks; SHAPE, about -1..1.5, and -0.5 between threads."""
    from_centre = np.abs(place % 1 - 0.5) * 2 / (0.97 + thickness)
    return np.sqrt(np.clip(1 - from_centre**2, 0, 1)) + 0.5 * wave - 0.5


def dyed(across: np.ndarray, over: np.ndarray) -> np.ndarray:
    """Blue where the thread from top to bottom is dyed, paler where it dives; (SHAPE, 3)."""
    number = np.floor(across)
    blue = np.zeros(SHAPE, bool)
    for first, last in STRIPES:
        blue |= (number >= first) & (number < last)
    share = blue * np.where(over, 0.95, 0.45)
    return LINEN + share[..., None] * (BLUE - LINEN)


def tear(
    chance: np.random.Generator,
    warp: np.ndarray,
    weft: np.ndarray,
    across: np.ndarray,
    down: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut the threads near HOLE, each at its own length."""
    x, y = across * PITCH - HOLE[0], down * PITCH - HOLE[1]
    x, y = x + 0.35 * y, y - 0.1 * x  # leaning
    loose_warp, loose_weft = (1 + thread_values(chance, place, 0.22) for place in (across, down))
    ragged = 2.5 * noise(chance, 1.5)
    cut_warp = np.hypot(x / 29, y / 44 / np.maximum(loose_warp, 0.4)) - 1 + ragged / 40
    cut_weft = np.hypot(x / 32 / np.maximum(loose_weft, 0.4), y / 42) - 1 + ragged / 40
    gone_warp, gone_weft = inside(cut_warp * 20), inside(cut_weft * 20)
    return warp - 4 * gone_warp, weft - 4 * gone_weft


PRODUCT = Product("fabric", "torn", draw, Camera(softness=0.95, noise=1.2))
