"""Parameters of the prompt learner."""

from __future__ import annotations

from dataclasses import dataclass

# Five halvings bring the published 224-cell map to 7×7; a 5×5 convolution leaves 3×3 positions.
MAP_SIZE = 224


@dataclass(frozen=True)
class PromptLearnerConfig:
    """What the prompt learner is built from.

    Attributes:
        width: channels of one prompt embedding, the language model's width (4096 as published).
        channels: channels after each of the five convolutions; smaller ones for small models.
        base_prompts: prompts that do not depend on the map, 9 as published.
        reads_map: False leaves the map network out; the prompts are then the same for every map
            (the paper's ablation without a decoder).
    """

    width: int
    channels: tuple[int, ...] = (4, 16, 64, 256, 1024)
    base_prompts: int = 9
    reads_map: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        if self.width < 1:
            raise ValueError(f"width must be positive, got {self.width}")
        if len(self.channels) != 5 or min(self.channels) < 1:
            raise ValueError(f"channels must be five positive counts, got {self.channels}")
        if self.base_prompts < 0:
            raise ValueError(f"base_prompts must not be negative, got {self.base_prompts}")
        if not self.reads_map and self.base_prompts == 0:
            raise ValueError("without a map network there must be base prompts, got 0")
