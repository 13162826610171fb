"""Reasons to doubt a comparison with references: sentences that its verdict is read with."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from decoder import MemoryBank

AMONG_REFERENCES = "This photo is also one of the references, so it cannot differ from them."
OTHER_PRODUCT = (
    "Is this a photo of the same product? Most of it differs from the photos of good parts."
)

# Photos of one product resemble the nearest reference as a whole by at least this cosine, those of
# another by less. Of eight products, with the embedded encoder: 0 of 160 photos against their own
# reference lie below, 275 of 280 against another's; a limit from seven of them tells the eighth
# apart as well (1.9 % and 99.6 % lie below it).
LEAST_LIKENESS = 0.76


def cautions_of(
    marks: Sequence[str], embedding: Tensor, bank: MemoryBank
) -> tuple[tuple[str, ...], ...]:
    """What each photo's verdict must be read with, the gravest first.

    Args:
        marks: of each photo's pixels; () where nobody knows them.
        embedding: (B, D), the photos as a whole.
        bank: what they were compared with.
    """
    likeness = bank.likeness(embedding)
    found: list[tuple[str, ...]] = []
    for row in range(len(embedding)):
        if marks and bank.with_mark([marks[row]]):
            found.append((AMONG_REFERENCES,))
        elif likeness is not None and float(likeness[row]) < LEAST_LIKENESS:
            found.append((OTHER_PRODUCT,))
        else:
            found.append(())
    return tuple(found)
