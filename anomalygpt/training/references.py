"""Encoded reference photos, kept between steps: the encoder is frozen, they cannot change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from decoder import MemoryBank

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT, ReferenceViews


class ReferenceBanks:
    """Encoded references by path, the least recently used forgotten first."""

    def __init__(self, assistant: AnomalyGPT, rotations: int, megabytes: int) -> None:
        self._assistant = assistant
        self._rotations = rotations
        self._room = megabytes * 1024**2
        self._views: OrderedDict[str, ReferenceViews] = OrderedDict()
        self._size = 0

    def bank(self, references: Sequence[str]) -> MemoryBank:
        """A bank of a few references.

        Raises:
            ImageError: a reference cannot be read; it is named.
        """
        bank = MemoryBank(self._assistant.encoder_id)
        for number, path in enumerate(references):
            stages, varied = self._of(path)
            bank.add(stages, name=str(number), varied=varied)
        return bank

    def _of(self, path: str) -> ReferenceViews:
        if path in self._views:
            self._views.move_to_end(path)
            return self._views[path]
        views = self._assistant.reference_views(path, self._rotations)
        self._views[path] = views
        self._size += _bytes(views)
        while self._size > self._room and len(self._views) > 1:
            self._size -= _bytes(self._views.popitem(last=False)[1])
        return views


def _bytes(views: ReferenceViews) -> int:
    tensors: list[torch.Tensor] = [*views[0], *views[1]]
    return sum(tensor.nbytes for tensor in tensors)
