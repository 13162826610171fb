"""A chat with a language model that talks: what goes to it, and what of it is shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace

import pytest
import torch

from anomalygpt import AnomalyGPT, GenerationOptions
from anomalygpt.chat import Chat
from anomalygpt.config import AnomalyGPTConfig, LanguageModelConfig
from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.errors import ConfigError, DialogueTooLongError
from anomalygpt.replies import declined, reply_to, understand
from anomalygpt.replies.inventions import Known, inventions

CAUSE = "What could have caused it?"
OPEN = [CAUSE, "What do I do now?", "How do I tell the supplier?", "What is a burr?", "Any tips?"]


class Scripted:
    """A dialogue that says what it was given, and notes what it reads."""

    tokens_processed = 0

    def __init__(self, answers: list[str], is_anomalous: bool = True) -> None:
        self.read: list[str] = []
        self._answers, self._sure = answers, 0.97 if is_anomalous else 0.02

    def ask(self, question: str, turns: Sequence[tuple[str, str]] = ()) -> None:
        if len(question) > 400:
            raise DialogueTooLongError("too long")
        for turn in turns:
            self.remember(*turn)
        self.read.append(f"asked: {question}")

    def say(self, answer: str) -> None:
        self.read.append(f"said: {answer}")

    def remember(self, question: str, answer: str) -> None:
        self.read.append(f"told: {question} {answer}")

    def retract(self, answer: str) -> None:
        self.read.append(f"instead: {answer}")

    def leads_to_verdict(self) -> bool:
        return False

    def probabilities(self) -> SimpleNamespace:
        return SimpleNamespace(anomaly=torch.tensor([self._sure]))

    def stream(self, options: GenerationOptions, first_word: str | None) -> Iterator[str]:
        yield from self._answers.pop(0)


Opened = tuple[Chat, Scripted]


@pytest.fixture
def begin(assistant: AnomalyGPT, parts, bank) -> Callable[..., Opened]:
    """Begins a chat about stained.png in which the model says given answers."""

    def make(*answers: str, is_anomalous: bool = True) -> Opened:
        evidence = assistant.examine(assistant.encode([parts / "stained.png"]), bank)
        dialogue = Scripted([*answers], is_anomalous)
        manner = LanguageModelConfig("chat", talks=True)
        return Chat(evidence, assistant.card, lambda: dialogue, manner), dialogue

    return make


@pytest.fixture
def talking(build_assistant) -> AnomalyGPT:
    """The tiny assistant, said to talk; its words are random."""
    made = build_assistant()
    language_model = dataclasses.replace(made.config.language_model, talks=True)
    made.config = dataclasses.replace(made.config, language_model=language_model)
    return made


# --- what goes to the model ---------------------------------------------------------------------


@pytest.mark.parametrize("question", OPEN)
def test_the_model_answers_what_is_open(begin, question: str) -> None:
    chat, dialogue = begin("Ask somebody who knows. Thank you")
    chat.judge()
    assert chat.ask(question) == "Ask somebody who knows. Thank you"
    assert dialogue.read[-1] == f"asked: {question}"
    assert chat.history[-1] == (question, "Ask somebody who knows. Thank you")


@pytest.mark.parametrize("question", ["ok?", "how many?", "Where is it?", "How heavy is it?", "hi"])
def test_the_result_answers_what_it_tells(begin, question: str) -> None:
    chat, dialogue = begin()
    found = chat.judge()
    said = chat.ask(question)
    assert said == reply_to(understand(question), found, declining=True).text
    assert dialogue.read[-1] == f"told: {question} {said}"


def test_a_question_of_both_has_both_answers(begin) -> None:
    chat, dialogue = begin("Handling is a common cause.")
    found = chat.judge()
    told = reply_to(understand("How many are there?"), found).text
    question = "How many are there and what could have caused them?"
    assert chat.ask(question) == f"{told} Handling is a common cause."
    assert dialogue.read[-2:] == [
        f"told: How many are there? {told}",
        "asked: What could have caused them?",
    ]
    assert len(chat.history) == 2


def test_who_explains_a_box_has_read_the_list(begin) -> None:
    chat, dialogue = begin("Please look there.", "Please look there.")
    found = chat.judge()
    chat.ask("Explain box 1.")
    listed = reply_to(understand("Where is it?"), found).text
    assert dialogue.read[-2:] == [f"told: Where is it? {listed}", "asked: Explain box 1."]
    # Once is enough; and "it" is the box.
    read = len(dialogue.read)
    chat.ask("Why did you mark box 1?")
    assert len(dialogue.read) == read + 1
    x0, y0, x1, y1 = found.regions[0].bbox
    assert f"{x1 - x0} × {y1 - y0} pixels" in chat.ask("how large is it?")
    assert "There is no box 77" in chat.ask("Explain box 77.")


def test_an_open_question_may_be_the_first(begin) -> None:
    chat, dialogue = begin("Ask somebody.")
    assert chat.ask(CAUSE) == "Ask somebody."
    with pytest.raises(ConfigError, match="first turn"):
        chat.judge()
    assert f"asked: {ANOMALY_QUESTION}" in dialogue.read  # outside the history


# --- what is shown ------------------------------------------------------------------------------


def test_what_is_invented_is_left_out_and_forgotten(begin) -> None:
    chat, dialogue = begin("A photo does not tell. There is a deep scratch. Look yourself.")
    chat.judge()
    assert chat.ask(CAUSE) == "A photo does not tell. Look yourself."
    assert dialogue.read[-1] == "instead: A photo does not tell. Look yourself."


@pytest.mark.parametrize("is_anomalous", [True, False])
def test_where_nothing_is_left_the_result_is_told(begin, is_anomalous: bool) -> None:
    wrong = "The part is fine. It weighs 3 kg." if is_anomalous else "It is broken. Reject it."
    chat, dialogue = begin(wrong, is_anomalous=is_anomalous)
    found = chat.judge()
    assert chat.ask(CAUSE) == declined(found)
    assert dialogue.read[-1] == f"instead: {declined(found)}"


def test_where_nothing_is_left_of_a_box_its_facts_are_told(begin) -> None:
    chat, _ = begin("It is a crack.")
    found = chat.judge()
    assert chat.ask("Explain box 1.") == reply_to(understand("Explain box 1."), found).text


def test_an_answer_of_nothing_is_replaced(begin) -> None:
    chat, dialogue = begin("")
    found = chat.judge()
    assert chat.ask(CAUSE) == declined(found)
    assert dialogue.read[-1] == f"instead: {declined(found)}"


def test_white_space_around_an_answer_is_nothing_left_out(begin) -> None:
    chat, dialogue = begin(" Ask somebody.\n")
    chat.judge()
    assert chat.ask(CAUSE).strip() == "Ask somebody."
    assert dialogue.read[-1] == f"asked: {CAUSE}"


@pytest.mark.parametrize(
    "question", ["How many are there and what could have caused {}?", "Why did you mark box 1{}?"]
)
def test_a_question_that_does_not_fit_changes_nothing(begin, question: str) -> None:
    chat, dialogue = begin("Please look there.")
    found = chat.judge()
    chat.ask("How large is box 1?")
    before, history = [*dialogue.read], [*chat.history]
    with pytest.raises(DialogueTooLongError):
        chat.ask(question.format(" really" * 80))
    assert (dialogue.read, chat.history) == (before, history)
    # "It" is still the box, and the list is still to be read.
    x0, y0, x1, y1 = found.regions[0].bbox
    assert f"{x1 - x0} × {y1 - y0} pixels" in chat.ask("how large is it?")
    chat.ask("Explain box 1.")
    assert dialogue.read[-2].startswith("told: Where is it?")


def test_a_real_dialogue_that_is_full_stays_as_it_was(talking, parts) -> None:
    chat = talking.chat(parts / "stained.png", parts / "good.png")
    chat.judge()
    dialogue = talking.open_dialogue(chat._evidence)
    dialogue.ask("Where is it?")
    dialogue.retract("At the left.")  # nothing was written
    with pytest.raises(DialogueTooLongError):
        dialogue.ask("Why? " * 5000, [("How many?", "One.")])
    other = talking.open_dialogue(chat._evidence)
    other.ask("Where is it?")
    other.say("At the left.")
    for each in (dialogue, other):
        each.ask(CAUSE)
    assert dialogue.tokens_processed == other.tokens_processed


def test_streaming_says_what_asking_says(begin) -> None:
    answer = "Ask. There is a scratch. A photo does not tell the cause.\nKind regards"
    one, other = begin(answer)[0], begin(answer)[0]
    for chat in (one, other):
        chat.judge()
    pieces = list(one.stream(CAUSE))
    assert "".join(pieces) == other.ask(CAUSE)
    assert one.history == other.history
    # Sentences, as they are completed, and nothing of one that is left out.
    assert [each for each in pieces if each] == [
        "Ask.",
        " A photo does not tell the cause.",
        "\nKind regards",
    ]


def test_whoever_stops_early_goes_on_from_what_was_shown(begin) -> None:
    chat, dialogue = begin("Ask. There is a scratch.", "Ask again.")
    chat.judge()
    stream = chat.stream(CAUSE)
    assert next(each for each in stream if each) == "Ask."
    assert next(stream) == ""  # the next sentence has begun
    stream.close()
    assert chat.history[-1] == (CAUSE, "Ask.")
    assert dialogue.read[-1] == "instead: Ask."
    assert chat.ask(CAUSE) == "Ask again."


@pytest.mark.parametrize("question", OPEN)
def test_a_real_model_shows_nothing_invented(talking, parts, question: str) -> None:
    options = GenerationOptions(max_new_tokens=20)
    one, other = (talking.chat(parts / "stained.png", parts / "good.png") for _ in range(2))
    found = one.judge()
    other.judge()
    said = one.ask(question, options)
    assert said
    assert said == "".join(other.stream(question, options))
    assert inventions(said, Known(found, question)) == []
    # The chat goes on from what was shown.
    dialogue = talking.open_dialogue(one._evidence)
    for asked, answer in one.history:
        dialogue.remember(asked, answer)
    before = dialogue.tokens_processed
    dialogue.ask(CAUSE)
    assert dialogue.tokens_processed > before
    assert isinstance(one.ask("Any tips?", options), str)


def test_a_description_names_no_damage(assistant, parts, bank) -> None:
    """It tells what a part must not have."""
    told = "This is a photo of a disc, which should be without any scratch, hole or dent."
    photo = assistant.encode([parts / "stained.png"])
    evidence = assistant.examine(photo, bank, description=told)
    dialogue = Scripted(["There is a scratch. Ask somebody."])
    manner = LanguageModelConfig("chat", talks=True)
    chat = Chat(evidence, assistant.card, lambda: dialogue, manner)
    chat.judge()
    assert chat.ask(CAUSE) == "Ask somebody."


# --- who talks ----------------------------------------------------------------------------------


def test_only_who_says_so_talks() -> None:
    assert not LanguageModelConfig().talks
    with pytest.raises(ConfigError, match="exclude each other"):
        LanguageModelConfig(narrow=True, talks=True)
    with pytest.raises(ConfigError, match="talks is true or false"):
        LanguageModelConfig(talks="yes")  # type: ignore[arg-type]


def test_a_config_without_it_is_written_as_before(assistant, talking) -> None:
    assert "talks" not in assistant.config.to_dict()["language_model"]
    kept = talking.config.to_dict()
    assert kept["language_model"]["talks"] is True
    assert AnomalyGPTConfig.from_dict(kept).language_model.talks


@pytest.mark.parametrize("question", OPEN)
def test_a_narrow_model_still_answers_from_the_result(build_assistant, parts, question) -> None:
    made = build_assistant()
    narrow = dataclasses.replace(made.config.language_model, narrow=True)
    made.config = dataclasses.replace(made.config, language_model=narrow)
    chat = made.chat(parts / "stained.png", parts / "good.png")
    found = chat.judge()
    reply = reply_to(understand(question), found, declining=True)
    said = chat.ask(question, GenerationOptions(max_new_tokens=6))
    assert said == (declined(found) if reply is None else reply.text)
