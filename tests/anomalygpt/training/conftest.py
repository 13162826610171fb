"""What every test of training needs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from anomalygpt import GenerationOptions

# Its assertions say what differs, as those of the tests do.
pytest.register_assert_rewrite("tests.training_runs")


@pytest.fixture(autouse=True)
def _own_accelerator(own_accelerator: None) -> None:
    """Each test is a first run."""


@pytest.fixture(autouse=True)
def _few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random models talk on until they are cut."""
    few = GenerationOptions(max_new_tokens=4)
    monkeypatch.setattr("anomalygpt.training.validation.ANSWER_OPTIONS", few)


@pytest.fixture
def instructions(tmp_path: Path, discs: Path) -> str:
    """Two dialogues about pictures, as PandaGPT's."""
    folder = tmp_path / "instructions"
    (folder / "images").mkdir(parents=True)
    entries = []
    for number in range(2):
        shutil.copyfile(
            discs / "disc" / "train" / "good" / f"00{number}.png",
            folder / "images" / f"{number}.png",
        )
        turns = [
            {"from": "human", "value": "<image>\nWhat is it?"},
            {"from": "gpt", "value": f"It is part {number}."},
        ]
        entries.append({"image_name": f"{number}.png", "conversation": turns})
    path = folder / "pandagpt4_visual_instruction_data.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    return str(folder)
