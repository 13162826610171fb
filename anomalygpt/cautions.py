"""Reasons to doubt a comparison with references: sentences that its verdict is read with."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from decoder import MemoryBank

AMONG_REFERENCES = "This photo is also one of the references, so it cannot differ from them."
OTHER_PRODUCT = (
    "Is this a photo of the same product? Most of it differs from the photos of good parts."
)


def cautions_of(
    marks: Sequence[str], embedding: Tensor, bank: MemoryBank, least_likeness: float | None
) -> tuple[tuple[str, ...], ...]:
    """What each photo's verdict must be read with, the gravest first.

    Args:
        marks: of each photo's pixels; () where nobody knows them.
        embedding: (B, D), the photos as a whole.
        bank: what they were compared with.
        least_likeness: see `DecoderConfig`.
    """
    least = -1.0 if least_likeness is None else least_likeness
    likeness = bank.likeness(embedding.detach())
    found: list[tuple[str, ...]] = []
    for row in range(len(embedding)):
        if marks and bank.with_mark([marks[row]]):
            found.append((AMONG_REFERENCES,))
        elif likeness is not None and float(likeness[row]) < least:
            found.append((OTHER_PRODUCT,))
        else:
            found.append(())
    return tuple(found)
