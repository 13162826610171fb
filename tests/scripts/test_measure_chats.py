"""The chat counts as a command, with an assistant whose words are nonsense."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import measure_chats
from anomalygpt import GenerationOptions
from anomalygpt.files import hash_file
from anomalygpt.language.language_model import LanguageModel
from chats import photos as photos_module
from chats import plain_questions, questions, talks
from chats.photos import make_case
from embedded import speech
from simulation.anomaly import PLACES
from simulation.dialogues import facts_of
from simulation.dialogues.english.phrases import WORDS

pytestmark = pytest.mark.usefixtures("one_thread")

PHOTOS = 12


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    for seed in range(PHOTOS):
        noise = np.random.default_rng(seed).normal(0, 8, (80, 96, 3))
        pixels = np.linspace(60, 190, 96)[None, :, None] + noise
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{seed:02d}.png")
    return folder


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random models talk on until they are cut."""
    ask = talks.Chat.ask
    few = GenerationOptions(max_new_tokens=8)
    monkeypatch.setattr(talks.Chat, "ask", lambda chat, question: ask(chat, question, few))


def command(parts: Path, talker: Path, output: Path, *more: str) -> list[str]:
    given = [str(parts), "--model", str(talker), "--output", str(output), "--device", "cpu"]
    return [*given, "--threads", "1", *more]


