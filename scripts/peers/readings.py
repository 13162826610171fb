"""What every method offers: it learns references, then reads photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image
from torch import Tensor

from anomalygpt import AnomalyGPT
from anomalygpt.encoders.timm_backbone import TimmEncoder
from anomalygpt.images.preprocessing import ImageGeometry, preprocess
from anomalygpt.images.reading import load_image

SEED = 0


@dataclass(frozen=True)
class Reading:
    """What a method finds on one photo.

    Attributes:
        score: higher is less like the references.
        anomaly_map: (h, w) over the model's square, at least 0; None where a method draws none.
    """

    score: float
    anomaly_map: np.ndarray | None


class Method(Protocol):
    """A way to compare photos with references.

    Attributes:
        name: in tables.
        bounded: whether its maps lie in [0, 1] already.
    """

    name: str
    bounded: bool

    def fit(self, references: Sequence[Path], pixels: Tensor) -> None:
        """Learn the references: as files, and as the model's pixels (k, 3, S, S)."""
        ...

    def read(self, pixels: Tensor) -> Reading:
        """Encode and compare one photo, (1, 3, S, S)."""
        ...


def checked(reading: Reading) -> Reading:
    """
    Raises:
        ValueError: it holds a value that cannot be compared.
    """
    values = [reading.score]
    if reading.anomaly_map is not None:
        values += [float(reading.anomaly_map.min()), float(reading.anomaly_map.max())]
    if not np.isfinite(values).all():
        raise ValueError("its score or map holds values that are no numbers")
    if min(values[1:], default=0.0) < 0:
        raise ValueError(f"the map has negative values, down to {min(values[1:]):.3g}")
    return reading


def bounded(distances: np.ndarray, scale: float) -> np.ndarray:
    """Distances from 0 on as values in [0, 1), in the same order; `scale` becomes one half."""
    wide = distances.astype(np.float64)
    return (wide / (scale + wide)).astype(np.float32)


def open_photo(assistant: AnomalyGPT, photo: Path | Image.Image) -> tuple[Tensor, ImageGeometry]:
    """The encoder's pixels of a photo, (1, 3, S, S), and where it lies in them."""
    settings = assistant.config.encoder
    pixels, geometry = preprocess(
        load_image(photo),
        size=settings.input_size,
        mean=settings.mean,
        std=settings.std,
        resize=settings.resize,
    )
    return pixels[None], geometry


def encoder_levels(encoder: Any, pixels: Tensor, stages: Sequence[int] = ()) -> list[Tensor]:
    """What the encoder reads, (B, C, H, W) per level, each on its own grid; finest first.

    Args:
        encoder: any; with timm's networks the levels before they are joined.
        pixels: (B, 3, S, S).
        stages: other levels of a timm network than those that the encoder reads.
    """
    if isinstance(encoder, TimmEncoder):
        return encoder.backbone.forward_intermediates(
            pixels,
            indices=list(stages or encoder.config.stages),
            stop_early=True,
            output_fmt="NCHW",
            intermediates_only=True,
        )
    features = encoder(pixels)
    return [stage.transpose(1, 2).unflatten(2, features.grid) for stage in features.stages]


def one_line(error: BaseException) -> str:
    """Why a method failed, for a line of the report."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{text[:157]}…"
