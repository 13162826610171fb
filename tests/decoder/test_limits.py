"""Limits against their definition, and whether what they promise holds."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.errors import DecoderError
from decoder.limits import Limit, TooFewPhotosError, limit_of, photos_needed, rank_of

DAY = "2026-11-30"


def above_chance(count: int, rank: int, share: Fraction) -> Fraction:
    """P(Bin(count, share) <= rank - 1), exactly: that the rank-th largest of so many scores leaves
    more than this share of good parts above it."""
    return sum(
        (math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(rank)),
        Fraction(0),
    )


@pytest.mark.parametrize("count", [1, 13, 58, 59, 60, 92, 93, 124, 200])
@pytest.mark.parametrize(
    ("share", "confidence"), [("1/20", "19/20"), ("1/5", "9/10"), ("1/2", "1/2")]
)
def test_the_rank_is_the_largest_that_keeps_the_promise(
    count: int, share: str, confidence: str
) -> None:
    alarms, sure = Fraction(share), Fraction(confidence)
    brute = [rank for rank in range(1, count + 1) if above_chance(count, rank, alarms) <= 1 - sure]
    assert rank_of(count, float(alarms), float(sure)) == max(brute, default=0)


@pytest.mark.parametrize(
    ("share", "confidence", "needed"),
    [(0.05, 0.95, 59), (0.01, 0.95, 299), (0.1, 0.9, 22), (0.5, 0.5, 1), (0.05, 0.99, 90)],
)
def test_how_many_photos_a_promise_needs(share: float, confidence: float, needed: int) -> None:
    assert photos_needed(share, confidence) == needed
    scores = np.linspace(0, 1, needed).tolist()
    assert limit_of(scores, share, confidence, DAY).photos == needed
    if needed > 1:
        with pytest.raises(TooFewPhotosError, match=f"{needed} are needed, 1 more") as caught:
            limit_of(scores[1:], share, confidence, DAY)
        assert caught.value.needed == needed


def test_the_limit_is_that_score_in_any_order() -> None:
    scores = np.random.default_rng(0).permutation(np.arange(93) / 100).tolist()
    limit = limit_of(scores, 0.05, 0.95, DAY)
    assert rank_of(93, 0.05, 0.95) == 2
    assert limit == Limit(0.91, 0.05, 0.95, 93, DAY)


@given(
    st.lists(st.floats(0, 1), min_size=59, max_size=120),
    st.floats(0, 1),
)
def test_a_good_part_above_the_limit_never_lowers_it(scores: list[float], more: float) -> None:
    """So whoever adds one that was called anomalous keeps the promise."""
    before = limit_of(scores, 0.05, 0.95, DAY).score
    if more > before:
        assert limit_of([*scores, more], 0.05, 0.95, DAY).score >= before


@pytest.mark.parametrize("count", [59, 100, 181])
def test_the_promise_holds_as_often_as_it_says(count: int) -> None:
    """Scores of good parts drawn at random; the share above the limit is known exactly."""
    generator = np.random.default_rng(count)
    trials = 2000
    limits = [
        limit_of(generator.random(count).tolist(), 0.05, 0.95, DAY).score for _ in range(trials)
    ]
    kept = np.mean([1 - limit <= 0.05 for limit in limits])
    assert kept >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / trials)


def test_the_promise_holds_for_scores_that_repeat() -> None:
    """Coarse scores lie on the limit, not above it."""
    generator = np.random.default_rng(1)
    kept = []
    for _ in range(1000):
        scores = generator.integers(0, 10, 59) / 10
        limit = limit_of(scores.tolist(), 0.05, 0.95, DAY).score
        kept.append(np.mean(np.arange(10) / 10 > limit) <= 0.05)
    assert np.mean(kept) >= 0.95


def test_a_limit_goes_through_json() -> None:
    for limit in (Limit(0.5, 0.05, 0.95, 59, DAY), Limit(0.5, None, None, 0, DAY)):
        assert Limit.from_dict(limit.to_dict()) == limit
    assert Limit.from_dict(None) is None
    with pytest.raises(KeyError):
        Limit.from_dict({"score": 1.0})


@pytest.mark.parametrize(("share", "confidence"), [(0, 0.95), (1, 0.95), (0.05, 1), (0.05, 0)])
def test_shares_that_are_none_are_refused(share: float, confidence: float) -> None:
    with pytest.raises(DecoderError, match="between 0 and 1"):
        photos_needed(share, confidence)


def test_scores_that_are_none_are_refused() -> None:
    with pytest.raises(DecoderError, match="no finite number"):
        limit_of([math.nan] * 59, 0.05, 0.95, DAY)
