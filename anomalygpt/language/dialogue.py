"""One dialogue: questions in, answers out, its own key–value cache in between.

Every turn runs the model over the new tokens only, whatever came before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import DynamicCache

from anomalygpt.errors import ConfigError, DialogueTooLongError
from anomalygpt.language.answer_words import AnswerProbabilities, Word
from anomalygpt.language.generation import AnswerText, GenerationOptions, TokenPicker

if TYPE_CHECKING:
    from anomalygpt.language.language_model import LanguageModel

_DEFAULT_OPTIONS = GenerationOptions()


class Dialogue:
    """One dialogue about B pictures. Made by `speaking.open_dialogue`.

    The first turn may have any number of pictures, later turns need exactly one. A dialogue
    belongs to one thread at a time; different dialogues are independent.

    Attributes:
        tokens_processed: positions the model has run over so far, per picture.
    """

    def __init__(self, language_model: LanguageModel, prompt: Tensor) -> None:
        self.tokens_processed = 0
        self._lm = language_model
        self._prompt = prompt
        self._cache = DynamicCache()
        self._length = 0
        self._logits: Tensor | None = None
        self._rows: list[AnswerText] | None = None  # of the last answer; [] where it was given
        self._unread: list[int] = []  # tokens of turns that are not in the cache yet
        self._begun = False
        self._asked_at = 0  # length of the cache when the last question was read

    def __len__(self) -> int:
        """Positions in the cache, per picture."""
        return self._length

    @property
    def batch(self) -> int:
        """Number of pictures."""
        return len(self._prompt)

    def ask(self, question: str, turns: Sequence[tuple[str, str]] = ()) -> None:
        """Read a question; afterwards `probabilities`, `answer` and `stream` refer to it.

        Args:
            question: the next one.
            turns: questions and answers from elsewhere that are read before it; see `remember`.

        Raises:
            DialogueTooLongError: it does not fit any more; the dialogue stays as it was.
            ConfigError: a second question about several pictures at once.
        """
        before = self._unread, self._rows, self._begun
        try:
            for turn in turns:
                self.remember(*turn)
            ids = self._unread + self._question_ids(question)
            # Before anything was read, the pictures stand in front.
            prompt = 0 if self._length else self._prompt.shape[1]
            self._check_space(self._length + prompt + len(ids))
            text = self._embed([ids]).expand(self.batch, -1, -1)
            self._read(torch.cat([self._prompt, text], dim=1) if prompt else text)
        except BaseException:
            self._unread, self._rows, self._begun = before
            raise
        self._rows = None
        self._begun = True
        self._asked_at = self._length

    def say(self, answer: str) -> None:
        """Answer the last question in given words; the model reads them with the next question.

        Raises:
            ConfigError: several pictures, or no question was asked since the last answer.
        """
        self._need_one_picture("a given answer")
        self._open_question()
        self._give(answer)

    def remember(self, question: str, answer: str) -> None:
        """Take a whole turn from elsewhere; the model reads it with the next question.

        It always fits, for nothing is run now; the next question may then not fit any more.

        Raises:
            ConfigError: several pictures.
        """
        self._need_one_picture("a given answer")
        self._unread = self._unread + self._question_ids(question)
        self._begun = True
        self._give(answer)

    def retract(self, answer: str) -> None:
        """Forget the answer that was just written, also an empty one, and take given words in its
        place.

        Raises:
            ConfigError: several pictures, or no question was asked since the last given answer.
        """
        self._need_one_picture("a given answer")
        if self._rows == [] or self._logits is None:
            raise ConfigError("no answer was written that could be taken back; call ask first")
        _truncate(self._cache, self._asked_at)
        self._length, self._unread = self._asked_at, []
        self._give(answer)

    def _give(self, answer: str) -> None:
        template = self._lm.template
        self._unread = self._unread + self._lm.encode(template.answer_space + answer)
        self._rows = []

    def _question_ids(self, question: str) -> list[int]:
        """The next question with what separates it from the turn before."""
        template = self._lm.template
        if not self._begun:
            return self._lm.encode(template.first_turn(question))
        self._need_one_picture("a later question")
        ended = self._rows[0].wrote_end if self._rows else False
        end = [] if ended else self._lm.answer_end_ids
        return end + self._lm.encode(template.later_turn(question))

    def probabilities(self) -> AnswerProbabilities:
        """Yes against no as the first token of the answer to the last question.

        Raises:
            ConfigError: no question was asked since the last answer.
        """
        return self._lm.answer_probabilities(self._open_question())

    def leads_to_verdict(self) -> bool:
        """Whether the most probable next token begins yes or no.

        Raises:
            ConfigError: several pictures, or no question was asked since the last answer.
        """
        self._need_one_picture("a leading word")
        words = self._lm.answer_words
        return int(self._open_question()[0].argmax()) in {*words.yes, *words.no}

    def stream(
        self, options: GenerationOptions = _DEFAULT_OPTIONS, first_word: Word | None = None
    ) -> Iterator[str]:
        """Answer piece by piece. Stopping early leaves the dialogue ready for a question.

        Args:
            options: length and sampling.
            first_word: makes the answer begin with yes or no, in its most probable spelling.

        Raises:
            ConfigError: no open question, or several pictures.
        """
        self._need_one_picture("a stream")
        rows = self._generate(options, first_word)
        return (pieces[0] for pieces in rows if pieces[0])

    def answer(
        self, options: GenerationOptions = _DEFAULT_OPTIONS, first_word: Word | None = None
    ) -> str:
        """The whole answer for one picture; arguments and errors as in `stream`."""
        return "".join(self.stream(options, first_word))

    def answers(
        self,
        options: GenerationOptions = _DEFAULT_OPTIONS,
        first_words: Sequence[Word] | None = None,
    ) -> list[str]:
        """One answer per picture.

        Args:
            options: length and sampling.
            first_words: how the answers begin, one word per picture.

        Raises:
            ConfigError: no open question, or another number of first words than pictures.
        """
        texts = [""] * self.batch
        for pieces in self._generate(options, first_words):
            texts = [text + piece for text, piece in zip(texts, pieces, strict=True)]
        return texts

    def _generate(
        self, options: GenerationOptions, first: Word | Sequence[Word] | None
    ) -> Iterator[list[str]]:
        """Check the call now, and run it when the returned iterator is asked."""
        logits = self._open_question()
        words = [first] if isinstance(first, str) else list(first or ())
        if first is not None and (len(words) != self.batch or not {*words} <= {"yes", "no"}):
            raise ConfigError(f"{self.batch} first words of 'yes' or 'no' are needed, got {first}")
        forced = self._forced_ids(logits, words) if words else [()] * self.batch
        return self._steps(options, forced)

    def _steps(
        self, options: GenerationOptions, forced: Sequence[Sequence[int]]
    ) -> Iterator[list[str]]:
        lm = self._lm
        stops = lm.template.stop_strings
        rows = [AnswerText(lm.decode, stops, lm.stop_ids) for _ in range(self.batch)]
        pick = TokenPicker(options, lm.device)
        tokens: list[int] = []
        for step in range(min(options.max_new_tokens, lm.context_length - self._length)):
            if tokens:
                self._read(self._embed([[token] for token in tokens]))
            tokens = pick(self._next_logits())
            tokens = [
                ids[step] if step < len(ids) else token
                for ids, token in zip(forced, tokens, strict=True)
            ]
            pieces = [row.push(token) for row, token in zip(rows, tokens, strict=True)]
            self._rows = rows
            # An end token by itself is not read: the next question brings `answer_end`.
            self._unread = [] if tokens[0] in lm.stop_ids else [tokens[0]]
            yield pieces
            if self._rows is not rows or all(row.done for row in rows):
                return

    def _forced_ids(self, logits: Tensor, words: Sequence[Word]) -> list[tuple[int, ...]]:
        best = self._lm.answer_probabilities(logits)
        tokens = {"yes": best.yes_token.tolist(), "no": best.no_token.tolist()}
        spelled = self._lm.answer_words.spelled
        return [spelled(word, tokens[word][row]) for row, word in enumerate(words)]

    def _read(self, embeddings: Tensor) -> None:
        """Run the model over new positions; on any interruption the cache is as before."""
        try:
            logits = self._lm.next_logits(embeddings, self._cache)
        except BaseException:
            _truncate(self._cache, self._length)
            raise
        self._logits, self._unread = logits, []
        self._length += embeddings.shape[1]
        self.tokens_processed += embeddings.shape[1]

    @torch.no_grad()
    def _embed(self, ids: Sequence[Sequence[int]]) -> Tensor:
        return self._lm.embed(ids)

    def _next_logits(self) -> Tensor:
        if self._logits is None:
            raise ConfigError("no question was asked; call ask first")
        return self._logits

    def _open_question(self) -> Tensor:
        logits = self._next_logits()
        if self._rows is not None:
            raise ConfigError("the last question is answered already; call ask first")
        return logits

    def _need_one_picture(self, purpose: str) -> None:
        if self.batch != 1:
            raise ConfigError(
                f"{purpose} needs a dialogue about one picture, this one has {self.batch}; "
                "start one dialogue per picture"
            )

    def _check_space(self, length: int) -> None:
        limit = self._lm.context_length
        if length >= limit:
            raise DialogueTooLongError(
                f"with this question the chat has {length} tokens, the language model "
                f"reads {limit} with its answer; ask shorter or start a new chat"
            )


def _truncate(cache: DynamicCache, length: int) -> None:
    """Forget all positions from `length` on, also where only some layers have them."""
    for layer in cache.layers:
        surplus = layer.get_seq_length() - length
        if surplus > 0:
            layer.crop(-surplus)
