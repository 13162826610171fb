"""One number for a part, of its map or of its distances."""

from __future__ import annotations

from torch import Tensor

# A part's score is the mean of the worst 1 % of its map: one odd cell does not decide.
SCORE_SHARE = 0.01

# References that are like copies of each other do not show how good parts vary: no score of theirs
# counts as lower.
LEAST_SCORE = 0.5


def ratio_score(ratio: Tensor) -> Tensor:
    """(B,): the mean of the highest 1 % of ratios (B, P), above 0."""
    return image_score(ratio).clamp_min(LEAST_SCORE)


def image_score(anomaly_map: Tensor) -> Tensor:
    """One number for ranking parts: mean of the highest 1 % of the map.

    Args:
        anomaly_map: (B, H, W), or (B, P).

    Returns:
        (B,), in the range of the map.
    """
    values = anomaly_map.flatten(1)
    count = max(1, round(SCORE_SHARE * values.shape[1]))
    return values.topk(count, dim=1).values.mean(dim=1)
