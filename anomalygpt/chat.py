"""A conversation about one photo."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.errors import ConfigError
from anomalygpt.evidence import Evidence
from anomalygpt.generation import VERDICT_OPTIONS, GenerationOptions, Word
from anomalygpt.results import Inspection

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT


class Chat:
    """Questions and answers about one photo, which was encoded when the chat began.

    Made by `AnomalyGPT.chat`. Each chat has its own state; any number may run side by side.

    Attributes:
        history: (question, answer) of the turns so far.
    """

    def __init__(self, assistant: AnomalyGPT, evidence: Evidence) -> None:
        self.history: list[tuple[str, str]] = []
        self._assistant = assistant
        self._evidence = evidence
        self._dialogue = assistant.open_dialogue(evidence)

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
        question = self._evidence.first_question(ANOMALY_QUESTION)
        self._dialogue.ask(question)
        probability = float(self._dialogue.probabilities().anomaly[0])
        word: Word = "yes" if probability > 0.5 else "no"
        answer = self._dialogue.answer(VERDICT_OPTIONS, word)
        self.history.append((ANOMALY_QUESTION, answer))
        # In the place of the cached property, which would ask a second time.
        self.__dict__["inspection"] = self._evidence.inspection(
            0, self._assistant.card, question=question, probability=probability, answer=answer
        )
        return self.inspection

    def restart(self) -> Chat:
        """A new conversation about the same photo, which is not encoded again."""
        return Chat(self._assistant, self._evidence)

    @property
    def tokens_processed(self) -> int:
        """Positions that the language model has run over in this conversation."""
        return self._dialogue.tokens_processed

    def ask(self, question: str, options: GenerationOptions | None = None) -> str:
        """The whole answer to a question.

        Raises:
            ConfigError: the question is empty.
            ConversationTooLongError: it does not fit any more; begin a new chat.
        """
        return "".join(self.stream(question, options))

    def stream(self, question: str, options: GenerationOptions | None = None) -> Iterator[str]:
        """The answer piece by piece. Whoever stops early may go on with another question."""
        if not question.strip():
            raise ConfigError("the question is empty; ask something about the photo")
        asked = question if self._begun else self._evidence.first_question(question)
        self._dialogue.ask(asked)
        return self._answer(question, options or GenerationOptions())

    @property
    def _begun(self) -> bool:
        """Whether a question was read, also one whose answer nobody waited for."""
        return self.tokens_processed > 0

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
