"""From a photo to the pixels that a model reads, and from the model's map back to the photo.

Coordinates are continuous and count from pixel edges: pixel i covers [i, i + 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image

from anomalygpt.errors import ConfigError, ImageError

Resize = Literal["square", "pad"]


@dataclass(frozen=True)
class ImageGeometry:
    """Where a photo lies in the model's square input.

    Attributes:
        original: height and width of the photo in pixels.
        size: side of the square input in pixels.
        box: (y0, x0, y1, x1), the part of the square that the photo fills, in model pixels.
    """

    original: tuple[int, int]
    size: int
    box: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        y0, x0, y1, x1 = self.box
        if min(self.original) < 1 or self.size < 1:
            raise ConfigError(
                f"sizes must be positive, got photo {self.original} and model input {self.size}"
            )
        if not (0 <= y0 < y1 <= self.size and 0 <= x0 < x1 <= self.size):
            raise ConfigError(f"box {self.box} does not lie in a square of side {self.size}")

    @classmethod
    def fit(cls, original: tuple[int, int], size: int, resize: Resize) -> ImageGeometry:
        """Place a photo of height and width `original` in a square of side `size`.

        "square" stretches it over the whole square, as published; "pad" keeps its aspect, centred
        on whole pixels, at least one pixel thick.
        """
        if resize == "square":
            return cls(original, size, (0.0, 0.0, float(size), float(size)))
        if resize != "pad":
            raise ConfigError(f"resize is 'square' or 'pad', got {resize!r}")
        scale = size / max(original)
        height, width = (min(size, max(1, round(side * scale))) for side in original)
        top, left = (size - height) // 2, (size - width) // 2
        return cls(
            original, size, (float(top), float(left), float(top + height), float(left + width))
        )

    def back_project(
        self, anomaly_map: np.ndarray, size: tuple[int, int] | None = None
    ) -> np.ndarray:
        """Bring a map of the model square onto the pixels of the photo.

        Axes that grow are interpolated linearly between cell centres; axes that shrink are
        averaged over the exact area of each pixel, so that no cell gets lost.

        Args:
            anomaly_map: (h, w) of any resolution, covering the whole model square.
            size: height and width of the result; the photo's own by default.

        Returns:
            (H, W) float32, within the range of `anomaly_map`.

        Raises:
            ImageError: the map is not two-dimensional, or holds NaN or infinite values.
        """
        cells = np.asarray(anomaly_map, dtype=np.float32)
        if cells.ndim != 2 or cells.size == 0 or not np.isfinite(cells).all():
            raise ImageError(
                f"an anomaly map has the shape (h, w) and finite values; got {cells.shape}, "
                f"{int(np.count_nonzero(~np.isfinite(cells)))} values not finite"
            )
        height, width = self.original if size is None else size
        y0, x0, y1, x1 = (edge / self.size for edge in self.box)
        rows, columns = cells.shape
        down = _axis_weights(rows, y0 * rows, y1 * rows, height)
        across = _axis_weights(columns, x0 * columns, x1 * columns, width)
        result = down @ (cells @ across.T)
        return np.clip(result, cells.min(), cells.max(), out=result)


def _axis_weights(cells: int, start: float, stop: float, count: int) -> np.ndarray:
    """How much each cell of an axis gives to each of `count` pixels between two edges.

    Args:
        cells: number of map cells on the axis; cell j covers [j, j + 1).
        start: edge of the first pixel, in cells.
        stop: edge of the last pixel, in cells.
        count: number of pixels between the two.

    Returns:
        (count, cells) float32; each row sums to 1.
    """
    step = (stop - start) / count
    if step > 1:
        edges = start + step * np.arange(count + 1)[:, None]
        covered = np.clip(edges - np.arange(cells)[None, :], 0, 1)
        weights = np.diff(covered, axis=0)
    else:
        centres = np.clip(start + step * (np.arange(count) + 0.5) - 0.5, 0, cells - 1)
        left = centres.astype(np.int64)
        part = centres - left
        weights = np.zeros((count, cells))
        weights[np.arange(count), left] = 1 - part
        weights[np.arange(count), np.minimum(left + 1, cells - 1)] += part
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def preprocess(
    image: Image.Image,
    *,
    size: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    resize: Resize = "square",
) -> tuple[torch.Tensor, ImageGeometry]:
    """Turn a photo into normalised pixels, and remember where it lies.

    Args:
        image: a Pillow image of mode RGB, as `load_image` returns it.
        size: side of the square input in pixels.
        mean: per-channel mean, RGB in [0, 1]; it is also the colour of the padding.
        std: per-channel standard deviation, above 0.
        resize: "square" stretches the photo (as published), "pad" keeps its aspect.

    Returns:
        (3, size, size) float32 pixels, (value / 255 - mean) / std, and the geometry.

    Raises:
        ImageError: the image is not RGB; `load_image` makes it so.
    """
    if image.mode != "RGB":
        raise ImageError(f"preprocess takes an RGB image, got mode {image.mode}; use load_image")
    geometry = ImageGeometry.fit((image.height, image.width), size, resize)
    top, left, bottom, right = (int(edge) for edge in geometry.box)
    resized = image.resize((right - left, bottom - top), Image.Resampling.BICUBIC)
    values = torch.from_numpy(np.array(resized, dtype=np.float32)).permute(2, 0, 1) / 255
    pixels = torch.zeros(3, size, size)
    centre, spread = (torch.tensor(numbers).view(3, 1, 1) for numbers in (mean, std))
    pixels[:, top:bottom, left:right] = (values - centre) / spread
    return pixels, geometry


def preprocess_batch(
    images: Sequence[Image.Image],
    *,
    size: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    resize: Resize = "square",
) -> tuple[torch.Tensor, list[ImageGeometry]]:
    """`preprocess` of several photos: (B, 3, size, size) float32, and where each lies."""
    prepared = [preprocess(image, size=size, mean=mean, std=std, resize=resize) for image in images]
    return torch.stack([pixels for pixels, _ in prepared]), [where for _, where in prepared]
