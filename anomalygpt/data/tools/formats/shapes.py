"""Outlines and run lengths to masks, and back.

A point (x, y) lies on the plane of the photo, whose top left corner is (0, 0); the pixel in row r
and column c is the square from (c, r) to (c + 1, r + 1). It belongs to an outline if its centre
lies inside. Tracing goes along the edges of pixels, so that what was traced is drawn again exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

# Directions along the edges of pixels, (x, y): right, down, left, up.
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


def fill(outline: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The pixels of an outline, by the even-odd rule.

    Args:
        outline: (N, 2) points (x, y) in pixels; what lies outside of the photo is cut off.
        size: (height, width) of the photo.

    Returns:
        (height, width) bool. An outline so thin that no centre lies inside marks the pixels along
        it: a scratch of half a pixel is still a scratch.
    """
    mask = np.zeros(size, dtype=bool)
    points = np.asarray(outline, dtype=np.float64).reshape(-1, 2)
    if not len(points):
        return mask
    x0, y0 = points.T
    x1, y1 = np.roll(points, -1, axis=0).T
    first = max(int(np.floor(y0.min())), 0)
    last = min(int(np.ceil(y0.max())), size[0])
    columns = np.arange(size[1]) + 0.5
    for row in range(first, last):
        centre = row + 0.5
        crosses = (y0 <= centre) != (y1 <= centre)
        if not crosses.any():
            continue
        a, b, c, d = x0[crosses], y0[crosses], x1[crosses], y1[crosses]
        at = np.sort(a + (centre - b) / (d - b) * (c - a))
        mask[row] = np.searchsorted(at, columns, side="right") % 2 == 1
    if not mask.any():
        line = np.zeros(size, dtype=np.uint8)
        ends = np.floor(points).astype(np.int32)
        cv2.polylines(line, [ends.reshape(-1, 1, 2)], isClosed=True, color=1)
        mask = line > 0
    return mask


def trace(mask: np.ndarray) -> list[tuple[np.ndarray, list[np.ndarray]]]:
    """The regions of a mask, those that touch at a corner as two.

    Args:
        mask: (H, W) bool.

    Returns:
        For each region its outer outline and those of its holes, each (N, 2) whole numbers, without
        points on straight lines; in the order of the rows.
    """
    count, numbers, boxes, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=4
    )
    regions = []
    for number in range(1, count):
        left, top, width, height = (int(value) for value in boxes[number, :4])
        part = numbers[top : top + height, left : left + width] == number
        rings = [ring + np.array([left, top]) for ring in _rings(part)]
        rings.sort(key=lambda ring: -abs(_area(ring)))
        regions.append((rings[0], rings[1:]))
    return regions


def _rings(mask: np.ndarray) -> Iterable[np.ndarray]:
    """Closed ways along the edges of pixels, with the marked pixels on the right."""
    wide = np.pad(mask, 1)
    inside = wide[1:-1, 1:-1]
    leaving: dict[tuple[int, int], list[int]] = {}
    # Of a marked pixel: the top edge goes right, the right one down, and so on.
    sides = (
        (inside & ~wide[:-2, 1:-1], (0, 0)),
        (inside & ~wide[1:-1, 2:], (1, 0)),
        (inside & ~wide[2:, 1:-1], (1, 1)),
        (inside & ~wide[1:-1, :-2], (0, 1)),
    )
    for direction, (edge, (right, down)) in enumerate(sides):
        for row, column in zip(*np.nonzero(edge), strict=True):
            leaving.setdefault((int(column) + right, int(row) + down), []).append(direction)
    while leaving:
        start = next(iter(leaving))
        yield _one_ring(leaving, start)


def _one_ring(leaving: dict[tuple[int, int], list[int]], start: tuple[int, int]) -> np.ndarray:
    corners, place, before = [], start, -1
    while True:
        ways = leaving[place]
        # Where two pixels touch at a corner, turning right stays with the same one.
        direction = next((w for w in ways if w == (before + 1) % 4), ways[0]) if ways else before
        ways.remove(direction)
        if not ways:
            del leaving[place]
        if direction != before:
            corners.append(place)
        place = (place[0] + _STEPS[direction][0], place[1] + _STEPS[direction][1])
        before = direction
        if place == start:
            return np.array(corners)


def _area(ring: np.ndarray) -> float:
    x, y = ring.T.astype(float)
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def bridged(outer: np.ndarray, holes: Sequence[np.ndarray]) -> np.ndarray:
    """One outline for a region with holes, for formats that know none: a way of no width leads to
    each hole and back.

    Returns:
        (N, 2) points; drawn by the even-odd rule it gives the region.
    """
    outline = outer
    for hole in holes:
        distances = ((outline[:, None, :] - hole[None, :, :]) ** 2).sum(axis=-1)
        at, to = np.unravel_index(int(distances.argmin()), distances.shape)
        around = np.concatenate([hole[to:], hole[: to + 1]])
        outline = np.concatenate([outline[: at + 1], around, outline[at:]])
    return outline


def rectangle(x: float, y: float, width: float, height: float, turned: float = 0.0) -> np.ndarray:
    """The corners of a box as an outline (4, 2), turned clockwise around its first corner by so
    many degrees."""
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=float)
    angle = np.deg2rad(turned)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return corners @ turn + (x, y)


def ellipse(x: float, y: float, across: float, down: float, turned: float = 0.0) -> np.ndarray:
    """An outline (72, 2) around a centre with two half axes, turned clockwise by degrees."""
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    points = np.stack([across * np.cos(angles), down * np.sin(angles)], axis=-1)
    angle = np.deg2rad(turned)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return points @ turn + (x, y)


def run_lengths(mask: np.ndarray) -> list[int]:
    """Run lengths as COCO has them: column by column, the first run is of pixels that are off."""
    flat = np.concatenate([[False], mask.ravel(order="F"), [False]])
    changes = np.nonzero(flat[1:] != flat[:-1])[0]
    ends = np.concatenate([[0], changes, [mask.size]])
    runs = np.diff(ends).tolist()
    if len(runs) > 1 and runs[-1] == 0:
        runs.pop()
    return runs


def from_run_lengths(runs: Sequence[int], size: tuple[int, int], order: str = "F") -> np.ndarray:
    """A mask of run lengths that begin with pixels that are off.

    Args:
        runs: numbers of pixels.
        size: (height, width).
        order: "F" column by column as COCO, "C" row by row as CVAT.

    Raises:
        ValueError: they are not as many pixels as the size says.
    """
    if sum(runs) != size[0] * size[1] or min(runs, default=0) < 0:
        raise ValueError(f"run lengths of {sum(runs)} pixels for a mask of {size[1]}×{size[0]}")
    values = np.arange(len(runs)) % 2 == 1
    flat = np.repeat(values, runs)
    return flat.reshape(size[::-1]).T.copy() if order == "F" else flat.reshape(size)


def unpacked(text: str) -> list[int]:
    """COCO's run lengths from the text that pycocotools packs them into: six bits to a letter,
    least first, and from the third on the difference to the run before the last.

    Raises:
        ValueError: it is no such text.
    """
    runs: list[int] = []
    value = place = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"{letter!r} is no letter of packed run lengths")
        value |= (bits & 31) << (5 * place)
        place += 1
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << (5 * place)
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = place = 0
    return runs
