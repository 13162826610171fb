"""The open questions as a command, with an assistant whose words are nonsense."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import measure_open_questions
from chats.open_questions import OPEN
from embedded.open_questions import TOPICS

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    for seed in range(12):
        pixels = np.random.default_rng(seed).integers(0, 256, (80, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{seed:02d}.png")
    return folder


def test_answers_are_kept_and_the_same_command_goes_on(
    parts: Path, talker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(parts), "--model", str(talker), "--output", str(tmp_path), "--threads", "1"]
    assert measure_open_questions.main([*given, "--limit", "2"]) == 0
    first = (tmp_path / "answers.jsonl").read_text().splitlines()
    assert measure_open_questions.main([*given, "--limit", "3"]) == 0
    after = (tmp_path / "answers.jsonl").read_text().splitlines()
    assert after[:2] == first
    records = [json.loads(line) for line in after]
    assert [each["question"] for each in records] == list(OPEN["kinds"][:3])
    page = (tmp_path / "answers.md").read_text()
    assert all(f"{n}. {each['question']}" in page for n, each in enumerate(records, start=1))
    assert "3 questions" in capsys.readouterr().out


def test_what_cannot_be_used_is_said_in_a_line(
    tmp_path: Path, talker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(tmp_path / "none"), "--model", str(talker), "--output", str(tmp_path)]
    assert measure_open_questions.main(given) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_there_are_a_hundred_that_no_training_has() -> None:
    asked = [text for texts in OPEN.values() for text in texts]
    assert len(set(asked)) == 100
    trained = {
        text.lower().strip("?. ")
        for topic in TOPICS.values()
        for text in (*topic.asked, *topic.held_out)
    }
    assert not [text for text in asked if text.lower().strip("?. ") in trained]
