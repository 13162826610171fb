"""Attacks stay within what they are allowed, and turn verdicts."""

import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anomalygpt import ConfigError, MissingExtraError
from anomalygpt.evaluation.robustness.attacks import ATTACKS, AttackSettings, attacked

SIDE = 6


class Bright(nn.Module):
    """Yes where a photo is bright on the left and dark on the right; so sure that its
    probabilities are 0 and 1."""

    def __init__(self, sureness: float = 1e4) -> None:
        super().__init__()
        weights = torch.ones(3, SIDE, SIDE)
        weights[..., SIDE // 2 :] = -1
        self.weights = nn.Parameter(sureness * weights)

    def forward(self, pixels: Tensor) -> Tensor:
        odds = (pixels * self.weights).sum(dim=(1, 2, 3))
        return torch.stack([-odds / 2, odds / 2], dim=1)


@pytest.fixture
def photos() -> tuple[Tensor, Tensor]:
    """Two photos, no and yes, each 1.5/255 a value from the other verdict."""
    pixels = torch.full((2, 3, SIDE, SIDE), 0.5)
    half = SIDE // 2
    for row, sign in enumerate((-1, 1)):
        pixels[row, ..., :half] += sign * 1.5 / 255
        pixels[row, ..., half:] -= sign * 1.5 / 255
    return pixels, torch.tensor([False, True])


@pytest.mark.parametrize("name", ATTACKS)
def test_no_value_goes_farther_than_epsilon(name: str, photos: tuple[Tensor, Tensor]) -> None:
    chance = np.random.default_rng(0)
    pixels = torch.from_numpy(chance.random((2, 3, SIDE, SIDE), dtype=np.float32))
    pixels[0, 0] = 0.0
    pixels[1, 0] = 1.0
    network = Bright()
    settings = AttackSettings((name,), (0, 1, 3, 64))  # type: ignore[arg-type]
    for _, epsilon, shown in attacked(network, pixels, photos[1], settings):
        assert float((shown - pixels).abs().max()) <= epsilon / 255 + 1e-6
        assert 0.0 <= float(shown.min()) <= float(shown.max()) <= 1.0
        if epsilon == 0:
            assert torch.equal(shown, pixels)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_verdict_turns_where_epsilon_reaches_the_border(
    name: str, photos: tuple[Tensor, Tensor]
) -> None:
    pixels, truth = photos
    network = Bright()
    settings = AttackSettings((name,), (1, 2))  # type: ignore[arg-type]
    turned = {
        epsilon: ((network(shown)[:, 1] > 0) != truth).tolist()
        for _, epsilon, shown in attacked(network, pixels, truth, settings)
    }
    assert turned == {1: [False, False], 2: [True, True]}


def test_a_sure_model_is_no_robust_one(photos: tuple[Tensor, Tensor]) -> None:
    """The cross-entropy of these verdicts has no gradient at all."""
    pixels, truth = photos
    network = Bright(1e6)
    shown = pixels.clone().requires_grad_()
    loss = nn.functional.cross_entropy(network(shown), truth.long())
    (gradient,) = torch.autograd.grad(loss, shown)
    assert float(gradient.abs().max()) == 0.0
    (_, _, found) = next(attacked(network, pixels, truth, AttackSettings(("fgsm",), (2,))))
    assert ((network(found)[:, 1] > 0) != truth).all()


def test_deepfool_leaves_wrong_verdicts_alone(photos: tuple[Tensor, Tensor]) -> None:
    pixels, truth = photos
    settings = AttackSettings(("deepfool",), (8,))
    (_, _, shown) = next(attacked(Bright(), pixels, ~truth, settings))
    assert torch.equal(shown, pixels)


def test_only_the_photo_is_changed(photos: tuple[Tensor, Tensor]) -> None:
    pixels, truth = photos
    inside = torch.zeros(2, 1, SIDE, SIDE, dtype=torch.bool)
    inside[:, :, 1:3] = True
    for _, _, shown in attacked(Bright(), pixels, truth, AttackSettings(epsilons=(4,)), inside):
        changed = shown != pixels
        assert not (changed & ~inside).any()
        assert changed.any()


def test_the_seed_decides_the_start_and_leaves_other_chance_alone(
    photos: tuple[Tensor, Tensor],
) -> None:
    pixels, truth = photos

    def start(seed: int) -> Tensor:
        settings = AttackSettings(("pgd",), (4,), steps=1, seed=seed)
        # Without any slope photos stay where they started.
        return next(attacked(Bright(0.0), pixels, truth, settings))[2]

    np.random.seed(5)
    torch.manual_seed(5)
    wanted = np.random.random(), float(torch.rand(()))
    np.random.seed(5)
    torch.manual_seed(5)
    first = start(1)
    assert (np.random.random(), float(torch.rand(()))) == wanted
    assert torch.equal(start(1), first)
    assert not torch.equal(start(2), first)


def test_weights_are_left_as_they_were(photos: tuple[Tensor, Tensor]) -> None:
    pixels, truth = photos
    network = Bright()
    before = network.weights.detach().clone()
    list(attacked(network, pixels, truth, AttackSettings(epsilons=(2,))))
    assert torch.equal(network.weights, before)
    assert network.weights.grad is None
    assert network.weights.requires_grad


@pytest.mark.parametrize(
    "changes",
    [
        {"epsilons": (-1,)},
        {"epsilons": (65,)},
        {"epsilons": (0.5,)},
        {"epsilons": ()},
        {"attacks": ()},
        {"attacks": ("carlini",)},
        {"steps": 0},
        {"photos": 0},
    ],
)
def test_values_out_of_range(changes: dict) -> None:
    with pytest.raises(ConfigError, match="got"):
        AttackSettings(**changes)


def test_the_missing_library_is_named(
    monkeypatch: pytest.MonkeyPatch, photos: tuple[Tensor, Tensor]
) -> None:
    monkeypatch.setitem(sys.modules, "art.attacks", None)
    with pytest.raises(MissingExtraError, match=r"anomalygpt\[attacks\]"):
        next(attacked(Bright(), *photos, AttackSettings()))
