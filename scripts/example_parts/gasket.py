"""A black rubber gasket with three ears; the defective one has a piece torn out of its ring."""

from __future__ import annotations

import numpy as np

from example_parts.product import Product
from example_parts.surface import grid, inside, lay, noise, rough, rounded, shade, shadow

RUBBER = np.array([52, 52, 54])
OUTER, INNER = 122.0, 80.0
EARS = tuple(np.deg2rad(angle) for angle in (90, 210, 330))
NOTCH = np.deg2rad(28)


def draw(chance: np.random.Generator, damaged: bool) -> np.ndarray:
    """The gasket on a light table, (SHAPE, 3) float32."""
    x, y = grid()
    x, y = x - 240, y - 185
    canvas = ground(chance)
    edge = outline(x, y) + 0.25 * noise(chance, 20)
    far = np.hypot(x, y)
    rib = 2.6 * np.exp(-(((far - 107) / 3.2) ** 2)) + 2.6 * np.exp(-(((far - 94) / 3.2) ** 2))
    colour = RUBBER * (1 + 0.05 * noise(chance, 18) + 0.06 * noise(chance, 0.6))[..., None]
    dust = np.clip(noise(chance, 0.7) - 2.6, 0, 1) * 50
    relief = rounded(edge, 4, 4) + rib + 0.12 * noise(chance, 1)
    if damaged:
        gone = notch(chance, x, y)
        torn = np.clip((gone + 7) / 4, 0, 1)
        colour = colour * (1 + 0.9 * torn * (1 + 0.4 * rough(chance, 2.5)))[..., None]
        relief -= torn * (3 + 1.2 * rough(chance, 3))
        edge = np.maximum(edge, gone)
    shape = inside(edge)
    shadow(canvas, shape, 7, 0.6)
    lay(canvas, shape, shade(colour, relief, gloss=0.16) + dust[..., None])
    return canvas


def ground(chance: np.random.Generator) -> np.ndarray:
    """A light grey table with a fine grain, (SHAPE, 3) float32."""
    value = 1 + 0.012 * rough(chance, 40, 5) + 0.02 * noise(chance, 0.7)
    return (np.array([182, 181, 176]) * value[..., None]).astype(np.float32)


def outline(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance to the ring with its ears, their bolt holes and the opening cut out; SHAPE."""
    far = np.hypot(x, y)
    edge = far - OUTER
    for turn in EARS:
        ear = np.hypot(x - 126 * np.cos(turn), y - 126 * np.sin(turn)) - 27
        blend = np.clip(0.5 + 0.5 * (ear - edge) / 16, 0, 1)
        edge = ear + blend * (edge - ear) - 16 * blend * (1 - blend)
    for turn in EARS:
        edge = np.maximum(edge, 10 - np.hypot(x - 132 * np.cos(turn), y - 132 * np.sin(turn)))
    return np.maximum(edge, INNER - far)


def notch(chance: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance to the torn-out piece at the outer edge, above 0 in it; SHAPE."""
    u, v = x - 124 * np.cos(NOTCH), y - 124 * np.sin(NOTCH)
    ragged = 2.2 * noise(chance, 6) + 0.9 * noise(chance, 1.5)
    along, across = u * np.cos(NOTCH) + v * np.sin(NOTCH), v * np.cos(NOTCH) - u * np.sin(NOTCH)
    return 27 - np.hypot(along * 0.8, across) + ragged


PRODUCT = Product("gasket", "notched", draw)
