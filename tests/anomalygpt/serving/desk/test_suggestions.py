"""A suggested question is one that is answered: all of them, about every example."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from anomalygpt import AnomalyGPT
from anomalygpt.presets import Example, find_examples
from anomalygpt.serving.desk.shown import FOLLOW_UPS
from decoder import MemoryBank

EXAMPLES = find_examples()
REFUSAL = re.compile(
    r"\b(cannot|can't|can not|don't know|do not know|not able|unable|no idea|sorry|only (speak|see|"
    r"answer)|does not show|doesn't show|photo (does|can)|Good day|Hello)\b",
    re.IGNORECASE,
)

pytestmark = pytest.mark.skipif(not EXAMPLES, reason="the photos of examples are not here")


@pytest.fixture(scope="module")
def remembered(inspector: AnomalyGPT) -> Callable[[Path], MemoryBank]:
    """The good part of an example, encoded once for all of its photos."""
    return cache(lambda reference: inspector.remember([reference]))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)
def test_every_suggestion_is_answered(
    inspector: AnomalyGPT, remembered: Callable[[Path], MemoryBank], example: Example
) -> None:
    chat = inspector.chat(example.photo, remembered(example.reference))
    found = chat.judge()
    for question in FOLLOW_UPS[bool(found.is_anomalous)]:
        answer = chat.ask(question)
        assert len(answer.split()) > 2, (question, answer)
        assert not REFUSAL.search(answer), (question, answer)
