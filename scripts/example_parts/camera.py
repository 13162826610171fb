"""The camera that all example photos are taken with: pose, light, softness, noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

SCALE = 2  # parts are drawn larger, then reduced: smooth edges


@dataclass(frozen=True)
class Camera:
    """How far two photos differ (either way), and how good the camera is."""

    turn: float = 0.45  # degrees
    zoom: float = 0.003  # of the size
    shift: float = 1.8  # pixels
    tilt: float = 0.004  # how far a corner moves, of the width
    softness: float = 0.6  # pixels
    noise: float = 1.35  # grey values of 255

    def photograph(self, canvas: np.ndarray, chance: np.random.Generator) -> np.ndarray:
        """(SCALE H, SCALE W, 3) float32, 0..255, to a photo (H, W, 3) uint8, both RGB."""
        seen = lit(self.posed(canvas, chance), chance)
        seen = cv2.GaussianBlur(seen, (0, 0), self.softness)
        return np.clip(seen + chance.normal(0, self.noise, seen.shape), 0, 255).astype(np.uint8)

    def posed(self, canvas: np.ndarray, chance: np.random.Generator) -> np.ndarray:
        """Turned, zoomed, moved and tilted a little, then reduced to (H, W, 3)."""
        angle = chance.uniform(-self.turn, self.turn)
        zoom = chance.uniform(1 - self.zoom, 1 + self.zoom)
        height, width = canvas.shape[:2]
        pose = cv2.getRotationMatrix2D((width / 2, height / 2), angle, zoom)
        pose[:, 2] += chance.uniform(-self.shift, self.shift, 2) * SCALE
        if self.tilt:
            canvas = tilted(canvas, self.tilt, chance)
        seen = cv2.warpAffine(canvas, pose, (width, height), borderMode=cv2.BORDER_REFLECT)
        size = (width // SCALE, height // SCALE)
        return cv2.resize(seen, size, interpolation=cv2.INTER_AREA)


def tilted(canvas: np.ndarray, tilt: float, chance: np.random.Generator) -> np.ndarray:
    """Seen from slightly beside: each corner moves by up to `tilt` of the width."""
    height, width = canvas.shape[:2]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    moved = corners + chance.uniform(-tilt, tilt, (4, 2)).astype(np.float32) * width
    view = cv2.getPerspectiveTransform(corners, moved)
    return cv2.warpPerspective(canvas, view, (width, height), borderMode=cv2.BORDER_REFLECT)


def lit(seen: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Brightest near the lamp, which hangs elsewhere every time; (H, W, 3) float32."""
    height, width = seen.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    centre = np.array([0.40, 0.44]) + chance.uniform(-0.1, 0.1, 2)
    distance = np.hypot(columns / width - centre[0], rows / height - centre[1])
    light = (1.08 - 0.42 * distance**2) * chance.uniform(0.96, 1.04)
    return (seen * light[..., None]).astype(np.float32)
