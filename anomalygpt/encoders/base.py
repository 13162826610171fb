"""What every image encoder delivers, and what the assistant may ask of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from anomalygpt.config import EncoderConfig

Grid = tuple[int, int]


@dataclass(frozen=True)
class ImageFeatures:
    """One batch of encoded photos; later calls reuse it instead of encoding again.

    Attributes:
        embedding: (B, D), the photo as a whole.
        stages: patch tokens per stage, each (B, H*W, C), row by row, class tokens removed.
        grid: patch rows and columns, H and W, the same for all stages.
    """

    embedding: Tensor
    stages: tuple[Tensor, ...]
    grid: Grid

    def __len__(self) -> int:
        return len(self.embedding)

    def __getitem__(self, rows: slice) -> ImageFeatures:
        return ImageFeatures(self.embedding[rows], tuple(s[rows] for s in self.stages), self.grid)

    @staticmethod
    def cat(parts: Sequence[ImageFeatures]) -> ImageFeatures:
        """Join batches of the same encoder."""
        if len(parts) == 1:
            return parts[0]
        stages = zip(*(part.stages for part in parts), strict=True)
        return ImageFeatures(
            torch.cat([part.embedding for part in parts]),
            tuple(torch.cat(stage) for stage in stages),
            parts[0].grid,
        )


class ImageEncoder(Protocol):
    """A frozen network from pixels to `ImageFeatures`."""

    config: EncoderConfig
    embedding_width: int
    stage_widths: tuple[int, ...]

    def __call__(self, pixels: Tensor) -> ImageFeatures:
        """(B, 3, input_size, input_size), normalised by the config's mean and std."""
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """An encoder that also has a text tower in the space of its patch tokens."""

    text_width: int

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """(N, text_width), scaled as the tower delivers it."""
        ...
