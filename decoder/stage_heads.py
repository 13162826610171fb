"""Heads for a map, and for a score, where no reference is there: a few vectors for each stage.

A cell is told by its token, and by how far it lies from its like in the same photo, and from what
the photo shows on average, each as it is and against the photo's own middle. A photo is told by how
its tokens lie, how these distances are spread, and by its map. Two vectors with a softmax between
them, as are usual, differ from one vector with a sigmoid in nothing but their number.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from decoder.config import StageHeadsConfig

# What a cell is told by beside its token.
DISTANCES = 4
# Of each stage's distances in a photo: where these shares lie, and the last ones against the first.
SHARES = (0.5, 0.9, 0.99, 1.0)
# Brings tokens of length 1 and logarithms of distances to about the same spread.
_TOKEN_SCALE, _DISTANCE_SCALE, _USUAL_LOGARITHM = 8.0, 2.0, 2.0
_LEAST_DISTANCE = 1e-3
_LEAST_PROBABILITY = 1e-4


class StageHeads(nn.Module):
    """Vectors of all stages; what they were learned from is said where they are trained.

    `pixel_weight` (S, C + 4) and `pixel_bias` (S) judge cells, `level` (2) puts their map where
    the prompt learner expects one; `image_weight` (K) and `image_bias` (1) judge photos together
    with `image_map` (1), the factor of the map's score.
    """

    def __init__(self, config: StageHeadsConfig, stages: int, width: int) -> None:
        """
        Args:
            config: of the distances.
            stages: how many.
            width: channels of each.
        """
        super().__init__()
        self.config = config
        self.pixel_weight = nn.Parameter(torch.zeros(stages, width + DISTANCES))
        self.pixel_bias = nn.Parameter(torch.zeros(stages))
        self.level = nn.Parameter(torch.tensor([1.0, 0.0]))
        photo = stages * (2 * width + 2 * len(SHARES) - 1)
        self.image_weight = nn.Parameter(torch.zeros(photo))
        self.image_bias = nn.Parameter(torch.zeros(1))
        self.image_map = nn.Parameter(torch.ones(1))

    def map(
        self, stages: Sequence[Tensor], grid: tuple[int, int], distances: Tensor | None = None
    ) -> Tensor:
        """Probability that a cell is damaged, (B, H*W) in [0, 1].

        Args:
            stages: patch tokens per stage, each (B, H*W, C).
            grid: patch rows and columns, H and W.
            distances: from `own_distances`, where they are known already.
        """
        if distances is None:
            distances = own_distances(stages, grid, self.config)
        cells = cell_features(stages, distances)
        weight, bias = self.pixel_weight.float(), self.pixel_bias.float()
        logits = torch.einsum("bspd,sd->bsp", cells, weight) + bias[:, None]
        factor, shift = self.level.float()
        return (factor * _logit(logits.sigmoid().mean(dim=1)) + shift).sigmoid()

    def score(
        self,
        map_scores: Tensor,
        stages: Sequence[Tensor],
        grid: tuple[int, int],
        distances: Tensor | None = None,
    ) -> Tensor:
        """One number for ranking photos, (B,) in [0, 1].

        Args:
            map_scores: (B,), scores of the photos' maps.
            stages, grid, distances: as in `map`.
        """
        if distances is None:
            distances = own_distances(stages, grid, self.config)
        said = photo_features(stages, distances) @ self.image_weight.float()
        drawn = self.image_map.float() * _logit(map_scores.float())
        return (drawn + said + self.image_bias.float()).sigmoid()


def own_distances(
    stages: Sequence[Tensor], grid: tuple[int, int], config: StageHeadsConfig
) -> Tensor:
    """How far each cell lies from its like in the same photo, (B, S, H*W), cosine distances.

    The mean over its nearest cells, of those that are not its neighbours in the photo.

    Args:
        stages: patch tokens per stage, each (B, H*W, C).
        grid: patch rows and columns, H and W.
        config: how many are the nearest, and how far a neighbour reaches.
    """
    device = stages[0].device
    rows, columns = (torch.arange(side, device=device) for side in grid)
    row, column = (each.flatten() for each in torch.meshgrid(rows, columns, indexing="ij"))
    beside = ((row[:, None] - row).abs() <= config.apart) & (
        (column[:, None] - column).abs() <= config.apart
    )
    count = max(1, min(config.neighbours, int((~beside).sum(dim=1).min())))
    found = []
    for tokens in stages:
        unit = F.normalize(tokens.float(), dim=-1)
        # One photo after another: the likeness of all cells with all is large.
        alike = [(each @ each.T).masked_fill(beside, -1.0) for each in unit]
        found.append(torch.stack([1 - one.topk(count).values.mean(dim=1) for one in alike]))
    return torch.stack(found, dim=1)


def cell_features(stages: Sequence[Tensor], distances: Tensor) -> Tensor:
    """What a cell is told by, (B, S, H*W, C + 4).

    Args:
        stages: patch tokens per stage, each (B, H*W, C).
        distances: from `own_distances`.
    """
    tokens = torch.stack([stage.float() for stage in stages], dim=1)
    unit = F.normalize(tokens, dim=-1)
    average = F.normalize(tokens.mean(dim=2, keepdim=True), dim=-1)
    odd = _logarithm(1 - (unit * average).sum(dim=-1))
    own = _logarithm(distances)
    told = []
    for each in (own, odd):
        told += [each + _USUAL_LOGARITHM, each - each.median(dim=-1, keepdim=True).values]
    extra = _DISTANCE_SCALE * torch.stack(told, dim=-1)
    return torch.cat([_TOKEN_SCALE * unit, extra], dim=-1)


def photo_features(stages: Sequence[Tensor], distances: Tensor) -> Tensor:
    """What a photo is told by, (B, K).

    Args:
        stages: patch tokens per stage, each (B, H*W, C).
        distances: from `own_distances`.
    """
    shares = torch.tensor(SHARES, device=distances.device)
    spread = torch.quantile(_logarithm(distances), shares, dim=-1).movedim(0, -1)
    tokens = torch.stack([stage.float() for stage in stages], dim=1)
    parts = [
        spread.flatten(1),
        (spread[..., 1:] - spread[..., :1]).flatten(1),
        tokens.mean(dim=2).flatten(1),
        tokens.std(dim=2).flatten(1),
    ]
    return torch.cat(parts, dim=1)


def _logarithm(distances: Tensor) -> Tensor:
    return distances.clamp_min(_LEAST_DISTANCE).log()


def _logit(probabilities: Tensor) -> Tensor:
    return torch.logit(probabilities, eps=_LEAST_PROBABILITY)
