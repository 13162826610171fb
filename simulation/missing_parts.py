"""Missing pieces: broken off at the part's edge, where the ground then shows, or chipped."""

from __future__ import annotations

import math

import cv2
import numpy as np

from simulation.brushes import VISIBLE_CHANGE, blob, noise, rise
from simulation.spots import Spot, cut_out, inner_point, keep_to_part, random_point
from simulation.surface_damage import chip

# Ground of less than this share is the leftover of a photo that the part fills.
_LEAST_GROUND = 0.02


def missing_part(
    image: np.ndarray,
    place: np.ndarray,
    part_area: int,
    generator: np.random.Generator,
    radius: float,
) -> tuple[np.ndarray, Spot]:
    """The damaged window (h, w, 3) as floats, and where it lies."""
    if part_area > (1 - _LEAST_GROUND) * place.size:
        spot = cut_out(image, place, inner_point(place, generator, radius), 1.8 * radius)
        after = chip(spot, generator, radius)
    else:
        # Beyond the photo's border the part goes on: only ground makes an edge.
        inner = cv2.erode(place.astype(np.uint8), np.ones((3, 3), np.uint8))
        edge = place & (inner == 0)
        for _ in range(8):
            spot = cut_out(image, place, random_point(edge, generator), 2.2 * radius)
            cover, fracture, leaves_pieces = _bite(spot, generator, radius)
            if leaves_pieces:
                continue
            ground = _ground(spot, generator)
            if _differs(spot, ground, cover):
                bitten = spot.pixels + fracture[..., None]
                return bitten + cover[..., None] * (ground - bitten), spot
        after = chip(spot, generator, radius)
    return keep_to_part(spot, after), spot


def _differs(spot: Spot, ground: np.ndarray, cover: np.ndarray) -> bool:
    """Whether the ground is told from the part, almost wherever it shows."""
    lost = (cover > 0.5) & spot.place
    change = np.abs(ground[lost] - spot.pixels[lost]).mean(axis=1)
    return len(change) > 0 and float(np.quantile(change, 0.1)) >= VISIBLE_CHANGE


def _bite(
    spot: Spot, generator: np.random.Generator, radius: float
) -> tuple[np.ndarray, np.ndarray, bool]:
    """What is lost, (h, w) in [0, 1]; the light on the fracture beside it, (h, w) in grey levels;
    and whether a piece of the part would be left without hold."""
    depth = blob(
        spot,
        generator,
        radius * 1.3,
        elongation=float(generator.uniform(1, 2)),
        roughness=float(generator.uniform(0.08, 0.28)),
        corners=int(generator.choice([0, 0, 4, 5, 6])),
    )
    splinters, leaves_pieces = _cut_off(spot.place, depth > 0)
    # The part's blurred border goes with it, or it would stay as an outline in the air.
    halo = 2 * math.ceil(1.2 * spot.unit) + 1
    brush = np.ones((halo, halo), np.uint8)
    part = cv2.dilate(spot.place.astype(np.uint8), brush)
    soft = cv2.GaussianBlur(part.astype(np.float32), (0, 0), 0.6 * spot.unit)
    cover = rise(depth, 1.5 * spot.unit)
    if splinters.any():
        cover = np.maximum(cover, cv2.dilate(splinters.astype(np.float32), brush))
    band = np.exp(-(((depth + 1.5 * spot.unit) / (1.3 * spot.unit)) ** 2)) * spot.place
    fracture = generator.uniform(-40, 40) * band
    fracture *= 1 + 0.5 * noise(depth.shape, 3 * spot.unit, generator)
    return cover * soft, fracture, leaves_pieces


def _cut_off(place: np.ndarray, lost: np.ndarray) -> tuple[np.ndarray, bool]:
    """Pieces (h, w) bool that fall off with what is lost, and whether others hang in the air."""
    pieces_before = cv2.connectedComponents(place.astype(np.uint8))[0]
    count, pieces = cv2.connectedComponents((place & ~lost).astype(np.uint8))
    if count <= pieces_before:
        return np.zeros(place.shape, bool), False
    # What reaches the window's border may hold on to something out there.
    border = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    sizes = np.bincount(pieces[place & ~lost], minlength=count)
    held = np.isin(np.arange(count), border) | (np.arange(count) == sizes.argmax())
    held[0] = True
    return ~held[pieces], int(held.sum()) > pieces_before


def _ground(spot: Spot, generator: np.random.Generator) -> np.ndarray:
    """(h, w, 3) float32: how the window would look without the part."""
    # Off the part's shadow and reflection, as far as there is room.
    for margin in (5, 2, 0):
        reach = 2 * math.ceil(margin * spot.unit) + 1
        brush = np.ones((reach, reach), np.uint8)
        bare = cv2.dilate(spot.place.astype(np.uint8), brush) == 0
        if np.count_nonzero(bare) >= bare.size / 20:
            break
    if not bare.any():
        bare = ~spot.place
    weights = bare.astype(np.float32)
    smooth = _spread(spot.pixels, weights)
    # Fine grain only: what lies about on the ground must not come up a second time.
    grain = (spot.pixels - smooth) * weights[..., None]
    size = (2 * math.ceil(2 * spot.unit) + 1,) * 2
    coarse = cv2.blur(grain, size) / np.maximum(cv2.blur(weights, size), 0.02)[..., None]
    grain = (grain - coarse) * weights[..., None]
    usual = 2 * float(np.quantile(np.abs(grain[bare]), 0.7)) + 1
    grain = np.clip(grain, -usual, usual)
    source = _covering_shift(weights, spot.place)
    moved = np.roll(grain, source, axis=(0, 1))
    known = np.roll(bare, source, axis=(0, 1))
    # Where nothing could be moved in, single pixels of the ground's grain have to do.
    grains = grain[bare]
    picks = generator.integers(len(grains), size=int(np.count_nonzero(~known)))
    moved[~known] = grains[picks]
    return smooth + moved


def _spread(pixels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Colours of the weighted pixels (h, w), carried on smoothly over the rest of (h, w, 3)."""
    height, width = weights.shape
    scale = min(1.0, 48 / max(height, width))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    weighted = cv2.resize(pixels * weights[..., None], small, interpolation=cv2.INTER_AREA)
    total = cv2.resize(weights, small, interpolation=cv2.INTER_AREA)
    mean = weighted.sum(axis=(0, 1)) / total.sum()
    sigma = max(1.0, max(small) / 10)
    weighted = cv2.GaussianBlur(weighted, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    total = cv2.GaussianBlur(total, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)[..., None]
    filled = (weighted + 1e-3 * mean) / (total + 1e-3)
    return cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)


def _covering_shift(weights: np.ndarray, place: np.ndarray) -> tuple[int, int]:
    """(rows, columns) to roll the ground by so that most of the part is covered by it."""
    height, width = weights.shape
    shifts = [
        (round(height * dy / 4), round(width * dx / 4))
        for dy in range(-2, 3)
        for dx in range(-2, 3)
    ]
    stride = max(1, max(height, width) // 64)
    coarse, part = weights[::stride, ::stride], place[::stride, ::stride]
    covered = [
        float(np.roll(coarse, (dy // stride, dx // stride), axis=(0, 1))[part].sum())
        for dy, dx in shifts
    ]
    return shifts[int(np.argmax(covered))]
