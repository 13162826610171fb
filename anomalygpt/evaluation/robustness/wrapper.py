"""An assistant's verdict as a network from pixels to [no, yes], which gradients pass whole.

Nothing of the verdict is written a second time here: the encoder, `evidence.maps_of`,
`evidence.scores_of` and `Speech.log_odds` are those of every inspection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.encoders.base import ImageFeatures
from anomalygpt.evidence import maps_of, scores_of
from anomalygpt.images.preprocessing import ImageGeometry, preprocess_batch
from anomalygpt.model import AnomalyGPT
from decoder import DEFAULT_CATEGORY, MemoryBank
from decoder.config import Formulation

LEVELS = 255


class VerdictNetwork(nn.Module):
    """Photos at the encoder's input, seen whole, to two numbers: for no and for yes.

    With a language model they are plus and minus half of log(P(yes) / P(no)), so that their
    softmax is P(no) and P(yes); that logarithm goes on where the probabilities are 0 and 1 in a
    computer's numbers, so that no gradient is lost there. Without one they are the threshold and
    the score.

    Attributes:
        assistant: whose verdict it is.
        bank: good parts that photos are compared with; closer looks in it are not taken.
    """

    def __init__(
        self,
        assistant: AnomalyGPT,
        bank: MemoryBank,
        *,
        category: str | None = None,
        formulation: Formulation | None = None,
        threshold: float | None = None,
    ) -> None:
        """
        Args:
            assistant: whom to ask.
            bank: from `remember`; empty to ask the text side alone.
            category: what the part is called.
            formulation: how distances become a map; None takes the model's own.
            threshold: the score above which the verdict is yes; None asks the language model.

        Raises:
            MissingPartError: there is no language model, and no threshold.
        """
        super().__init__()
        self.assistant = assistant
        self.bank = bank
        self._kind: Formulation = formulation or assistant.config.decoder.formulation
        self._threshold = threshold
        self._speech = assistant.speech if threshold is None else None
        text = assistant.category_features(category or DEFAULT_CATEGORY)
        # A copy: what is kept from inference mode cannot be kept for a backward pass.
        self._text = None if text is None else text.clone()
        settings = assistant.config.encoder
        self._mean, self._std = (
            torch.tensor(numbers, device=assistant.device).view(1, 3, 1, 1)
            for numbers in (settings.mean, settings.std)
        )

    @property
    def has_probabilities(self) -> bool:
        """Whether a language model is asked, so that the softmax is a probability."""
        return self._speech is not None

    def forward(self, pixels: Tensor) -> Tensor:
        """Two numbers for each photo; the larger is the verdict.

        Args:
            pixels: (B, 3, S, S) in [0, 1], see `photo_pixels`.

        Returns:
            (B, 2) float32, [no, yes].

        Raises:
            MissingPartError: neither a reference nor a trained text side.
        """
        return self._judged(*self._looked(pixels))

    @torch.no_grad()
    def look(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is found in photos, without gradients.

        Args:
            pixels: as in `forward`.

        Returns:
            (B, 2) as `forward`; maps (B, M, M) in [0, 1]; scores (B,) in [0, 1].
        """
        seen = self._looked(pixels)
        return self._judged(*seen), seen[1], self._scores(*seen)

    def embedding(self, pixels: Tensor) -> Tensor:
        """(B, D), the photos as a whole; gradients flow through."""
        return self._features(pixels).embedding

    def _features(self, pixels: Tensor) -> ImageFeatures:
        weight = next(self.assistant.encoder.parameters())
        shown = (pixels.to(self._mean) - self._mean) / self._std
        encode: Any = self.assistant.encoder
        features: ImageFeatures = encode(shown.to(weight.dtype))
        return features

    def _looked(self, pixels: Tensor) -> tuple[ImageFeatures, Tensor]:
        """Features and maps within [0, 1]."""
        features = self._features(pixels)
        drawn = maps_of(self.assistant.decoder, features, self.bank, self._text, self._kind)
        return features, drawn.clamp(0.0, 1.0)

    def _judged(self, features: ImageFeatures, maps: Tensor) -> Tensor:
        if self._threshold is not None:
            scores = self._scores(features, maps)
            return torch.stack([torch.full_like(scores, self._threshold), scores], dim=1)
        assert self._speech is not None
        odds = self._speech.log_odds(features.embedding, maps, ANOMALY_QUESTION)
        return torch.stack([-odds / 2, odds / 2], dim=1)

    def _scores(self, features: ImageFeatures, maps: Tensor) -> Tensor:
        decoder = self.assistant.decoder
        return scores_of(decoder, features, maps, self.bank, self._text, self._kind).float()


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Within it no weight asks for a gradient: attacks change photos alone, and cost less."""
    weights = [each for each in network.parameters() if each.requires_grad]
    for each in weights:
        each.requires_grad_(False)
    try:
        yield
    finally:
        for each in weights:
            each.requires_grad_(True)


def photo_pixels(
    assistant: AnomalyGPT, photos: Sequence[Image.Image]
) -> tuple[Tensor, list[ImageGeometry]]:
    """Photos as the encoder reads them, before they are normalised.

    Args:
        assistant: whose encoder decides the size.
        photos: upright RGB.

    Returns:
        (B, 3, S, S) in [0, 1], where the photo lies whole steps of 1/255; and where it lies.
    """
    settings = assistant.config.encoder
    mean, std = (
        torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (settings.mean, settings.std)
    )
    shown, geometries = preprocess_batch(
        photos,
        size=settings.input_size,
        mean=settings.mean,
        std=settings.std,
        resize=settings.resize,
    )
    pixels = (shown * std + mean).clamp(0.0, 1.0)
    whole = photo_mask(geometries)
    return torch.where(whole, in_8_bits(pixels), pixels).to(assistant.device), geometries


def photo_mask(geometries: Sequence[ImageGeometry]) -> Tensor:
    """(B, 1, S, S) bool: where the photo is, and not what fills the square up."""
    size = geometries[0].size
    mask = torch.zeros(len(geometries), 1, size, size, dtype=torch.bool)
    for row, geometry in enumerate(geometries):
        top, left, bottom, right = (int(edge) for edge in geometry.box)
        mask[row, :, top:bottom, left:right] = True
    return mask


def in_8_bits(pixels: Tensor) -> Tensor:
    """Pixels in [0, 1] rounded to what a file of 8 bits holds."""
    return (pixels * LEVELS).round() / LEVELS


def as_photo(pixels: Tensor, geometry: ImageGeometry) -> Image.Image:
    """One photo (3, S, S) in [0, 1] as a picture, without what fills the square up."""
    top, left, bottom, right = (int(edge) for edge in geometry.box)
    values = (pixels[:, top:bottom, left:right] * LEVELS).round().to(torch.uint8)
    return Image.fromarray(values.permute(1, 2, 0).cpu().numpy())
