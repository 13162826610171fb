"""A model on a server: what it is sent, what it says, and every way in which servers fail."""

from __future__ import annotations

import base64
import io
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from anomalygpt.errors import ConfigError, ExpertError
from anomalygpt.experts.addresses import OPENAI_URL, Address, read_address
from anomalygpt.experts.openai_voice import KEY_VARIABLE, OpenAIVoice, key_for
from anomalygpt.experts.voice import Message
from anomalygpt.language.generation import GenerationOptions
from tests.chat_server import MODEL, Act, ChatServer, serving

SECRET = "sk-secret-0123456789"
OPTIONS = GenerationOptions(max_new_tokens=16)
QUESTION = [Message("system", ("Be short.",)), Message("user", ("Is it fine?",))]
NO_WAIT = {"Retry-After-Ms": "10"}


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Connections anywhere else are an error; gives the hosts that were asked for."""
    hosts: list[str] = []
    resolve = socket.getaddrinfo

    def guarded(host, *args, **options):
        hosts.append(str(host))
        assert host in ("127.0.0.1", "localhost"), f"asked for {host}"
        return resolve(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", guarded)
    for name in ("OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "https://elsewhere.example")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    return hosts


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


OPEN: list[OpenAIVoice] = []


def voice_at(server: ChatServer, **options) -> OpenAIVoice:
    address = read_address(f"openai:{MODEL}@{server.url}")
    OPEN.append(OpenAIVoice(address, **{"timeout": 5.0, **options}))
    return OPEN[-1]


def said(voice: OpenAIVoice) -> str:
    return "".join(voice.stream(QUESTION, OPTIONS))


@pytest.fixture
def fine() -> Iterator[ChatServer]:
    with serving(Act(("It ", "looks ", "fine."))) as server:
        yield server


def test_the_answer_comes_piece_by_piece(fine) -> None:
    voice = voice_at(fine)
    assert list(voice.stream(QUESTION, OPTIONS)) == ["It ", "looks ", "fine."]
    (heard,) = fine.heard
    assert heard.path == "/v1/chat/completions"
    assert heard.body["model"] == MODEL
    assert heard.body["max_tokens"] == 16
    assert heard.body["temperature"] == 0
    assert heard.texts == ["Be short.", "Is it fine?"]


def test_tokens_and_requests_are_counted(fine) -> None:
    voice = voice_at(fine)
    said(voice)
    said(voice)
    assert (voice.usage.requests, voice.usage.prompt_tokens) == (2, 14)
    assert voice.usage.completion_tokens == 6


def test_pictures_go_as_png_without_what_the_file_said_besides(fine) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    picture.info["comment"] = "made in a secret place"
    voice = voice_at(fine)
    list(voice.stream([Message("user", ("Look:", picture, "Fine?"))], OPTIONS))
    (heard,) = fine.heard
    parts = heard.body["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url", "text"]
    head, data = parts[1]["image_url"]["url"].split(",")
    assert head == "data:image/png;base64"
    sent = Image.open(io.BytesIO(base64.b64decode(data)))
    assert sent.format == "PNG"
    assert not sent.info
    np.testing.assert_array_equal(np.asarray(sent), pixels)


def test_nobody_else_is_asked_and_only_the_servers_own_key_is_sent(
    fine, only_this_machine, monkeypatch
) -> None:
    said(voice_at(fine))
    monkeypatch.setenv(KEY_VARIABLE, SECRET)
    said(voice_at(fine))
    first, second = (heard.headers for heard in fine.heard)
    assert "sk-of-openai" not in str(first)
    assert second["authorization"] == f"Bearer {SECRET}"
    assert not [name for name in first if name.startswith("openai-")]
    assert set(only_this_machine) == {"127.0.0.1"}


def test_the_key_of_openai_goes_to_openai_alone() -> None:
    both = {KEY_VARIABLE: "", "OPENAI_API_KEY": SECRET}
    assert key_for(Address("openai", "m", OPENAI_URL), both) == SECRET
    assert key_for(Address("openai", "m", "https://elsewhere.example/v1"), both) == ""
    own = {KEY_VARIABLE: f"{SECRET}\n"}
    assert key_for(Address("openai", "m", "https://elsewhere.example/v1"), own) == SECRET


def test_proxies_are_not_for_this_machine(fine, monkeypatch) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert said(voice_at(fine)) == "It looks fine."


def test_who_stops_listening_stops_the_server() -> None:
    with serving(Act(("word ",) * 2000, pause=0.005)) as server:
        pieces = voice_at(server).stream(QUESTION, OPTIONS)
        assert next(pieces) == "word "
        pieces.close()  # type: ignore[attr-defined]
        assert server.broken.wait(5)


def test_a_server_that_is_silent_is_given_up() -> None:
    with serving(Act(("late",), pause=3.0)) as server:
        begun = time.monotonic()
        with pytest.raises(ExpertError, match=r"no sign of life for 0\.2 s.*--expert-timeout"):
            said(voice_at(server, timeout=0.2, retries=0))
        assert time.monotonic() - begun < 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_named_by_its_variable_and_never_shown(status: int) -> None:
    with serving(Act((f"Incorrect API key provided: {SECRET}",), status)) as server:
        with pytest.raises(ExpertError) as raised:
            said(voice_at(server, key=SECRET))
        assert KEY_VARIABLE in str(raised.value)
        assert SECRET not in str(raised.value)
        assert len(server.heard) == 1


def test_no_error_shows_the_key_whatever_the_server_says() -> None:
    for status in (400, 404, 413, 422, 429, 500):
        with serving(Act((f"you said {SECRET}",), status, NO_WAIT)) as server:
            with pytest.raises(ExpertError) as raised:
                said(voice_at(server, key=SECRET))
            assert SECRET not in str(raised.value), status
            assert "\n" not in str(raised.value)
            assert raised.value.__cause__ is None


def test_a_server_that_was_killed_is_missed() -> None:
    with serving() as server:
        voice = voice_at(server, retries=0)
        said(voice)
    with pytest.raises(ExpertError, match=r"no server answers at http://127\.0\.0\.1:\d+/v1"):
        said(voice)


def test_too_many_requests_wait_and_go_on() -> None:
    busy = Act(("slow down",), 429, NO_WAIT)
    with serving(busy, busy, Act(("Fine.",))) as server:
        assert said(voice_at(server)) == "Fine."
        assert len(server.heard) == 3


def test_too_many_requests_for_good_end_in_a_sentence() -> None:
    with serving(Act(("slow down",), 429, NO_WAIT)) as server:
        with pytest.raises(ExpertError, match=r"allows no more requests.*slow down"):
            said(voice_at(server, retries=1))
        assert len(server.heard) == 2


def test_a_fault_of_the_server_is_tried_again() -> None:
    with serving(Act(("oh no",), 500, NO_WAIT), Act(("Fine.",))) as server:
        assert said(voice_at(server)) == "Fine."
    with (
        serving(Act(("oh no",), 503, NO_WAIT)) as server,
        pytest.raises(ExpertError, match=r"503: oh no"),
    ):
        said(voice_at(server, retries=1))


def test_half_a_stream_is_no_answer_and_is_not_asked_for_twice() -> None:
    with serving(Act(("It ", "looks "), ends=False)) as server:
        pieces: list[str] = []
        with pytest.raises(ExpertError, match="broke off"):
            pieces.extend(voice_at(server).stream(QUESTION, OPTIONS))
        assert len(server.heard) == 1


def test_a_redirect_is_not_followed(only_this_machine) -> None:
    away = {"Location": "http://elsewhere.example/v1/chat/completions"}
    with (
        serving(Act((), 307, away)) as server,
        pytest.raises(ExpertError, match="another address"),
    ):
        said(voice_at(server, retries=0))
    assert "elsewhere.example" not in only_this_machine


def test_a_model_that_is_not_there_is_answered_with_those_that_are() -> None:
    with (
        serving(Act(("no such model",), 404)) as server,
        pytest.raises(ExpertError, match=rf"it has {MODEL}"),
    ):
        said(voice_at(server))


@pytest.mark.parametrize("name", ["max_tokens", "stream_options", "seed", "temperature"])
def test_what_a_server_does_not_know_is_left_out_from_then_on(name: str) -> None:
    options = GenerationOptions(max_new_tokens=16, seed=3)
    with serving(Act(("Fine.",), refuses=(name,))) as server:
        voice = voice_at(server)
        for _ in range(2):
            assert "".join(voice.stream(QUESTION, options)) == "Fine."
        bodies = [heard.body for heard in server.heard]
    assert [name in body for body in bodies] == [True, False, False]
    if name == "max_tokens":
        assert bodies[-1]["max_completion_tokens"] == 16


def test_what_is_refused_for_another_reason_is_told() -> None:
    with serving(Act(("I read no images",), 400)) as server:
        with pytest.raises(ExpertError, match=r"I read no images.*--evidence words"):
            said(voice_at(server))
        assert len(server.heard) == 1


def test_letters_are_chosen_by_their_probabilities() -> None:
    likely = {"B": 0.5, " B": 0.1, "A": 0.2, "The": 0.15, "C.": 0.05}
    with serving(Act(("B",), likely=likely)) as server:
        voice = voice_at(server)
        shares = voice.choose(QUESTION, ("A", "B", "C", "D"))
        assert shares is not None
        np.testing.assert_allclose(shares, [0.2 / 0.85, 0.6 / 0.85, 0.05 / 0.85, 0], atol=1e-6)
        assert server.heard[0].body["max_tokens"] == 1


def test_words_are_chosen_in_any_case() -> None:
    with serving(Act(("no",), likely={"no": 0.6, "Yes": 0.2, "NO": 0.2})) as server:
        assert voice_at(server).choose(QUESTION, ("Yes", "No")) == pytest.approx([0.2, 0.8])


@pytest.mark.parametrize(
    "act",
    [Act(("B",)), Act(("B",), likely={"Well": 0.9}), Act(("B",), refuses=("logprobs",))],
)
def test_where_no_probabilities_are_told_there_are_none(act: Act) -> None:
    with serving(act) as server:
        voice = voice_at(server)
        assert voice.choose(QUESTION, ("A", "B")) is None
        asked = len(server.heard)
        assert voice.choose(QUESTION, ("A", "B")) is None
        # Who refused them once is not asked for them again.
        assert len(server.heard) == asked + (not act.refuses)


def test_several_threads_share_a_voice(fine) -> None:
    voice, answers = voice_at(fine), []
    threads = [threading.Thread(target=lambda: answers.append(said(voice))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["It looks fine."] * 6
    assert voice.usage.requests == 6


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"timeout": float("nan")}, {"retries": -1}])
def test_numbers_out_of_range_are_refused(fine, wrong) -> None:
    with pytest.raises(ConfigError):
        voice_at(fine, **wrong)
