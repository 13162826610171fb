"""Attacks on a verdict: those of the Adversarial Robustness Toolbox (ART), on our network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor, nn

from anomalygpt.errors import ConfigError, MissingExtraError
from anomalygpt.evaluation.robustness.wrapper import LEVELS, frozen

AttackName: TypeAlias = Literal["fgsm", "pgd", "deepfool"]
ATTACKS: tuple[AttackName, ...] = get_args(AttackName)
EPSILONS = (1, 2, 4, 8)
# Beyond a quarter of the range everybody sees the change.
MOST_EPSILON = 64
STEPS = 10

# Together the steps of PGD reach this many times as far as it may go.
_REACH = 2.5
# How much farther than to the border DeepFool goes, as published.
_OVERSHOOT = 0.02
_DEEPFOOL_STEPS = 10


@dataclass(frozen=True)
class AttackSettings:
    """Which attacks, and how strong.

    Attributes:
        attacks: of `ATTACKS`.
        epsilons: how far a value of a pixel may be changed at most, in steps of 1/255, whole
            numbers from 0 to 64.
        photos: of each product at most, good and bad by halves; None attacks all.
        steps: of PGD.
        seed: of PGD's start.
        pictures: cases to draw of each product.
    """

    attacks: tuple[AttackName, ...] = ATTACKS
    epsilons: tuple[int, ...] = EPSILONS
    photos: int | None = None
    steps: int = STEPS
    seed: int = 0
    pictures: int = 3

    def __post_init__(self) -> None:
        """
        Raises:
            ConfigError: a value out of range.
        """
        object.__setattr__(self, "attacks", tuple(dict.fromkeys(self.attacks)))
        object.__setattr__(self, "epsilons", tuple(dict.fromkeys(self.epsilons)))
        if not self.attacks or set(self.attacks) - set(ATTACKS):
            raise ConfigError(
                f"attacks are of {', '.join(ATTACKS)}; got {', '.join(self.attacks) or 'none'}"
            )
        for epsilon in self.epsilons or (-1,):
            if type(epsilon) is not int or not 0 <= epsilon <= MOST_EPSILON:
                raise ConfigError(
                    f"epsilon counts steps of 1/{LEVELS}, whole numbers from 0 to {MOST_EPSILON}; "
                    f"got {epsilon!r}"
                )
        for name, least in (("photos", 1), ("steps", 1), ("seed", 0), ("pictures", 0)):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < least):
                raise ConfigError(
                    f"{name} of attacks is a whole number from {least} on; got {value!r}"
                )


class _Margin(nn.Module):
    """How far the wrong word is ahead of the right one, summed over photos.

    Not the cross-entropy: its gradient fades where a model is sure, which looks like robustness
    and is none.
    """

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """
        Args:
            logits: (B, 2), [no, yes].
            labels: (B, 2), 1 at the right word.
        """
        return (logits * (1 - 2 * labels)).sum()


def attacked(
    network: nn.Module,
    pixels: Tensor,
    truth: Tensor,
    settings: AttackSettings,
    inside: Tensor | None = None,
) -> Iterator[tuple[AttackName, int, Tensor]]:
    """Photos as each attack would show them, at each strength.

    FGSM and PGD move all photos away from their true verdict, from wherever they are. DeepFool
    looks for the smallest change that turns a verdict, of whatever size, and only of photos that
    are judged rightly; at each epsilon it is cut to that size.

    Args:
        network: pixels (B, 3, S, S) in [0, 1] to (B, 2), such as `VerdictNetwork`.
        pixels: of B photos.
        truth: (B,) bool, true for photos with defects.
        settings: which attacks.
        inside: (B, 1, S, S) bool, where pixels may be changed; None allows all.

    Yields:
        The attack, epsilon, and pixels (B, 3, S, S) in [0, 1] no value of which is farther than
        epsilon / 255 from what it was; not rounded to 8 bits.

    Raises:
        MissingExtraError: ART is not installed.
    """
    art = require_library()
    labels = torch.nn.functional.one_hot(truth.long(), 2).float().cpu().numpy()
    start = pixels.detach().cpu().numpy().astype(np.float32)
    with frozen(network):
        classifier = _classifier(network, pixels)
        farthest: np.ndarray | None = None
        for name in settings.attacks:
            for epsilon in settings.epsilons:
                size = epsilon / LEVELS
                if epsilon == 0:
                    found = start
                elif name == "deepfool":
                    if farthest is None:
                        farthest = _deepfool(art, classifier, start, labels)
                    found = farthest
                else:
                    found = _stepped(art, classifier, start, labels, name, size, settings)
                yield name, epsilon, _within(pixels, found, size, inside)


def _stepped(
    art: Any,
    classifier: Any,
    start: np.ndarray,
    labels: np.ndarray,
    name: AttackName,
    size: float,
    settings: AttackSettings,
) -> np.ndarray:
    """FGSM's one step, or PGD's many from a random start."""
    if name == "fgsm":
        attack = art.FastGradientMethod(
            classifier, norm=np.inf, eps=size, eps_step=size, batch_size=len(start)
        )
    else:
        attack = art.ProjectedGradientDescent(
            classifier,
            norm=np.inf,
            eps=size,
            eps_step=_REACH * size / settings.steps,
            max_iter=settings.steps,
            num_random_init=1,
            batch_size=len(start),
            verbose=False,
        )
    with _drawn_from(settings.seed):
        found: np.ndarray = attack.generate(start, labels)
    return found


def _deepfool(art: Any, classifier: Any, start: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The smallest change of photos that are judged rightly; the others stay."""
    right = classifier.predict(start).argmax(axis=1) == labels.argmax(axis=1)
    found = start.copy()
    if right.any():
        attack = art.DeepFool(
            classifier,
            max_iter=_DEEPFOOL_STEPS,
            epsilon=_OVERSHOOT,
            nb_grads=2,
            batch_size=len(start),
            verbose=False,
        )
        found[right] = attack.generate(start[right])
    return found


def _within(pixels: Tensor, found: np.ndarray, size: float, inside: Tensor | None) -> Tensor:
    """The attacked pixels, cut to what is allowed."""
    there = torch.from_numpy(found).to(pixels)
    there = torch.minimum(torch.maximum(there, pixels - size), pixels + size).clamp(0.0, 1.0)
    return there if inside is None else torch.where(inside.to(pixels.device), there, pixels)


def require_library() -> Any:
    """The attacks of ART.

    Raises:
        MissingExtraError: ART is not installed.
    """
    try:
        from art.attacks import evasion
    except ImportError:
        raise MissingExtraError(
            "attacks need the package adversarial-robustness-toolbox; "
            'pip install "anomalygpt[attacks]" brings it'
        ) from None
    return evasion


def _classifier(network: nn.Module, pixels: Tensor) -> Any:
    """The network as ART asks it."""
    from art.estimators.classification import PyTorchClassifier

    return PyTorchClassifier(
        model=network,
        loss=_Margin(),
        input_shape=tuple(pixels.shape[1:]),
        nb_classes=2,
        clip_values=(0.0, 1.0),
        device_type="gpu" if pixels.device.type == "cuda" else "cpu",
    )


@contextmanager
def _drawn_from(seed: int) -> Iterator[None]:
    """Within it ART's draws, from NumPy's and torch's common generators, begin at a seed."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        np.random.set_state(state)
