"""Pixel losses on the probability map (paper, equations 6 and 7)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

FOCAL_GAMMA = 2.0
# Keeps the target off 0 and 1, and the logarithm finite.
FOCAL_SMOOTHING = 1e-5
DICE_SMOOTHING = 1.0


def focal_loss(probabilities: Tensor, mask: Tensor) -> Tensor:
    """Focal loss -(1 - p_t)^2 log(p_t) on probabilities, mean over all pixels.

    Args:
        probabilities: (B, 2, H, W), [normal, abnormal], sum 1.
        mask: (B, H, W), 1 where abnormal.

    Returns:
        Scalar, at least 0.
    """
    classes = probabilities.shape[1]
    target = F.one_hot(mask.long(), classes).movedim(-1, 1).to(probabilities.dtype)
    target = target.clamp(FOCAL_SMOOTHING / (classes - 1), 1.0 - FOCAL_SMOOTHING)
    truth = (target * probabilities).sum(dim=1) + FOCAL_SMOOTHING
    return (-((1.0 - truth) ** FOCAL_GAMMA) * truth.log()).mean()


def dice_loss(probabilities: Tensor, mask: Tensor) -> Tensor:
    """1 - (2 |p m| + 1) / (|p| + |m| + 1), mean over images.

    Args:
        probabilities: (B, H, W), probability that a pixel is abnormal.
        mask: (B, H, W), 1 where abnormal.

    Returns:
        Scalar in [0, 1].
    """
    p, m = probabilities.flatten(1), mask.flatten(1).to(probabilities.dtype)
    overlap = 2.0 * (p * m).sum(dim=1) + DICE_SMOOTHING
    return (1.0 - overlap / (p.sum(dim=1) + m.sum(dim=1) + DICE_SMOOTHING)).mean()
