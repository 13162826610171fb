"""A glazed wall tile with a painted star; the defective one has a chipped corner."""

from __future__ import annotations

import numpy as np

from example_parts.product import Product
from example_parts.surface import (
    box,
    grid,
    inside,
    lay,
    noise,
    rough,
    rounded,
    shade,
    shadow,
)

GLAZE, PAINT, CLAY = np.array([221, 219, 206]), np.array([52, 88, 128]), np.array([190, 134, 104])
HALF = 150.0  # half the side of the tile
CORNER = (105.0, 102.0)  # the chip, from the middle


def draw(chance: np.random.Generator, damaged: bool) -> np.ndarray:
    """The tile on dark slate, (SHAPE, 3) float32."""
    x, y = grid()
    x, y = x - 240, y - 180
    canvas = slate(chance)
    edge = box(x, y, (HALF, HALF), 7)
    wavy = 0.22 * noise(chance, 14)
    relief = rounded(edge, 7, 4) + wavy + 0.03 * noise(chance, 1.2)
    colour = painted(chance, x, y)
    shape = inside(edge)
    gleam = window(chance, x + 9 * wavy, y + 9 * wavy)
    if damaged:
        missing, broken, colour, relief = chip(chance, x, y, colour, relief)
        shape, gleam = shape * (1 - missing), gleam * (1 - broken)
    shadow(canvas, shape, 9, 0.6)
    lay(canvas, shape, shade(colour, relief, gloss=0.25) + gleam[..., None] * 26)
    return canvas


def slate(chance: np.random.Generator) -> np.ndarray:
    """Dark uneven stone, (SHAPE, 3) float32."""
    colour = (
        np.array([74, 76, 80])
        * (1 + 0.06 * rough(chance, 10, 5) + 0.02 * noise(chance, 0.6))[..., None]
    )
    return shade(colour, 0.3 * rough(chance, 7, 3)).astype(np.float32)


def painted(chance: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A star of eight leaves, quarter rings in the corners and a border; (SHAPE, 3)."""
    by_hand = 0.5 * noise(chance, 6)
    angle, far = np.arctan2(y, x), np.hypot(x, y) + by_hand
    leaf = np.abs(np.sin(4 * angle)) * 0.5 * far
    leaves = np.maximum(leaf + 0.8 - 9.8 * np.sin(np.pi * np.clip((far - 18) / 70, 0, 1)), 18 - far)
    corners = np.hypot(np.abs(x) - 124, np.abs(y) - 124) + by_hand
    rings = np.minimum(np.abs(corners - 52) - 5.5, np.abs(corners - 34) - 2)
    rings = np.maximum(rings, np.maximum(np.abs(x), np.abs(y)) - 124)
    border = np.abs(np.maximum(np.abs(x), np.abs(y)) + by_hand - 128) - 2.5
    drawn = np.minimum(np.minimum(leaves, np.abs(far - 11) - 3), np.minimum(rings, border))
    cover = np.clip(0.5 - drawn * 0.9, 0, 1) * (0.88 + 0.06 * noise(chance, 7))
    specks = np.clip(noise(chance, 0.7) - 3.1, 0, 0.5)
    glaze = GLAZE * (1 + 0.012 * noise(chance, 40) - specks)[..., None]
    return glaze + cover[..., None] * (PAINT - glaze)


def window(chance: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How much of a far window the glaze mirrors, SHAPE, 0..1."""
    left, top = -95 + chance.uniform(-5, 5), -70 + chance.uniform(-5, 5)
    pane = box(x - left + 0.2 * (y - top), y - top, (34, 52), 8)
    return 1 / (1 + np.exp(pane / 5))


def chip(
    chance: np.random.Generator,
    x: np.ndarray,
    y: np.ndarray,
    colour: np.ndarray,
    relief: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The missing corner, the bare clay beside it (both SHAPE), and the new colour and relief."""
    ragged = 3 * noise(chance, 12) + 1.2 * noise(chance, 3) + 0.4 * noise(chance, 0.8)
    along = (x - CORNER[0]) + 0.75 * (y - CORNER[1])
    bowl = 0.0035 * ((x - CORNER[0]) - (y - CORNER[1])) ** 2
    broken = inside(-(along / 1.25 - bowl + ragged))
    missing = inside(-(along / 1.25 - bowl - 19 + 1.5 * ragged))
    depth = np.clip(along / 1.25 - bowl + ragged, 0, 30)
    crumbly = rough(chance, 4, 5)
    clay = CLAY * (1 + 0.09 * crumbly + 0.06 * noise(chance, 0.5) - 0.006 * depth)[..., None]
    bare = colour + broken[..., None] * (clay - colour)
    return missing, broken, bare, relief - broken * (0.25 * depth - 0.55 * crumbly)


PRODUCT = Product("tile", "chipped", draw)
