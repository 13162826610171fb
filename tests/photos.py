"""A photo without symmetry, and how one is broken, for tests of several rooms."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def pattern(height: int = 24, width: int = 40) -> np.ndarray:
    """(H, W, 3) uint8 without any symmetry."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 5, y * 9, (x + 2 * y) * 2], axis=-1).astype(np.uint8)


def break_photo(path: Path) -> Path:
    """Cuts the file in half."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path
