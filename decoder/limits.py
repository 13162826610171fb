"""A limit on scores from good parts, with a promise about false alarms.

Of n scores of good parts, drawn as those that will come, let the limit be the r-th largest. The
share of good parts above it is then distributed as Beta(r, n - r + 1) or lies below (equal scores
only lower it), so it is more than a with the probability P(Bin(n, a) <= r - 1). The largest r for
which this is at most d gives the lowest limit that keeps the promise "at most a false alarms, with
confidence 1 - d" (Wilks 1941; split-conformal prediction, conditional on the calibration set:
Vovk 2012). r = 1 needs (1 - a)^n <= d: 59 parts for 5 % at 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scipy.stats import binom

from decoder.errors import DecoderError


@dataclass(frozen=True)
class Limit:
    """Above which score a part is called anomalous, and what is promised.

    Attributes:
        score: in [0, 1]; the verdict is yes above it.
        false_alarms: share of good parts, in (0, 1), that it may call anomalous at most; None
            where somebody moved the limit, so that nothing is promised.
        confidence: with which that is promised, in (0, 1); None as above.
        photos: good parts that it was measured on.
        dated: the day it was measured or moved, as YYYY-MM-DD.
    """

    score: float
    false_alarms: float | None
    confidence: float | None
    photos: int
    dated: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> Limit | None:
        """What `to_dict` gave; None from None.

        Raises:
            KeyError, TypeError, ValueError: it cannot have given them.
        """
        if values is None:
            return None
        return cls(
            score=float(values["score"]),
            false_alarms=_share(values["false_alarms"]),
            confidence=_share(values["confidence"]),
            photos=int(values["photos"]),
            dated=str(values["dated"]),
        )


def _share(value: float | None) -> float | None:
    return None if value is None else float(value)


class TooFewPhotosError(DecoderError):
    """So few good parts cannot carry the promise.

    Attributes:
        needed: how many would.
    """

    def __init__(self, message: str, needed: int) -> None:
        super().__init__(message)
        self.needed = needed


def photos_needed(false_alarms: float, confidence: float) -> int:
    """Good parts that a promise needs at least: 59 for 5 % at 95 %.

    Raises:
        DecoderError: a share that is not between 0 and 1.
    """
    _check(false_alarms, confidence)
    # Rounding must not ask for one more where the number comes out even.
    return math.ceil(math.log(1 - confidence) / math.log1p(-false_alarms) - 1e-9)


def limit_of(scores: Sequence[float], false_alarms: float, confidence: float, dated: str) -> Limit:
    """The lowest limit that keeps the promise.

    Args:
        scores: of good parts that are no references, in [0, 1].
        false_alarms, confidence, dated: see `Limit`.

    Raises:
        TooFewPhotosError: more good parts are needed; it says how many.
        DecoderError: a share that is not between 0 and 1, or a score that is none.
    """
    needed, count = photos_needed(false_alarms, confidence), len(scores)
    if count < needed:
        raise TooFewPhotosError(
            f"{count} photos of good parts cannot promise at most {100 * false_alarms:g} % false "
            f"alarms with {100 * confidence:g} % confidence: {needed} are needed, {needed - count} "
            "more",
            needed,
        )
    if not all(math.isfinite(score) for score in scores):
        raise DecoderError("a score is no finite number")
    rank = rank_of(count, false_alarms, confidence)
    score = sorted(scores, reverse=True)[rank - 1]
    return Limit(float(score), false_alarms, confidence, count, dated)


def rank_of(count: int, false_alarms: float, confidence: float) -> int:
    """Which of the largest scores is the limit, from 1 on; 0 where none keeps the promise."""
    rank = 0
    while binom.cdf(rank, count, false_alarms) <= 1 - confidence + 1e-12:
        rank += 1
    return rank


def _check(false_alarms: float, confidence: float) -> None:
    for name, share in (("false alarms", false_alarms), ("confidence", confidence)):
        if not 0 < share < 1:
            raise DecoderError(f"{name}: a share between 0 and 1 is expected, got {share:g}")
