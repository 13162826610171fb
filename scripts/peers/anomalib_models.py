"""anomalib's models with our encoder's weights in them."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor

from anomalygpt import AnomalyGPT
from anomalygpt.encoders.timm_backbone import TimmEncoder
from anomalygpt.errors import ConfigError, MissingExtraError
from peers.readings import SEED, Reading, encoder_levels, one_line, open_photo
from peers.recipes import RECIPES, left_out, unwarned

# Largest difference between a peer's levels and ours, as a share of the largest value.
SAME_LEVELS = 1e-4


class Peer:
    """One of anomalib's models with our encoder's weights in it."""

    bounded = False

    def __init__(self, name: str, encoder: TimmEncoder) -> None:
        """
        Raises:
            ConfigError: this encoder's weights do not go into it.
        """
        self.name = f"anomalib {name}"
        self.recipe = RECIPES[name]
        self.stages = self.recipe.levels(encoder)
        torch.manual_seed(SEED)
        self.built = self.recipe.built(encoder.config.name, self.stages)
        load_backbone(self.built.feature_extractor, encoder, self.stages)

    @torch.no_grad()
    def difference(self, encoder: TimmEncoder, pixels: Tensor) -> float:
        """Largest difference of its levels to ours on a photo, as a share of the largest value."""
        theirs = list(self.built.feature_extractor(pixels).values())
        ours = encoder_levels(encoder, pixels, self.stages)
        pairs = zip(theirs, ours, strict=True)
        return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)

    def fit(self, references: Sequence[Path], pixels: Tensor) -> None:
        torch.manual_seed(SEED)
        np.random.seed(SEED)  # its coreset projects patches with scikit-learn's global chance
        self.model = copy.deepcopy(self.built).train()
        self.recipe.fit(self.model, pixels.clone())
        self.model.eval()

    def read(self, pixels: Tensor) -> Reading:
        found = self.model(pixels)
        anomaly_map = found.anomaly_map
        if anomaly_map is not None:
            anomaly_map = anomaly_map.reshape(anomaly_map.shape[-2:]).numpy()
        return Reading(float(found.pred_score.reshape(-1)[0]), anomaly_map)


def load_backbone(extractor: Any, encoder: TimmEncoder, stages: list[int]) -> None:
    """Put our encoder's weights into anomalib's feature extractor.

    Raises:
        ConfigError: they do not fit.
    """
    config = encoder.config
    network = getattr(extractor, "feature_extractor", extractor)
    if network is not extractor:
        extractor.norm = False  # transformers: blocks as they are, which is how we read them
        if config.options:  # such as the padding, which it has no way to be told
            extractor.feature_extractor = network = timm.create_model(
                config.name, features_only=True, out_indices=stages, **config.options
            )
    try:
        keys = network.load_state_dict(encoder.backbone.state_dict(), strict=False)
    except RuntimeError as error:
        raise ConfigError(f"weights do not fit: {one_line(error)}") from None
    if keys.unexpected_keys:
        raise ConfigError(f"it has no place for {keys.unexpected_keys[0]}")
    network.eval()


def open_peers(
    names: Sequence[str], assistant: AnomalyGPT, photo: Path
) -> tuple[list[Peer], list[str]]:
    """anomalib's models with our weights in them, and lines for the report.

    Args:
        names: of `RECIPES`.
        assistant: whose encoder they get.
        photo: on which their levels are compared with ours.

    Raises:
        MissingExtraError: anomalib is not installed.
    """
    if not names:
        return [], ["anomalib: not asked for (`--peers none`)"]
    version, offered = find_anomalib()
    encoder: Any = assistant.encoder
    if not isinstance(encoder, TimmEncoder):
        return [], [f"anomalib: none, since its models take no {encoder.config.kind} encoder"]
    pixels = open_photo(assistant, photo)[0]
    peers, lines = [], [f"anomalib {version}:"]
    for name in names:
        try:
            peer = Peer(name, encoder)
            difference = peer.difference(encoder, pixels)
            if not difference <= SAME_LEVELS:
                raise ConfigError(f"its levels differ from ours by {difference:.1e}")
        except Exception as error:  # whatever their code raises for this encoder
            lines.append(f"- {name} not run: {one_line(error)}")
            continue
        peers.append(peer)
        lines.append(
            f"- {name} run ({peer.recipe.note}); its levels {peer.stages} differ from ours "
            f"by {difference:.0e} of the largest value on {photo.name}"
        )
    return peers, lines + left_out(offered)


def find_anomalib() -> tuple[str, list[str]]:
    """Its version, and the models that it offers.

    Raises:
        MissingExtraError: it cannot be imported.
    """
    try:
        with unwarned():
            version = importlib.import_module("anomalib").__version__
            return version, importlib.import_module("anomalib.models.image").__all__
    except ImportError as error:
        raise MissingExtraError(
            f"anomalib cannot be imported ({one_line(error)}); install it with "
            "pip install 'anomalygpt[peers]', or add --peers none"
        ) from None
