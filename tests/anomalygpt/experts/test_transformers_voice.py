"""Vision-language and text-only models in this process."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomalygpt.errors import ConfigError, DialogueTooLongError, SourceError
from anomalygpt.experts.transformers_voice import TransformersVoice
from anomalygpt.experts.voice import Message
from anomalygpt.language.generation import GenerationOptions
from tests.gguf_files import CHAT
from tests.tiny_vision import CONTEXT, TEMPLATE, write_tiny_vision

SHORT = GenerationOptions(max_new_tokens=12)
WORDS = [Message("system", ("Be short.",)), Message("user", ("Is it", "fine?"))]


def picture(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def seen(*pictures: Image.Image) -> list[Message]:
    return [Message("user", ("Look:", *pictures, "Is it fine?"))]


@pytest.fixture(scope="module")
def eyes(tmp_path_factory) -> TransformersVoice:
    folder = write_tiny_vision(tmp_path_factory.mktemp("vision") / "tiny-eyes")
    return TransformersVoice(str(folder), device="cpu")


def said(voice: TransformersVoice, messages: list[Message]) -> str:
    return "".join(voice.stream(messages, SHORT))


def test_it_sees_what_it_is_shown(eyes) -> None:
    assert eyes.name == "tiny-eyes"
    assert eyes.sees
    first = eyes.choose(seen(picture(1)), ("A", "B"))
    assert first == eyes.choose(seen(picture(1)), ("A", "B"))
    assert first != eyes.choose(seen(picture(2)), ("A", "B"))
    assert said(eyes, seen(picture(1), picture(2)))


def test_it_answers_words_alone(eyes) -> None:
    assert said(eyes, WORDS) == said(eyes, WORDS)


def test_what_it_costs_is_counted(eyes) -> None:
    before = eyes.usage
    said(eyes, WORDS)
    spent = eyes.usage
    assert spent.requests == before.requests + 1
    assert spent.prompt_tokens > before.prompt_tokens
    assert before.completion_tokens < spent.completion_tokens <= before.completion_tokens + 12
    said(eyes, seen(picture(0)))
    # A picture of 60×90 pixels is at least one token besides the words.
    assert eyes.usage.prompt_tokens > spent.prompt_tokens


def test_letters_and_words_share_all_of_the_mass(eyes) -> None:
    for words in (("A", "B", "C", "D"), ("Yes", "No")):
        shares = eyes.choose(WORDS, words)
        assert shares is not None
        assert sum(shares) == pytest.approx(1)
        assert all(0 < share < 1 for share in shares)


def test_who_stops_listening_stops_the_writing(eyes) -> None:
    before = eyes.usage.completion_tokens
    # By chance: the likeliest words of a random model may all be one long word.
    pieces = eyes.stream(WORDS, GenerationOptions(max_new_tokens=1500, temperature=3.0, seed=1))
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert eyes.usage.completion_tokens - before < 1500
    assert not [thread for thread in threading.enumerate() if thread.name == "expert"]
    assert said(eyes, WORDS)  # it can be asked again


def test_more_than_it_can_read_is_refused_in_a_sentence(eyes) -> None:
    long = [Message("user", ("word " * CONTEXT,))]
    with pytest.raises(DialogueTooLongError, match=f"at most {CONTEXT} tokens"):
        said(eyes, long)


def test_sampled_answers_are_repeatable(eyes) -> None:
    options = GenerationOptions(max_new_tokens=12, temperature=2.0, seed=5)
    first, second = ("".join(eyes.stream(WORDS, options)) for _ in range(2))
    other = "".join(eyes.stream(WORDS, GenerationOptions(12, 2.0, seed=6)))
    assert first == second != other


def test_a_system_role_that_a_template_refuses_goes_before_the_question(tmp_path) -> None:
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
    folder = write_tiny_vision(tmp_path / "strict", refusing + TEMPLATE)
    strict = TransformersVoice(str(folder), device="cpu")
    merged = [Message("user", ("Be short.", "Is it", "fine?"))]
    assert strict.choose(WORDS, ("A", "B")) == strict.choose(merged, ("A", "B"))


def test_a_model_without_a_chat_template_is_refused(tmp_path) -> None:
    folder = write_tiny_vision(tmp_path / "mute", None)
    with pytest.raises(ConfigError, match="no chat template"):
        TransformersVoice(str(folder), device="cpu")


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(SourceError, match="no-such-folder"):
        TransformersVoice("no-such-folder/at/all", device="cpu")


@pytest.fixture(scope="module")
def reader(tiny_llama_folder, tmp_path_factory) -> TransformersVoice:
    """A text-only model."""
    folder = tmp_path_factory.mktemp("text") / "tiny-reader"
    folder.mkdir()
    for path in Path(tiny_llama_folder).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "chat_template.jinja").write_text(CHAT, encoding="utf-8")
    return TransformersVoice(str(folder), device="cpu")


def test_a_text_only_model_reads_words(reader) -> None:
    assert not reader.sees
    assert said(reader, WORDS) == said(reader, WORDS)
    assert reader.choose(WORDS, ("Yes", "No")) is not None


def test_a_text_only_model_refuses_pictures_and_says_what_to_do(reader) -> None:
    with pytest.raises(ConfigError, match="--evidence words"):
        said(reader, seen(picture(0)))
