"""A plant in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from anomalygpt.products.plant import Plant
from tests.kept import open_plant


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    opened = open_plant(tmp_path / "plant")
    yield opened
    opened.close()
