"""A small circuit board; on the defective one a capacitor is missing."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from example_parts.camera import SCALE
from example_parts.product import Product
from example_parts.surface import SHAPE, box, grid, inside, lay, noise, rounded, shade, shadow

MASK, COPPER = np.array([28, 86, 54]), np.array([46, 116, 68])
TIN, BLACK = np.array([186, 188, 186]), np.array([44, 44, 46])
CAPACITORS = ((128.0, 92.0, 1.0), (192.0, 92.0, 1.0), (354.0, 254.0, 1.45))  # middle, size
LOST = 2  # which of them
CHIPS = ((150.0, 214.0, 46.0, 26.0), (330.0, 150.0, 32.0, 32.0))  # middle, half width and height
SMALL = (
    *((250.0 + 22 * k, 82.0) for k in range(7)),
    *((262.0, 210.0 + 20 * k) for k in range(4)),
    *((82.0 + 24 * k, 288.0) for k in range(5)),
)
# Strokes on a grid of 2 by 4, x and y in turn: fonts differ between versions of OpenCV.
LETTERS = {
    "0": ("0004242000",),
    "1": ("031410",),
    "2": ("042422020020",),
    "3": ("04242000", "0222"),
    "4": ("040222", "2420"),
    "5": ("240402222000",),
    "A": ("0003142320", "0222"),
    "C": ("24040020",),
    "E": ("24040020", "0222"),
    "J": ("24200001",),
    "M": ("0004122420",),
    "P": ("0004242202",),
    "R": ("0004242202", "1220"),
    "T": ("0424", "1410"),
    "U": ("04002024",),
    "V": ("041024",),
    "W": ("0400122024",),
    "X": ("0024", "0420"),
    "-": ("0222",),
    " ": (),
}
HOLES = ((58.0, 58.0), (422.0, 58.0), (58.0, 302.0), (422.0, 302.0))


def draw(chance: np.random.Generator, damaged: bool) -> np.ndarray:
    """The board on a grey mat, (SHAPE, 3) float32."""
    x, y = grid()
    value = 1 + 0.05 * noise(chance, 0.8) + 0.02 * noise(chance, 30)
    canvas = (np.array([126, 126, 130]) * value[..., None]).astype(np.float32)
    edge = box(x - 240, y - 180, (206, 146), 8)
    for u, v in HOLES:
        edge = np.maximum(edge, 9 - np.hypot(x - u, y - v))
    shadow(canvas, inside(edge), 8, 0.65)
    lay(canvas, inside(edge), bare_board(chance, x, y, edge))
    for u, v in SMALL:
        draw_resistor(canvas, chance, x - u - chance.normal(0, 0.4), y - v - chance.normal(0, 0.4))
    for number, chip in enumerate(CHIPS):
        draw_chip(canvas, chance, chip, "MX4051" if number == 0 else "AT32")
    for number, (u, v, size) in enumerate(CAPACITORS):
        if damaged and number == LOST:
            leave_flux(canvas, chance, (x - u) / size, (y - v) / size)
        else:
            draw_capacitor(canvas, chance, (x - u) / size, (y - v) / size)
    draw_header(canvas, x, y)
    return canvas


def bare_board(
    chance: np.random.Generator, x: np.ndarray, y: np.ndarray, edge: np.ndarray
) -> np.ndarray:
    """Tracks under the lacquer, white print, tinned pads; (SHAPE, 3) float32."""
    tracks = cv2.GaussianBlur(draw_tracks(), (0, 0), 1.2)
    colour = MASK + tracks[..., None] * (COPPER - MASK)
    colour = colour * (1 + 0.03 * noise(chance, 50) + 0.025 * noise(chance, 0.8))[..., None]
    printed = cv2.GaussianBlur(draw_print(), (0, 0), 0.8) * 0.85
    colour = colour + printed[..., None] * (np.array([212, 214, 206]) - colour)
    pads = np.full(SHAPE, 99.0, np.float32)
    for u, v, size in CAPACITORS:
        for side in (-14, 14):
            pad = box(x - u - side * size, y - v, (9 * size, 5 * size), 1.5)
            pads = np.minimum(pads, pad)
    for u, v in HOLES:
        pads = np.minimum(pads, np.abs(np.hypot(x - u, y - v) - 12) - 4)
    tin = TIN * (1 + 0.05 * noise(chance, 2.5))[..., None]
    colour = colour + inside(pads)[..., None] * (tin - colour)
    relief = rounded(edge, 1.5, 1.2) + 0.5 * tracks + rounded(pads, 3, 1.0)
    return shade(colour, relief, gloss=0.25)


@cache
def draw_tracks() -> np.ndarray:
    """Copper tracks with bends of 45 degrees that never cross, SHAPE float32, 0..1."""
    tracks = np.zeros(SHAPE, np.float32)
    layout = np.random.default_rng(7)  # the same on every board
    for _ in range(260):
        track = draw_track(layout)
        if not (cv2.dilate(track, np.ones((9, 9))) * tracks).any():
            tracks += track
    return tracks


def draw_track(layout: np.random.Generator) -> np.ndarray:
    """One track from a round end to another, SHAPE float32, 0..1."""
    corners = [np.array([layout.integers(6, 54), layout.integers(6, 39)]) * 8]
    heading = int(layout.integers(4)) * 2
    for turn in (1, -1, int(layout.integers(-1, 2))):
        angle = heading * np.pi / 4
        step = np.round(np.array([np.cos(angle), np.sin(angle)])) * layout.integers(1, 8) * 8
        corners.append(np.clip(corners[-1] + step, (44, 44), (436, 316)))
        heading += turn
    path = (np.array(corners) * SCALE).astype(np.int32)
    track = np.zeros(SHAPE, np.float32)
    cv2.polylines(track, [path], False, 1.0, 2 * SCALE, cv2.LINE_AA)
    for end in (path[0], path[-1]):
        cv2.circle(track, end.tolist(), 3 * SCALE, 1.0, -1, cv2.LINE_AA)
    return track


def draw_print() -> np.ndarray:
    """Outlines and names in white, SHAPE float32, 0..1."""
    printed = np.zeros(SHAPE, np.float32)
    for number, (u, v, size) in enumerate(CAPACITORS):
        middle = (int(u * SCALE), int(v * SCALE))
        cv2.circle(printed, middle, int(26 * size * SCALE), 1.0, SCALE, cv2.LINE_AA)
        write(printed, f"C{number + 1}", u - 36 * size, v - 22 * size)
    for number, (u, v, wide, high) in enumerate(CHIPS):
        write(printed, f"U{number + 1}", u - wide - 14, v - high - 12)
    write(printed, "PWR-2 REV C", 196, 318)
    write(printed, "R1", 232, 70)
    write(printed, "J1", 376, 122)
    return printed


def write(printed: np.ndarray, text: str, x: float, y: float) -> None:
    """Letters of 6 by 9 pixels, the first with its lower left corner at x, y."""
    for number, letter in enumerate(text):
        for stroke in LETTERS[letter]:
            points = np.array([int(digit) for digit in stroke]).reshape(-1, 2)
            place = np.array([x + 8.5 * number, y]) + points * (3.0, -2.25)
            path = np.round(place * SCALE).astype(np.int32)
            cv2.polylines(printed, [path], False, 1.0, SCALE, cv2.LINE_AA)


def draw_resistor(
    canvas: np.ndarray, chance: np.random.Generator, x: np.ndarray, y: np.ndarray
) -> None:
    """A small block with tinned ends, lying upright."""
    body = box(x, y, (5, 8), 0.8)
    joints = box(x, y, (6, 10), 2)
    lay(canvas, inside(joints), shade(TIN * 0.95, rounded(joints, 4, 3), gloss=0.3))
    shadow(canvas, inside(body), 1.5, 0.35)
    end = inside(5.2 - np.abs(y))
    colour = BLACK + chance.normal(0, 2) + end[..., None] * (TIN * 0.92 - BLACK)
    lay(canvas, inside(body), shade(colour, rounded(body, 1.2, 1.2), gloss=0.15))


def draw_chip(
    canvas: np.ndarray,
    chance: np.random.Generator,
    chip: tuple[float, float, float, float],
    name: str,
) -> None:
    """A black case with legs above and below, a dot and a lasered name."""
    x, y = grid()
    u, v, wide, high = chip
    x, y = x - u, y - v
    legs = np.maximum(np.abs((x + wide) % 8 - 4) - 1.7, np.abs(x) - wide + 1)
    legs = np.maximum(legs, np.abs(y) - high - 9)
    shadow(canvas, inside(legs), 1.5, 0.4)
    bend = 1.6 * np.clip((high + 6 - np.abs(y)) / 4, 0, 1)
    lay(canvas, inside(legs), shade(TIN, bend + rounded(legs, 1.2, 0.8), gloss=0.3))
    case = box(x, y, (wide, high), 1.5)
    shadow(canvas, inside(case), 4, 0.5)
    label = np.zeros(SHAPE, np.float32)
    write(label, name, u - 4.2 * len(name), v + 4)
    label = cv2.GaussianBlur(label, (0, 0), 0.8) * 0.55
    grainy = 1 + 0.06 * noise(chance, 0.7) + 0.03 * noise(chance, 25)
    colour = (BLACK + label[..., None] * 110) * grainy[..., None]
    dot = np.hypot(x + wide - 8, y - high + 8) - 3
    lay(
        canvas, inside(case), shade(colour, rounded(case, 3, 2.2) - rounded(dot, 2, 1.2), gloss=0.1)
    )


def draw_capacitor(
    canvas: np.ndarray, chance: np.random.Generator, x: np.ndarray, y: np.ndarray
) -> None:
    """An aluminium can from above, on a black foot, with a dark half moon."""
    foot = box(x, y, (23, 23), 6)
    shadow(canvas, inside(foot), 4, 0.5)
    lay(canvas, inside(foot), shade(BLACK * 0.8, rounded(foot, 2, 2), gloss=0.1))
    can = np.hypot(x, y) - 20.5
    shadow(canvas, inside(can), 9, 0.6)
    turned = 0.035 * noise(chance, 14, 0.8)
    moon = inside(x + 9)
    colour = TIN * (1.08 + turned)[..., None]
    colour = colour + (moon * inside(can + 3))[..., None] * (np.array([58, 60, 66]) - colour)
    relief = rounded(can, 4, 4) - 0.8 * np.exp(-(((can + 4.5) / 1.3) ** 2))
    lay(canvas, inside(can), shade(colour, relief, gloss=0.35))


def leave_flux(
    canvas: np.ndarray, chance: np.random.Generator, x: np.ndarray, y: np.ndarray
) -> None:
    """Brown flux around the pads that a capacitor broke off from."""
    for side in (-14, 14):
        far = np.hypot((x - side) / 1.3, y) + 1.5 * noise(chance, 5) + 0.6 * noise(chance, 1)
        crust = rounded(far - 11, 6, 2) + 0.4 * noise(chance, 1.5)
        brown = shade(np.array([142, 104, 58]), crust, gloss=0.2)
        lay(canvas, np.clip((11 - far) / 4, 0, 1) * np.clip((far - 1) / 9, 0.1, 0.75), brown)


def draw_header(canvas: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """A row of gilded pins in a black strip at the right edge."""
    strip = box(x - 412, y - 180, (11, 60), 2)
    shadow(canvas, inside(strip), 5, 0.5)
    lay(canvas, inside(strip), shade(BLACK * 0.85, rounded(strip, 2, 2), gloss=0.1))
    pin = box(x - 412, (y - 120) % 20 - 10, (3.6, 3.6), 0.8)
    pins = np.maximum(pin, np.abs(y - 180) - 60)
    shadow(canvas, inside(pins), 3, 0.5)
    lay(canvas, inside(pins), shade(np.array([206, 172, 92]), rounded(pins, 2, 2), gloss=0.4))


PRODUCT = Product("circuit", "missing_capacitor", draw)
