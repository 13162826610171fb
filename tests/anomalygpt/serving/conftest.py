"""The small assistant of the other tests, with short answers."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import pytest

from anomalygpt import AnomalyGPT


@pytest.fixture
def served(assistant: AnomalyGPT) -> AnomalyGPT:
    """The assistant that answers the page."""
    return assistant


@pytest.fixture(scope="module", autouse=True)
def _swept() -> Iterator[None]:
    """Gradio leaves event loops and sockets open, which pytest would call errors at the end."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
