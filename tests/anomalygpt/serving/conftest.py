"""The small assistant of the other tests, with short answers."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import pytest

from anomalygpt import AnomalyGPT, GenerationOptions


@pytest.fixture
def served(assistant: AnomalyGPT, monkeypatch: pytest.MonkeyPatch) -> AnomalyGPT:
    """Its words are nonsense, so a verdict is cut early."""
    short = GenerationOptions(max_new_tokens=6)
    monkeypatch.setattr("anomalygpt.chat.VERDICT_OPTIONS", short)
    monkeypatch.setattr("anomalygpt.model.VERDICT_OPTIONS", short)
    return assistant


@pytest.fixture(scope="module", autouse=True)
def _swept() -> Iterator[None]:
    """Gradio leaves event loops and sockets open, which pytest would call errors at the end."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
