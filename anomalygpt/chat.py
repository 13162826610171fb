"""A conversation about one photo."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.errors import ConfigError
from anomalygpt.evidence import Evidence
from anomalygpt.generation import GenerationOptions
from anomalygpt.replies import Reply, declined, is_free, reply_to, supports, understand
from anomalygpt.results import Inspection
from anomalygpt.verdict import judge

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT


class Chat:
    """Questions and answers about one photo, which was encoded when the chat began.

    What the result tells is answered from the result, so that no answer contradicts what is
    drawn; the language model answers the rest. Made by `AnomalyGPT.chat`. Each chat has its own
    state; any number may run side by side.

    Attributes:
        history: (question, answer) of the turns so far.
    """

    def __init__(self, assistant: AnomalyGPT, evidence: Evidence) -> None:
        self.history: list[tuple[str, str]] = []
        self._assistant = assistant
        self._evidence = evidence
        self._dialogue = assistant.open_dialogue(evidence)
        self._begun = False

    @cached_property
    def inspection(self) -> Inspection:
        """The verdict, map and regions of the photo; found on first use, outside the history."""
        return self._assistant.judge(self._evidence)[0]

    def judge(self) -> Inspection:
        """Ask whether something is wrong, as the first turn, and keep the finding as `inspection`.

        What is asked later then goes with the verdict, because the conversation begins with it.

        Raises:
            ConfigError: the conversation has already begun.
        """
        if self._begun:
            raise ConfigError("the verdict is the first turn; begin a new chat, or `restart`")
        found = judge(self._evidence, self._dialogue, self._assistant.card)[0]
        self._begun = True
        answer = found.answer or ""
        self._dialogue.say(answer)
        self.history.append((ANOMALY_QUESTION, answer))
        # In the place of the cached property, which would ask a second time.
        self.__dict__["inspection"] = found
        return found

    def restart(self) -> Chat:
        """A new conversation about the same photo, which is not encoded again."""
        return Chat(self._assistant, self._evidence)

    @property
    def tokens_processed(self) -> int:
        """Positions that the language model has run over in this conversation."""
        return self._dialogue.tokens_processed

    def ask(self, question: str, options: GenerationOptions | None = None) -> str:
        """The whole answer to a question.

        Args:
            question: in English; in a few other languages the result alone is told.
            options: length and sampling, where the language model answers.

        Raises:
            ConfigError: the question is empty.
            ConversationTooLongError: it does not fit any more; begin a new chat.
        """
        return "".join(self.stream(question, options))

    def stream(self, question: str, options: GenerationOptions | None = None) -> Iterator[str]:
        """The answer piece by piece. Whoever stops early may go on with another question."""
        if not question.strip():
            raise ConfigError("the question is empty; ask something about the photo")
        is_narrow = self._assistant.is_narrow
        asked = understand(question)
        reply = None
        # The verdict is only asked for where it is needed.
        if is_narrow or not is_free(asked):
            reply = reply_to(asked, self.inspection, declining=is_narrow)
        if reply is not None:
            return self._given(question, reply)
        self._dialogue.ask(question if self._begun else self._evidence.first_question(question))
        self._begun = True
        answering = self._checked if is_narrow else self._answer
        return answering(question, options or GenerationOptions())

    def _given(self, question: str, reply: Reply) -> Iterator[str]:
        """An answer from the result, in one piece; the language model reads it later."""
        asked = question if reply.question is None else reply.question
        asked = asked if self._begun else self._evidence.first_question(asked)
        self._dialogue.remember(asked, reply.in_english)
        self._begun = True
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
            for piece in self._dialogue.stream(options, self._dialogue.leading_word()):
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
        first_word = self._dialogue.leading_word()
        pieces: list[str] = []
        try:
            for piece in self._dialogue.stream(options, first_word):
                pieces.append(piece)
                yield piece
        finally:
            self.history.append((question, "".join(pieces)))
