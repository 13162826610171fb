"""A planed pine board; the defective one has a hole where a knot fell out."""

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

PALE, DARK = np.array([214, 176, 124]), np.array([172, 120, 72])
KNOT = (318.0, 158.0)


def draw(chance: np.random.Generator, damaged: bool) -> np.ndarray:
    """The board on a grey bench, (SHAPE, 3) float32."""
    x, y = grid()
    canvas = bench(chance)
    edge = box(x - 240, y - 180, (212, 128), 5)
    shape = inside(edge)
    shadow(canvas, shape, 11, 0.6)
    relief = rounded(edge, 5, 3.5) + 0.05 * noise(chance, 14, 0.6)
    pull = np.exp(-(((x - KNOT[0]) / 62) ** 2) - ((y - KNOT[1]) / 34) ** 2) if damaged else 0 * x
    wood = grained(chance, y - KNOT[1], pull)
    for place in (58.0, 422.0):
        hole = np.hypot(x - place, y - 180) - 8
        relief -= rounded(hole, 3, 3)
        wood *= (1 - 0.86 * inside(hole + 1.2) * np.clip(1.15 - (x - place + y - 180) / 30, 0, 1))[
            ..., None
        ]
    if damaged:
        wood, relief = knot_hole(chance, wood, relief)
    lay(canvas, shape, shade(wood, relief, gloss=0.04))
    return canvas


def bench(chance: np.random.Generator) -> np.ndarray:
    """Worn grey laminate, (SHAPE, 3) float32."""
    value = 1 + 0.03 * rough(chance, 30, 5) + 0.035 * noise(chance, 0.6)
    return (np.array([101, 104, 106]) * value[..., None]).astype(np.float32)


def grained(chance: np.random.Generator, y: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """Year rings cut lengthwise, which bend around a knot, and fine fibres; (SHAPE, 3)."""
    away = y + np.sign(y) * 20 * pull
    drift = 9 * noise(chance, 260, 60) + 1.2 * noise(chance, 60, 8)
    ring = (away + drift) / 15 + 0.06 * noise(chance, 200, 3)
    late = (ring % 1) ** 2.2 * (1 - np.clip((ring % 1 - 0.9) * 10, 0, 1))  # dark, then a sharp end
    strength = 0.75 + 0.2 * noise(chance, 300, 12)
    fibres = 0.03 * noise(chance, 40, 0.5) + 0.025 * noise(chance, 6, 0.4)
    pores = 0.16 * np.clip(noise(chance, 10, 0.4) - 2.1, 0, 1)
    share = np.clip(late * strength + 0.35 * pull, 0, 1)
    colour = PALE + share[..., None] * (DARK - PALE)
    patches = 0.04 * noise(chance, 120, 25)
    return colour * (1 + fibres - pores + patches)[..., None]


def knot_hole(
    chance: np.random.Generator, wood: np.ndarray, relief: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A brown rim, and a dark ragged hole with a crack to either side."""
    x, y = grid()
    x, y = x - KNOT[0], y - KNOT[1]
    ragged = 1.6 * noise(chance, 5) + 0.7 * noise(chance, 1)
    far = np.hypot(x / 1.25, y) + ragged
    rim = np.clip((31 - far) / 11, 0, 1) ** 1.4 * (0.85 + 0.1 * noise(chance, 2))
    wood = wood + np.clip(rim, 0, 1)[..., None] * (np.array([88, 50, 26]) - wood)
    crack = np.abs(y - 2.5 * np.sin(x / 17) + 0.6 * ragged) - 1.7 * np.clip(
        1 - np.abs(x) / 66, 0, 1
    )
    hole = np.minimum(far - 16, np.where(np.abs(x) < 66, crack, 9.0))
    lit_wall = np.clip((x + 0.8 * y - 8) / 26, 0, 1) * (0.7 + 0.2 * noise(chance, 1.2))
    depth = np.array([22, 14, 9]) + lit_wall[..., None] * np.array([74, 44, 24])
    wood = wood + inside(hole)[..., None] * (depth - wood)
    return wood, relief - rounded(far - 17, 5, 4)


PRODUCT = Product("board", "knot_hole", draw)
