"""Which words count as yes and no, and how probable each is."""

from __future__ import annotations

import pytest
import torch

from anomalygpt.errors import ConfigError, DeviceError
from anomalygpt.language.answer_words import AnswerWords
from anomalygpt.language.language_model import LanguageModel


def test_every_spelling_of_yes_counts(lm: LanguageModel) -> None:
    vocabulary = lm.tokenizer.get_vocab()
    for piece in ("▁Yes", "▁yes", "▁YES"):
        logits = torch.full((1, 400), -20.0)
        logits[0, vocabulary[piece]] = 20.0
        found = lm.answer_probabilities(logits)
        assert found.yes.item() > 0.99
        assert found.anomaly.item() > 0.99
        assert found.yes_token.item() == vocabulary[piece]
    assert not set(lm.answer_words.yes) & set(lm.answer_words.no)


def test_spellings_are_summed(lm: LanguageModel) -> None:
    logits = torch.randn(3, 400, generator=torch.Generator().manual_seed(1))
    mass = logits.softmax(-1)
    found = lm.answer_probabilities(logits)
    torch.testing.assert_close(found.yes, mass[:, list(lm.answer_words.yes)].sum(-1))
    torch.testing.assert_close(found.anomaly, found.yes / (found.yes + found.no))


def test_probability_is_defined_where_both_masses_vanish(lm: LanguageModel) -> None:
    logits = torch.zeros(2, 400, dtype=torch.bfloat16)
    logits[:, 300] = 3e4
    logits[1, list(lm.answer_words.yes)] = 2.0
    found = lm.answer_probabilities(logits)
    assert found.yes.tolist() == found.no.tolist() == [0.0, 0.0]
    assert found.anomaly[1] > found.anomaly[0]
    nothing = torch.zeros(1, 400)
    nothing[0, [*lm.answer_words.yes, *lm.answer_words.no]] = -torch.inf
    assert lm.answer_probabilities(nothing).anomaly.item() == 0.5


def test_values_that_are_not_numbers_are_an_error(lm: LanguageModel) -> None:
    with pytest.raises(DeviceError, match="bfloat16"):
        lm.answer_probabilities(torch.full((1, 400), torch.nan))


class Letters:
    """A vocabulary of single letters, optionally with a piece of their own for spaces."""

    def __init__(self, space: str) -> None:
        self._space = space

    def get_vocab(self) -> dict[str, int]:
        return {chr(number): number for number in range(128)}

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in self._space + text.strip()]


def test_words_of_several_tokens_count_by_their_first() -> None:
    letters = Letters(space="")
    words = AnswerWords.from_tokenizer(letters, letters.encode)
    assert set(words.yes) == {ord("Y"), ord("y")}
    assert set(words.no) == {ord("N"), ord("n")}
    assert words.spelled("yes", ord("Y")) == tuple(map(ord, "Yes"))


def test_words_that_begin_alike_are_an_error() -> None:
    letters = Letters(space="_")
    with pytest.raises(ConfigError, match="same first token"):
        AnswerWords.from_tokenizer(letters, letters.encode)
