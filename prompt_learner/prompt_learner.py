"""The CNN that turns an anomaly map into words of the language model (paper, section 3.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from prompt_learner.config import MAP_SIZE, PromptLearnerConfig

# Positions that the map network ends in: one for each cell of the 3×3 grid of places.
MAP_PROMPTS = 9


class PromptLearner(nn.Module):
    """Learned base prompts, followed by nine prompts read from the map.

    Parameter names `meta_net.{n}` and `base_prompts` are those of the published weights.
    """

    def __init__(self, config: PromptLearnerConfig) -> None:
        super().__init__()
        self.config = config
        if config.reads_map:
            self.meta_net = _map_network(config)
        self.base_prompts = nn.Parameter(torch.randn(config.base_prompts, config.width))

    @property
    def prompt_count(self) -> int:
        """Prompts that one map gives."""
        return self.config.base_prompts + (MAP_PROMPTS if self.config.reads_map else 0)

    def forward(self, anomaly_map: Tensor) -> Tensor:
        """Embed a map.

        Args:
            anomaly_map: (B, H, W) in [0, 1], any size; other than 224×224 is resized.

        Returns:
            (B, base_prompts + 9, width): base prompts first, then the nine cells row by row.
            (B, base_prompts, width) without a map network.
        """
        base = self.base(len(anomaly_map))
        if not self.config.reads_map:
            return base
        planes = anomaly_map.unsqueeze(1).to(self.base_prompts.dtype)
        if planes.shape[-2:] != (MAP_SIZE, MAP_SIZE):
            planes = F.interpolate(planes, size=(MAP_SIZE, MAP_SIZE), mode="bilinear")
        cells = rearrange(self.meta_net(planes), "b c h w -> b (h w) c")
        return torch.cat([base, cells], dim=1)

    def base(self, batch: int) -> Tensor:
        """(batch, base_prompts, width): the prompts that do not depend on a map."""
        return self.base_prompts.expand(batch, -1, -1)


def _map_network(config: PromptLearnerConfig) -> nn.Sequential:
    layers: list[nn.Module] = []
    previous = 1
    for channels in config.channels:
        layers += [nn.Conv2d(previous, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        previous = channels
    # 224 halved five times is 7; a 5×5 window without padding leaves 3×3.
    layers.append(nn.Conv2d(previous, config.width, 5))
    return nn.Sequential(*layers)
