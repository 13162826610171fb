"""The small assistant of the other tests, with short answers."""

from __future__ import annotations

import pytest

from anomalygpt import AnomalyGPT, GenerationOptions


@pytest.fixture
def served(assistant: AnomalyGPT, monkeypatch: pytest.MonkeyPatch) -> AnomalyGPT:
    """Its words are nonsense, so a verdict is cut early."""
    short = GenerationOptions(max_new_tokens=6)
    monkeypatch.setattr("anomalygpt.chat.VERDICT_OPTIONS", short)
    monkeypatch.setattr("anomalygpt.model.VERDICT_OPTIONS", short)
    return assistant
