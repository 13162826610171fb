"""What is kept of a photo of a good part once it is encoded."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class EncodedReference(NamedTuple):
    """One reference, encoded.

    Attributes:
        stages: patch tokens of the photo in all its turns, (V, P, C) per stage; it comes first.
        varied: patch tokens of its simulated other photos, (M, P, C) per stage.
        embedding: (D,), the photo as a whole.
        grid: rows and columns of the patches.
        closer: the same from a closer look, on a finer grid; None where nobody took one.
    """

    stages: tuple[Tensor, ...]
    varied: tuple[Tensor, ...]
    embedding: Tensor
    grid: tuple[int, int]
    closer: EncodedReference | None = None

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        own = sum(tensor.nbytes for tensor in (*self.stages, *self.varied, self.embedding))
        return own + (self.closer.nbytes if self.closer else 0)

    def unturned(self) -> EncodedReference:
        """The photo as it is, without its turned copies."""
        return self._replace(
            stages=tuple(stage[:1] for stage in self.stages),
            closer=self.closer and self.closer.unturned(),
        )
