"""Maps and scores from the likeness between patch tokens and two text features (AnomalyCLIP)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

# As published: what the cosine is divided by before the softmax.
TEMPERATURE = 0.07
# The Gaussian ends after so many standard deviations, as in SciPy.
_TRUNCATED = 4.0


def side_logits(tokens: Tensor, text_features: Tensor, scale: float = 1 / TEMPERATURE) -> Tensor:
    """Scaled cosine of tokens with the text features of both sides.

    Args:
        tokens: (..., C), any length.
        text_features: (2, C), [normal, abnormal], any length.
        scale: factor on the cosine.

    Returns:
        (..., 2), [normal, abnormal].
    """
    normalised = F.normalize(tokens.float(), dim=-1)
    text = F.normalize(text_features.to(normalised), dim=-1)
    return scale * normalised @ text.transpose(-2, -1)


def similarity_map(
    tokens: Tensor,
    grid: tuple[int, int],
    text_features: Tensor,
    size: int,
    scale: float = 1 / TEMPERATURE,
) -> Tensor:
    """Probability of each side at every place; the softmax comes before the interpolation.

    Args:
        tokens: patch tokens (B, H*W, C) in the text space, without a class token.
        grid: patch rows and columns, H and W.
        text_features: (2, C), [normal, abnormal], any length.
        size: side of the map in cells.
        scale: factor on the cosine.

    Returns:
        (B, 2, size, size), [normal, abnormal], sum 1.
    """
    patches = side_logits(tokens, text_features, scale).softmax(dim=-1)
    planes = rearrange(patches, "b (h w) s -> b s h w", h=grid[0], w=grid[1])
    return F.interpolate(planes, size=(size, size), mode="bilinear", align_corners=False)


def abnormal_map(probabilities: Tensor) -> Tensor:
    """One map of both sides, (B, 2, H, W) to (B, H, W): (abnormal + 1 - normal) / 2."""
    return (probabilities[:, 1] + 1.0 - probabilities[:, 0]) / 2.0


def abnormal_probability(
    embedding: Tensor, text_features: Tensor, scale: float = 1 / TEMPERATURE
) -> Tensor:
    """Probability that a photo as a whole is abnormal.

    Args:
        embedding: (B, C), the photos as a whole in the text space.
        text_features: (2, C), [normal, abnormal], any length.
        scale: factor on the cosine.

    Returns:
        (B,) in [0, 1].
    """
    return side_logits(embedding, text_features, scale).softmax(dim=-1)[:, 1]


def smoothed(anomaly_map: Tensor, sigma: float) -> Tensor:
    """A Gaussian over maps, as `scipy.ndimage.gaussian_filter` computes it by default.

    Args:
        anomaly_map: (B, H, W).
        sigma: standard deviation in cells; 0 changes nothing.

    Returns:
        (B, H, W); beyond an edge the map is taken to go on mirrored.
    """
    radius = int(_TRUNCATED * sigma + 0.5)
    if not radius:
        return anomaly_map
    offsets = torch.arange(-radius, radius + 1, device=anomaly_map.device, dtype=torch.float64)
    weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (weights / weights.sum()).to(anomaly_map.dtype)
    planes = anomaly_map.unsqueeze(1)
    for axis, shape in ((2, (1, 1, -1, 1)), (3, (1, 1, 1, -1))):
        places = _mirrored(planes.shape[axis], radius).to(planes.device)
        planes = F.conv2d(planes.index_select(axis, places), kernel.view(shape))
    return planes.squeeze(1)


def _mirrored(length: int, radius: int) -> Tensor:
    """Positions of a line that is mirrored at its ends, ends repeated, as often as is needed."""
    places = torch.arange(-radius, length + radius) % (2 * length)
    return torch.where(places < length, places, 2 * length - 1 - places)
