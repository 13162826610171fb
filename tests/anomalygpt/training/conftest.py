"""What every test of training needs."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _own_accelerator(own_accelerator: None) -> None:
    """Each test is a first run."""
