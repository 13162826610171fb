"""Small damage as parts suffer it: scratches, stains, holes and missing pieces.

Cut-and-paste shows that something is out of place. This family shows what an inspector sees every
day, and mildly: it darkens or lightens what is there, so the part's own texture stays visible.

All damage is drawn inside a window around it, so a photo of any size costs no more than its damage.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import cv2
import numpy as np

from simulation.anomaly import LABEL_THRESHOLD, DefectKind
from simulation.labels import grouping_radius, largest_group, soft_label

# Sizes below are drawn evenly in their logarithm. Areas are shares of the photo, a scratch's
# length is a share of the photo's side (the root of its area).
_AREAS = {"stain": (0.003, 0.08), "hole": (0.001, 0.015), "missing part": (0.005, 0.06)}
_SCRATCH_LENGTH = (0.15, 0.7)
_LARGEST_SHARE_OF_PART = 0.35
_SMALLEST_AREA = 9.0

# Widths are given in pixels of a photo of this side and grow with the photo.
_REFERENCE_SIDE = 224

# Change that nine of ten pixels in a damage's core must reach, in grey levels.
_VISIBLE_CHANGE = 24.0

# Ground of less than this share is the leftover of a photo that the part fills.
_LEAST_GROUND = 0.02

# Relative change of red, green and blue; each has mean 1.
_NEUTRAL = np.ones(3, np.float32)
_STAIN_TINTS = np.array(
    [
        [1.0, 1.0, 1.0],  # water, dust
        [0.7, 1.0, 1.3],  # oil, coffee
        [0.45, 1.15, 1.4],  # rust
        [1.25, 1.05, 0.7],  # coolant
        [1.2, 0.75, 1.05],  # mould, verdigris
        [0.9, 1.0, 1.1],  # grease
    ],
    np.float32,
)


@dataclass(frozen=True)
class _Spot:
    """The window of the photo that one damage is drawn in.

    Attributes:
        pixels: (h, w, 3) float32, the photo before.
        place: (h, w) bool, where the part is.
        rows: of the window in the photo.
        columns: of the window in the photo.
        centre: (x, y) of the damage in the window.
        unit: one pixel of a photo of 224 pixels side; at least 1.
        grey: True where the photo has no colours.
    """

    pixels: np.ndarray
    place: np.ndarray
    rows: slice
    columns: slice
    centre: tuple[int, int]
    unit: float
    grey: bool


def damage(
    image: np.ndarray, generator: np.random.Generator, kind: DefectKind, place: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Damage a photo in one place.

    Args:
        image: (H, W, 3) uint8, RGB; it is not modified.
        generator: source of chance; the same state gives the same damage.
        kind: "scratch", "stain", "hole" or "missing part".
        place: (H, W) bool, where the part is. The damage lies on it; a missing part is broken off
            at its edge and shows the ground around, or, where the part fills the photo or looks
            like its ground, is a chip with a rim.

    Returns:
        The damaged photo, (H, W, 3) uint8, without colours where the photo has none; and its soft
        label, (H, W) float32 in [0, 1], 0 where nothing changed. What is above 0.3 forms one
        defect.

    Raises:
        ValueError: the image or the place has another shape or type, the place is empty, or the
            kind is another one.
    """
    _check(image, kind, place)
    height, width = place.shape
    part_area = int(np.count_nonzero(place))
    low, high = _SCRATCH_LENGTH if kind == "scratch" else _AREAS[kind]
    size = float(np.exp(generator.uniform(math.log(low), math.log(high))))
    if kind == "scratch":
        radius = size * math.sqrt(height * width) / 2
    else:
        area = min(size * height * width, _LARGEST_SHARE_OF_PART * part_area)
        radius = math.sqrt(max(area, _SMALLEST_AREA) / math.pi)

    if kind == "missing part":
        after, spot = _missing_part(image, place, part_area, generator, radius)
    else:
        reach = (1.1 if kind == "scratch" else 1.8) * radius
        spot = _cut_out(image, place, _inner_point(place, generator, radius), reach)
        after = _keep_to_part(spot, _PAINTERS[kind](spot, generator, radius))
    return _finish(image, spot, after)


