"""Yes and no as a tokenizer spells them, and how the next token divides between the two."""

from __future__ import annotations

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
        yes, no = self._log_masses(logits)
        yes_ids = torch.tensor(list(self.yes), device=logits.device)
        no_ids = torch.tensor(list(self.no), device=logits.device)
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

    def log_odds(self, logits: Tensor) -> Tensor:
        """log(P(yes) / P(no)), the logarithm behind `AnswerProbabilities.anomaly`: it goes on
        where that is 0 or 1 already, and gradients flow through.

        Args:
            logits: (B, V), any float format; computed in float32.

        Returns:
            (B,).

        Raises:
            DeviceError: the logits are not numbers.
        """
        yes, no = self._log_masses(logits)
        return yes.logsumexp(dim=-1) - no.logsumexp(dim=-1)

    def _log_masses(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """(B, Y) and (B, N): the logarithm of the mass of every first token of yes and of no."""
        logits = logits.float()
        if logits.isnan().any():
            raise DeviceError(
                "the language model computed values that are not numbers; load it with "
                "dtype='float32' or 'bfloat16'"
            )
        log_mass = logits.log_softmax(dim=-1)
        return log_mass[:, list(self.yes)], log_mass[:, list(self.no)]

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
