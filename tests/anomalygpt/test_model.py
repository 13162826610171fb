"""The assistant as a whole, tiny and random: verdicts, batches, chats, two users."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from anomalygpt import AnomalyGPT, GenerationOptions, Inspection
from anomalygpt.encoders import ImageFeatures
from anomalygpt.errors import ConfigError, DialogueTooLongError, ImageError
from anomalygpt.evidence import EncodedPhotos, Evidence
from anomalygpt.images.preprocessing import ImageGeometry
from decoder import MemoryBank
from tests.inspections import same

QUESTION = "Is there any anomaly in the image?"
SHORT = GenerationOptions(max_new_tokens=8)


@pytest.fixture
def asked(assistant: AnomalyGPT, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every piece of text that is given to the tokenizer during the test."""
    texts: list[str] = []
    language_model = assistant.language_model
    encode = language_model.encode

    def recorded(text: str) -> list[int]:
        texts.append(text)
        return encode(text)

    monkeypatch.setattr(language_model, "encode", recorded)
    return texts


@pytest.fixture
def decided(assistant: AnomalyGPT, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the probability that the language model gives from now on."""
    language_model = assistant.language_model
    honest = language_model.answer_probabilities

    def decide(probability: float) -> None:
        def probabilities(logits: torch.Tensor):
            anomaly = torch.full((len(logits),), probability, dtype=torch.float64)
            return dataclasses.replace(honest(logits), anomaly=anomaly)

        monkeypatch.setattr(language_model, "answer_probabilities", probabilities)

    return decide


# --- the verdict -------------------------------------------------------------------------------


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.5, 0.5000001, 0.8, 1.0])
@pytest.mark.parametrize("with_reference", [False, True])
def test_word_number_and_regions_agree(
    assistant, parts, bank, decided, probability: float, with_reference: bool
) -> None:
    decided(probability)
    found = assistant.inspect(parts / "stained.png", bank if with_reference else ())
    assert found.is_anomalous is (probability > 0.5)
    assert found.anomaly_probability == probability
    word = "yes" if found.is_anomalous else "no"
    assert found.answer.lower().startswith(word)
    assert bool(found.regions) is found.is_anomalous


def test_without_intervention_too(assistant: AnomalyGPT, parts: Path, bank: MemoryBank) -> None:
    for found in assistant.inspect_batch(sorted(parts.iterdir()), bank):
        assert found.is_anomalous is (found.anomaly_probability > 0.5)
        assert found.answer.lower().startswith("yes" if found.is_anomalous else "no")
        assert bool(found.regions) is found.is_anomalous


@pytest.mark.parametrize("value", [1e-6, 0.2, 0.5, 1.0])
@pytest.mark.parametrize(("kind", "names"), [("normalised", ()), ("published", ("good",))])
def test_who_says_yes_shows_where_even_on_a_flat_map(
    assistant, decided, value, kind, names
) -> None:
    decided(0.9)
    features = ImageFeatures(torch.zeros(1, 32), (torch.zeros(1, 16, 32),) * 2, (4, 4))
    photos = EncodedPhotos(features, [ImageGeometry.fit((40, 50), 64, "square")], [None])
    maps = torch.full((1, 224, 224), value)
    (found,) = assistant.judge(Evidence(photos, maps, maps.mean((1, 2)), names, None, kind))
    assert len(found.regions) == 1
    assert found.regions[0].area_fraction == pytest.approx(1)


def test_a_map_alone_asks_no_language_model(assistant, parts, bank, asked) -> None:
    found = assistant.inspect(parts / "stained.png", bank, map_only=True)
    assert (found.is_anomalous, found.anomaly_probability, found.answer) == (None, None, None)
    assert not asked
    with_words = assistant.inspect(parts / "stained.png", bank)
    assert np.array_equal(found.anomaly_map, with_words.anomaly_map)
    assert found.anomaly_map.shape == (80, 96)


def test_the_description_goes_before_the_question(assistant, parts, bank, asked) -> None:
    told = "This is a photo of a disc, which should be round."
    found = assistant.inspect(parts / "good.png", bank, description=f" {told}\n")
    assert found.question == f"{told} {QUESTION}"
    assert f"{told} {QUESTION}\n### Assistant:" in asked
    assert assistant.inspect(parts / "good.png", bank, description=" ").question == QUESTION
    asked.clear()
    chat = assistant.chat(parts / "good.png", bank, description=told)
    chat.ask("Where is it?", SHORT)
    chat.ask("How large?", SHORT)
    assert f"{told} Where is it?\n### Assistant:" in asked
    assert " Human: How large?\n### Assistant:" in asked


# --- batches -----------------------------------------------------------------------------------


def test_a_batch_says_what_single_photos_say(assistant, parts, bank) -> None:
    photos = sorted(parts.iterdir())
    alone = [assistant.inspect(photo, bank) for photo in photos]
    for size in (1, 3, 8):
        together = list(assistant.inspect_batch(photos, bank, batch_size=size))
        for one, other in zip(alone, together, strict=True):
            assert (one.image, one.answer, one.is_anomalous) == (
                other.image,
                other.answer,
                other.is_anomalous,
            )
            assert other.anomaly_probability == pytest.approx(one.anomaly_probability, abs=1e-4)
            np.testing.assert_allclose(other.anomaly_map, one.anomaly_map, atol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 8])
def test_broken_files_keep_their_place(assistant, parts, bank, tmp_path, size) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    names = [
        tmp_path / "broken.png",
        parts / "good.png",
        tmp_path / "gone.png",
        parts / "plain.jpg",
    ]
    found = list(assistant.inspect_batch(names, bank, map_only=True, batch_size=size))
    assert [type(item) for item in found] == [ImageError, Inspection, ImageError, Inspection]
    for name, item in zip(names, found, strict=True):
        assert str(name) in (str(item) if isinstance(item, ImageError) else item.image)
    with pytest.raises(ImageError, match=r"broken\.png"):
        assistant.inspect(names[0], bank)


def test_a_batch_of_nothing_but_broken_files(assistant, bank, tmp_path) -> None:
    found = list(assistant.inspect_batch([tmp_path / "a", tmp_path / "b"], bank, batch_size=2))
    assert all(isinstance(item, ImageError) for item in found)
    assert list(assistant.inspect_batch([], bank)) == []


def test_a_batch_is_read_as_it_is_asked_for(assistant, parts, bank, encoded) -> None:
    """An endless stream of photos is fine: a batch is read when its first result is taken."""
    stream = assistant.inspect_batch(
        itertools.repeat(parts / "good.png"), bank, map_only=True, batch_size=2
    )
    assert encoded == []
    next(stream), next(stream)
    assert encoded == [2]


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_size_below_one_is_refused(assistant, size) -> None:
    with pytest.raises(ConfigError, match=f"at least 1, got {size}"):
        assistant.inspect_batch([], batch_size=size)


def test_a_single_photo_is_a_batch_of_one(assistant, parts) -> None:
    path = parts / "stained.png"
    for single in (str(path), np.asarray(Image.open(path).convert("RGB"))):
        assert len(list(assistant.inspect_batch(single, path, map_only=True))) == 1
        assert len(assistant.encode(single)) == 1


# --- words about categories --------------------------------------------------------------------


def test_the_words_of_a_category_are_encoded_once(build_assistant, parts) -> None:
    reader = build_assistant(words=False)
    calls: list[str] = []

    def encode_text(texts) -> torch.Tensor:
        calls.append(texts[0])
        generator = torch.Generator().manual_seed(len(texts) + len(texts[0]))
        return torch.randn(len(texts), 24, generator=generator)

    reader.encoder.encode_text = encode_text
    reader.encoder.text_width = 24
    maps = [
        reader.inspect(parts / "stained.png", category=category, map_only=True).anomaly_map
        for category in ("metal nut", "metal nut", None, "metal nut", "object")
    ]
    # Two sides, good and damaged, of two categories; no category is called "object".
    assert len(calls) == 4
    assert calls[0] == "a photo of a metal nut."
    assert np.array_equal(maps[0], maps[3])
    assert np.array_equal(maps[2], maps[4])
    assert not np.array_equal(maps[0], maps[2])


# --- chats -------------------------------------------------------------------------------------


def test_a_second_turn_costs_its_own_words_only(assistant, parts, bank, encoded) -> None:
    chat = assistant.chat(parts / "stained.png", bank)
    assert encoded == [1]
    first = chat.ask("Who took the photo?", SHORT)
    language_model = assistant.language_model
    before, length = chat.tokens_processed, len(chat._dialogue)
    # All positions so far were read exactly once.
    assert before == length
    question = "Who made it?"
    pieces = chat.stream(question, GenerationOptions(max_new_tokens=1))
    read = chat.tokens_processed - before
    own = len(language_model.encode(language_model.template.later_turn(question)))
    # The last token of the former answer and the end after it were not read before.
    assert own <= read <= own + 1 + len(language_model.answer_end_ids)
    "".join(pieces)
    assert chat.tokens_processed == before + read
    assert encoded == [1]
    assert [asked for asked, _ in chat.history] == ["Who took the photo?", question]
    assert chat.history[0][1] == first


def test_the_verdict_of_a_chat_encodes_nothing_again(assistant, parts, bank, encoded) -> None:
    chat = assistant.chat(parts / "stained.png", bank)
    found = chat.inspection
    assert encoded == [1]
    assert chat.tokens_processed == 0
    same(found, assistant.inspect(parts / "stained.png", bank))


def test_verdict_and_chat_do_not_contradict_each_other(assistant, parts, bank) -> None:
    for photo in sorted(parts.iterdir()):
        chat = assistant.chat(photo, bank)
        answer = chat.ask(QUESTION, SHORT).lower()
        if answer.startswith(("yes", "no")):
            assert answer.startswith("yes") is chat.inspection.is_anomalous


def test_questions_that_cannot_be_asked_leave_the_chat_usable(assistant, parts, bank) -> None:
    chat = assistant.chat(parts / "good.png", bank)
    for empty in ("", " \n"):
        with pytest.raises(ConfigError, match="empty"):
            chat.ask(empty)
    with pytest.raises(DialogueTooLongError, match="512"):
        chat.ask("Is it? " * 400)
    assert chat.history == []
    again = assistant.chat(parts / "good.png", bank)
    assert chat.ask(QUESTION, SHORT) == again.ask(QUESTION, SHORT)


def test_stopping_early_is_remembered_as_said(assistant, parts, bank) -> None:
    chat = assistant.chat(parts / "good.png", bank)
    stream = chat.stream(QUESTION, GenerationOptions(max_new_tokens=20))
    heard = next(stream)
    stream.close()
    assert chat.history == [(QUESTION, heard)]
    assert isinstance(chat.ask("Where is it?", SHORT), str)
    assert len(chat.history) == 2


# --- two users ---------------------------------------------------------------------------------


def converse(assistant: AnomalyGPT, folder: Path, photo: str) -> SimpleNamespace:
    """What one user does: inspect a batch, then talk, sampling with a seed."""
    references = [folder / "good.png"]
    found = list(assistant.inspect_batch([folder / photo, folder / "plain.jpg"], references))
    chat = assistant.chat(folder / photo, references, description=f"It is {photo}.")
    options = GenerationOptions(max_new_tokens=12, temperature=0.8, seed=7)
    said = [chat.ask(question, options) for question in (QUESTION, "Where is it?", "And now?")]
    return SimpleNamespace(found=found, said=said)


def test_two_users_at_once_get_what_each_alone_would(assistant, parts) -> None:
    photos = ["stained.png", "other.png"]
    alone = [converse(assistant, parts, photo) for photo in photos]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            together = pool.map(lambda photo: converse(assistant, parts, photo), photos)
            for one, other in zip(alone, together, strict=True):
                assert one.said == other.said
                for first, second in zip(one.found, other.found, strict=True):
                    same(first, second)
