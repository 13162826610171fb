"""From photos as people give them to their features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from anomalygpt.config import EncoderConfig
from anomalygpt.encoders import encoder_mark
from anomalygpt.encoders.base import Grid, ImageFeatures, TextEncoder
from anomalygpt.errors import ConfigError
from anomalygpt.images.detail import Detail
from anomalygpt.images.preprocessing import ImageGeometry, preprocess_batch
from anomalygpt.images.reading import (
    ImageSource,
    common_bit_depth,
    listed,
    load_image,
    photo_name,
    pixels_mark,
)
from anomalygpt.images.windows import Windows, shrunk, windows_along
from decoder import DecoderError, LearnedPrompts, ensemble_features

# Windows that are encoded at one time, so that many of them do not fill the memory.
WINDOW_BATCH = 4

# A photo looked at closely, in as much detail as is asked for; None where that is no more than was
# seen of it already.
Closer = Callable[[Detail], "ImageFeatures | None"]


@dataclass(frozen=True)
class EncodedPhotos:
    """Photos after the image encoder.

    Attributes:
        features: of B photos.
        geometries: where each photo lies in the model's square.
        names: what each photo is called; None for pixels without a name.
        marks: of each photo's pixels, by which it is known among references; () where nobody asks.
        closer: a closer look at each photo, which is held for it; () where nobody takes one.
    """

    features: ImageFeatures
    geometries: Sequence[ImageGeometry]
    names: Sequence[str | None]
    marks: Sequence[str] = ()
    closer: Sequence[Closer] = ()

    def __len__(self) -> int:
        return len(self.geometries)

    def only(self, row: int) -> EncodedPhotos:
        """One of the photos."""
        alone = slice(row, row + 1)
        return EncodedPhotos(
            self.features[alone],
            self.geometries[alone],
            self.names[alone],
            self.marks[alone],
            self.closer[alone],
        )


class PhotoEncoder:
    """An image encoder, with what photos go through before it.

    Attributes:
        encoder: the network, see `ImageEncoder`; whoever owns it moves it between devices.
        config: how photos are prepared for it.
    """

    def __init__(self, encoder: nn.Module, config: EncoderConfig) -> None:
        self.encoder, self.config = encoder, config
        self._texts: dict[str, Tensor] = {}
        self._prompted: Tensor | None = None
        self._grid: Grid | None = None  # known once a photo was encoded

    @property
    def device(self) -> torch.device:
        """Where photos are encoded."""
        return next(self.encoder.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The number format in which they are."""
        return next(self.encoder.parameters()).dtype

    @cached_property
    def mark(self) -> str:
        """Of the encoder's settings and weights, the same for the same features."""
        return encoder_mark(self.encoder)

    def encode(
        self, images: ImageSource | Sequence[ImageSource], *, bit_depth: int | None = None
    ) -> EncodedPhotos:
        """Read and encode photos, all in one batch.

        Args:
            images: paths, Pillow images or arrays.
            bit_depth: see `load_image`; None takes one for all of them.

        Raises:
            ImageError: a photo cannot be used.
        """
        images = listed(images)
        depth = bit_depth or common_bit_depth(images)
        photos = [load_image(image, depth) for image in images]
        features, geometries = self._features(photos)
        names = [photo_name(image) for image in images]
        marks = [pixels_mark(each) for each in photos]
        # A photo that is compared several times is looked at once.
        closer = [lru_cache(1)(partial(self.closer, self.shrunk(each))) for each in photos]
        return EncodedPhotos(features, geometries, names, marks, closer)

    def features(self, photos: Sequence[Image.Image]) -> ImageFeatures:
        """Features of upright RGB photos, all in one batch."""
        return self._features(photos)[0]

    def shrunk(self, photo: Image.Image) -> Image.Image:
        """The photo with no more pixels than the closest look at it needs."""
        return shrunk(photo, self.config.input_size)

    def looks_closer(self, photo: Image.Image, detail: Detail) -> bool:
        """Whether a photo has more to show in so much detail than when it is looked at whole."""
        return windows_along(detail, (photo.height, photo.width), self.config.input_size) > 1

    def closer(self, photo: Image.Image, detail: Detail) -> ImageFeatures | None:
        """Features of one upright RGB photo in windows at its own resolution.

        Args:
            photo: perhaps `shrunk`.
            detail: how many windows, see `windows_along`.

        Returns:
            Of one photo, on the fine grid; its embedding is that of no window. None where one
            window would be all of it.
        """
        if not self.looks_closer(photo, detail):
            return None
        side, size = self.config.input_size, (photo.height, photo.width)
        cells, _ = self._grid or self.features([photo]).grid
        windows = Windows.over(size, windows_along(detail, size, side), cells, side)
        pictures = windows.cut(photo)
        parts = [
            self.features(pictures[start : start + WINDOW_BATCH])
            for start in range(0, len(pictures), WINDOW_BATCH)
        ]
        seen = ImageFeatures.cat(parts)
        stages = tuple(windows.join(stage) for stage in seen.stages)
        return ImageFeatures(seen.embedding.mean(dim=0, keepdim=True), stages, windows.grid)

    def text_features(self, category: str) -> Tensor | None:
        """[normal, abnormal] of a category, (2, C), kept; None without a text tower."""
        if not isinstance(self.encoder, TextEncoder):
            return None
        if category not in self._texts:
            with torch.inference_mode():
                self._texts[category] = ensemble_features(self.encoder.encode_text, category)
        return self._texts[category]

    def prompt_features(self, prompts: LearnedPrompts) -> Tensor:
        """[normal, abnormal] of learned prompts, (2, C) of length 1, kept.

        Raises:
            ConfigError: the encoder has no text tower for them, or one of another width.
        """
        if self._prompted is None:
            tower: Any = self.encoder
            if not hasattr(tower, "encode_prompts"):
                raise ConfigError(
                    f"{self.config.kind} has no text tower that reads learned prompts; they need "
                    "the encoder value_attention"
                )
            try:
                with torch.inference_mode():
                    self._prompted = F.normalize(prompts.features(tower).float(), dim=-1)
            except DecoderError as error:
                raise ConfigError(str(error)) from error
        return self._prompted

    def forget_prompts(self) -> None:
        """What `prompt_features` keeps is of prompts that have changed since."""
        self._prompted = None

    def _features(self, photos: Sequence[Image.Image]) -> tuple[ImageFeatures, list[ImageGeometry]]:
        settings = self.config
        pixels, geometries = preprocess_batch(
            photos,
            size=settings.input_size,
            mean=settings.mean,
            std=settings.std,
            resize=settings.resize,
        )
        encode: Any = self.encoder
        with torch.inference_mode():
            features: ImageFeatures = encode(pixels.to(self.device, self.dtype))
        self._grid = features.grid
        return features, geometries
