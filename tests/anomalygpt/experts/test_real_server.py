"""A server that nobody here wrote, where one is named: llama.cpp's, vLLM's, Ollama's.

python -m llama_cpp.server --model MODEL.gguf --model_alias tiny --port 8123 --n_ctx 2048
ANOMALYGPT_TEST_EXPERT=openai:tiny@http://127.0.0.1:8123/v1 pytest -k real_server
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from anomalygpt.errors import ExpertError
from anomalygpt.experts.addresses import Address, read_address
from anomalygpt.experts.manner import Manner
from anomalygpt.experts.openai_voice import OpenAIVoice
from anomalygpt.experts.voice import Message
from anomalygpt.language.generation import GenerationOptions

NAMED = os.environ.get("ANOMALYGPT_TEST_EXPERT", "")
pytestmark = pytest.mark.skipif(not NAMED, reason="ANOMALYGPT_TEST_EXPERT names no server")

OPTIONS = GenerationOptions(max_new_tokens=24)
QUESTION = [Message("user", ("Name three colours.",))]
WORDS = Manner(notation="words")


@pytest.fixture
def voice() -> Iterator[OpenAIVoice]:
    made = OpenAIVoice(read_address(NAMED, offline=True), timeout=60.0, sees=False)
    yield made
    made.close()


def test_it_speaks_piece_by_piece_and_the_same_twice(voice: OpenAIVoice) -> None:
    pieces = list(voice.stream(QUESTION, OPTIONS))
    assert len(pieces) > 3
    assert "".join(pieces) == "".join(voice.stream(QUESTION, OPTIONS))
    assert voice.usage.requests == 2


def test_it_is_stopped_and_asked_again(voice: OpenAIVoice) -> None:
    long = voice.stream(QUESTION, GenerationOptions(max_new_tokens=800))
    next(long)
    long.close()  # type: ignore[attr-defined]
    assert "".join(voice.stream(QUESTION, OPTIONS))


def test_it_chooses_or_says_that_it_cannot(voice: OpenAIVoice) -> None:
    shares = voice.choose([Message("user", ("Answer A or B.",))], ("A", "B"))
    assert shares is None or sum(shares) == pytest.approx(1)


def test_more_than_it_can_read_ends_in_a_sentence(voice: OpenAIVoice) -> None:
    with pytest.raises(ExpertError) as raised:
        list(voice.stream([Message("user", ("word " * 20_000,))], OPTIONS))
    assert len(str(raised.value).splitlines()) == 1


def test_silence_is_given_up() -> None:
    hurried = OpenAIVoice(read_address(NAMED), timeout=0.001, retries=0, sees=False)
    with pytest.raises(ExpertError):
        list(hurried.stream(QUESTION, OPTIONS))
    hurried.close()


def test_an_address_beside_it_is_no_server() -> None:
    named = read_address(NAMED)
    wrong = OpenAIVoice(Address("openai", named.model, f"{named.url}/nowhere"), sees=False)
    with pytest.raises(ExpertError, match="no model"):
        list(wrong.stream(QUESTION, OPTIONS))
    wrong.close()


def test_a_talk_about_a_part(voice: OpenAIVoice, begin) -> None:
    talk = begin(voice, manner=WORDS)
    found = talk.judge()
    assert found.opinion is not None
    assert found.opinion.answer
    assert talk.ask("What would you look for on such parts?", OPTIONS)
    assert talk.turns[-1].speaker == voice.name
    assert "left" in talk.ask("Where is it?")
