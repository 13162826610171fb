"""Who answers questions about a photo, and what an answer is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from anomalygpt.data import Question


@dataclass(frozen=True)
class Answer:
    """What was answered to a question.

    Attributes:
        text: in words; a letter where only shares are known.
        shares: how likely each letter is, adding up to 1; None where nobody knows.
    """

    text: str
    shares: Mapping[str, float] | None = None


class Session(Protocol):
    """One photo, looked at once; its questions come in the order of the file."""

    @property
    def probability(self) -> float | None:
        """P(anomaly), in [0, 1], by other means than an answer; None where nobody knows."""

    def answer(self, question: Question, options: Mapping[str, str]) -> Answer:
        """Answer a question.

        Args:
            question: its options and answer are those of the file, and not for the eyes of whoever
                answers.
            options: text by letter, as they are shown.

        Raises:
            ExpertError: a foreign model cannot be reached; nothing is kept of this photo.
        """


class Answerer(Protocol):
    """Somebody who answers questions about photos."""

    @property
    def name(self) -> str:
        """What results are signed with."""

    @property
    def mark(self) -> Any:
        """What decides its answers, as JSON: weights and settings; no key."""

    @property
    def known_photos(self) -> frozenset[str] | None:
        """SHA-256 of photos that it was trained on or chosen by; None where nobody knows."""

    @property
    def reads_knowledge(self) -> bool:
        """Whether what is told about a product changes any answer."""

    def open(self, photo: Path, templates: Sequence[Path], knowledge: str | None) -> Session:
        """Look at a photo.

        Args:
            photo: the one that is asked about.
            templates: photos of good parts, () for none.
            knowledge: what is told about the product.

        Raises:
            ImageError: the photo or a template cannot be used.
            MissingPartError: templates are needed.
        """


def likeliest(answer: Answer) -> str | None:
    """The letter with the largest share; of equal ones that which the text names. None without
    shares."""
    if not answer.shares:
        return None
    most = max(answer.shares.values())
    best = [letter for letter, share in answer.shares.items() if share == most]
    return answer.text if answer.text in best else best[0]
