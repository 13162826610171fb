"""What every product of the examples says about itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from example_parts.camera import Camera


@dataclass(frozen=True)
class Product:
    """`draw(chance, damaged)` gives the scene before the camera, (2 H, 2 W, 3) float32 RGB."""

    name: str
    damage: str
    draw: Callable[[np.random.Generator, bool], np.ndarray]
    camera: Camera = field(default_factory=Camera)
    quality: int = 82

    def photos(self) -> dict[str, tuple[int, bool]]:
        """File name without its ending to (seed, damaged)."""
        return {"good_1": (1, False), "good_2": (2, False), self.damage: (3, True)}

    def render(self, seed: int, damaged: bool) -> np.ndarray:
        """A photo of one specimen, (H, W, 3) uint8 RGB."""
        chance = np.random.default_rng(seed)
        return self.camera.photograph(self.draw(chance, damaged), chance)
