"""Losses: of pixels on the probability map (paper, equations 6 and 7), and of learned prompts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

FOCAL_GAMMA = 2.0
# Keeps the target off 0 and 1, and the logarithm finite.
FOCAL_SMOOTHING = 1e-5
DICE_SMOOTHING = 1.0
# Learned prompts: weight of the pixels beside the photo as a whole.
PIXEL_WEIGHT = 4.0


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


def prompt_loss_parts(maps: Sequence[Tensor], mask: Tensor) -> Tensor:
    """Pixel losses of learned prompts, one row for each stage.

    Args:
        maps: of each stage (B, 2, H, W), [normal, abnormal], see `similarity_map`.
        mask: (B, H, W), 1 where abnormal.

    Returns:
        (stages, 3): focal loss, dice loss of the abnormal side, dice loss of the normal side.
    """
    rows = [
        torch.stack(
            [
                focal_loss(probabilities, mask),
                dice_loss(probabilities[:, 1], mask),
                dice_loss(probabilities[:, 0], 1 - mask),
            ]
        )
        for probabilities in maps
    ]
    return torch.stack(rows)


def prompt_loss(
    maps: Sequence[Tensor], mask: Tensor, logits: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """What learned prompts are trained by, as published: the sum of both.

    Args:
        maps, mask: as in `prompt_loss_parts`.
        logits: (B, 2) of the photos as a whole, see `similarity.side_logits`.
        labels: (B,), 1 where a photo is abnormal.

    Returns:
        Cross entropy of the photos, and `PIXEL_WEIGHT` times the pixel losses of all stages.
    """
    pixels = prompt_loss_parts(maps, mask).sum()
    return F.cross_entropy(logits, labels.long()), PIXEL_WEIGHT * pixels
