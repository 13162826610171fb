"""Encoded reference photos, kept between steps: the encoder is frozen, they cannot change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from anomalygpt.model import AnomalyGPT
from anomalygpt.references import ReferenceViews, turns_of_each
from decoder import MemoryBank


class ReferenceBanks:
    """Encoded references by path, the least recently used forgotten first."""

    def __init__(
        self,
        assistant: AnomalyGPT,
        rotations: int | None,
        megabytes: int,
        depths: Mapping[Path, int] | None = None,
    ) -> None:
        self._assistant = assistant
        self._rotations = rotations
        self._depths = depths or {}
        self._room = megabytes * 1024**2
        self._views: OrderedDict[tuple[str, int], ReferenceViews] = OrderedDict()
        self._size = 0

    def bank(self, references: Sequence[str]) -> MemoryBank:
        """A bank of a few references.

        Raises:
            ImageError: a reference cannot be read; it is named.
        """
        bank = MemoryBank(self._assistant.encoder_id)
        formulation = self._assistant.config.decoder.formulation
        turns = self._rotations or turns_of_each(len(references), formulation)
        for number, path in enumerate(references):
            stages, varied = self._of(path, turns)
            bank.add(stages, name=str(number), varied=varied)
        return bank

    def _of(self, path: str, turns: int) -> ReferenceViews:
        key = path, turns
        if key in self._views:
            self._views.move_to_end(key)
            return self._views[key]
        views = self._assistant.reference_views(path, turns, bit_depth=self._depths.get(Path(path)))
        self._views[key] = views
        self._size += _bytes(views)
        while self._size > self._room and len(self._views) > 1:
            self._size -= _bytes(self._views.popitem(last=False)[1])
        return views


def _bytes(views: ReferenceViews) -> int:
    tensors: list[torch.Tensor] = [*views[0], *views[1]]
    return sum(tensor.nbytes for tensor in tensors)