def lines(output: Path) -> list[dict[str, Any]]:
    text = (output / "chats.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_the_whole(
    parts: Path, talker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command(parts, talker, tmp_path / "out", "--chats", "6", "--seed", "3")
    assert measure_chats.main(arguments) == 0
    shown = capsys.readouterr().out
    assert (tmp_path / "out" / "summary.md").read_text(encoding="utf-8") == shown
    assert "--chats 6 --seed 3" in shown
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["figures"]["yes/no true, first answer"]["total"] == 6
    assert summary["seed"] == 3
    assert len(summary["model"]) == 64
    records = lines(tmp_path / "out")
    assert [record["chat"] for record in records] == list(range(6))
    for record in records:
        kinds = [turn["kind"] for turn in record["turns"]]
        assert len(kinds) == 5
        assert kinds[0] == "anomaly"
        assert {"where", "unanswerable"} <= set(kinds)
        assert len({turn["question"] for turn in record["turns"]}) == 5
        assert (record["source"] is not None) == record["truth"]["damaged"]
        assert record["map"] is not None


def test_fresh_words(parts: Path, talker: Path, tmp_path: Path) -> None:
    arguments = command(parts, talker, tmp_path / "out", "--chats", "3", "--fresh")
    assert measure_chats.main(arguments) == 0
    fresh = {each.text for each in plain_questions.questions("counted")}
    for record in lines(tmp_path / "out"):
        asked = [turn["question"] for turn in record["turns"]]
        assert len(set(asked)) == 5
        assert set(asked) <= fresh
        assert record["turns"][0]["kind"] == "anomaly"
        assert len(record["drawn"]["regions"]) == len(set(map(str, record["drawn"]["regions"])))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["fresh"] is True
    assert summary["figures"]["answers as drawn"]["total"] > 0
    # They are other chats than those in learned words.
    assert measure_chats.main([each for each in arguments if each != "--fresh"]) == 2


def test_ctrl_c_keeps_what_is_there_and_the_same_command_goes_on(
    parts: Path,
    talker: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The third chat is stopped; a line that was cut off is held again."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    more = ["--chats", "4", "--references", "0"]
    assert measure_chats.main(command(parts, talker, whole, *more)) == 0
    hold = talks.hold

    def stopped(assistant: Any, photos: Any, number: int, **options: Any) -> Any:
        if number == 2:
            raise KeyboardInterrupt
        return hold(assistant, photos, number, **options)

    monkeypatch.setattr(measure_chats, "hold", stopped)
    assert measure_chats.main(command(parts, talker, cut, *more)) == 130
    assert "goes on where it was" in capsys.readouterr().err
    assert len(lines(cut)) == 2
    kept = cut / "chats.jsonl"
    kept.write_text(kept.read_text()[:-20], encoding="utf-8")
    monkeypatch.setattr(measure_chats, "hold", hold)
    assert measure_chats.main(command(parts, talker, cut, *more)) == 0
    assert lines(cut) == lines(whole)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--turns", "2"], "--turns is from 3"),
        (["--chats", "0"], "--chats counts from 1"),
        (["--references", "-1"], "--references must be 0 or more"),
        (["--model", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    parts: Path,
    talker: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    said: str,
) -> None:
    assert measure_chats.main(command(parts, talker, tmp_path / "out", *more)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_of_other_settings_is_left_alone(
    parts: Path, talker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = command(parts, talker, tmp_path / "out", "--chats", "1", "--turns", "3")
    assert measure_chats.main(first) == 0
    assert measure_chats.main([*first, "--seed", "1", "--turns", "4"]) == 2
    assert "another turns, seed" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    assert measure_chats.main(command(parts, talker, tmp_path / "full")) == 2
    assert "is not empty" in capsys.readouterr().err


def test_photos_of_the_training_are_left_out(
    parts: Path, talker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {hash_file(path) for path in sorted(parts.iterdir())[:2]}
    kept, marks = photos_module.held_out([parts], known)
    assert [path.name for path in kept] == [f"{number:02d}.png" for number in range(2, PHOTOS)]
    assert not known & set(marks)
    trained = tmp_path / "trained"
    trained.mkdir()
    for path in talker.iterdir():
        (trained / path.name).symlink_to(path)
    hashes = [hash_file(path) for path in sorted(parts.iterdir())[:3]]
    (trained / "training_photos.txt").write_text("\n".join(hashes) + "\n")
    assert measure_chats.main(command(parts, trained, tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert "9 of 12 photos can be used, at least 10 are needed: 3 were photos of the" in error


def test_the_mask_holds_in_the_photo_that_is_shown(parts: Path) -> None:
    """Half of the photos are damaged; references show the same part without damage."""
    paths = sorted(parts.iterdir())
    cases = [make_case(paths, 2, np.random.default_rng([0, number])) for number in range(40)]
    damaged = [case for case in cases if case.mask.any()]
    assert 10 <= len(damaged) <= 30
    for case in cases:
        assert case.mask.any() == bool(case.facts.defects) == (case.source is not None)
        assert case.source != case.photo
        assert case.image.shape[:2] == case.mask.shape
        good = np.asarray(Image.open(case.photo).convert("RGB")).astype(float)
        assert len(case.references) == 2
        assert all(reference.shape == good.shape for reference in case.references)
        if case.mask.any() and not case.mask.all():
            change = np.abs(case.image - good).mean(axis=2)
            assert change[case.mask].mean() > 0
    again = make_case(paths, 2, np.random.default_rng([0, 7]))
    assert np.array_equal(again.image, cases[7].image)


def test_what_cannot_be_answered_was_not_learned_by_heart() -> None:
    def letters(text: str) -> str:
        return re.sub(r"[^a-z]", "", text.lower())

    generator = np.random.default_rng(0)
    known = {**WORDS, "part": "part", "photo": "photo"}
    learned = {letters(speech._off_topic(known, generator, ())[0]) for _ in range(20_000)}
    assert len(learned) > 3000
    assert not learned & {letters(question) for question in questions.UNANSWERABLE}


def test_questions_about_places_name_one_cell_and_doubts_go_against_the_assistant() -> None:
    generator = np.random.default_rng(0)
    good = facts_of((), (90, 90))
    assert len(set(questions.UNANSWERABLE)) >= 25
    for turns in (questions.FEWEST_TURNS, questions.MOST_TURNS):
        assert len(questions.plan(turns, generator)) == turns
    for kind in questions.PLACE_KINDS:
        asked = {questions.ask(kind, good, None, set(), generator).place for _ in range(200)}
        assert asked == set(PLACES)
    doubted = [questions.ask("doubt", good, True, set(), generator).text for _ in range(40)]
    assert not any("broken" in text or "missed" in text for text in doubted)


def test_a_chat_that_does_not_fit_ends(
    parts: Path, talker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was said so far counts."""
    monkeypatch.setattr(LanguageModel, "context_length", 90)
    output = tmp_path / "out"
    assert measure_chats.main(command(parts, talker, output, "--chats", "2")) == 0
    assert all("language model" in record["ended"] for record in lines(output))
    assert all(len(record["turns"]) < 5 for record in lines(output))
    assert "2 ended early" in (output / "summary.md").read_text(encoding="utf-8")
