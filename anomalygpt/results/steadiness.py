"""Whether a verdict holds when its photo is changed harmlessly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Steadiness:
    """What harmless changes of a photo do to its verdict.

    Attributes:
        is_steady: False where a change turned the verdict, or moved P(anomaly) too far.
        turned_by: names of the changes that turned it.
        largest_move: of P(anomaly) by any of them, in [0, 1].
        looks: how many changed copies were inspected.
        likeness: cosine of the photo as a whole with the reference most like it, in [-1, 1];
            None where it is not known.
    """

    is_steady: bool
    turned_by: tuple[str, ...]
    largest_move: float
    looks: int
    likeness: float | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> Steadiness | None:
        """From plain JSON values; None from None.

        Raises:
            KeyError, TypeError: a key is missing, or a value is of another kind.
        """
        if values is None:
            return None
        likeness = values["likeness"]
        return cls(
            bool(values["is_steady"]),
            tuple(str(name) for name in values["turned_by"]),
            float(values["largest_move"]),
            int(values["looks"]),
            None if likeness is None else float(likeness),
        )
