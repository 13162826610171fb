"""A chat into which lines are typed."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import pytest


@pytest.fixture
def photos(parts: Path, tmp_path: Path) -> Path:
    """The photos in a folder that may be written to."""
    return shutil.copytree(parts, tmp_path / "photos")


@pytest.fixture
def talk(anomalygpt, photos, assistant_folder, monkeypatch):
    """Types lines into a chat about stained.png with good.png beside it."""

    def run(*lines: str, options: tuple = (), reference: bool = True):
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        beside = ("-r", photos / "good.png") if reference else ()
        return anomalygpt(
            *("chat", photos / "stained.png", "--model", assistant_folder, *beside),
            *("--max-new-tokens", 6, *options),
        )

    return run
