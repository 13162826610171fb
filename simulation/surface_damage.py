"""Damage on the surface of a part: scratches, stains, holes and chips.

Each takes a spot, a source of chance and a radius in pixels, and gives the changed window,
(h, w, 3) as floats.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from simulation.brushes import blob, core_pixels, noise, relief, rise, stain_tint, visible_shift
from simulation.spots import Spot


def scratch(spot: Spot, generator: np.random.Generator, radius: float) -> np.ndarray:
    """One smooth line, or a few side by side, each with a light and a dark flank."""
    height, width = spot.place.shape
    # A line that wide is smooth: on large photos it is drawn small and enlarged.
    scale = min(1.0, 2 / spot.unit)
    small = (max(1, round(height * scale)), max(1, round(width * scale)))
    line, flank = np.zeros((2, *small), np.float32)
    heading = generator.uniform(0, 2 * math.pi)
    # Short scratches are straight: the same hand and tool draw a curve only over a distance.
    bend = generator.normal(0, 0.5) * min(1.0, radius / (40 * spot.unit))
    for stroke in range(int(generator.choice([1, 1, 1, 2, 3]))):
        length = radius * (1.0 if stroke == 0 else generator.uniform(0.3, 0.9))
        # Within the gap that still makes them one defect.
        aside = 0.0 if stroke == 0 else stroke * generator.uniform(1.5, 3.0) * spot.unit
        points = _curve(spot, generator, 2 * length, heading, bend, aside)
        points = (points + 0.5) * (small[1] / width, small[0] / height) - 0.5
        _stroke(points, spot.unit * scale, line, flank, generator)
    if small != (height, width):
        line, flank = (cv2.resize(field, (width, height)) for field in (line, flank))
    shift = visible_shift(core_pixels(spot, line), generator, 45, 120)
    grain = 1 + 0.15 * noise(spot.place.shape, spot.unit, generator)
    depth = line * grain - generator.uniform(0.25, 0.6) * flank * (1 - line)
    return spot.pixels + depth[..., None] * shift


def _curve(
    spot: Spot,
    generator: np.random.Generator,
    length: float,
    heading: float,
    bend: float,
    aside: float,
) -> np.ndarray:
    """(N, 2) points x, y of a smooth line through the centre, close to each other."""
    count = max(8, math.ceil(2 * length / spot.unit))
    along = np.linspace(-0.5, 0.5, count)
    wobble = np.interp(along, np.linspace(-0.5, 0.5, 7), generator.normal(0, 0.06, 7))
    angles = heading + 2 * bend * along + wobble
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=1) * (length / count)
    points = np.cumsum(steps, axis=0)
    points -= points[count // 2]
    normal = np.array([-math.sin(heading), math.cos(heading)])
    return points + np.array(spot.centre) + aside * normal


def _stroke(
    points: np.ndarray,
    unit: float,
    line: np.ndarray,
    flank: np.ndarray,
    generator: np.random.Generator,
) -> None:
    """Lay a line of varying width and strength, and its flank, over what is there, in place."""
    count = len(points)
    knots = max(4, count // 12)
    grid = np.linspace(0, 1, count)
    width = unit * generator.uniform(0.5, 1.1)
    widths = width * np.interp(grid, np.linspace(0, 1, knots), generator.uniform(0.7, 1.35, knots))
    widths = np.maximum(widths, 0.5)
    strengths = np.interp(grid, np.linspace(0, 1, knots), generator.uniform(0.6, 1, knots))
    # The tool sets down quickly on one side and lifts slowly on the other.
    strengths *= np.clip(np.minimum(grid / 0.06, (1 - grid) / 0.2), 0.05, 1)
    tangents = np.gradient(points, axis=0)
    tangents /= np.maximum(np.linalg.norm(tangents, axis=1, keepdims=True), 1e-9)
    normals = np.stack([-tangents[:, 1], tangents[:, 0]], axis=1)
    side = 1.7 if generator.random() < 0.5 else -1.7
    _splat(points, widths, strengths, line)
    _splat(points + side * widths[:, None] * normals, widths, strengths, flank)


def _splat(
    points: np.ndarray, widths: np.ndarray, strengths: np.ndarray, field: np.ndarray
) -> None:
    """Put a soft dot on every point; the strongest counts where they overlap."""
    height, width = field.shape
    reach = math.ceil(2.5 * float(widths.max()))
    step = np.arange(-reach, reach + 1)
    corner = np.floor(points + 0.5).astype(int)
    x = corner[:, 0, None, None] + step[None, None, :]
    y = corner[:, 1, None, None] + step[None, :, None]
    far = (x - points[:, 0, None, None]) ** 2 + (y - points[:, 1, None, None]) ** 2
    dots = strengths[:, None, None] * np.exp(-far / (2 * widths[:, None, None] ** 2))
    valid = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    flat = np.broadcast_to(y * width + x, dots.shape)[valid]
    np.maximum.at(field.reshape(-1), flat, dots[valid].astype(np.float32))


def stain(spot: Spot, generator: np.random.Generator, radius: float) -> np.ndarray:
    """A see-through blob of another colour, denser at its edge where it has dried."""
    shape = spot.place.shape
    depth = blob(
        spot,
        generator,
        radius,
        elongation=float(generator.uniform(1, 2.2)),
        roughness=float(generator.uniform(0.1, 0.3)),
    )
    softness = 1.5 * spot.unit + radius * float(generator.uniform(0.1, 0.7))
    cover = rise(depth, softness)
    density = 1 + 0.12 * noise(shape, max(2.0, 0.4 * radius), generator)
    density += generator.uniform(0, 0.5) * np.exp(-((depth / (0.12 * radius + 1)) ** 2))
    core = core_pixels(spot, cover)
    strongest = 32 + 0.22 * float(core.mean())
    shift = visible_shift(core, generator, 28, strongest, stain_tint(spot, generator))
    stained = spot.pixels + shift * density[..., None]
    haze = np.float32(generator.uniform(0, 0.3))
    stained += haze * (core.mean(axis=0) - spot.pixels)
    return spot.pixels + cover[..., None] * (stained - spot.pixels)


def hole(spot: Spot, generator: np.random.Generator, radius: float) -> np.ndarray:
    """A dark pore, slit or puncture with a rim; on dark parts it shows what is lighter behind."""
    slit, lobes = [(1.0, 1), (1.3, 1), (3.0, 1), (1.2, 3)][generator.integers(4)]
    roughness = float(generator.uniform(0.05, 0.3))
    depth = blob(spot, generator, radius, elongation=slit, roughness=roughness, lobes=lobes)
    cover = rise(depth, 1.6 * spot.unit)
    core = core_pixels(spot, cover)
    brightness = float(core.mean())
    low, high = max(28.0, 0.4 * brightness), 30 + 0.65 * brightness
    shift = visible_shift(core, generator, low, high, darker=True)
    mean = core.mean(axis=0)
    # The bottom keeps little of the surface's texture, and lies in the shadow of one side.
    bottom = mean + shift + 0.25 * (spot.pixels - mean)
    shade = relief(cover, max(spot.unit, 0.5 * radius), generator)
    bottom += 0.35 * shade[..., None] * np.abs(shift)
    rim = relief(cover, 1.2 * spot.unit, generator) * generator.uniform(15, 45)
    burr = generator.uniform(-35, 45) * np.exp(-(((depth + 1.2 * spot.unit) / spot.unit) ** 2))
    holed = spot.pixels + ((rim + burr) * rise(depth + 5 * spot.unit, 4 * spot.unit))[..., None]
    return holed + cover[..., None] * (bottom - holed)


def chip(spot: Spot, generator: np.random.Generator, radius: float) -> np.ndarray:
    """A flake that came off: a smooth slanted bottom and an edge that catches light."""
    depth = blob(
        spot,
        generator,
        1.15 * radius,
        elongation=float(generator.uniform(1, 2.2)),
        roughness=float(generator.uniform(0.06, 0.16)),
        corners=int(generator.integers(4, 8)),
    )
    cover = rise(depth, 1.5 * spot.unit)
    core = core_pixels(spot, cover)
    shift = visible_shift(core, generator, 28, 60, darker=generator.random() < 0.5)
    mean = core.mean(axis=0)
    facets = noise(spot.place.shape, max(2.0, 0.6 * radius), generator)
    bottom = mean + shift * (1 + 0.2 * np.clip(facets, -1, 1))[..., None]
    grain = noise(spot.place.shape, spot.unit, generator)
    bottom += (0.15 * (spot.pixels - mean)) + 2.5 * grain[..., None]
    rim = generator.uniform(40, 80) * relief(cover, 1.2 * spot.unit, generator)
    return spot.pixels + cover[..., None] * (bottom - spot.pixels) + rim[..., None]
