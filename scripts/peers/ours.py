"""The assistant's own map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from anomalygpt import AnomalyGPT
from anomalygpt.evidence import EncodedPhotos
from anomalygpt.preprocessing import ImageGeometry
from peers.readings import Reading


class Ours:
    """The assistant's own map, in one of its two formulations."""

    bounded = True

    def __init__(self, assistant: AnomalyGPT, formulation: Any) -> None:
        self.name = f"ours, {formulation}"
        self.assistant = assistant
        self.formulation = formulation

    def fit(self, references: Sequence[Path], pixels: Tensor) -> None:
        self.assistant.set_formulation(self.formulation)  # which turned copies are kept, too
        self.bank = self.assistant.remember(list(references))
        # Patches of all references are joined, and their own distances read, at the first search.
        self.read(pixels[:1])

    def read(self, pixels: Tensor) -> Reading:
        self.assistant.set_formulation(self.formulation)
        side = pixels.shape[-1]
        geometry = ImageGeometry.fit((side, side), side, "square")
        photo = EncodedPhotos(self.assistant.encoder(pixels), [geometry], [None])
        evidence = self.assistant.examine(photo, self.bank)
        return Reading(float(evidence.scores[0]), evidence.maps[0].numpy())
