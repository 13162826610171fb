"""Yes or no, and the word that an answer begins with, from one rule."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anomalygpt.verdict import EVEN, leading_word, says_yes, word_of


@given(st.floats(0, 1))
def test_number_word_and_many_at_once_agree(probability: float) -> None:
    yes = says_yes(probability)
    assert word_of(says_yes(probability)) == ("yes" if yes else "no")
    many = says_yes(torch.tensor([probability, probability], dtype=torch.float64))
    assert many.tolist() == [yes, yes]


def test_who_is_in_two_minds_says_no() -> None:
    assert not says_yes(EVEN)
    assert says_yes(EVEN + 1e-6)
    assert word_of(says_yes(EVEN)) == "no"


@pytest.mark.parametrize(("score", "limit", "yes"), [(0.2, 0.1, True), (0.2, 0.2, False)])
def test_a_threshold_is_a_limit_like_any_other(score: float, limit: float, yes: bool) -> None:
    assert says_yes(score, limit) is yes


class Undecided:
    """A dialogue whose open question may have yes or no for an answer."""

    def __init__(self, leads: bool, probability: float) -> None:
        self.leads, self.probability = leads, probability

    def leads_to_verdict(self) -> bool:
        return self.leads

    def probabilities(self) -> Undecided:
        return self

    @property
    def anomaly(self) -> torch.Tensor:
        return torch.tensor([self.probability])


@pytest.mark.parametrize(
    ("leads", "probability", "word"), [(False, 0.9, None), (True, 0.9, "yes"), (True, 0.1, "no")]
)
def test_only_a_question_of_yes_or_no_gets_a_leading_word(leads, probability, word) -> None:
    assert leading_word(Undecided(leads, probability)) == word  # type: ignore[arg-type]