def _check(image: np.ndarray, kind: str, place: np.ndarray) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    kinds = [known for known in get_args(DefectKind) if known != "patch"]
    if kind not in kinds:
        raise ValueError(f"kind is one of {', '.join(kinds)}; got {kind!r}")
    if place.shape != image.shape[:2] or place.dtype != np.bool_:
        raise ValueError(
            f"place must be {image.shape[:2]} bool like the photo, got {place.shape} {place.dtype}"
        )
    if not place.any():
        raise ValueError(f"place is empty: none of its {place.size} pixels is set")


def _finish(image: np.ndarray, spot: _Spot, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The whole photo and its label; `after` is the window (h, w, 3) as floats."""
    window = (spot.rows, spot.columns)
    before = image[window]
    changed = np.clip(np.rint(after), 0, 255).astype(np.uint8)
    if spot.grey:
        changed[...] = changed[..., :1]
    region = (changed != before).any(axis=2)
    damaged, whole = image.copy(), np.zeros(image.shape[:2], bool)
    damaged[window], whole[window] = changed, True
    # On the whole photo, because the label's brush depends on its size; with the unchanged
    # pixels around, because the brush fills up what touches the edge of the region.
    label = soft_label(image, damaged, whole)
    label[window][~region] = 0
    mask = label[window] > LABEL_THRESHOLD
    kept = largest_group(mask, whole.shape)
    stray = mask & ~kept
    if stray.any():
        # With their soft surroundings, which lie within the gap between two groups.
        reach = 2 * grouping_radius(whole.shape) + 1
        stray = cv2.dilate(stray.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
        damaged[window][stray & ~kept] = before[stray & ~kept]
        label[window][stray & ~kept] = 0
    return damaged, label


# --- where --------------------------------------------------------------------------------------


def _inner_point(
    place: np.ndarray, generator: np.random.Generator, radius: float
) -> tuple[int, int]:
    """(x, y) of the part with much of the part around it."""
    best, best_share = (0, 0), -1.0
    for _ in range(6):
        x, y = _random_point(place, generator)
        reach = max(1, round(radius))
        around = place[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        share = np.count_nonzero(around) / (2 * reach + 1) ** 2
        if share > best_share:
            best, best_share = (x, y), share
        if share > 0.9:
            break
    return best


def _random_point(mask: np.ndarray, generator: np.random.Generator) -> tuple[int, int]:
    """(x, y) of a set pixel, all equally likely."""
    # Row first, then column: the list of all set pixels of a large photo is not worth its memory.
    totals = np.cumsum(np.count_nonzero(mask, axis=1))
    y = int(np.searchsorted(totals, generator.integers(totals[-1]), side="right"))
    return int(generator.choice(np.flatnonzero(mask[y]))), y


def _cut_out(image: np.ndarray, place: np.ndarray, point: tuple[int, int], reach: float) -> _Spot:
    height, width = place.shape
    unit = max(1.0, math.sqrt(height * width) / _REFERENCE_SIDE)
    x, y = point
    margin = math.ceil(reach + 6 * unit)
    rows = slice(max(0, y - margin), min(height, y + margin + 1))
    columns = slice(max(0, x - margin), min(width, x + margin + 1))
    pixels = image[rows, columns]
    # A coarse look at the rest: a colour photo's damage may be coloured on its grey places too.
    coarse = image[:: max(1, height // 64), :: max(1, width // 64)]
    return _Spot(
        pixels=pixels.astype(np.float32),
        place=place[rows, columns],
        rows=rows,
        columns=columns,
        centre=(x - columns.start, y - rows.start),
        unit=unit,
        grey=_is_grey(coarse) and _is_grey(pixels),
    )


def _is_grey(pixels: np.ndarray) -> bool:
    return bool((pixels[..., :1] == pixels[..., 1:]).all())


def _keep_to_part(spot: _Spot, after: np.ndarray) -> np.ndarray:
    """Fade the damage (h, w, 3) out towards the part's edge, and take it back beyond."""
    part = spot.place.astype(np.float32)
    soft = cv2.GaussianBlur(part, (0, 0), 0.8 * spot.unit, borderType=cv2.BORDER_REPLICATE)
    soft = np.clip(2 * soft - 1, 0, 1) * part
    if soft[spot.centre[1], spot.centre[0]] < 0.9:  # at the very edge, or the part is a thread
        soft = part
    return spot.pixels + soft[..., None] * (after - spot.pixels)


# --- brushes ------------------------------------------------------------------------------------


def _noise(shape: tuple[int, int], cell: float, generator: np.random.Generator) -> np.ndarray:
    """(h, w) float32 smooth noise about 0 of deviation about 0.7; `cell` is its grain in pixels."""
    height, width = shape
    rows, columns = math.ceil(height / cell) + 2, math.ceil(width / cell) + 2
    coarse = generator.standard_normal((rows, columns)).astype(np.float32)
    if cell <= 1:
        return 0.7 * coarse[:height, :width]
    large = (max(width, round(columns * cell)), max(height, round(rows * cell)))
    return cv2.resize(coarse, large, interpolation=cv2.INTER_CUBIC)[:height, :width]


def _blob(
    spot: _Spot,
    generator: np.random.Generator,
    radius: float,
    *,
    elongation: float = 1.0,
    roughness: float = 0.2,
    lobes: int = 1,
    corners: int = 0,
) -> np.ndarray:
    """(h, w) float32: depth inside an irregular blob in pixels, below 0 outside of it.

    `lobes` round ones grown together, or a single one with a number of `corners`.
    """
    height, width = spot.place.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle = generator.uniform(0, math.pi)
    nearest = np.full((height, width), np.inf, np.float32)
    for lobe in range(lobes):
        size = radius * (1.0 if lobes == 1 else generator.uniform(0.45, 0.75))
        away = 0.0 if lobe == 0 else 0.8 * radius
        turn = generator.uniform(0, 2 * math.pi)
        dx = x - np.float32(spot.centre[0] + away * math.cos(turn))
        dy = y - np.float32(spot.centre[1] + away * math.sin(turn))
        along = (dx * math.cos(angle) + dy * math.sin(angle)) / (size * math.sqrt(elongation))
        across = (dy * math.cos(angle) - dx * math.sin(angle)) / (size / math.sqrt(elongation))
        if corners:
            nearest = _polygon(along, across, corners, generator)
        else:
            nearest = np.minimum(nearest, np.sqrt(along * along + across * across))
    uneven = _noise((height, width), max(1.5, 0.7 * radius), generator)
    uneven += generator.uniform(0.1, 0.45) * _noise(
        (height, width), max(1.0, 0.22 * radius), generator
    )
    # Calm at the centre, so that the blob cannot lose it.
    uneven *= np.minimum(1, 1.5 * nearest)
    return (radius * (1 - nearest + roughness * uneven)).astype(np.float32)


def _polygon(
    x: np.ndarray, y: np.ndarray, corners: int, generator: np.random.Generator
) -> np.ndarray:
    """(h, w): how far from the centre, 1 on the edges of a random convex polygon."""
    turns = (np.arange(corners) + generator.uniform(-0.3, 0.3, corners)) * 2 * math.pi / corners
    turns += generator.uniform(0, 2 * math.pi)
    distances = generator.uniform(0.7, 1.0, corners)
    sides = [
        (x * math.cos(turn) + y * math.sin(turn)) / distance
        for turn, distance in zip(turns, distances, strict=True)
    ]
    return np.maximum.reduce(sides)


def _rise(depth: np.ndarray, softness: float) -> np.ndarray:
    """From 0 outside to 1 inside over `softness` pixels about the edge, smoothly."""
    share = np.clip(depth / softness + 0.5, 0, 1)
    return share * share * (3 - 2 * share)


def _relief(height: np.ndarray, width: float, generator: np.random.Generator) -> np.ndarray:
    """Light from a random side on the slopes of `height` (h, w); (h, w) within about ±1."""
    smooth = cv2.GaussianBlur(height, (0, 0), width, borderType=cv2.BORDER_REPLICATE)
    angle = generator.uniform(0, 2 * math.pi)
    slope = math.cos(angle) * cv2.Sobel(smooth, cv2.CV_32F, 1, 0, borderType=cv2.BORDER_REPLICATE)
    slope += math.sin(angle) * cv2.Sobel(smooth, cv2.CV_32F, 0, 1, borderType=cv2.BORDER_REPLICATE)
    return slope * np.float32(width / 3)


def _shift(
    values: np.ndarray,
    generator: np.random.Generator,
    low: float,
    high: float,
    tint: np.ndarray = _NEUTRAL,
    *,
    darker: bool = False,
) -> np.ndarray:
    """A change of colour that stays visible on these pixels.

    Args:
        values: (N, 3) float, pixels of the core.
        generator: source of chance.
        low: smallest change in grey levels.
        high: largest change.
        tint: (3,) relative change of the channels, mean 1.
        darker: True lightens only what no darkening can be seen on.

    Returns:
        (3,) float32, all positive or all negative; larger than asked for where the pixels are so
        bright, dark or uneven that it would drown.
    """
    strength = float(generator.uniform(low, high))
    signs = (-1, 1) if generator.random() < 0.6 or darker else (1, -1)
    growths = (1.0, 1.5, 2.2, 3.3)
    trials = [(sign, growth) for growth in growths for sign in signs]
    if darker:
        trials.sort(key=lambda trial: trial[0])
    sample = values[:: max(1, len(values) // 500)]
    best: np.ndarray = _NEUTRAL
    best_change = -1.0
    for sign, growth in trials:
        shift = (sign * growth * strength * tint).astype(np.float32)
        change = np.abs(np.clip(sample + shift, 0, 255) - sample).mean(axis=1)
        least = float(np.quantile(change, 0.1))
        if least >= _VISIBLE_CHANGE:
            return shift
        if least > best_change:
            best, best_change = shift, least
    return best


def _tint(spot: _Spot, generator: np.random.Generator) -> np.ndarray:
    tint = _STAIN_TINTS[generator.integers(len(_STAIN_TINTS))]
    strength = np.float32(generator.uniform(0.5, 1))
    return _NEUTRAL if spot.grey else 1 + strength * (tint - 1)


def _core(spot: _Spot, cover: np.ndarray) -> np.ndarray:
    """(N, 3) pixels of the part under the middle of `cover`; at least the centre."""
    inside = (cover > 0.5) & spot.place
    inside[spot.centre[1], spot.centre[0]] = True
    return spot.pixels[inside]


# --- kinds --------------------------------------------------------------------------------------


def _scratch(spot: _Spot, generator: np.random.Generator, radius: float) -> np.ndarray:
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
    shift = _shift(_core(spot, line), generator, 45, 120)
    grain = 1 + 0.15 * _noise(spot.place.shape, spot.unit, generator)
    depth = line * grain - generator.uniform(0.25, 0.6) * flank * (1 - line)
    return spot.pixels + depth[..., None] * shift


def _curve(
    spot: _Spot,
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


def _stain(spot: _Spot, generator: np.random.Generator, radius: float) -> np.ndarray:
    """A see-through blob of another colour, denser at its edge where it has dried."""
    shape = spot.place.shape
    depth = _blob(
        spot,
        generator,
        radius,
        elongation=float(generator.uniform(1, 2.2)),
        roughness=float(generator.uniform(0.1, 0.3)),
    )
    softness = 1.5 * spot.unit + radius * float(generator.uniform(0.1, 0.7))
    cover = _rise(depth, softness)
    density = 1 + 0.12 * _noise(shape, max(2.0, 0.4 * radius), generator)
    density += generator.uniform(0, 0.5) * np.exp(-((depth / (0.12 * radius + 1)) ** 2))
    core = _core(spot, cover)
    strongest = 32 + 0.22 * float(core.mean())
    shift = _shift(core, generator, 28, strongest, _tint(spot, generator))
    stained = spot.pixels + shift * density[..., None]
    haze = np.float32(generator.uniform(0, 0.3))
    stained += haze * (core.mean(axis=0) - spot.pixels)
    return spot.pixels + cover[..., None] * (stained - spot.pixels)


def _hole(spot: _Spot, generator: np.random.Generator, radius: float) -> np.ndarray:
    """A dark pore, slit or puncture with a rim; on dark parts it shows what is lighter behind."""
    slit, lobes = [(1.0, 1), (1.3, 1), (3.0, 1), (1.2, 3)][generator.integers(4)]
    roughness = float(generator.uniform(0.05, 0.3))
    depth = _blob(spot, generator, radius, elongation=slit, roughness=roughness, lobes=lobes)
    cover = _rise(depth, 1.6 * spot.unit)
    core = _core(spot, cover)
    brightness = float(core.mean())
    low, high = max(28.0, 0.4 * brightness), 30 + 0.65 * brightness
    shift = _shift(core, generator, low, high, darker=True)
    mean = core.mean(axis=0)
    # The bottom keeps little of the surface's texture, and lies in the shadow of one side.
    bottom = mean + shift + 0.25 * (spot.pixels - mean)
    shade = _relief(cover, max(spot.unit, 0.5 * radius), generator)
    bottom += 0.35 * shade[..., None] * np.abs(shift)
    rim = _relief(cover, 1.2 * spot.unit, generator) * generator.uniform(15, 45)
    burr = generator.uniform(-35, 45) * np.exp(-(((depth + 1.2 * spot.unit) / spot.unit) ** 2))
    holed = spot.pixels + ((rim + burr) * _rise(depth + 5 * spot.unit, 4 * spot.unit))[..., None]
    return holed + cover[..., None] * (bottom - holed)


def _chip(spot: _Spot, generator: np.random.Generator, radius: float) -> np.ndarray:
    """A flake that came off: a smooth slanted bottom and an edge that catches light."""
    depth = _blob(
        spot,
        generator,
        1.15 * radius,
        elongation=float(generator.uniform(1, 2.2)),
        roughness=float(generator.uniform(0.06, 0.16)),
        corners=int(generator.integers(4, 8)),
    )
    cover = _rise(depth, 1.5 * spot.unit)
    core = _core(spot, cover)
    shift = _shift(core, generator, 28, 60, darker=generator.random() < 0.5)
    mean = core.mean(axis=0)
    facets = _noise(spot.place.shape, max(2.0, 0.6 * radius), generator)
    bottom = mean + shift * (1 + 0.2 * np.clip(facets, -1, 1))[..., None]
    grain = _noise(spot.place.shape, spot.unit, generator)
    bottom += (0.15 * (spot.pixels - mean)) + 2.5 * grain[..., None]
    rim = generator.uniform(40, 80) * _relief(cover, 1.2 * spot.unit, generator)
    return spot.pixels + cover[..., None] * (bottom - spot.pixels) + rim[..., None]


_PAINTERS: dict[str, Callable[[_Spot, np.random.Generator, float], np.ndarray]] = {
    "scratch": _scratch,
    "stain": _stain,
    "hole": _hole,
}


# --- missing parts ------------------------------------------------------------------------------


def _missing_part(
    image: np.ndarray,
    place: np.ndarray,
    part_area: int,
    generator: np.random.Generator,
    radius: float,
) -> tuple[np.ndarray, _Spot]:
    """The damaged window (h, w, 3) as floats, and where it lies."""
    if part_area > (1 - _LEAST_GROUND) * place.size:
        spot = _cut_out(image, place, _inner_point(place, generator, radius), 1.8 * radius)
        after = _chip(spot, generator, radius)
    else:
        # Beyond the photo's border the part goes on: only ground makes an edge.
        inner = cv2.erode(place.astype(np.uint8), np.ones((3, 3), np.uint8))
        edge = place & (inner == 0)
        for _ in range(8):
            spot = _cut_out(image, place, _random_point(edge, generator), 2.2 * radius)
            cover, fracture, leaves_pieces = _bite(spot, generator, radius)
            if leaves_pieces:
                continue
            ground = _ground(spot, generator)
            if _differs(spot, ground, cover):
                bitten = spot.pixels + fracture[..., None]
                return bitten + cover[..., None] * (ground - bitten), spot
        after = _chip(spot, generator, radius)
    return _keep_to_part(spot, after), spot


def _differs(spot: _Spot, ground: np.ndarray, cover: np.ndarray) -> bool:
    """Whether the ground is told from the part, almost wherever it shows."""
    lost = (cover > 0.5) & spot.place
    change = np.abs(ground[lost] - spot.pixels[lost]).mean(axis=1)
    return len(change) > 0 and float(np.quantile(change, 0.1)) >= _VISIBLE_CHANGE


def _bite(
    spot: _Spot, generator: np.random.Generator, radius: float
) -> tuple[np.ndarray, np.ndarray, bool]:
    """What is lost, (h, w) in [0, 1]; the light on the fracture beside it, (h, w) in grey levels;
    and whether a piece of the part would be left without hold."""
    depth = _blob(
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
    cover = _rise(depth, 1.5 * spot.unit)
    if splinters.any():
        cover = np.maximum(cover, cv2.dilate(splinters.astype(np.float32), brush))
    band = np.exp(-(((depth + 1.5 * spot.unit) / (1.3 * spot.unit)) ** 2)) * spot.place
    fracture = generator.uniform(-40, 40) * band
    fracture *= 1 + 0.5 * _noise(depth.shape, 3 * spot.unit, generator)
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


def _ground(spot: _Spot, generator: np.random.Generator) -> np.ndarray:
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
