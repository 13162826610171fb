"""Questions as they were meant."""

from __future__ import annotations

import pytest

from simulation.dialogues import inspection


@pytest.fixture
def _typed_cleanly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader needs the place that was asked for, so nobody misspells it here."""
    monkeypatch.setattr(inspection, "as_typed", lambda question, generator: question)
