"""What somebody said of an inspection, and which part of the map that means."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image

from anomalygpt.errors import ConfigError
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.records.blobs import Blobs

Verdict = Literal["good", "damaged"]
Box = tuple[int, int, int, int]

# Places grow by this share of the map's side, for the next part lies a little elsewhere.
GROWTH = 0.03


@dataclass(frozen=True)
class Said:
    """What somebody said.

    Attributes:
        verdict: "good" after all, or "damaged".
        boxes: where, (x0, y0, x1, y1) in pixels of the photo, x1 and y1 not included.
        mask: where, as a PNG of the photo's height and width that is white there; or None.
    """

    verdict: Verdict
    boxes: tuple[Box, ...] = ()
    mask: bytes | None = None

    def __post_init__(self) -> None:
        """
        Raises:
            ConfigError: another verdict, or a box that is none.
        """
        if self.verdict not in ("good", "damaged"):
            raise ConfigError(f"a part is 'good' or 'damaged', got {self.verdict!r}")
        for x0, y0, x1, y1 in self.boxes:
            if not (0 <= x0 < x1 and 0 <= y0 < y1):
                raise ConfigError(
                    f"a box is X0 Y0 X1 Y1 in pixels, X1 and Y1 the larger ones, got {x0} {y0} "
                    f"{x1} {y1}"
                )

    def to_dict(self, blobs: Blobs) -> dict[str, Any]:
        """Plain JSON values; the mask is kept beside them.

        Raises:
            OutputError: the mask cannot be kept.
        """
        kept = None if self.mask is None else blobs.put(self.mask)
        return {"verdict": self.verdict, "boxes": [list(box) for box in self.boxes], "mask": kept}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], blobs: Blobs) -> Said:
        """What `to_dict` gave.

        Raises:
            RecordsError: the mask is not kept any more.
        """
        boxes: list[Box] = [(box[0], box[1], box[2], box[3]) for box in values["boxes"]]
        mask = values["mask"]
        return cls(values["verdict"], tuple(boxes), None if mask is None else blobs.get(mask))

    def place(self, geometry: ImageGeometry, shape: tuple[int, int]) -> np.ndarray | None:
        """(h, w) bool over the square of the map: what was marked; None where nothing was.

        Args:
            geometry: where the photo lies in the square.
            shape: rows and columns of the map.

        Raises:
            ConfigError: a box lies outside of the photo, or the mask is of another size.
        """
        if not self.boxes and self.mask is None:
            return None
        height, width = geometry.original
        marked = np.zeros((height, width), np.uint8)
        for x0, y0, x1, y1 in self.boxes:
            if x0 >= width or y0 >= height:
                raise ConfigError(
                    f"the box {x0} {y0} {x1} {y1} lies outside of the photo, which has {width}×"
                    f"{height} pixels"
                )
            marked[y0:y1, x0:x1] = 1
        if self.mask is not None:
            marked |= _read(self.mask, (height, width))
        if not marked.any():
            raise ConfigError("the mask is black everywhere; it is white where the damage is")
        return _on_map(marked, geometry, shape)


def grown(cells: np.ndarray) -> np.ndarray:
    """(h, w) bool: places with a margin around them.

    Args:
        cells: (h, w) bool over the square of the map.
    """
    margin = max(1, round(GROWTH * max(cells.shape)))
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    return np.asarray(cv2.dilate(cells.astype(np.uint8), around) > 0)


def at_size(cells: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(h, w) bool: places at another resolution; a cell of which any part is marked is."""
    if cells.shape == shape:
        return cells
    size = (shape[1], shape[0])
    return np.asarray(cv2.resize(cells.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0)


def as_png(cells: np.ndarray) -> bytes:
    """Places as a black and white PNG.

    Args:
        cells: (h, w) bool.
    """
    buffer = io.BytesIO()
    Image.fromarray(np.where(cells, 255, 0).astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def _read(mask: bytes, size: tuple[int, int]) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(mask)) as picture:
            values = np.asarray(picture.convert("L")) > 127
    except Exception as error:  # readers raise nearly anything on damaged files
        raise ConfigError(f"the mask is no picture that can be read: {error}") from None
    if values.shape != size:
        raise ConfigError(
            f"the mask has {values.shape[1]}×{values.shape[0]} pixels, the photo {size[1]}×"
            f"{size[0]}; they must be alike"
        )
    return values.astype(np.uint8)


def _on_map(marked: np.ndarray, geometry: ImageGeometry, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) on the photo to (h, w) over the square; what is marked never gets lost."""
    rows, columns = shape
    y0, x0, y1, x1 = (edge / geometry.size for edge in geometry.box)
    top, left = int(y0 * rows), int(x0 * columns)
    bottom, right = max(top + 1, round(y1 * rows)), max(left + 1, round(x1 * columns))
    cells = np.zeros(shape, bool)
    ys, xs = np.nonzero(marked)
    height, width = geometry.original
    # Both edges of each pixel, so that a pixel of a small photo fills all cells it covers.
    for edge in (0.0, 0.5, 0.999):
        down = top + ((ys + edge) / height * (bottom - top)).astype(int)
        across = left + ((xs + edge) / width * (right - left)).astype(int)
        cells[np.minimum(down, rows - 1), np.minimum(across, columns - 1)] = True
    return (
        np.asarray(cv2.morphologyEx(cells.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3)))) > 0
    )
