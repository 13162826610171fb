"""Retrieval by meaning, with a small stand-in for a model of sentences."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from anomalygpt.errors import MissingExtraError
from anomalygpt.knowledge.dense import fused, sentence_encoder
from anomalygpt.knowledge.store import Knowledge


class Topics:
    """A sentence has a dimension for each topic whose words it uses."""

    TOPICS = (("rust", "oxide", "brown"), ("teeth", "comb"), ("lens", "optics"))

    def __init__(self) -> None:
        self.batches: list[int] = []

    def encode(self, sentences: list[str]) -> list[list[float]]:
        self.batches.append(len(sentences))
        return [
            [float(any(word in text.lower() for word in topic)) for topic in self.TOPICS]
            for text in sentences
        ]


def test_what_no_word_finds_is_found_by_its_meaning(two_products: Path) -> None:
    question = "Where do oxides come from?"
    assert Knowledge.open(two_products).search(question) == []
    encoder = Topics()
    knowledge = Knowledge.open(two_products, dense=encoder)
    assert encoder.batches == []
    found = knowledge.search(question)
    assert [each.passage.kind for each in found] == ["rust"]
    assert knowledge.search("And the optics?")[0].passage.kind == "Handbook / Photos"
    assert encoder.batches == [len(knowledge.passages), 1, 1]


def test_meaning_does_not_leave_the_product(two_products: Path) -> None:
    knowledge = Knowledge.open(two_products, dense=Topics())
    assert knowledge.search("Where do oxides come from?", product="zipper") == []


def test_what_is_near_nothing_finds_nothing(two_products: Path) -> None:
    knowledge = Knowledge.open(two_products, dense=Topics())
    assert knowledge.search("What about the weather?") == []


def test_both_orders_count(two_products: Path) -> None:
    knowledge = Knowledge.open(two_products, dense=Topics())
    found = knowledge.search("What causes broken teeth on a zipper?")
    assert found[0].passage.source == "zipper/notes.md, Broken teeth / Causes"


def test_ranks_are_fused_by_their_reciprocals() -> None:
    order = fused([(1, 9.0), (2, 8.0), (3, 7.0)], [3, 2])
    assert [number for number, _ in order] == [3, 2, 1]
    np.testing.assert_allclose(order[0][1], 1 / 63 + 1 / 61)
    np.testing.assert_allclose(order[2][1], 1 / 61)
    assert fused([], []) == []


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"anomalygpt\[dense\]"):
        sentence_encoder("some/model")
