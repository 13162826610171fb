"""What a foreign model says of a photo, beside our own verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Opinion:
    """A foreign model's answer to whether something is wrong.

    Attributes:
        model: its name.
        answer: its words.
        is_anomalous: its yes or no; None where its words are neither.
        anomaly_probability: P(yes) against P(no) by its own probabilities, in [0, 1]; None where
            it tells none.
        agrees: whether the measured verdict is the same; None where one of the two is missing.
    """

    model: str
    answer: str
    is_anomalous: bool | None = None
    anomaly_probability: float | None = None
    agrees: bool | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> Opinion | None:
        """From plain JSON values; None from None.

        Raises:
            KeyError, TypeError: a key is missing, or a value is of another kind.
        """
        if values is None:
            return None
        return cls(
            str(values["model"]),
            str(values["answer"]),
            values["is_anomalous"],
            values["anomaly_probability"],
            values["agrees"],
        )
