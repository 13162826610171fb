"""Retrieval by meaning, with a model for sentences, beside that by words."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from anomalygpt.errors import MissingExtraError, SourceError
from anomalygpt.files import reason_of, shown
from anomalygpt.knowledge.passages import Passage

if TYPE_CHECKING:
    import numpy as np

# Cosine below which a passage is not about a question. Models differ; this one is for those that
# were trained to bring questions and their answers together.
LEAST_COSINE = 0.5
# The usual constant of reciprocal rank fusion: how little the first places stand out.
RANK_OFFSET = 60


class SentenceEncoder(Protocol):
    """What gives texts vectors, such as a `SentenceTransformer`."""

    def encode(self, sentences: list[str], /) -> Any:
        """One vector for each text: an array (N, D) of finite numbers, any scale."""


def sentence_encoder(name: str) -> SentenceEncoder:
    """A model of sentence-transformers.

    Args:
        name: its folder, or its name on a hub.

    Raises:
        MissingExtraError: the package is not installed.
        SourceError: there is no such model, or it cannot be read.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise MissingExtraError(
            "models for sentences need the package sentence-transformers; "
            'pip install "anomalygpt[dense]" brings it'
        ) from None
    try:
        return SentenceTransformer(name)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"the model for sentences {shown(name)} cannot be read: {reason_of(error)}; "
            "give its folder"
        ) from error


class Vectors:
    """Passages by meaning; they are encoded once, when the first question comes."""

    def __init__(self, encoder: SentenceEncoder, passages: Mapping[int, Passage]) -> None:
        self._encoder = encoder
        self._numbers = list(passages)
        self._texts = [_whole(each) for each in passages.values()]
        self._vectors: np.ndarray | None = None
        self._lock = threading.Lock()

    def ranked(self, question: str, scope: Mapping[int, float]) -> list[int]:
        """Passages whose meaning is near that of the question, the nearest first.

        Args:
            question: as it was typed.
            scope: numbers of those that it may be about.
        """
        if not self._numbers:
            return []
        with self._lock:
            if self._vectors is None:
                self._vectors = _units(self._encoder.encode(self._texts))
            asked = _units(self._encoder.encode([question]))
        cosines = (self._vectors @ asked[0]).tolist()
        near = [
            (-cosine, number)
            for number, cosine in zip(self._numbers, cosines, strict=True)
            if number in scope and cosine >= LEAST_COSINE
        ]
        return [number for _, number in sorted(near)]


def fused(
    by_words: Sequence[tuple[int, float]], by_meaning: Sequence[int]
) -> list[tuple[int, float]]:
    """Both orders as one, by the sum of 1 / (60 + rank).

    Args:
        by_words: numbers with scores, the best first.
        by_meaning: numbers, the best first.
    """
    scores: dict[int, float] = {}
    for order in ([number for number, _ in by_words], by_meaning):
        for rank, number in enumerate(order, start=1):
            scores[number] = scores.get(number, 0.0) + 1 / (RANK_OFFSET + rank)
    return sorted(scores.items(), key=lambda each: (-each[1], each[0]))


def _whole(passage: Passage) -> str:
    parts = (passage.product, passage.kind, passage.title, passage.text)
    return ". ".join(part for part in parts if part)


def _units(vectors: Any) -> np.ndarray:
    import numpy as np

    rows = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, 1e-12)
