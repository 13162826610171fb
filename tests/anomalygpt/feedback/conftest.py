"""A plant in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from anomalygpt import AnomalyGPT
from anomalygpt.feedback.feedback import Feedback
from anomalygpt.products.plant import Plant
from tests.kept import open_plant


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    opened = open_plant(tmp_path / "plant")
    yield opened
    opened.close()


@pytest.fixture
def feedback(plant: Plant, assistant: AnomalyGPT) -> Feedback:
    return Feedback(plant, lambda name: assistant)
