"""PandaGPT's dialogues about pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomalygpt.data import check, open_data, open_instructions
from anomalygpt.data.instructions import JSON_NAME
from anomalygpt.errors import DataError


def test_dialogues(make, tmp_path: Path) -> None:
    """The suffix may be missing, and marks for the picture go."""
    first, second = open_instructions(make.instructions(tmp_path))
    assert first.image == tmp_path / "images" / "1.jpg"
    assert first.turns == (("What is it?", "A cat."),)
    assert second.turns == (("What is it?", "A cat."), ("Why?", "!"))
    assert open_instructions(tmp_path, limit=1) == [first]
    assert open_instructions(tmp_path / JSON_NAME) == [first, second]
    assert check(tmp_path).dialogues == 2
    assert check(tmp_path / JSON_NAME).is_ready


def test_photos_of_parts_are_something_else(make, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="read it with open_instructions"):
        open_data(make.instructions(tmp_path / "talk"))
    with pytest.raises(DataError, match="holds no pandagpt4"):
        open_instructions(make.mvtec(tmp_path / "parts"))


TALK = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "This."}]

BROKEN = {
    "no picture": ({"conversation": TALK}, "image_name or conversation is missing"),
    "no dict": ("text", "image_name or conversation is missing"),
    "number as name": ({"image_name": 7, "conversation": TALK}, "not a name"),
    "nothing said": ({"image_name": "1", "conversation": []}, "the conversation is empty"),
    "no text": ({"image_name": "1", "conversation": [{"from": "human"}]}, "no text in value"),
    "empty text": (
        {"image_name": "1", "conversation": [TALK[0], {"from": "gpt", "value": " "}]},
        "a text is empty",
    ),
    "gpt first": ({"image_name": "1", "conversation": TALK[::-1]}, "speakers are gpt, human"),
    "no answer": ({"image_name": "1", "conversation": [*TALK, TALK[0]]}, "human, gpt in turn"),
    "another speaker": (
        {"image_name": "1", "conversation": [TALK[0], {"from": "user", "value": "x"}]},
        "speakers are human, user",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_dialogue(make, tmp_path: Path, case: str) -> None:
    entry, message = BROKEN[case]
    make.instructions(tmp_path, [{"image_name": "2", "conversation": TALK}, entry])
    with pytest.raises(DataError, match=rf"dialogue 2: .*{message}"):
        open_instructions(tmp_path)
    assert len(open_instructions(tmp_path, limit=1)) == 1
    report = check(tmp_path)
    assert report.dialogues == report.errors == 1
    assert message in report.findings[0].detail


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "cannot be read as JSON"),
        ("\x80", "cannot be read as JSON"),
        ('{"a": 1}', "holds a dict; expected a list"),
        ("[]", "holds no dialogue"),
    ],
)
def test_a_broken_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / JSON_NAME).write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=message):
        open_instructions(tmp_path)


def test_pictures_that_are_missing_or_damaged(make, tmp_path: Path) -> None:
    make.instructions(tmp_path)
    (tmp_path / "images" / "2.jpg").unlink()
    with pytest.raises(DataError, match=r"dialogue 2: .*2\.jpg is not there"):
        open_instructions(tmp_path)
    (tmp_path / "images" / "1.jpg").write_bytes(b"")
    report = check(tmp_path)
    assert report.dialogues == 0
    assert [finding.path.name for finding in report.findings] == ["1.jpg", "2.jpg"]
    assert not report.is_ready
