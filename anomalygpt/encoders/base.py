"""What every image encoder delivers, and what the assistant may ask of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

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
    """A frozen network from pixels to `ImageFeatures`.

    It has at least one parameter, by which its device and number format are known. Whatever
    decides its features is a parameter or stands in `config`, or two encoders would have the same
    mark. `config` holds the stages that are really read; what it cannot do is refused with a
    `ConfigError` when it is made.
    """

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


class Family(Protocol):
    """What the module of a family of encoders offers."""

    def configured(self, name: str, **changes: Any) -> EncoderConfig:
        """The configuration of an architecture, with its own size, mean, std and stages.

        Args:
            name: within the family.
            changes: fields of `EncoderConfig` to set otherwise.

        Raises:
            ConfigError: an unknown name, or a value out of range.
        """
        ...

    def built(self, config: EncoderConfig) -> nn.Module:
        """An `ImageEncoder` with untrained weights, to be filled from a saved state."""
        ...

    def from_file(self, config: EncoderConfig, weights: Path) -> nn.Module:
        """One with the weights of a file as its makers publish it.

        Raises:
            CheckpointError: the file belongs to something else, or is damaged.
        """
        ...

    def fetched(self, config: EncoderConfig, tag: str) -> nn.Module:
        """One with weights that are fetched by name.

        Args:
            config: of the encoder.
            tag: which weights, where there are several; "" where none was named.

        Raises:
            SourceError: there are none, or they cannot be fetched.
        """
        ...
