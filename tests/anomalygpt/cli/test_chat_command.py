"""The chat in a pipe: commands, other photos, files, and how it goes on or ends."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from anomalygpt import GenerationOptions, Inspection
from anomalygpt.chat import Chat
from anomalygpt.cli.status import plain
from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.results.cautions import AMONG_REFERENCES
from anomalygpt.results.sentences import percent, sentence
from tests import processes


def first_lines(assistant, photo: Path, references: list[Path]) -> list[str]:
    """The two lines that a pipe gets when a chat begins."""
    found = assistant.inspect(photo, references)
    where = "; ".join(
        f"{r.location} ({percent(r.area_fraction)} of the photo, score {r.score:.2f})"
        for r in found.regions
    )
    return [plain(sentence(found)), f"Stands out: {where or 'nothing'}"]


def answers(assistant, photo: Path, reference: Path, questions: Sequence[str]) -> list[str]:
    """What a pipe gets to read when these questions follow the verdict."""
    chat = assistant.chat(photo, [reference])
    chat.judge()
    short = GenerationOptions(max_new_tokens=6)
    return [plain(chat.ask(question, short)) for question in questions]


# --- questions and commands --------------------------------------------------------------------


def test_each_answer_is_one_line(talk, photos, assistant) -> None:
    questions = ["Where is it?", "What now?"]
    ran = talk(*questions)
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[:2] == first_lines(assistant, photos / "stained.png", [photos / "good.png"])
    assert lines[2:] == answers(assistant, photos / "stained.png", photos / "good.png", questions)


def test_answers_cannot_steer_a_terminal(talk, monkeypatch) -> None:
    def stream(chat: Chat, question: str, options: object) -> Iterator[str]:
        yield from ("a\nb", "\x1b[2J", "c")

    monkeypatch.setattr(Chat, "stream", stream)
    assert talk("Where?").out.splitlines()[-1] == "a b [2Jc"


def test_a_pipe_gets_no_prompt_and_no_escape_codes(talk) -> None:
    ran = talk("Where is it?", "/map", "/help", "What now?")
    assert "\x1b" not in ran.out
    assert not any(line.startswith("> ") for line in ran.out.splitlines())
    assert "/save map.png" in ran.error
    assert "/reference [PHOTO...]" in ran.out


def test_an_empty_line_and_quit_end(talk) -> None:
    assert len(talk("", "What now?").out.splitlines()) == 2
    assert len(talk("/quit", "What now?").out.splitlines()) == 2


def test_an_unknown_command(talk) -> None:
    ran = talk("/dance now", "What now?")
    assert ran.status == 0
    assert ran.error == (
        "anomalygpt: /dance is no command; there are /image, /reference, /map, /thoughts, "
        "/save, /save!, /help, /quit"
    )
    assert len(ran.out.splitlines()) == 3


@pytest.mark.parametrize("letters", ["utf-8", "cp1252", "ascii"])
def test_a_byte_order_mark_is_no_part_of_the_question(photos, assistant_folder, letters) -> None:
    """Files that editors of Windows wrote begin with one; a command shows best if it was read."""
    done = processes.run(
        *("chat", photos / "plain.jpg", "--model", assistant_folder, "--max-new-tokens", 4),
        given=b"\xef\xbb\xbf/help\n",
        env={**os.environ, "PYTHONIOENCODING": letters},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Ask about the photo, or type:" in done.stdout


def test_ctrl_c_ends_a_pipe(talk, monkeypatch) -> None:
    def stream(*arguments: object) -> Iterator[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Chat, "stream", stream)
    assert talk("Where?").status == 130


def test_letters_that_are_none(photos, assistant_folder) -> None:
    """Bytes that are no UTF-8 become a question mark in a box, and end nothing."""
    done = processes.run(
        *("chat", photos / "plain.jpg", "--model", assistant_folder, "--max-new-tokens", 4),
        given=b"Wo ist der Fehler \xfc?\n",
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout.splitlines()) == 3


def test_questions_come_from_a_pipe(
    anomalygpt, parts, assistant, assistant_folder, monkeypatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Where is it?\nWhat now?\n"))
    options = ["--model", assistant_folder, "-r", parts / "good.png", "--max-new-tokens", 6]
    ran = anomalygpt("chat", parts / "stained.png", *options)
    assert (ran.status, ran.err) == (0, "")
    chat = assistant.chat(parts / "stained.png", [parts / "good.png"])
    chat.judge()
    assert ran.out.startswith(f"{parts / 'stained.png'}: {chat.inspection.answer[:3]}")
    assert "P(anomaly)" in ran.out
    short = GenerationOptions(max_new_tokens=6)
    for question in ("Where is it?", "What now?"):
        # Nonsense of a random model may hold control codes, which are not printed.
        said = chat.ask(question, short)
        assert "".join(c if c.isprintable() else " " for c in said) in ran.out


def test_an_empty_line_ends_the_chat(anomalygpt, parts, assistant_folder, monkeypatch) -> None:
    stdin = io.StringIO("\nWhat now?\n")
    monkeypatch.setattr(sys, "stdin", stdin)
    ran = anomalygpt("chat", parts / "stained.png", "--model", assistant_folder)
    assert ran.status == 0
    assert stdin.read() == "What now?\n"


# --- other photos and references ---------------------------------------------------------------


def test_the_next_photo_keeps_the_references(talk, photos, assistant) -> None:
    ran = talk("Where is it?", f"/image {photos / 'plain.jpg'}", "What now?")
    lines = ran.out.splitlines()
    reference = [photos / "good.png"]
    assert lines[3:5] == first_lines(assistant, photos / "plain.jpg", reference)
    assert lines[5:] == answers(assistant, photos / "plain.jpg", *reference, ["What now?"])


def test_references_are_added_listed_and_cleared(talk, photos, assistant) -> None:
    stained, good, other = (photos / f"{name}.png" for name in ("stained", "good", "other"))
    ran = talk("/reference", f'/reference "{other}" {good}', "/reference clear", "/reference")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        *first_lines(assistant, stained, [good]),
        f"references: {good}",
        f"references: {good}, {other}",
        *first_lines(assistant, stained, [good, other]),
        "no references; /reference PHOTO adds one",
        *first_lines(assistant, stained, []),
        "no references; /reference PHOTO adds one",
    ]


def test_a_reference_counts_once(talk, photos) -> None:
    (photos / "same.png").hardlink_to(photos / "good.png")
    ran = talk(f"/reference {photos / 'same.png'}", "/reference")
    assert "already among the references" in ran.error
    assert ran.out.splitlines()[-1] == f"references: {photos / 'good.png'}"


def test_a_photo_that_is_its_own_reference_is_told(talk, photos) -> None:
    ran = talk(f"/image {photos / 'good.png'}")
    assert AMONG_REFERENCES in ran.out


@pytest.mark.parametrize(
    "command", ["/image {}/none.png", "/image {}", "/image {}/text.png", "/reference {}/none.png",
                "/reference {}/good.png {}/text.png", "/reference {}/*.gif",
                "/image 'no end", "/image {}/" + "x" * 400]
)  # fmt: skip
def test_photos_that_cannot_be_read_change_nothing(talk, photos, assistant, command) -> None:
    (photos / "text.png").write_text("this is no photo")
    asked = ("Where is it?", "What now?")
    ran = talk(asked[0], command.format(photos, photos), asked[1], "/reference")
    assert ran.status == 0
    assert ran.error
    assert ran.out.splitlines()[2:] == [
        *answers(assistant, photos / "stained.png", photos / "good.png", asked),
        f"references: {photos / 'good.png'}",
    ]


def test_names_with_spaces_and_home(talk, photos, monkeypatch) -> None:
    shutil.copyfile(photos / "plain.jpg", photos / "a part.jpg")
    monkeypatch.setenv("HOME", str(photos))
    name = photos / "a part.jpg"
    escaped = str(name).replace(" ", "\\ ")
    ran = talk(f"/image {name}", f"/image '{name}'", f"/image {escaped}", "/image ~/plain.jpg")
    verdicts = [line for line in ran.out.splitlines() if "P(anomaly)" in line]
    assert (ran.err, len(verdicts)) == ("", 5)
    assert [line.startswith(f"{name}: ") for line in verdicts[1:]] == [True, True, True, False]


def test_a_chat_that_is_too_long_begins_anew(talk, photos, assistant) -> None:
    long = "Is it? " * 60
    ran = talk(long, long, long, "/image", "What now?")
    assert ran.status == 0
    assert "/image begins a new one about the same photo" in ran.err
    lines = ran.out.splitlines()
    stained, good = photos / "stained.png", photos / "good.png"
    assert lines[-3:-1] == lines[:2] == first_lines(assistant, stained, [good])
    assert lines[-1:] == answers(assistant, stained, good, ["What now?"])


# --- saving ------------------------------------------------------------------------------------


def test_findings_with_the_chat(talk, tmp_path, photos) -> None:
    target = tmp_path / "new" / "out.json"
    ran = talk("Where is it?", f"/save {target}")
    assert ran.out.splitlines()[-1] == f"written: {target}"
    text = target.read_text(encoding="utf-8")
    found = Inspection.from_json(text)
    assert (found.image, found.references) == (
        str(photos / "stained.png"),
        (str(photos / "good.png"),),
    )
    assert found.anomaly_map.shape == (80, 96)
    verdict, turn = json.loads(text)["conversation"]
    assert verdict == {"question": ANOMALY_QUESTION, "answer": found.answer}
    assert turn["question"] == "Where is it?"
    assert plain(turn["answer"]) == ran.out.splitlines()[2]


def test_the_map_as_a_picture(talk, tmp_path) -> None:
    talk(f"/save {tmp_path / 'a map.png'}")
    with Image.open(tmp_path / "a map.png") as picture:
        assert (picture.mode, picture.size) == ("RGB", (96, 80))


@pytest.mark.parametrize(("suffix", "mark"), [(".txt", ""), (".md", "**")])
def test_the_chat_as_text(talk, tmp_path, suffix, mark) -> None:
    target = tmp_path / f"talk{suffix}"
    lines = talk("Where is it?", f"/save {target}").out.splitlines()
    text = target.read_text(encoding="utf-8")
    assert plain(text).startswith(lines[0])
    assert lines[1] in text
    for question in (ANOMALY_QUESTION, "Where is it?"):
        assert f"{mark}Question:{mark} {question}" in text
    assert text.count(f"{mark}Answer:{mark} ") == 2


def test_older_files_are_overwritten_on_demand_only(talk, tmp_path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("mine")
    ran = talk(f"/save {target}")
    assert ran.error == (f"anomalygpt: {target} is there already; /save! {target} overwrites it")
    assert target.read_text() == "mine"
    assert talk(f"/save! {target}").err == ""
    assert target.read_text() != "mine"


def test_photos_are_never_overwritten(talk, photos, tmp_path) -> None:
    """Also photos of earlier chats of the sitting, and under another name."""
    (tmp_path / "link.png").symlink_to(photos / "stained.png")
    before = {path.name: path.read_bytes() for path in photos.iterdir()}
    names = [photos / "stained.png", photos / "good.png", tmp_path / "link.png"]
    names += [photos / ".." / "photos" / "stained.png"]
    ran = talk(f"/image {photos / 'plain.jpg'}", *(f"/save! {name}" for name in names))
    assert ran.err.count("is one of the photos and would be overwritten") == 4
    assert {path.name: path.read_bytes() for path in photos.iterdir()} == before
    assert (tmp_path / "link.png").is_symlink()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("/save", "name a file, such as"),
        ("/save {}/map.exe", "a name ends in .json"),
        ("/save {}/folder.txt", "is a folder"),
        ("/save {}/file/x.txt", "file"),
    ],
)
def test_places_that_cannot_be_written(talk, tmp_path, command, said) -> None:
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "file").write_text("x")
    ran = talk(command.format(tmp_path), "What now?")
    assert ran.status == 0
    assert said in ran.error
    assert len(ran.out.splitlines()) == 3
