"""A brushed metal plate with four screw holes and a stamped ring.

The defective one has a scratch and a dent.
"""

from __future__ import annotations

import cv2
import numpy as np

from example_parts.camera import SCALE, Camera
from example_parts.product import Product

HEIGHT, WIDTH = 420, 560


def brushed_metal(chance: np.random.Generator) -> np.ndarray:
    """Grey streaks along x, (H, W) float32 around 0."""
    noise = chance.normal(size=(HEIGHT * SCALE, WIDTH * SCALE)).astype(np.float32)
    streaks = cv2.blur(noise, (181, 1)) * 90 + cv2.blur(noise, (31, 1)) * 22
    return cv2.GaussianBlur(streaks, (3, 3), 0.7)


def draw_plate(canvas: np.ndarray, texture: np.ndarray) -> None:
    """The plate with its holes and ring, lit from the upper left, into an (H, W, 3) float32."""
    height, width = canvas.shape[:2]
    shape = np.zeros((height, width), np.float32)
    left, top, right, bottom = (int(v * SCALE) for v in (60, 50, 500, 370))
    corner = 34 * SCALE
    cv2.rectangle(shape, (left + corner, top), (right - corner, bottom), 1, -1, cv2.LINE_AA)
    cv2.rectangle(shape, (left, top + corner), (right, bottom - corner), 1, -1, cv2.LINE_AA)
    for x in (left + corner, right - corner):
        for y in (top + corner, bottom - corner):
            cv2.circle(shape, (x, y), corner, 1, -1, cv2.LINE_AA)
    shadow = cv2.GaussianBlur(np.roll(shape, (14, 12), (0, 1)), (0, 0), 11)
    canvas *= 1 - 0.45 * shadow[..., None]
    colour = np.array([172, 174, 176], np.float32) + texture[..., None]
    canvas += shape[..., None] * (colour - canvas)
    edge = cv2.GaussianBlur(shape, (0, 0), 2)
    canvas += (cv2.Sobel(edge, -1, 1, 0) + cv2.Sobel(edge, -1, 0, 1))[..., None] * 55
    for x, y in ((110, 100), (450, 100), (110, 320), (450, 320)):
        draw_hole(canvas, x * SCALE, y * SCALE, 17 * SCALE)
    draw_ring(canvas, 280 * SCALE, 210 * SCALE, 78 * SCALE)


def draw_hole(canvas: np.ndarray, x: int, y: int, radius: int) -> None:
    """A countersunk hole: a bright rim around the dark."""
    for r, shade in ((radius, 128), (int(radius * 0.93), 205), (int(radius * 0.72), 26)):
        cv2.circle(canvas, (x, y), r, (shade, shade, shade), -1, cv2.LINE_AA)
    inner = int(radius * 0.72)
    cv2.ellipse(canvas, (x, y), (inner, inner), 0, 20, 110, (74, 74, 74), SCALE, cv2.LINE_AA)


def draw_ring(canvas: np.ndarray, x: int, y: int, radius: int) -> None:
    """A stamped groove with twelve marks."""
    cv2.circle(canvas, (x, y), radius, (126, 127, 128), 5 * SCALE, cv2.LINE_AA)
    cv2.circle(canvas, (x + SCALE, y + SCALE), radius + 2, (205, 206, 207), SCALE, cv2.LINE_AA)
    for angle in np.arange(12) * np.pi / 6:
        step = np.array([np.cos(angle), np.sin(angle)])
        start, stop = (
            np.array([x, y]) + step * radius * 0.7,
            np.array([x, y]) + step * radius * 0.85,
        )
        points = [tuple(int(v) for v in point) for point in (start, stop)]
        cv2.line(canvas, points[0], points[1], (112, 113, 114), 3 * SCALE, cv2.LINE_AA)


def damage(canvas: np.ndarray, chance: np.random.Generator) -> None:
    """A bent scratch on the right, and a dent at the lower left."""
    x = np.linspace(352, 436, 60)
    y = 168 + 0.55 * (x - 352) + 5 * np.sin(x / 17) + chance.normal(0, 0.5, 60)
    path = (np.stack([x, y], 1) * SCALE).astype(np.int32)
    cv2.polylines(canvas, [path + np.array([2, 3])], False, (92, 92, 94), 2 * SCALE, cv2.LINE_AA)
    cv2.polylines(canvas, [path], False, (236, 237, 239), SCALE, cv2.LINE_AA)
    rows, columns = np.mgrid[: canvas.shape[0], : canvas.shape[1]].astype(np.float32) / SCALE
    bump = np.exp(-(((columns - 168) / 15) ** 2) - ((rows - 268) / 12) ** 2)
    slope = np.gradient(bump, axis=0) + np.gradient(bump, axis=1)
    canvas += (slope * 1400 - bump * 26)[..., None]


def draw(chance: np.random.Generator, damaged: bool) -> np.ndarray:
    """One plate on a dark ground, (2 H, 2 W, 3) float32."""
    ground = cv2.GaussianBlur(
        chance.normal(size=(HEIGHT * SCALE, WIDTH * SCALE)).astype(np.float32), (0, 0), 2
    )
    canvas = np.array([58, 62, 70], np.float32) + ground[..., None] * 26
    draw_plate(canvas, brushed_metal(chance))
    if damaged:
        damage(canvas, chance)
    return canvas


CAMERA = Camera(turn=1.2, zoom=0.015, shift=6, tilt=0, softness=0.8, noise=2.6)
PRODUCT = Product("plate", "scratched", draw, CAMERA, quality=90)
