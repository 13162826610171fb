"""A chat about one photo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from anomalygpt.config import LanguageModelConfig
from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.errors import ConfigError, DialogueTooLongError
from anomalygpt.evidence import Evidence
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.replies import (
    Reply,
    declined,
    instead_of,
    is_free,
    reply_to,
    supports,
    understand,
)
from anomalygpt.replies.guard import Guard
from anomalygpt.replies.inventions import Known
from anomalygpt.replies.turns import Turns
from anomalygpt.results.inspection import Inspection
from anomalygpt.verdict import judge, leading_word

if TYPE_CHECKING:
    from anomalygpt.language.dialogue import Dialogue


# What the language model is told before it explains a box; it has read so in training.
_LIST_QUESTION = "Where is it?"


class Talk(Protocol):
    """What everything that talks about a photo can do: a `Chat`, and whatever stands for one."""

    @property
    def history(self) -> list[tuple[str, str]]:
        """(question, answer) of the turns so far."""

    @property
    def inspection(self) -> Inspection:
        """The verdict, map and regions of the photo."""

    def judge(self) -> Inspection:
        """The verdict, as the first turn."""

    def restart(self) -> Talk:
        """The same photo, talked about anew."""

    def ask(self, question: str, options: GenerationOptions | None = None) -> str:
        """The whole answer to a question."""

    def stream(self, question: str, options: GenerationOptions | None = None) -> Iterator[str]:
        """The answer piece by piece."""


class Chat:
    """Questions and answers about one photo, which was encoded when the chat began.

    What the result tells is answered from the result, so that no answer contradicts what is
    drawn; the language model answers the rest. What a model that talks says of the photo is held
    against the result, sentence by sentence. Made by `AnomalyGPT.chat`. Each chat has its own
    state; any number may run side by side.

    Attributes:
        history: (question, answer) of the turns so far.
    """

    def __init__(
        self,
        evidence: Evidence,
        card: Mapping[str, str],
        open_dialogue: Callable[[], Dialogue],
        manner: LanguageModelConfig | None = None,
    ) -> None:
        """
        Args:
            evidence: the photo and its map.
            card: what results say about the assistant.
            open_dialogue: begins a dialogue about the photo.
            manner: how the language model is spoken to.
        """
        self.history: list[tuple[str, str]] = []
        self._evidence, self._card = evidence, card
        self._open_dialogue, self._manner = open_dialogue, manner or LanguageModelConfig()
        self._dialogue = open_dialogue()
        self._found: Inspection | None = None
        self._begun = False
        self._turns = Turns(lambda: self.inspection)
        self._is_listed = False  # whether the language model reads where all boxes are

    @property
    def has_begun(self) -> bool:
        """Whether something was asked; the verdict is no longer the first turn then."""
        return self._begun

    @property
    def inspection(self) -> Inspection:
        """The verdict, map and regions of the photo; found on first use, outside the history."""
        if self._found is None:
            (self._found,) = judge(self._evidence, self._open_dialogue(), self._card)
        return self._found

    def judge(self) -> Inspection:
        """Ask whether something is wrong, as the first turn, and keep the finding as `inspection`.

        What is asked later then goes with the verdict, because the chat begins with it.

        Raises:
            ConfigError: the chat has already begun.
        """
        if self._begun:
            raise ConfigError("the verdict is the first turn; begin a new chat, or `restart`")
        (self._found,) = judge(self._evidence, self._dialogue, self._card)
        self._begun = True
        answer = self._found.answer or ""
        self._dialogue.say(answer)
        self.history.append((ANOMALY_QUESTION, answer))
        return self._found

    def restart(self) -> Chat:
        """A new chat about the same photo, which is not encoded again."""
        return Chat(self._evidence, self._card, self._open_dialogue, self._manner)

    @property
    def tokens_processed(self) -> int:
        """Positions that the language model has run over in this chat."""
        return self._dialogue.tokens_processed

    def ask(self, question: str, options: GenerationOptions | None = None) -> str:
        """The whole answer to a question.

        Args:
            question: in English; in a few other languages the result alone is told.
            options: length and sampling, where the language model answers.

        Raises:
            ConfigError: the question is empty.
            DialogueTooLongError: it does not fit any more; begin a new chat.
        """
        return "".join(self.stream(question, options))

    def stream(self, question: str, options: GenerationOptions | None = None) -> Iterator[str]:
        """The answer piece by piece. Whoever stops early may go on with another question."""
        if not question.strip():
            raise ConfigError("the question is empty; ask something about the photo")
        if self._manner.talks:
            return self._talk(question, options or GenerationOptions())
        is_narrow = self._manner.narrow
        asked = self._turns.understood(question)
        reply = None
        # The verdict is only asked for where it is needed.
        if is_narrow or not is_free(asked):
            reply = reply_to(asked, self.inspection, declining=is_narrow)
        if reply is not None:
            self._turns.noted(asked)
            return self._given(question, reply)
        self._dialogue.ask(question if self._begun else self._evidence.first_question(question))
        self._begun = True
        answering = self._checked if is_narrow else self._answer
        return answering(question, options or GenerationOptions())

    def _talk(self, question: str, options: GenerationOptions) -> Iterator[str]:
        """What the result tells from the result, what is open by the language model.

        Raises:
            DialogueTooLongError: the chat stays as it was.
        """
        before = self._turns.about, self._is_listed
        try:
            return self._routed(question, options)
        except DialogueTooLongError:
            self._turns.about, self._is_listed = before
            raise

    def _routed(self, question: str, options: GenerationOptions) -> Iterator[str]:
        found = self._turns.split(question)
        reply, opened, boxes = found.reply, found.opened, found.boxes
        turns: list[tuple[str, str]] = []
        if reply is not None:
            self._is_listed |= any(each.intent == "where" for each in found.asked)
            if not opened:
                return self._given(question, reply)
            turns.append(self._turn(found.told, reply))
        if boxes and not self._is_listed:
            listed = reply_to(understand(_LIST_QUESTION), self.inspection)
            if listed is not None:
                turns.append(self._turn(_LIST_QUESTION, listed, is_first=not turns))
                self._is_listed = True
        is_first = not (self._begun or turns)
        self._dialogue.ask(self._evidence.first_question(opened) if is_first else opened, turns)
        self._begun = True
        # Not the description: it tells what a part may have, or must not.
        heard = tuple(each for each, _ in self.history)
        guard = Guard(Known(self.inspection, opened, heard, boxes))
        return self._guarded(question, reply.text if reply else "", guard, options)

    def _turn(self, question: str, reply: Reply, is_first: bool = True) -> tuple[str, str]:
        """A question that the result answers, and its answer, as the language model reads them."""
        asked = question if reply.question is None else reply.question
        if is_first and not self._begun:
            asked = self._evidence.first_question(asked)
        return asked, reply.in_english

    def _remember(self, question: str, reply: Reply) -> None:
        """A turn that the result answers, which the language model reads before the next."""
        self._dialogue.remember(*self._turn(question, reply))
        self._begun = True

    def _guarded(
        self, question: str, told: str, guard: Guard, options: GenerationOptions
    ) -> Iterator[str]:
        """The language model's answer without what it invents; where nothing is left, what the
        result tells. Empty pieces come while a sentence is being written."""
        shown = own = ""
        try:
            if told:
                shown = f"{told} "
                yield shown
            for piece in self._dialogue.stream(options, leading_word(self._dialogue)):
                own += (passed := guard.push(piece))
                shown += passed
                yield passed
            own += (passed := guard.finish())
            if not own.strip():
                own = passed = instead_of(guard.known)
            shown += passed
            yield passed
        finally:
            if guard.written.strip() != own.strip():
                # What was left out is not to be built upon.
                self._dialogue.retract(own)
            self.history.append((question, shown.rstrip()))

    def _given(self, question: str, reply: Reply) -> Iterator[str]:
        """An answer from the result, in one piece; the language model reads it later."""
        self._remember(question, reply)
        return self._noted(question, reply.text)

    def _noted(self, question: str, answer: str) -> Iterator[str]:
        try:
            yield answer
        finally:
            self.history.append((question, answer))

    def _checked(self, question: str, options: GenerationOptions) -> Iterator[str]:
        """The language model's answer where the result bears it out, else a sentence that says
        what the result tells. Empty pieces come while it is being written."""
        answer = shown = ""
        try:
            for piece in self._dialogue.stream(options, leading_word(self._dialogue)):
                answer += piece
                yield ""
            if not supports(self.inspection, answer):
                answer = declined(self.inspection)
                self._dialogue.retract(answer)
            shown = answer
            yield shown
        finally:
            self.history.append((question, shown))

    def _answer(self, question: str, options: GenerationOptions) -> Iterator[str]:
        # Where the model is about to say yes or no, the mass of all spellings decides which, so
        # that the words agree with the probability, also when sampling.
        first_word = leading_word(self._dialogue)
        pieces: list[str] = []
        try:
            for piece in self._dialogue.stream(options, first_word):
                pieces.append(piece)
                yield piece
        finally:
            self.history.append((question, "".join(pieces)))
