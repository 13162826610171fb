"""Defences, to be measured: temperature scaling, and smoothing at test time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from anomalygpt.evaluation.robustness.wrapper import LEVELS

# Temperatures that are tried, evenly spaced in their logarithm.
_COLDEST, _HOTTEST, _TRIED = 0.1, 10.0, 401


class Smoothed(nn.Module):
    """A network asked about several noisy copies; the mean of its two numbers is the verdict.

    An attack through it sees the mean of the gradients over fresh noise (EOT, expectation over
    transformation), which is what an attacker who knows the defence does.
    """

    def __init__(self, network: nn.Module, copies: int, noise: float) -> None:
        """
        Args:
            network: pixels (B, 3, S, S) in [0, 1] to (B, 2).
            copies: how many, at least 1.
            noise: standard deviation in steps of 1/255.
        """
        super().__init__()
        self.network = network
        self._copies = copies
        self._noise = noise / LEVELS

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 2), means over the copies."""
        found = []
        for _ in range(self._copies):
            noisy = pixels + self._noise * torch.randn_like(pixels)
            found.append(self.network(noisy.clamp(0.0, 1.0)))
        return torch.stack(found).mean(dim=0)


class Through(nn.Module):
    """A network behind a change that has no gradients, such as JPEG.

    The gradient passes the change as if it did nothing (BPDA, backward pass differentiable
    approximation): that a change has none stops no attacker, it is gradient masking.
    """

    def __init__(self, network: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        """
        Args:
            network: pixels (B, 3, S, S) in [0, 1] to (B, 2).
            change: pixels to pixels of the same shape, close to them.
        """
        super().__init__()
        self.network = network
        self._change = change

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 2), of the changed photos."""
        with torch.no_grad():
            offset = self._change(pixels) - pixels
        return self.network(pixels + offset)


def fitted_temperature(margins: Tensor, truth: Tensor) -> float:
    """The temperature at which probabilities are most likely to be right.

    Args:
        margins: (N,), log(P(yes) / P(no)) of held-out photos.
        truth: (N,) bool.

    Returns:
        From 0.1 to 10; P is then sigmoid(margin / temperature). No verdict changes by it.
    """
    steps = torch.linspace(0.0, 1.0, _TRIED, dtype=torch.float64)
    tried = _COLDEST * (_HOTTEST / _COLDEST) ** steps
    scaled = margins.double()[None] / tried[:, None]
    wanted = truth.double()[None].expand_as(scaled)
    losses = nn.functional.binary_cross_entropy_with_logits(scaled, wanted, reduction="none")
    return float(tried[losses.mean(dim=1).argmin()])
