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


def contrastive_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """How much nearer each side's prompt is to the photos of its side than to the others.

    Cross-entropy asks of a photo which prompt is nearer; this asks of a prompt which photos are,
    as CLIP itself was trained in both directions: minus the logarithm of the share that the
    photos of its side have of the softmax over all photos, mean over the sides that are there.

    Args:
        logits: (B, 2) of the photos as a whole, [normal, abnormal], see `similarity.side_logits`.
        labels: (B,), 1 where a photo is abnormal.

    Returns:
        Scalar, at least 0; 0 where all photos are of one side.
    """
    sides = F.one_hot(labels.long(), 2).bool()
    there = sides.any(dim=0)  # of a side that is not, a gradient would be no number
    logits, sides = logits[:, there], sides[:, there]
    own = logits.masked_fill(~sides, -torch.inf).logsumexp(dim=0)
    return (logits.logsumexp(dim=0) - own).mean()


def ad_clip_loss(
    maps: Sequence[Tensor], mask: Tensor, logits: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What AD-CLIP's prompts are trained by: the sum of three losses, one to one to one.

    Args:
        maps, mask: as in `prompt_loss_parts`.
        logits, labels: as in `contrastive_loss`.

    Returns:
        Cross entropy of the photos; the anomaly loss, which is the pixel losses of all stages; and
        the contrastive loss.
    """
    pixels = prompt_loss_parts(maps, mask).sum()
    return F.cross_entropy(logits, labels.long()), pixels, contrastive_loss(logits, labels)
