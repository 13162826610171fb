"""Losses of pixels and of learned prompts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from decoder import dice_loss, focal_loss
from decoder.losses import ad_clip_loss, contrastive_loss, prompt_loss


def pair(abnormal: Tensor) -> Tensor:
    """[normal, abnormal] probabilities, (B, 2, H, W)."""
    return torch.stack([1 - abnormal, abnormal], dim=1)


def masks() -> Tensor:
    mask = torch.zeros(2, 8, 8)
    mask[0, 2:5, 3:7] = 1
    return mask


def test_reference_losses(recorded: Callable[[str], Any]) -> None:
    numbers = recorded("losses.safetensors")
    probabilities, mask = numbers["input.probabilities"], numbers["input.mask"]
    focal, dice = focal_loss(probabilities, mask), dice_loss(probabilities[:, 1], mask)
    torch.testing.assert_close(focal, numbers["output.focal"][0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(dice, numbers["output.dice"][0], rtol=1e-4, atol=1e-5)


def test_a_perfect_prediction_costs_nothing() -> None:
    assert focal_loss(pair(masks()), masks()).abs() < 1e-6
    assert dice_loss(masks(), masks()).abs() < 1e-6


def test_a_wrong_prediction_costs_most() -> None:
    """A little wrong costs less than half wrong, and that less than wholly wrong."""
    mask = masks()
    for loss, probabilities in (
        (focal_loss, [pair(mask * (1 - e) + (1 - mask) * e) for e in (0.1, 0.5, 1.0)]),
        (dice_loss, [mask * (1 - e) + (1 - mask) * e for e in (0.1, 0.5, 1.0)]),
    ):
        costs = [loss(p, mask).item() for p in probabilities]
        assert costs[0] < costs[1] < costs[2]


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("truth", [0.0, 1.0])
def test_gradients_are_finite_at_the_ends(value: float, truth: float) -> None:
    """Sure and right, sure and wrong: no infinity, no NaN."""
    mask = torch.full((1, 4, 4), truth)
    abnormal = torch.full((1, 4, 4), value, requires_grad=True)
    loss = focal_loss(pair(abnormal), mask) + dice_loss(abnormal, mask)
    loss.backward()
    assert torch.isfinite(loss)
    assert abnormal.grad is not None
    assert torch.isfinite(abnormal.grad).all()


def test_gradients_point_from_wrong_to_right() -> None:
    mask = masks()
    abnormal = torch.full_like(mask, 0.5, requires_grad=True)
    (focal_loss(pair(abnormal), mask) + dice_loss(abnormal, mask)).backward()
    assert abnormal.grad is not None
    assert (abnormal.grad[mask == 1] < 0).all()
    assert (abnormal.grad[mask == 0] > 0).all()


def test_masks_may_be_bool() -> None:
    probabilities = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(0))
    mask = masks()
    assert torch.equal(dice_loss(probabilities, mask.bool()), dice_loss(probabilities, mask))
    assert torch.equal(
        focal_loss(pair(probabilities), mask.bool()), focal_loss(pair(probabilities), mask)
    )


def test_each_side_is_contrasted_with_the_other_photos() -> None:
    logits = torch.tensor([[2.0, 0.5], [1.0, -1.0], [0.0, 3.0]])
    labels = torch.tensor([0, 0, 1])
    whole = logits.double().exp()
    normal = whole[:2, 0].sum() / whole[:, 0].sum()
    abnormal = whole[2, 1] / whole[:, 1].sum()
    expected = -(normal.log() + abnormal.log()) / 2
    torch.testing.assert_close(contrastive_loss(logits, labels).double(), expected)


@pytest.mark.parametrize("side", [0, 1])
def test_photos_of_one_side_are_in_no_contrast(side: int) -> None:
    logits = torch.randn(4, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = contrastive_loss(logits, torch.full((4,), side))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_ad_clip_adds_one_to_one_to_one() -> None:
    """The pixels count once, where AnomalyCLIP counts them four times."""
    draw = torch.Generator().manual_seed(0)
    maps = [pair(torch.rand(2, 8, 8, generator=draw)) for _ in range(2)]
    logits, labels = torch.randn(2, 2, generator=draw), torch.tensor([1, 0])
    photos, pixels, contrast = ad_clip_loss(maps, masks(), logits, labels)
    theirs = prompt_loss(maps, masks(), logits, labels)
    assert photos == theirs[0]
    torch.testing.assert_close(4 * pixels, theirs[1])
    assert contrast == contrastive_loss(logits, labels)
