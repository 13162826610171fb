"""Small pictures in a terminal: two pixels above each other in each letter."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping

import numpy as np

# A picture has at most so many columns; in fewer than the second nothing can be made out.
MOST_COLUMNS, LEAST_COLUMNS = 60, 16
# Lines of the terminal that stay free for the verdict and the prompt.
LINES_OF_TEXT = 6


def can_draw(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether stdout is a colour terminal that is wide enough, and that wants colours.

    Args:
        environment: its NO_COLOR and TERM are respected.
    """
    if environment.get("NO_COLOR") or not sys.stdout.isatty():
        return False
    # A console of Windows has no TERM; the one that knows colours says so by another name.
    known = environment.get("TERM") or ("windows" if "WT_SESSION" in environment else "dumb")
    letters = (sys.stdout.encoding or "").lower()
    size = shutil.get_terminal_size()
    wide = size.columns >= LEAST_COLUMNS and size.lines > 2 * LINES_OF_TEXT
    return known != "dumb" and letters.startswith("utf") and wide


def picture_size(photo: tuple[int, int], columns: int, lines: int) -> tuple[int, int]:
    """Width and height in half-blocks for a photo; the height is even.

    Args:
        photo: its width and height in pixels.
        columns: what the terminal has; no more than 60 are used.
        lines: what the picture may take; each holds two half-blocks.
    """
    width, height = photo
    scale = min(min(columns, MOST_COLUMNS) / width, 2 * max(lines, 1) / height)
    return max(1, round(width * scale)), 2 * max(1, round(height * scale / 2))


def half_blocks(pixels: np.ndarray) -> str:
    """A picture in 24-bit terminal colours, two pixels above each other in each letter.

    Args:
        pixels: (2R, C, 3) uint8, RGB.

    Returns:
        R lines of C upper half-blocks; the colours are reset at the end of each line.
    """
    lines = []
    for upper, lower in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
        letters, before = [], None
        for colours in zip(map(tuple, upper), map(tuple, lower), strict=True):
            if colours != before:
                (r, g, b), (r2, g2, b2) = before = colours
                letters.append(f"\x1b[38;2;{r};{g};{b};48;2;{r2};{g2};{b2}m")
            letters.append("▀")
        lines.append("".join(letters) + "\x1b[0m")
    return "\n".join(lines)
