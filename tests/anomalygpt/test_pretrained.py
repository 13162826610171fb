"""An assistant that was saved comes back identical, and what is damaged is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomalygpt import AnomalyGPT
from anomalygpt.errors import CheckpointError, MissingPartError, OutputError
from tests.inspections import same


@pytest.mark.parametrize("lora", [False, True], ids=["plain", "unmerged LoRA"])
def test_a_saved_assistant_comes_back_identical(
    build_assistant, parts: Path, tmp_path: Path, lora: bool
) -> None:
    first = build_assistant(lora=lora)
    first.save_pretrained(tmp_path / "saved")
    second = AnomalyGPT.from_pretrained(tmp_path / "saved", device="cpu")
    assert second.language_model.has_adapter is lora
    assert (tmp_path / "saved" / "language_model" / "adapter").is_dir() is lora
    for references in ([], [parts / "good.png"]):
        same(*(a.inspect(parts / "stained.png", references) for a in (first, second)))
    assert second.config == first.config
    for file in (tmp_path / "saved").rglob("*.*"):
        # No path of the machine where it was saved; a tokenizer.model keeps where it was trained.
        if file.is_file() and file.name != "tokenizer.model":
            assert str(tmp_path.parent).encode() not in file.read_bytes()


def test_a_lora_that_was_merged_is_saved_as_weights(build_assistant, parts, tmp_path) -> None:
    first = build_assistant(lora=True)
    first.language_model.merge_lora()
    first.save_pretrained(tmp_path / "saved")
    second = AnomalyGPT.from_pretrained(tmp_path / "saved", device="cpu")
    assert not second.language_model.has_adapter
    same(*(a.inspect(parts / "stained.png") for a in (first, second)))


def test_an_assistant_without_words_is_saved_too(build_assistant, parts, tmp_path) -> None:
    first = build_assistant(words=False)
    first.save_pretrained(tmp_path / "saved")
    second = AnomalyGPT.from_pretrained(tmp_path / "saved", device="cpu")
    photo, reference = parts / "stained.png", [parts / "good.png"]
    same(*(a.inspect(photo, reference, map_only=True) for a in (first, second)))
    with pytest.raises(MissingPartError, match="no language model"):
        second.inspect(photo, reference)
    with pytest.raises(MissingPartError, match="no language model"):
        second.chat(photo, reference)


def test_the_photos_of_its_training_are_saved_too(build_assistant, tmp_path) -> None:
    first = build_assistant(words=False)
    assert first.training_photos == frozenset()
    first.save_pretrained(tmp_path / "untrained")
    assert not (tmp_path / "untrained" / "training_photos.txt").exists()
    untrained = AnomalyGPT.from_pretrained(tmp_path / "untrained", device="cpu")
    assert untrained.training_photos == frozenset()

    first.training_photos = frozenset({"b" * 64, "0" * 64, "a" * 64})
    first.save_pretrained(tmp_path / "trained")
    assert (tmp_path / "trained" / "training_photos.txt").read_text(encoding="utf-8") == (
        "# SHA-256 of each photo that this assistant was trained on or chosen by\n"
        f"{'0' * 64}\n{'a' * 64}\n{'b' * 64}\n"
    )
    second = AnomalyGPT.from_pretrained(tmp_path / "trained", device="cpu", map_only=True)
    assert second.training_photos == first.training_photos


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"# heading\n" + b"a" * 64 + b"\n" + b"b" * 40, "line 3 is 'bbb"),
        (b"a" * 64 + b"0\n", "line 1 is 'aaa"),
        (b"<html>\n", "line 1 is '<html>'"),
        (b"# heading\n", "holds no hash"),
        (b"", "holds no hash"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
    ids=["cut", "too long", "web page", "heading alone", "empty", "no text"],
)
def test_a_damaged_list_of_photos(
    build_assistant, parts, tmp_path, anomalygpt, content, problem
) -> None:
    first = build_assistant(words=False)
    first.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "training_photos.txt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"training_photos.txt .*; copy .* again") as raised:
        AnomalyGPT.from_pretrained(tmp_path / "saved", device="cpu")
    assert problem in str(raised.value)
    options = ("--model", tmp_path / "saved", "--map-only")
    ran = anomalygpt("inspect", parts / "good.png", *options)
    assert ran.status == 2
    assert problem in ran.error


def test_saving_overwrites_nothing(assistant: AnomalyGPT, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="not empty"):
        assistant.save_pretrained(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_saved_files_are_for_all_who_may_read_the_folder(
    assistant: AnomalyGPT, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assistant.save_pretrained(tmp_path / "saved")
    config, *_ = {path.stat().st_mode for path in (tmp_path / "saved").glob("config.json")}
    weights = list((tmp_path / "saved").rglob("*.safetensors"))
    assert weights
    assert {path.stat().st_mode for path in weights} == {config}
    assert capfd.readouterr().err == ""
