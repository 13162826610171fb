"""From next-token logits to answers: how sure, which token next, and what text to show."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from anomalygpt.errors import ConfigError, DeviceError

Word = Literal["yes", "no"]

_SPELLINGS: dict[Word, tuple[str, ...]] = {
    "yes": ("Yes", "yes", "YES"),
    "no": ("No", "no", "NO"),
}
# What a vocabulary puts before a word that follows a space: nothing, SentencePiece, byte BPE.
_SPACES = ("", "\u2581", "\u0120")
# Stands for bytes that are no character, or not yet.
_BROKEN = "\ufffd"


@dataclass(frozen=True)
class GenerationOptions:
    """How an answer is written.

    Attributes:
        max_new_tokens: at most so many tokens, at least 1; less where the context ends.
        temperature: 0 takes the most probable token; above 0 samples.
        top_p: samples from the most probable tokens that together have this mass, in (0, 1].
        seed: makes samples repeatable; None draws a new seed.
    """

    max_new_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ConfigError(f"max_new_tokens must be at least 1, got {self.max_new_tokens}")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ConfigError(f"temperature must be 0 or above, got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p must be above 0 and at most 1, got {self.top_p}")
        if self.seed is not None and self.seed < 0:
            raise ConfigError(f"seed must be None, 0 or above, got {self.seed}")


# One sentence of verdict in the language model's own words, for comparison.
VERDICT_OPTIONS = GenerationOptions(max_new_tokens=64)


@dataclass(frozen=True)
class AnswerProbabilities:
    """How the next token divides between yes and no, one row per picture.

    Attributes:
        yes: (B,) mass of all spellings of yes, in [0, 1].
        no: (B,) mass of all spellings of no, in [0, 1].
        anomaly: (B,) yes / (yes + no), in [0, 1]; 0.5 where neither has any mass.
        yes_token: (B,) id that begins the most probable spelling of yes.
        no_token: (B,) id that begins the most probable spelling of no.
    """

    yes: Tensor
    no: Tensor
    anomaly: Tensor
    yes_token: Tensor
    no_token: Tensor


@dataclass(frozen=True)
class AnswerWords:
    """The token ids of yes and no: the first id of every spelling, and the whole spelling."""

    yes: Mapping[int, tuple[int, ...]]
    no: Mapping[int, tuple[int, ...]]

    @classmethod
    def from_tokenizer(cls, tokenizer: Any, encode: Callable[[str], list[int]]) -> AnswerWords:
        """Collect the spellings that a tokenizer tells apart at their first token.

        Spellings that are one token are preferred. A side without any takes the first tokens of
        its spellings that do not begin the other side too.

        Args:
            tokenizer: for its vocabulary.
            encode: text to ids, without special tokens.

        Raises:
            ConfigError: yes and no begin with the same tokens.
        """
        vocabulary = tokenizer.get_vocab()
        whole = {word: _single_tokens(word, vocabulary, encode) for word in _SPELLINGS}
        split = {word: _first_tokens(word, encode) for word in _SPELLINGS}
        yes = whole["yes"] or _without(split["yes"], [*split["no"], *whole["no"]])
        no = whole["no"] or _without(split["no"], [*split["yes"], *whole["yes"]])
        if not yes or not no:
            raise ConfigError(
                "the tokenizer writes 'yes' and 'no' with the same first token, so their "
                "probabilities cannot be told apart; use another language model"
            )
        return cls(yes=yes, no=no)

    def probabilities(self, logits: Tensor) -> AnswerProbabilities:
        """Read yes and no off the next-token logits.

        Args:
            logits: (B, V), any float format; computed in float32.

        Raises:
            DeviceError: the logits are not numbers (an overflow of the number format).
        """
        logits = logits.float()
        if logits.isnan().any():
            raise DeviceError(
                "the language model computed values that are not numbers; load it with "
                "dtype='float32' or 'bfloat16'"
            )
        log_mass = logits.log_softmax(dim=-1)
        yes_ids = torch.tensor(list(self.yes), device=logits.device)
        no_ids = torch.tensor(list(self.no), device=logits.device)
        yes, no = log_mass[:, yes_ids], log_mass[:, no_ids]
        log_yes, log_no = yes.logsumexp(dim=-1), no.logsumexp(dim=-1)
        # The difference of logarithms stays exact where both masses underflow to 0.
        anomaly = (log_yes - log_no).sigmoid().nan_to_num(nan=0.5)
        return AnswerProbabilities(
            yes=log_yes.exp().clamp(max=1.0),
            no=log_no.exp().clamp(max=1.0),
            anomaly=anomaly,
            yes_token=yes_ids[yes.argmax(dim=-1)],
            no_token=no_ids[no.argmax(dim=-1)],
        )

    def spelled(self, word: Word, first_token: int) -> tuple[int, ...]:
        """All ids of the spelling that begins with `first_token`."""
        return (self.yes if word == "yes" else self.no)[first_token]


def _single_tokens(
    word: Word, vocabulary: Mapping[str, int], encode: Callable[[str], list[int]]
) -> dict[int, tuple[int, ...]]:
    ids = []
    for spelling in _SPELLINGS[word]:
        for text in (spelling, " " + spelling):
            pieces = encode(text)
            ids += pieces if len(pieces) == 1 else []
        for space in _SPACES:
            ids += [vocabulary[space + spelling]] if space + spelling in vocabulary else []
    return {token: (token,) for token in ids}


def _first_tokens(word: Word, encode: Callable[[str], list[int]]) -> dict[int, tuple[int, ...]]:
    spelled: dict[int, tuple[int, ...]] = {}
    for spelling in _SPELLINGS[word]:
        for text in (spelling, " " + spelling):
            if pieces := encode(text):
                spelled.setdefault(pieces[0], tuple(pieces))
    return spelled


def _without(
    spelled: Mapping[int, tuple[int, ...]], others: Sequence[int]
) -> dict[int, tuple[int, ...]]:
    return {token: pieces for token, pieces in spelled.items() if token not in others}


class TokenPicker:
    """Chooses the next token of every row, by the options and its own random generator."""

    def __init__(self, options: GenerationOptions, device: torch.device) -> None:
        self._warpers: list[Any] = []
        if options.temperature == 0:
            return
        # Imported here: inspecting without words imports this module, and should not wait.
        from transformers import TemperatureLogitsWarper, TopPLogitsWarper

        self._warpers.append(TemperatureLogitsWarper(float(options.temperature)))
        if options.top_p < 1:
            self._warpers.append(TopPLogitsWarper(options.top_p))
        self._generator = torch.Generator(device)
        if options.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(options.seed)

    def __call__(self, logits: Tensor) -> list[int]:
        """One id per row of `logits` (B, V)."""
        if not self._warpers:
            return logits.argmax(dim=-1).tolist()
        scores = logits.float()
        no_ids = torch.empty((len(logits), 0), dtype=torch.long, device=logits.device)
        for warper in self._warpers:
            scores = warper(no_ids, scores)
        drawn = torch.multinomial(scores.softmax(dim=-1), 1, generator=self._generator)
        return drawn[:, 0].tolist()


class AnswerText:
    """One answer as it grows: takes tokens, gives the text that is certain.

    Shown text never holds half a character, a stop string or a beginning of one; white space at
    both ends is left out.

    Attributes:
        ids: the tokens of the answer, without a token that is an end by itself (EOS).
        done: the answer has ended.
        wrote_end: it ended with a stop string, which is part of `ids`.
    """

    def __init__(
        self,
        decode: Callable[[list[int]], str],
        stop_strings: Sequence[str],
        stop_ids: frozenset[int],
    ) -> None:
        self.ids: list[int] = []
        self.done = False
        self.wrote_end = False
        self._decode = decode
        self._stop_strings = stop_strings
        self._stop_ids = stop_ids
        self._shown = 0

    def push(self, token: int) -> str:
        """Take the next token and return the text that it adds, often none."""
        if self.done:
            return ""
        if token in self._stop_ids:
            self.done = True
            return self._show(self._text().rstrip(_BROKEN))
        self.ids.append(token)
        text = self._text()
        stops = [at for at in map(text.find, self._stop_strings) if at >= 0]
        if stops:
            self.done = self.wrote_end = True
            return self._show(text[: min(stops)])
        return self._show(self._certain(text))

    def _text(self) -> str:
        return self._decode(self.ids).lstrip()

    def _certain(self, text: str) -> str:
        """`text` without an end that the next tokens may turn into something else."""
        text = text.rstrip(_BROKEN)
        held = 0
        for stop in self._stop_strings:
            sizes = range(1, min(len(stop), len(text) + 1))
            held = max([held, *(size for size in sizes if text.endswith(stop[:size]))])
        return text[: len(text) - held]

    def _show(self, text: str) -> str:
        text = text.rstrip()
        # A run of bytes may look broken after parts of it were shown; what is shown stays.
        new = text[self._shown :]
        self._shown = max(self._shown, len(text))
        return new
