"""How prompts are trained: settings, and those of published programs by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from anomalygpt.errors import ConfigError

PromptLosses = Literal["anomalyclip", "ad-clip"]
PromptOptimizer = Literal["adam", "adamw"]

BETAS = (0.5, 0.999)
# Names of the losses that each kind adds up, as the log and its curves call them.
LOSS_NAMES: dict[PromptLosses, tuple[str, ...]] = {
    "anomalyclip": ("photos", "pixels"),
    "ad-clip": ("photos", "pixels", "contrastive"),
}
# By the blocks of CLIP's image tower: which arguments of DPAM AD-CLIP names, the first by default.
# An argument N gives the last N - 1 blocks a path of value attention.
DPAM_ARGUMENTS = {12: range(10, 14), 24: range(20, 25)}


@dataclass(frozen=True)
class ZeroShotSettings:
    """How prompts are trained; as AnomalyCLIP published it by default.

    Attributes:
        epochs: passes over the photos.
        batch_size: photos of one step; the last step of an epoch may have fewer.
        learning_rate: of Adam (0.5, 0.999), the same throughout.
        seed: of the first prompts, of the order of the photos, and of those that are held out.
        losses: what is added up, see `decoder.losses.prompt_loss` and `ad_clip_loss`.
        optimizer: "adam", or "adamw" with its usual decay of 0.01.
        validation_share: share of the photos of each product and sort that is held out to measure
            every epoch and to choose the best one, in [0, 1); 0 for none, the last epoch counts.
    """

    epochs: int = 15
    batch_size: int = 8
    learning_rate: float = 1e-3
    seed: int = 111
    losses: PromptLosses = "anomalyclip"
    optimizer: PromptOptimizer = "adam"
    validation_share: float = 0.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"learning_rate must be above 0, got {self.learning_rate}")
        if self.seed < 0:
            raise ConfigError(f"seed must be at least 0, got {self.seed}")
        for name, known in (("losses", PromptLosses), ("optimizer", PromptOptimizer)):
            if getattr(self, name) not in get_args(known):
                raise ConfigError(
                    f"{name} must be {' or '.join(get_args(known))}, got {getattr(self, name)!r}"
                )
        if not 0 <= self.validation_share < 1:
            raise ConfigError(
                f"validation_share must be at least 0 and below 1, got {self.validation_share}"
            )


PROMPT_PRESETS = {
    "anomalyclip": ZeroShotSettings(),
    "ad-clip": ZeroShotSettings(
        epochs=200,
        learning_rate=1e-4,
        losses="ad-clip",
        optimizer="adamw",
        validation_share=0.2,
    ),
}


def value_blocks(vision_blocks: int, dpam: int | None = None) -> int:
    """Last blocks of CLIP's image tower that get a path of value attention in AD-CLIP.

    Args:
        vision_blocks: of the tower.
        dpam: as AD-CLIP counts, 10 to 13 for ViT-B and 20 to 24 for ViT-L; None takes the least.

    Raises:
        ConfigError: AD-CLIP names no argument for such a tower, or another one.
    """
    known = DPAM_ARGUMENTS.get(vision_blocks)
    if known is None:
        raise ConfigError(
            f"AD-CLIP names DPAM for image towers of {' and '.join(map(str, DPAM_ARGUMENTS))} "
            f"blocks, ViT-B and ViT-L; this one has {vision_blocks}: give --clip-option "
            "value_blocks=N instead"
        )
    argument = known[0] if dpam is None else dpam
    if argument not in known:
        raise ConfigError(
            f"DPAM is {known[0]} to {known[-1]} for an image tower of {vision_blocks} blocks, "
            f"got {argument}"
        )
    return argument - 1
