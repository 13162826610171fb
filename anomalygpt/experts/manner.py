"""How a consultation is held; a light module, for whoever reads settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from anomalygpt.errors import ConfigError

Decider = Literal["own", "expert"]

# Those of `results.highlights`; a test keeps the two the same.
NOTATIONS = ("bbox", "contour", "highlight", "mask", "heatmap", "words")
DEFAULT_NOTATION = "contour"


def check_notation(notation: str) -> str:
    """The same, if there is such a notation.

    Raises:
        ConfigError: there is none.
    """
    if notation not in NOTATIONS:
        raise ConfigError(f"evidence is one of {', '.join(NOTATIONS)}; got {notation!r}")
    return notation


@dataclass(frozen=True)
class Manner:
    """How a consultation is held.

    Attributes:
        notation: the evidence that a voice is handed, see `results.highlights`.
        thinks: lets it write down what it sees before the first answer.
        decider: whose yes or no is the verdict.
        known_tokens: of what is known, at most, with each question.
    """

    notation: str = DEFAULT_NOTATION
    thinks: bool = False
    decider: Decider = "own"
    known_tokens: int = 600

    def __post_init__(self) -> None:
        check_notation(self.notation)
        if self.decider not in ("own", "expert"):
            raise ConfigError(f"the verdict is 'own' or 'expert', got {self.decider!r}")
