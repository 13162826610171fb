"""A round butter biscuit with a wavy rim; the defective one is broken at the edge."""

from __future__ import annotations

import numpy as np

from example_parts.product import Product
from example_parts.surface import SHAPE, grid, inside, lay, noise, rough, rounded, shade, shadow

PALE, BAKED, CRUMB = np.array([222, 178, 112]), np.array([158, 96, 44]), np.array([232, 200, 142])
RADIUS = 134.0
HOLES = tuple(
    (ring * np.cos(turn), ring * np.sin(turn))
    for ring, count in ((0.0, 1), (38.0, 6), (76.0, 12))
    for turn in np.arange(count) * 2 * np.pi / max(count, 1) + 0.26
)


def draw(chance: np.random.Generator, damaged: bool) -> np.ndarray:
    """The biscuit on baking paper, (SHAPE, 3) float32."""
    x, y = grid()
    x, y = x - 240, y - 180
    canvas = paper(chance)
    far = np.hypot(x, y) + 3.5 * np.abs(np.sin(14 * np.arctan2(y, x))) + 0.8 * noise(chance, 14)
    edge = far - RADIUS
    relief = rounded(edge, 13, 9) + 0.5 * rough(chance, 9, 5) - stamped(x, y)
    colour = baked(chance, edge)
    dents = inside(np.min([np.hypot(x - u, y - v) for u, v in HOLES], axis=0) - 2.6)
    colour = colour * (1 - 0.55 * dents)[..., None]
    if damaged:
        broken = fracture(chance, x, y)
        crumbs(chance, canvas)
        inner = np.clip((broken + 13) / 3, 0, 1) * np.clip((broken + 60) / 60, 0, 1)
        crumb = CRUMB * (0.9 + 0.13 * rough(chance, 3, 4))[..., None]
        colour = colour + inner[..., None] * (crumb - colour)
        relief -= inner * (3.5 + 0.45 * np.clip(broken + 13, 0, 13) + 1.1 * rough(chance, 3, 4))
        edge = np.maximum(edge, broken)
    shape = inside(edge)
    shadow(canvas, shape, 10, 0.55)
    lay(canvas, shape, shade(colour, relief, gloss=0.03))
    return canvas.astype(np.float32)


def paper(chance: np.random.Generator) -> np.ndarray:
    """Off-white paper with soft folds, (SHAPE, 3)."""
    colour = np.array([188, 190, 190]) * (1 + 0.012 * noise(chance, 0.6))[..., None]
    return shade(colour, 1.1 * noise(chance, 40) + 0.06 * noise(chance, 1.5))


def stamped(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Depth of the pricked holes and of a pressed ring, SHAPE."""
    depth = np.zeros(SHAPE, np.float32)
    for u, v in HOLES:
        depth += 5 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / 14)
    return depth + 1.8 * np.exp(-(((np.hypot(x, y) - 104) / 4) ** 2))


def baked(chance: np.random.Generator, edge: np.ndarray) -> np.ndarray:
    """Browner towards the rim and in blotches, with pale and dark grains; (SHAPE, 3)."""
    brown = np.exp(edge / 26) * 0.85 + 0.07 * noise(chance, 30) + 0.06 * rough(chance, 7, 4)
    colour = PALE + np.clip(brown + 0.12, 0, 1)[..., None] * (BAKED - PALE)
    pores = 0.25 * np.clip(noise(chance, 1.1) - 1.9, 0, 1.2)
    sugar = 0.13 * np.clip(noise(chance, 0.8) - 2.0, 0, 1)
    return colour * (1 + 0.03 * noise(chance, 0.6) - pores + sugar)[..., None]


def fracture(chance: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance to the broken-off piece at the lower right, above 0 in it; SHAPE."""
    ragged = 4 * noise(chance, 16) + 1.6 * noise(chance, 4) + 0.7 * noise(chance, 1.2)
    return (0.86 * x + 0.5 * y) - 88 + 0.06 * (0.5 * x - 0.86 * y) + ragged


def crumbs(chance: np.random.Generator, canvas: np.ndarray) -> None:
    """Small pieces on the paper beside the break."""
    x, y = grid()
    lumpy = 0.7 * noise(chance, 1.2)
    for _ in range(22):
        turn, far = chance.normal(0.5, 0.22), chance.uniform(112, 172)
        size = chance.uniform(0.9, 3.6)
        u, v = 240 + far * np.cos(turn), 180 + far * np.sin(turn)
        piece = np.hypot((x - u) / chance.uniform(0.8, 1.3), y - v) - size + lumpy * size / 3
        shadow(canvas, inside(piece), size, 0.5)
        lay(canvas, inside(piece), shade(CRUMB * 0.92, rounded(piece, size, size) + lumpy / 2))


PRODUCT = Product("biscuit", "broken", draw)
