"""The server's expert and knowledge: shared by all visitors, and waited for beside the queue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.chat import Chat
from anomalygpt.errors import BusyError, ExpertError
from anomalygpt.experts.addresses import read_address
from anomalygpt.experts.consultation import Consultation
from anomalygpt.experts.manner import Manner
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.requests import Progress, Request
from anomalygpt.serving.settings import Asking, ServerSettings
from tests.chat_server import MODEL, Act, ChatServer, serving

SHORT = GenerationOptions(max_new_tokens=6)
OPEN = "What would you look for on such parts?"
YES = Act(("Yes, a scratch.",))


def photo(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def request(seed: int, asking: Asking | None) -> Request:
    return Request(photo(seed), f"{seed}.png", (photo(99),), asking=asking)


@pytest.fixture
def opened(served: AnomalyGPT) -> Iterator[Callable[..., Engine]]:
    """Makes an engine whose expert is on a server."""
    engines: list[Engine] = []

    def make(server: ChatServer | None, **settings) -> Engine:
        address = server and read_address(f"openai:{MODEL}@{server.url}")
        engines.append(Engine(ServerSettings(expert=address, **settings), lambda _: served))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def talk_of(engine: Engine, asked: Request) -> tuple[list[Progress], Chat | Consultation]:
    *progress, talk = engine.inspect(asked)
    return progress, talk  # type: ignore[return-value]


def test_who_lets_it_speak_gets_its_opinion_and_its_answers(opened) -> None:
    with serving(YES, Act(("Edges.",))) as server:
        engine = opened(server)
        progress, talk = talk_of(engine, request(1, Asking()))
        assert isinstance(talk, Consultation)
        assert progress[-1].what == f"Asking {MODEL}"
        assert talk.inspection.opinion is not None
        assert "".join(engine.ask(talk, OPEN, SHORT)) == "Edges."
        assert talk.turns[-1].speaker == MODEL
        (fresh,) = engine.restart(talk)
        assert len(server.heard) == 2  # the opinion is kept
        assert fresh.inspection.opinion == talk.inspection.opinion


@pytest.mark.parametrize("asking", [None, Asking(is_on=False)])
def test_who_does_not_let_it_speak_sends_it_nothing(opened, asking) -> None:
    with serving(YES) as server:
        engine = opened(server)
        _, talk = talk_of(engine, request(1, asking))
        assert isinstance(talk, Chat)
        "".join(engine.ask(talk, OPEN, SHORT))
        assert server.heard == []


def test_a_slow_expert_holds_nobody_else_up(opened) -> None:
    with serving(Act(("Yes.",), pause=3.0)) as server:
        engine = opened(server)
        slow = threading.Thread(target=lambda: talk_of(engine, request(1, Asking())))
        slow.start()
        while not server.heard:
            slow.join(0.01)
        talk_of(engine, request(2, None))
        assert slow.is_alive()
        slow.join()


def test_one_talk_has_one_answer_at_a_time(opened) -> None:
    with serving(YES, Act(("one ", "two ", "three"), pause=0.05)) as server:
        engine = opened(server)
        _, talk = talk_of(engine, request(1, Asking()))
        answers: list[str] = []
        threads = [
            threading.Thread(target=lambda: answers.append("".join(engine.ask(talk, OPEN, SHORT))))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == ["one two three"] * 3
        assert [answer for _, answer in talk.history[1:]] == ["one two three"] * 3


def test_no_more_wait_for_it_than_the_queue_has_places(opened) -> None:
    with serving(Act(("Yes.",), pause=1.0)) as server:
        engine = opened(server, queue_size=1)
        first = threading.Thread(target=lambda: talk_of(engine, request(1, Asking())))
        first.start()
        while not server.heard:
            first.join(0.01)
        with pytest.raises(BusyError, match="wait for the expert"):
            talk_of(engine, request(2, Asking()))
        first.join()


def test_an_expert_that_decides_and_is_gone_is_an_error(opened) -> None:
    with serving() as server:
        pass
    engine = opened(server, expert_timeout=1.0)
    with pytest.raises(ExpertError, match="no server answers"):
        talk_of(engine, request(1, Asking(manner=Manner(decider="expert"))))
    _, talk = talk_of(engine, request(1, Asking()))
    assert "was not heard" in talk.inspection.cautions[-1]


def test_what_is_known_is_quoted_without_an_expert(opened, tmp_path: Path) -> None:
    text = "# disc\n\n## stain\nStains come from coolant that dried.\n"
    (tmp_path / "disc.md").write_text(text, encoding="utf-8")
    engine = opened(None, knowledge=tmp_path)
    _, talk = talk_of(engine, request(1, Asking()))
    answer = "".join(engine.ask(talk, "What causes stains?", SHORT))
    assert "“Stains come from coolant that dried.” (disc.md, stain)" in answer
