"""A chat that begins with its verdict: what is found, asked, said and read."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from anomalygpt import AnomalyGPT, GenerationOptions, Inspection
from anomalygpt.chat import Chat
from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.errors import ConfigError, DialogueTooLongError
from anomalygpt.language.dialogue import Dialogue
from anomalygpt.replies import reply_to, understand
from anomalygpt.verdict import leading_word
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
    """A chat about stained.png that has not begun."""
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
    """What did not fit was never read: the chat has not begun."""
    with pytest.raises(DialogueTooLongError):
        chat.ask("Is it? " * 400)
    with pytest.raises(ConfigError, match="empty"):
        chat.ask(" ")
    same(chat.judge(), assistant.inspect(parts / "stained.png", bank))


def test_no_verdict_where_the_description_is_too_long(assistant, parts, bank) -> None:
    chat = assistant.chat(parts / "stained.png", bank, description="It is round. " * 200)
    with pytest.raises(DialogueTooLongError):
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


def test_beginning_anew_leaves_the_old_chat(chat) -> None:
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


# --- answers from the result -------------------------------------------------------------------


@pytest.fixture
def narrow(build_assistant) -> AnomalyGPT:
    """An assistant whose language model knows little but inspections."""
    made = build_assistant()
    language_model = dataclasses.replace(made.config.language_model, narrow=True)
    made.config = dataclasses.replace(made.config, language_model=language_model)
    return made


PLAIN = ["ok?", "how many?", "Where is it?", "Is there any anomaly in the image?", "report"]


@pytest.mark.parametrize("question", PLAIN)
def test_the_result_answers_without_the_language_model(chat, question: str) -> None:
    found = chat.judge()
    read = chat.tokens_processed
    said = chat.ask(question)
    assert chat.tokens_processed == read
    assert chat.history[-1] == (question, said)
    assert said == reply_to(understand(question), found).text


def test_it_means_the_box_that_was_asked_about(chat) -> None:
    found = chat.judge()
    assert found.regions
    first = found.regions[0]
    x0, y0, x1, y1 = first.bbox
    assert f"at the {first.location}" in chat.ask("where is box 1?")
    assert f"{x1 - x0} × {y1 - y0} pixels" in chat.ask("how large is it?")
    assert f"({x0}, {y0})" in chat.ask("And where is it?")
    other = chat.ask("what about the other one?")
    if len(found.regions) == 1:
        assert other == "There is no box 2. There is one box, box 1."
    else:
        assert "ox 2" in other
    # Another question in between, and "it" is the defect again.
    chat.ask("how sure?")
    assert chat.ask("how large is it?") == reply_to(understand("how large is it?"), found).text


def test_later_answers_of_the_model_know_of_it(assistant, parts, bank) -> None:
    """A given turn is read as one that the model wrote: the same cache, token by token."""
    given = assistant.chat(parts / "stained.png", bank)
    given.judge()
    said = given.ask("how many?")
    given.ask(FREE, SHORT)
    apart = assistant.open_dialogue(given._evidence)
    apart.remember(ANOMALY_QUESTION, given.history[0][1])
    apart.remember("how many?", said)
    apart.ask(FREE)
    assert apart.answer(SHORT, leading_word(apart)) == given.history[-1][1]
    assert apart.tokens_processed == given.tokens_processed
    without = assistant.chat(parts / "stained.png", bank)
    without.judge()
    without.ask(FREE, SHORT)
    assert without.tokens_processed < given.tokens_processed


def test_a_full_chat_still_tells_the_result(assistant, parts, bank) -> None:
    chat = assistant.chat(parts / "stained.png", bank)
    chat.judge()
    for _ in range(30):
        chat.ask("report")
    with pytest.raises(DialogueTooLongError):
        chat.ask(FREE, SHORT)
    turns = len(chat.history)
    assert "stand" in chat.ask("how many?") or "Zero" in chat.history[-1][1]
    assert len(chat.history) == turns + 1


def test_a_verdict_is_still_the_first_turn(chat) -> None:
    chat.ask("ok?")
    with pytest.raises(ConfigError, match="first turn"):
        chat.judge()


def test_whoever_stops_early_may_go_on(chat) -> None:
    chat.judge()
    stream = chat.stream("where?")
    next(stream)
    stream.close()
    assert chat.history[-1][0] == "where?"
    assert isinstance(chat.ask(FREE, SHORT), str)


# --- a small language model --------------------------------------------------------------------


@pytest.mark.parametrize("question", [FREE, "Is there a short circuit?", "Tell me a joke."])
def test_a_narrow_model_declines_what_no_result_tells(narrow, parts, question: str) -> None:
    chat = narrow.chat(parts / "stained.png", parts / "good.png")
    found = chat.judge()
    said = chat.ask(question, SHORT)
    assert "cannot tell" in said
    assert said == reply_to(understand(question), found, declining=True).text


def test_a_narrow_models_nonsense_is_taken_back(narrow, parts) -> None:
    """It may speak of the defect freely, but only what the result bears out is shown."""
    question = "Does the anomaly look dramatic?"
    chat = narrow.chat(parts / "stained.png", parts / "good.png")
    chat.judge()
    pieces = list(chat.stream(question, SHORT))
    assert "".join(pieces) == chat.history[-1][1]
    assert "cannot tell" in chat.history[-1][1]
    dialogue = narrow.open_dialogue(chat._evidence)
    for asked, answer in chat.history:
        dialogue.remember(asked, answer)
    # What was taken back has left no trace in the chat.
    dialogue.ask(question)
    chat._dialogue.ask(question)
    assert torch.allclose(
        dialogue.probabilities().anomaly, chat._dialogue.probabilities().anomaly, atol=1e-5
    )


@pytest.mark.parametrize(
    "description",
    [
        TOLD,
        "Das ist ein Foto einer Scheibe.",
        "이것은 결함이 없어야 하는 원판입니다.",
        "P/N 4711-B",
    ],
)
def test_a_description_does_not_move_a_narrow_models_verdict(narrow, parts, description) -> None:
    plain = narrow.inspect(parts / "stained.png", parts / "good.png")
    told = narrow.inspect(parts / "stained.png", parts / "good.png", description=description)
    assert told.anomaly_probability == plain.anomaly_probability
    assert told.answer == plain.answer
    assert told.description == description
    assert told.question == ANOMALY_QUESTION
    assert "description was not used" in told.cautions[-1]
    assert not plain.cautions
    chat = narrow.chat(parts / "stained.png", parts / "good.png", description=description)
    assert chat.judge().anomaly_probability == plain.anomaly_probability
    assert description in chat.ask("what is it?")


def test_no_good_part_is_a_caution_everywhere(assistant, parts) -> None:
    alone = assistant.inspect(parts / "good.png")
    assert "this is a guess" in alone.cautions[0]
    assert assistant.inspect(parts / "good.png", map_only=True).cautions == alone.cautions
    chat = assistant.chat(parts / "good.png")
    assert chat.judge().cautions == alone.cautions
    assert alone.cautions[0] in chat.ask("ok?")
    assert not assistant.inspect(parts / "good.png", parts / "other.png").cautions
