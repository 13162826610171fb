"""The chat at a terminal: pictures, Ctrl-C, and a real one."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from anomalygpt import AnomalyGPT, Inspection
from anomalygpt.chat import Chat
from anomalygpt.cli import sitting
from anomalygpt.constants import ANOMALY_QUESTION

COLOURS = re.compile(r"\x1b\[38;2;\d+;\d+;\d+;48;2;\d+;\d+;\d+m")


@pytest.fixture
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if someone sat at a colour terminal."""
    monkeypatch.setattr(sitting, "is_interactive", lambda: True)
    monkeypatch.setattr(sitting, "can_draw", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "50")


@pytest.mark.usefixtures("at_a_terminal")
def test_a_picture_and_a_list_of_regions(talk) -> None:
    ran = talk("/map", "", "What now?", "/quit")
    assert COLOURS.search(ran.out)
    drawn = [line for line in ran.out.splitlines() if "▀" in line]
    assert {line.count("▀") for line in drawn} == {60}
    assert len(drawn) == 2 * 25  # 96×80 pixels, twice
    assert all(line.endswith("\x1b[0m") for line in drawn)
    # The random assistant says yes with one version of a library and no with another.
    assert ("  1. " in ran.out) is (": Yes" in ran.out)
    # An empty line does not end it: the question behind it is answered.
    assert ran.out.count("> ") == 4


@pytest.mark.usefixtures("at_a_terminal")
def test_no_picture_on_demand(talk) -> None:
    assert "\x1b" not in talk("/quit", options=("--no-picture",)).out


@pytest.mark.usefixtures("at_a_terminal")
def test_ctrl_c_stops_an_answer_and_the_chat_goes_on(talk, photos, assistant, monkeypatch) -> None:
    """The signal comes while the language model works on the third word after the verdict."""
    true = type(assistant.language_model).next_logits
    calls = []

    def next_logits(*arguments: object, **named: object):
        calls.append(1)
        if len(calls) == stop_at:
            raise KeyboardInterrupt
        return true(*arguments, **named)

    monkeypatch.setattr(type(assistant.language_model), "next_logits", next_logits)
    stop_at = 0
    talk("/quit")
    stop_at = len(calls) + 3
    calls.clear()
    target = photos.parent / "talk.json"
    ran = talk("Who made it?", "What now?", f"/save {target}")
    assert (ran.status, ran.err) == (0, "")
    assert "(stopped)" in ran.out
    questions = [turn["question"] for turn in json.loads(target.read_text())["conversation"]]
    assert questions == [ANOMALY_QUESTION, "Who made it?", "What now?"]


@pytest.mark.usefixtures("at_a_terminal")
def test_ctrl_c_while_a_photo_is_read_changes_nothing(talk, photos, monkeypatch) -> None:
    true = AnomalyGPT.encode

    def encode(self: AnomalyGPT, images: list[Path], **named: Any):
        if images[0].name == "plain.jpg":
            raise KeyboardInterrupt
        return true(self, images, **named)

    monkeypatch.setattr(AnomalyGPT, "encode", encode)
    target = photos.parent / "out.json"
    ran = talk(f"/image {photos / 'plain.jpg'}", f"/save {target}")
    assert "(stopped)" in ran.out
    assert json.loads(target.read_text())["image"] == str(photos / "stained.png")


@pytest.mark.usefixtures("at_a_terminal")
def test_ctrl_c_during_a_verdict_changes_nothing(talk, photos, monkeypatch) -> None:
    """The new photo was read, but its verdict never came: the older chat goes on."""
    true = Chat.judge
    judged = []

    def judge(self: Chat) -> Inspection:
        judged.append(self)
        if len(judged) == 2:
            raise KeyboardInterrupt
        return true(self)

    monkeypatch.setattr(Chat, "judge", judge)
    target = photos.parent / "out.json"
    ran = talk("Where is it?", f"/image {photos / 'plain.jpg'}", "What now?", f"/save {target}")
    assert (ran.status, ran.err, len(judged)) == (0, "", 2)
    assert "(stopped)" in ran.out
    saved = json.loads(target.read_text())
    assert saved["image"] == str(photos / "stained.png")
    questions = [turn["question"] for turn in saved["conversation"]]
    assert questions == [ANOMALY_QUESTION, "Where is it?", "What now?"]


@pytest.mark.usefixtures("at_a_terminal")
@pytest.mark.parametrize("end", [KeyboardInterrupt, EOFError])
def test_ctrl_c_and_ctrl_d_at_the_prompt_end(talk, monkeypatch, end) -> None:
    def no_input(prompt: str) -> str:
        raise end

    monkeypatch.setattr("builtins.input", no_input)
    ran = talk("What now?")
    assert (ran.status, ran.err) == (0, "")


# A process of its own session, with its stdin as the terminal whose Ctrl-C reaches it. Its
# answers have no end, because those of a tiny model may be over before anybody can stop them.
IN_A_TERMINAL = """
import fcntl, os, signal, sys, termios, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may be ignored
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from anomalygpt.chat import Chat
from anomalygpt.cli import main

def stream(*arguments):
    while True:
        yield "word "
        time.sleep(0.01)

Chat.stream = stream
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_real_terminal(photos, assistant_folder) -> None:
    """Typed by keyboard: a picture, an answer that Ctrl-C stops, a command, and the end."""
    ours, theirs = os.openpty()
    command = ["chat", photos / "stained.png", "-r", photos / "good.png"]
    command += ["--model", assistant_folder]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "70", "LINES": "40"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        [sys.executable, "-c", IN_A_TERMINAL, *map(str, command)],
        stdin=theirs, stdout=theirs, stderr=theirs, env={**environment, "OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        try:
            assert COLOURS.search(_read_until(ours, "> "))
            os.write(ours, b"Where is it?\n")
            _read_until(ours, "word word word")
            os.write(ours, b"\x03")
            assert "> " in _read_until(ours, "(stopped)", more=4)
            os.write(ours, b"/reference\n")
            _read_until(ours, f"references: {photos / 'good.png'}", more=4)
            os.write(ours, b"\x04")
            assert process.wait(60) == 0
        finally:
            process.kill()
            os.close(ours)
            os.close(theirs)


def _read_until(handle: int, end: str, more: int = 0) -> str:
    """What the terminal shows up to a text, and so many letters behind it."""
    text, deadline = "", time.monotonic() + 60
    while end not in text or len(text) < text.index(end) + len(end) + more:
        left = deadline - time.monotonic()
        assert left > 0, text
        ready, _, _ = select.select([handle], [], [], left)
        if ready:
            text += os.read(handle, 4096).decode("utf-8", "replace")
    return text
