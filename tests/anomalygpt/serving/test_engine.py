"""The queue: everyone gets a turn, nobody waits for someone who left, and it is bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.chat import Chat
from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.errors import AnomalyGPTError, BusyError, MissingPartError
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.serving import engine as engine_module
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.requests import Progress, Request
from anomalygpt.serving.settings import ServerSettings

SHORT = GenerationOptions(max_new_tokens=6)


def photo(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def engine(served: AnomalyGPT) -> Iterator[Engine]:
    made = Engine(ServerSettings(queue_size=4), lambda _: served)
    yield made
    made.close()


def inspected(engine: Engine, request: Request) -> tuple[list[Progress], Chat]:
    *progress, chat = engine.inspect(request)
    return progress, chat


def test_an_inspection_is_that_of_the_assistant_itself(engine: Engine, served: AnomalyGPT) -> None:
    progress, chat = inspected(engine, Request(photo(0), "a.png", (photo(1),)))
    alone = served.inspect(photo(0), [photo(1)])
    assert chat.inspection.anomaly_score == pytest.approx(alone.anomaly_score, abs=1e-5)
    assert chat.inspection.anomaly_probability == pytest.approx(alone.anomaly_probability, abs=1e-5)
    assert chat.inspection.image == "a.png"
    assert [question for question, _ in chat.history] == [ANOMALY_QUESTION]
    shares = [step.share for step in progress]
    assert shares == sorted(shares)
    assert shares[-1] < 1


@pytest.mark.parametrize("detail", ["auto", "whole", 3])
def test_large_photos_are_looked_at_as_closely_as_the_server_says(
    served: AnomalyGPT, detail: int | str
) -> None:
    large, good = (photo(seed).resize((150, 120)) for seed in (0, 1))
    engine = Engine(ServerSettings(detail=detail), lambda _: served)
    try:
        _, chat = inspected(engine, Request(large, "a.png", (good,)))
    finally:
        engine.close()
    alone = served.inspect(large, served.remember([good], detail=detail))
    assert chat.inspection.small_map == pytest.approx(alone.small_map, abs=1e-5)


def test_a_bank_is_made_once_for_the_same_references(
    engine: Engine, served: AnomalyGPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered = []
    encode = served.library.encode

    def counted(*args: Any, **kwargs: Any) -> Any:
        remembered.append(args)
        return encode(*args, **kwargs)

    monkeypatch.setattr(served.library, "encode", counted)
    for seed in (0, 2):
        inspected(engine, Request(photo(seed), "a", (photo(1), photo(3))))
    assert len(remembered) == 2
    inspected(engine, Request(photo(0), "a", (photo(1),)))
    assert len(remembered) == 3


def test_the_banks_that_were_used_last_are_kept(
    served: AnomalyGPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as half a gigabyte holds, at 17 MB each; the longest unused go first."""
    assert 20 <= engine_module.MOST_BANKS <= 30
    monkeypatch.setattr(engine_module, "MOST_BANKS", 2)
    engine = Engine(ServerSettings(), lambda _: served)
    requests = [Request(photo(0), "a", (photo(seed),)) for seed in (1, 2, 3)]
    for number in (0, 1, 0, 2):
        inspected(engine, requests[number])
    kept = [engine.banks.get(each.bank_key) is not None for each in requests]
    engine.close()
    assert kept == [True, False, True]


