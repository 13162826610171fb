"""Services that a test starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anomalygpt import AnomalyGPT
from anomalygpt.serving.settings import ServiceSettings
from tests.services import Running


@pytest.fixture
def start(served: AnomalyGPT, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts services over one folder each, and ends them."""
    made: list[Running] = []

    def start(folder: str = "data", most_mb: float = 1.0, **options: Any) -> Running:
        settings = replace(ServiceSettings(), **options)
        made.append(Running(tmp_path / folder, served, settings, most_mb))
        return made[-1]

    yield start
    for each in made:
        each.close()


@pytest.fixture
def running(start: Callable[..., Running]) -> Running:
    return start()
