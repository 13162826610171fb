"""The assistant's own map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from anomalygpt import AnomalyGPT
from anomalygpt.encoders.photos import EncodedPhotos
from anomalygpt.images.preprocessing import ImageGeometry
from decoder.config import Formulation
from peers.readings import Reading


class Ours:
    """The assistant's own map, in one of its two formulations."""

    bounded = True

    def __init__(self, assistant: AnomalyGPT, formulation: Formulation) -> None:
        self.name = f"ours, {formulation}"
        self.assistant = assistant
        self.formulation = formulation

    def fit(self, references: Sequence[Path], pixels: Tensor) -> None:
        self.bank = self.assistant.remember(list(references), formulation=self.formulation)
        # Patches of all references are joined, and their own distances read, at the first search.
        self.read(pixels[:1])

    def read(self, pixels: Tensor) -> Reading:
        side = pixels.shape[-1]
        geometry = ImageGeometry.fit((side, side), side, "square")
        photo = EncodedPhotos(self.assistant.encoder(pixels), [geometry], [None])
        evidence = self.assistant.examine(photo, self.bank, formulation=self.formulation)
        return Reading(float(evidence.scores[0]), evidence.maps[0].numpy())