def test_answers_take_turns(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two answers are written piece by piece, none waits for the other to end."""
    order: list[int] = []
    both = threading.Event()

    def noting(number: int, stream: Callable[..., Iterator[str]]) -> Callable[..., Iterator[str]]:
        def noted(*arguments: Any) -> Iterator[str]:
            assert both.wait(30)
            for piece in stream(*arguments):
                order.append(number)
                yield piece

        return noted

    chats = [inspected(engine, Request(photo(n), str(n), (photo(9),)))[1] for n in (0, 1)]
    for number, chat in enumerate(chats):
        monkeypatch.setattr(chat, "stream", noting(number, chat.stream))
    answers = [
        engine.ask(chat, "Who made it?", GenerationOptions(max_new_tokens=40)) for chat in chats
    ]
    both.set()
    assert all("".join(answer) for answer in answers)
    assert order[:4] == [0, 1, 0, 1]


def test_who_leaves_is_not_waited_for(engine: Engine) -> None:
    _, chat = inspected(engine, Request(photo(0), "a", (photo(1),)))
    answer = engine.ask(chat, "Who made it?", GenerationOptions(max_new_tokens=200))
    next(answer)
    answer.close()  # type: ignore[attr-defined]
    # The chat goes on with another question, and the cut answer is in its history.
    list(engine.ask(chat, "How heavy is it?", SHORT))
    assert [question for question, _ in chat.history[1:]] == ["Who made it?", "How heavy is it?"]
    assert engine.pending == 0


def test_a_chat_has_one_answer_at_a_time(engine: Engine) -> None:
    """A question asked too early waits for the answer before it."""
    _, chat = inspected(engine, Request(photo(0), "a", (photo(1),)))
    _, alone = inspected(engine, Request(photo(0), "a", (photo(1),)))
    long = GenerationOptions(max_new_tokens=30)
    pending = [
        engine.ask(chat, question, long) for question in ("Who made it?", "How heavy is it?")
    ]
    first, second = ("".join(each) for each in pending)
    expected = [alone.ask(question, long) for question in ("Who made it?", "How heavy is it?")]
    assert [first, second] == expected
    assert chat.history == alone.history


def test_errors_reach_the_one_who_asked_and_nobody_else(engine: Engine) -> None:
    def broken() -> Iterator[str]:
        yield "begun"
        raise MissingPartError("no such part")

    ticket = iter(engine.worker.submit(broken()))
    assert next(ticket) == "begun"
    with pytest.raises(MissingPartError, match="no such part"):
        next(ticket)
    assert inspected(engine, Request(photo(0), "a", (photo(1),)))[1].inspection
    with pytest.raises(AnomalyGPTError, match="no model 'b'"):
        engine.inspect(Request(photo(0), "a", (), None, "b"))


def test_a_full_queue_says_so(engine: Engine, served: AnomalyGPT) -> None:
    _, chat = inspected(engine, Request(photo(0), "a", (photo(1),)))
    holding, held = threading.Event(), threading.Event()

    def slow() -> Iterator[str]:
        held.set()
        holding.wait()
        yield "end"

    running = [engine.worker.submit(slow()) for _ in range(4)]
    held.wait()
    with pytest.raises(BusyError, match="try again"):
        engine.ask(chat, "Who made it?", SHORT)
    holding.set()
    assert [list(ticket) for ticket in running] == [["end"]] * 4
    list(engine.ask(chat, "Who made it?", SHORT))
    assert len(chat.history) == 2


def test_photos_that_wait_together_are_encoded_together(
    engine: Engine, served: AnomalyGPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspected(engine, Request(photo(0), "a", (photo(9),)))
    sizes, encode = [], served.encode

    def counted(images: Any) -> Any:
        sizes.append(len(images))
        return encode(images)

    monkeypatch.setattr(served, "encode", counted)
    holding = threading.Event()

    def slow() -> Iterator[str]:
        holding.wait()
        yield "end"

    blocker = engine.worker.submit(slow())
    waiting = [engine.inspect(Request(photo(n), str(n), (photo(9),))) for n in (1, 2, 3)]
    holding.set()
    list(blocker)
    chats = [list(each)[-1] for each in waiting]
    assert sizes == [3]
    alone = [served.inspect(photo(n), [photo(9)]).anomaly_score for n in (1, 2, 3)]
    assert [chat.inspection.anomaly_score for chat in chats] == pytest.approx(alone, abs=1e-4)


def test_closing_tells_those_who_wait(served: AnomalyGPT) -> None:
    engine = Engine(ServerSettings(), lambda _: served)
    engine.close()
    with pytest.raises(BusyError, match="shutting down"):
        engine.inspect(Request(photo(0), "a"))


def test_a_chat_begins_anew(engine: Engine) -> None:
    _, chat = inspected(engine, Request(photo(0), "a", (photo(1),)))
    list(engine.ask(chat, "Who made it?", SHORT))
    (fresh,) = engine.restart(chat)
    assert len(fresh.history) == 1
    assert fresh.inspection.anomaly_probability == pytest.approx(
        chat.inspection.anomaly_probability
    )
