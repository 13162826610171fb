"""The benchmark of one inspection, with a tiny assistant and few repetitions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import benchmark_inspect
from anomalygpt import AnomalyGPT, GenerationOptions

pytestmark = pytest.mark.usefixtures("one_thread")

STAGES = [
    *("read the photo", "encode it", "draw the map", "verdict"),
    *("one inspection", "further question", "further question, as published"),
]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random models talk on until they are cut."""
    monkeypatch.setattr(benchmark_inspect, "ANSWER", GenerationOptions(max_new_tokens=6))


def command(talker: Path, *more: str) -> list[str]:
    return ["--model", str(talker), "--device", "cpu", "--threads", "1", *more]


def test_every_stage_has_a_row(
    talker: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The photos of the example are the default."""
    monkeypatch.setattr(
        benchmark_inspect, "in_own_process", lambda _: {"process": 512.4, "gpu": None}
    )
    assert benchmark_inspect.main(command(talker, "--repeat", "2")) == 0
    text = capsys.readouterr().out
    rows = re.findall(r"^\| ([^|]+) \| ([\d.]+) \| ([\d.]+) \|$", text, re.MULTILINE)
    assert [name for name, _, _ in rows] == STAGES
    assert all(0 < float(middle) <= float(high) for _, middle, high in rows)
    assert "| load the model |" in text
    assert "| read the references |" in text
    assert "references: 1" in text
    assert re.search(r"[\d.]+ tokens/s\); as published [\d.]+ ms for", text)
    assert text.rstrip().endswith("further question: process 512 MiB.")


def test_the_chat_read_again_is_the_one_that_was_held(talker: Path) -> None:
    """As published and ours write the same answers, from the same words."""
    assistant = AnomalyGPT.from_pretrained(talker, device="cpu")
    photo, good = (benchmark_inspect.EXAMPLES / f"{name}.jpg" for name in ("scratched", "good_1"))
    bank = assistant.remember([good])
    clock = benchmark_inspect.Clock(assistant.device)
    ours, history = benchmark_inspect.further_questions(assistant, photo, bank, clock)
    assert [question for question, _ in history[1:]] == list(benchmark_inspect.QUESTIONS)
    evidence = benchmark_inspect.inspect_in_stages(assistant, photo, bank, clock)
    published = benchmark_inspect.further_questions_as_published(
        assistant, photo, [good], evidence, history, clock
    )
    assert len(published) == len(ours) == len(clock.seconds[benchmark_inspect.PUBLISHED])
    read: list[str] = []
    dialogue = assistant.open_dialogue(evidence)
    ask = type(dialogue).ask
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            type(dialogue), "ask", lambda self, text: read.append(text) or ask(self, text)
        )
        benchmark_inspect.answer_again(assistant, evidence, history[:2], history[2][0])
    template = benchmark_inspect.speech(assistant).template
    (first, reply), (second, other) = history[:2]
    expected = template.first_turn(first) + template.answer(reply) + template.later_turn(second)
    expected += template.answer(other) + template.next_turn + history[2][0]
    assert read == [expected]


def test_memory_is_that_of_a_fresh_process(
    talker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = benchmark_inspect.parser().parse_args(command(talker))
    peaks = benchmark_inspect.in_own_process(options)
    assert peaks["gpu"] is None
    assert peaks["process"] is None or 100 < peaks["process"] < 4000
    assert benchmark_inspect.main(command(talker, "--worker")) == 0
    assert json.loads(capsys.readouterr().out).keys() == peaks.keys()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--repeat", "0"], "--repeat counts from 1"),
        (["--model", "nowhere"], "nowhere"),
        (["--reference", "nowhere.png"], "nowhere.png"),
        (["nowhere.png"], "nowhere.png"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    talker: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert benchmark_inspect.main(command(talker, *more)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert error.count("\n") == 1


def test_an_assistant_without_words_is_refused(
    talker: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mute = AnomalyGPT.from_pretrained(talker, device="cpu", map_only=True)
    monkeypatch.setattr(AnomalyGPT, "from_pretrained", lambda *_, **__: mute)
    assert benchmark_inspect.main(command(talker)) == 2
    assert "has no language model" in capsys.readouterr().err
