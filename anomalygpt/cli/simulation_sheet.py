"""The sheet of `anomalygpt simulate`: each photo before and after, its label, and what is said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from anomalygpt.cli.simulation_examples import Example

# The sheet, in pixels.
_COLUMNS = 4
_PANEL = 140
_GAP = 6
_MARGIN = 16
_LETTERS = 13
_LINE = 16
_PAPER, _INK, _FAINT, _QUESTION = (255, 255, 255), (20, 20, 20), (120, 120, 120), (20, 70, 150)
_LABEL_COLOUR = (255, 90, 0)


def cell(example: Example) -> Image.Image:
    """One example: three pictures in a row, and the text below."""
    font = ImageFont.load_default(_LETTERS)
    width = 3 * _PANEL + 2 * _GAP
    kinds = ", ".join(defect.kind or "unknown" for defect in example.anomaly.defects)
    text = [(line, _FAINT) for line in _wrapped(f"{example.index}: {kinds}", font, width)]
    for question, answer in example.dialogue:
        text += [(line, _QUESTION) for line in _wrapped(question, font, width)]
        text += [(line, _INK) for line in _wrapped(answer, font, width)]
    pictures = [_thumbnail(pixels) for pixels in _panels(example)]
    top = max(picture.height for picture in pictures)
    made = Image.new("RGB", (width, top + _GAP + _LINE * len(text)), _PAPER)
    for column, picture in enumerate(pictures):
        left = column * (_PANEL + _GAP) + (_PANEL - picture.width) // 2
        made.paste(picture, (left, (top - picture.height) // 2))
    draw = ImageDraw.Draw(made)
    for row, (line, colour) in enumerate(text):
        draw.text((0, top + _GAP + row * _LINE), line, fill=colour, font=font)
    return made


def _panels(example: Example) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The good photo, the simulated one, and its label over a faint photo."""
    grey = example.anomaly.image.mean(axis=2, keepdims=True) * 0.45 + 20
    strength = example.anomaly.label[..., None] * np.where(example.anomaly.mask[..., None], 1, 0.3)
    marked = grey + strength * (np.array(_LABEL_COLOUR) - grey)
    return example.image, example.anomaly.image, np.rint(marked).astype(np.uint8)


def _thumbnail(pixels: np.ndarray) -> Image.Image:
    picture = Image.fromarray(pixels)
    scale = _PANEL / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _wrapped(
    text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> list[str]:
    """Lines that fit into a width in pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def sheet(cells: Sequence[Image.Image]) -> Image.Image:
    """Cells in rows of four, each row as high as its highest cell."""
    columns = min(_COLUMNS, len(cells))
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [max(cell.height for cell in row) + _MARGIN for row in rows]
    width = _MARGIN + columns * (cells[0].width + _MARGIN)
    made = Image.new("RGB", (width, _MARGIN + sum(heights)), _PAPER)
    top = _MARGIN
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            made.paste(cell, (_MARGIN + column * (cell.width + _MARGIN), top))
        top += height
    return made
