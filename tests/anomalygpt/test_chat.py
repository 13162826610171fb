"""A conversation that begins with its verdict: what is found, asked, said and read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anomalygpt import AnomalyGPT, GenerationOptions, Inspection
from anomalygpt.chat import Chat
from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.dialogue import Dialogue
from anomalygpt.errors import ConfigError, ConversationTooLongError
from decoder import MemoryBank

SHORT = GenerationOptions(max_new_tokens=6)
FREE, FREE_TOO = (
    "Who made it?",
    "How heavy is it?",
)  # what no result tells: the language model answers
TOLD = "This is a photo of a disc, which should be round."
PHOTOS = ["good.png", "other.png", "stained.png", "plain.jpg"]


@pytest.fixture(scope="module")
def bank(assistant: AnomalyGPT, parts: Path) -> MemoryBank:
    """The good part, not turned."""
    return assistant.remember(parts / "good.png", rotations=1)


@pytest.fixture
def chat(assistant: AnomalyGPT, parts: Path, bank: MemoryBank) -> Chat:
    """A conversation about stained.png that has not begun."""
    return assistant.chat(parts / "stained.png", bank)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every question that a language model reads."""
    questions: list[str] = []
    true = Dialogue.ask

    def ask(self: Dialogue, question: str) -> None:
        questions.append(question)
        true(self, question)

    monkeypatch.setattr(Dialogue, "ask", ask)
    return questions


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many photos each call encodes."""
    sizes: list[int] = []
    true = AnomalyGPT._encode

    def encode(self: AnomalyGPT, photos: list) -> tuple:
        sizes.append(len(photos))
        return true(self, photos)

    monkeypatch.setattr(AnomalyGPT, "_encode", encode)
    return sizes


def same(one: Inspection, other: Inspection) -> None:
    """Two inspections agree in everything."""
    assert one.to_dict() == other.to_dict()
    assert np.array_equal(one.anomaly_map, other.anomaly_map)


# --- the verdict -------------------------------------------------------------------------------


@pytest.mark.parametrize("description", [None, TOLD])
@pytest.mark.parametrize("photo", PHOTOS)
def test_the_verdict_is_that_of_an_inspection(assistant, parts, bank, photo, description) -> None:
    judged = assistant.chat(parts / photo, bank, description=description).judge()
    inspected = assistant.inspect(parts / photo, bank, description=description)
    assert judged.is_anomalous is inspected.is_anomalous
    assert judged.anomaly_probability == inspected.anomaly_probability
    assert judged.answer == inspected.answer
    assert judged.anomaly_score == inspected.anomaly_score
    assert judged.regions == inspected.regions
    same(judged, inspected)


@pytest.mark.parametrize(("bias", "word"), [(50.0, "yes"), (-50.0, "no")])
def test_both_verdicts_begin_with_their_word(
    assistant, chat, parts, bank, monkeypatch, bias, word
) -> None:
    """Probability, first word and regions agree, whichever way the model leans."""
    language_model = type(assistant.language_model)
    true = language_model.next_logits
    words = assistant.language_model.answer_words

    def next_logits(self, *arguments: object, **named: object):
        logits = true(self, *arguments, **named).clone()
        logits[:, [*words.yes]] += bias
        return logits

    monkeypatch.setattr(language_model, "next_logits", next_logits)
    found = chat.judge()
    assert found.is_anomalous is (word == "yes")
    assert found.answer.lower().startswith(word)
    assert bool(found.regions) is (word == "yes")
    same(found, assistant.inspect(parts / "stained.png", bank))


def test_the_verdict_is_the_first_turn(assistant, chat, parts, bank, asked) -> None:
    found = chat.judge()
    assert chat.history == [(ANOMALY_QUESTION, found.answer)]
    said = chat.ask(FREE, SHORT)
    assert chat.history == [(ANOMALY_QUESTION, found.answer), (FREE, said)]
    assert asked == [ANOMALY_QUESTION, FREE]
    # The model reads the verdict before the question: later answers go with it.
    unjudged = assistant.chat(parts / "stained.png", bank)
    unjudged.ask(FREE, SHORT)
    read = chat.tokens_processed - unjudged.tokens_processed
    assert read > len(assistant.language_model.encode(ANOMALY_QUESTION))


def test_the_finding_is_kept(assistant, parts, bank, asked, encoded) -> None:
    chat = assistant.chat(parts / "stained.png", bank)
    found = chat.judge()
    read = chat.tokens_processed
    assert chat.inspection is found
    chat.ask(FREE, SHORT)
    assert chat.inspection is found
    assert asked == [ANOMALY_QUESTION, FREE]
    assert chat.tokens_processed > read
    assert encoded == [1]


def test_the_verdict_replaces_an_older_finding(chat, asked) -> None:
    """`inspection` alone is no turn, so that the verdict may still come."""
    before = chat.inspection
    assert chat.history == []
    found = chat.judge()
    same(found, before)
    assert chat.inspection is found
    assert asked == [ANOMALY_QUESTION, ANOMALY_QUESTION]


# --- too late ----------------------------------------------------------------------------------


def _ask(chat: Chat) -> None:
    chat.ask(FREE, SHORT)


def _stop_early(chat: Chat) -> None:
    stream = chat.stream(FREE, SHORT)
    next(stream)
    stream.close()


def _never_listen(chat: Chat) -> None:
    chat.stream(FREE, SHORT)


@pytest.mark.parametrize("begin", [_ask, _stop_early, _never_listen, Chat.judge])
def test_no_verdict_after_a_question(chat, asked, begin) -> None:
    begin(chat)
    history, questions, read = list(chat.history), list(asked), chat.tokens_processed
    with pytest.raises(ConfigError, match="first turn"):
        chat.judge()
    assert (chat.history, asked, chat.tokens_processed) == (history, questions, read)
    assert isinstance(chat.ask(FREE_TOO, SHORT), str)


def test_a_verdict_after_a_question_that_was_refused(assistant, chat, parts, bank) -> None:
    """What did not fit was never read: the conversation has not begun."""
    with pytest.raises(ConversationTooLongError):
        chat.ask("Is it? " * 400)
    with pytest.raises(ConfigError, match="empty"):
        chat.ask(" ")
    same(chat.judge(), assistant.inspect(parts / "stained.png", bank))


def test_no_verdict_where_the_description_is_too_long(assistant, parts, bank) -> None:
    chat = assistant.chat(parts / "stained.png", bank, description="It is round. " * 200)
    with pytest.raises(ConversationTooLongError):
        chat.judge()
    assert (chat.history, chat.tokens_processed) == ([], 0)


# --- beginning anew ----------------------------------------------------------------------------


def test_beginning_anew_encodes_nothing(assistant, parts, bank, encoded) -> None:
    chat = assistant.chat(parts / "stained.png", bank)
    assert encoded == [1]
    found = chat.judge()
    said = chat.ask(FREE, SHORT)
    again = chat.restart()
    assert (again.history, again.tokens_processed) == ([], 0)
    same(again.judge(), found)
    assert again.ask(FREE, SHORT) == said
    assert again.history == chat.history
    assert encoded == [1]


def test_beginning_anew_leaves_the_old_conversation(chat) -> None:
    chat.judge()
    history, read = list(chat.history), chat.tokens_processed
    again = chat.restart()
    again.judge()
    again.ask(FREE_TOO, SHORT)
    assert (chat.history, chat.tokens_processed) == (history, read)
    alone = chat.restart()
    alone.judge()
    assert chat.ask(FREE, SHORT) == alone.ask(FREE, SHORT)


# --- the description ---------------------------------------------------------------------------


def test_the_description_goes_before_the_verdict_only(assistant, parts, bank, asked) -> None:
    chat = assistant.chat(parts / "good.png", bank, description=f" {TOLD}\n")
    found = chat.judge()
    chat.ask(FREE, SHORT)
    assert asked == [f"{TOLD} {ANOMALY_QUESTION}", FREE]
    assert found.question == f"{TOLD} {ANOMALY_QUESTION}"
    # The history holds what was asked, without what was told before it.
    assert [question for question, _ in chat.history] == [ANOMALY_QUESTION, FREE]
    asked.clear()
    chat.restart().judge()
    assert asked == [f"{TOLD} {ANOMALY_QUESTION}"]


@pytest.mark.parametrize("begin", [_ask, _stop_early, _never_listen])
def test_the_description_goes_before_the_first_question_only(
    assistant, parts, bank, asked, begin
) -> None:
    chat = assistant.chat(parts / "good.png", bank, description=TOLD)
    begin(chat)
    chat.ask(FREE_TOO, SHORT)
    assert asked == [f"{TOLD} {FREE}", FREE_TOO]
