"""Materials and forms: noise, distances to outlines, relief under a lamp, soft shadows.

Places and lengths are in pixels of the photo; arrays have SCALE times as many rows and columns.
"""

from __future__ import annotations

import cv2
import numpy as np

from example_parts.camera import SCALE

HEIGHT, WIDTH = 360, 480
SHAPE = (HEIGHT * SCALE, WIDTH * SCALE)
LAMP = (-0.55, -0.65, 1.0)  # from the upper left


def grid() -> tuple[np.ndarray, np.ndarray]:
    """x and y of every point, each SHAPE float32."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32) / SCALE
    return columns, rows


def noise(chance: np.random.Generator, wide: float, high: float | None = None) -> np.ndarray:
    """Smooth noise with spots `wide` (and `high`) pixels large; SHAPE, mean 0, deviation 1."""
    wide, high = wide * SCALE, (wide if high is None else high) * SCALE
    step = max(1, int(min(wide, high) / 2))  # large spots need few points
    size = (SHAPE[0] // step + 2, SHAPE[1] // step + 2)
    coarse = chance.normal(size=size).astype(np.float32)
    coarse = cv2.GaussianBlur(coarse, (0, 0), sigmaX=wide / step, sigmaY=high / step)
    fine = cv2.resize(coarse, SHAPE[::-1], interpolation=cv2.INTER_CUBIC)
    return (fine - fine.mean()) / fine.std()


def rough(chance: np.random.Generator, wide: float, octaves: int = 4) -> np.ndarray:
    """Noise with ever finer detail, as of stone; SHAPE, deviation about 1."""
    total = sum(noise(chance, max(wide / 2**k, 0.3)) * 0.6**k for k in range(octaves))
    return np.asarray(total / np.sqrt(sum(0.36**k for k in range(octaves))), np.float32)


def box(x: np.ndarray, y: np.ndarray, half: tuple[float, float], corner: float) -> np.ndarray:
    """Distance to a rounded rectangle around (0, 0), below 0 inside."""
    across, down = np.abs(x) - half[0] + corner, np.abs(y) - half[1] + corner
    outside = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
    return outside + np.minimum(np.maximum(across, down), 0) - corner


def inside(distance: np.ndarray) -> np.ndarray:
    """1 where the distance is below 0, else 0, with a smooth edge."""
    return np.clip(0.5 - distance * SCALE, 0, 1)


def rounded(distance: np.ndarray, width: float, depth: float) -> np.ndarray:
    """Height of a form whose edge is rounded over `width`, 0..depth."""
    way = np.clip(-distance / width, 0, 1)
    return depth * np.sqrt(1 - (1 - way) ** 2)


def shade(colour: np.ndarray, height: np.ndarray, gloss: float = 0.0) -> np.ndarray:
    """Colour (SHAPE, 3) or a triple, as a relief of this height (SHAPE) looks under the lamp."""
    lamp = np.array(LAMP) / np.linalg.norm(LAMP)
    relief = np.asarray(height, np.float32)
    slope_x = cv2.Sobel(relief, -1, 1, 0, scale=SCALE / 8)
    slope_y = cv2.Sobel(relief, -1, 0, 1, scale=SCALE / 8)
    length = np.sqrt(slope_x**2 + slope_y**2 + 1)
    towards = (lamp[2] - slope_x * lamp[0] - slope_y * lamp[1]) / length
    light = 0.3 + 0.7 * np.maximum(towards, 0) / lamp[2]
    half = lamp + np.array([0, 0, 1])
    half /= np.linalg.norm(half)
    mirror = np.maximum((half[2] - slope_x * half[0] - slope_y * half[1]) / length, 0) ** 40
    flat = half[2] ** 40  # no haze where the surface is flat
    return colour * light[..., None] + (255 * gloss * (mirror - flat))[..., None]


def lay(canvas: np.ndarray, shape: np.ndarray, picture: np.ndarray) -> None:
    """Put a picture (SHAPE, 3), or one colour, where shape (SHAPE, 0..1) says so."""
    canvas += shape[..., None] * (picture - canvas)


def shadow(canvas: np.ndarray, shape: np.ndarray, reach: float, depth: float = 0.5) -> None:
    """Darken what lies to the lower right of a shape (SHAPE) that stands `reach` high."""
    moves = (int(0.65 * reach * SCALE), int(0.55 * reach * SCALE))
    thrown = np.roll(shape.astype(np.float32), moves, (0, 1))
    soft = cv2.GaussianBlur(thrown, (0, 0), max(0.45 * reach * SCALE, 0.8))
    near = cv2.GaussianBlur(shape.astype(np.float32), (0, 0), max(0.8 * reach * SCALE, 1))
    canvas *= (1 - depth * soft)[..., None] * (1 - 0.3 * depth * near)[..., None]
