"""Defences do what their names say, and their attackers can see through them."""

import pytest
import torch
from torch import Tensor, nn

from anomalygpt.evaluation.robustness.defences import Smoothed, Through, fitted_temperature


class Sum(nn.Module):
    def forward(self, pixels: Tensor) -> Tensor:
        total = pixels.sum(dim=(1, 2, 3))
        return torch.stack([-total, total], dim=1)


def test_one_temperature_mends_too_sure_margins() -> None:
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(4000, generator=generator) * 2
    truth = torch.rand(4000, generator=generator) < honest.sigmoid()
    assert fitted_temperature(3 * honest, truth) == pytest.approx(3.0, rel=0.15)
    assert fitted_temperature(honest / 2, truth) == pytest.approx(0.5, rel=0.15)


def test_smoothing_is_the_mean_over_noise_and_has_its_gradient() -> None:
    pixels = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    torch.manual_seed(0)
    smoothed = Smoothed(Sum(), copies=64, noise=4)(pixels)
    plain = float(pixels.detach().sum())
    assert smoothed[0, 1].item() == pytest.approx(plain, abs=0.2)
    assert smoothed[0, 1].item() != plain
    (gradient,) = torch.autograd.grad(smoothed[0, 1], pixels)
    assert torch.allclose(gradient, torch.ones_like(gradient))


def test_a_change_without_gradients_is_seen_through() -> None:
    pixels = torch.rand(1, 3, 8, 8, requires_grad=True)
    network = Through(Sum(), lambda shown: (shown * 4).round() / 4)
    found = network(pixels)
    plain = float((pixels.detach() * 4).round().sum() / 4)
    assert found[0, 1].item() == pytest.approx(plain)
    (gradient,) = torch.autograd.grad(found[0, 1], pixels)
    assert torch.allclose(gradient, torch.ones_like(gradient))
