"""anomalib's models with our weights in them, where anomalib is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from anomalygpt import AnomalyGPT
from peers import recipes
from peers.anomalib_models import SAME_LEVELS, Peer
from peers.plain import PatchCoreStyle

pytestmark = pytest.mark.usefixtures("one_thread")


def test_models_that_are_not_run_have_a_reason() -> None:
    lines = recipes.left_out(["Patchcore", "WinClip", "Fastflow", "Tomorrow"])
    assert len(lines) == 3
    assert any("downloaded: WinClip" in line for line in lines)
    assert any("newer than this script: Tomorrow" in line for line in lines)
    assert not any("Patchcore" in line for line in lines)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shots", [1, 3])
def test_our_patchcore_agrees_with_anomalibs(
    anomalib: Any,
    assistant: AnomalyGPT,
    monkeypatch: pytest.MonkeyPatch,
    shots: int,
    pixels_of: Any,
    part: Any,
) -> None:
    """With every patch kept. Its map repeats the values of cells where ours interpolates."""
    monkeypatch.setattr(recipes, "CORESET_SHARE", 1.0)
    theirs = Peer("PatchCore", assistant.encoder)
    ours = PatchCoreStyle(assistant.encoder, share=1.0)
    with torch.no_grad():
        references = pixels_of(*(part(seed) for seed in range(shots)))
        for method in (theirs, ours):
            method.fit([], references)
        assert len(theirs.model.memory_bank) == len(ours.bank)
        for photo in (part(50), part(51), part(50, damaged=True)):
            pixels = pixels_of(photo)
            expected, found = theirs.read(pixels), ours.read(pixels)
            assert found.score == pytest.approx(expected.score, rel=1e-3)
            both = np.corrcoef(found.anomaly_map.ravel(), expected.anomaly_map.ravel())
            assert both[0, 1] > 0.98
            assert found.anomaly_map.mean() == pytest.approx(expected.anomaly_map.mean(), rel=0.02)


@pytest.mark.filterwarnings("ignore")
def test_anomalibs_models_carry_our_weights(
    anomalib: Any, assistant: AnomalyGPT, pixels_of: Any, part: Any
) -> None:
    pixels = pixels_of(part(0))
    for name in ("PatchCore", "PaDiM", "DFM", "DFKDE", "MH-PatchCore"):
        peer = Peer(name, assistant.encoder)
        assert peer.difference(assistant.encoder, pixels) <= 1e-6
        with torch.no_grad():
            next(peer.built.feature_extractor.parameters()).mul_(1.1)
        assert peer.difference(assistant.encoder, pixels) > SAME_LEVELS


@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
def test_anomalibs_models_are_fitted_alike_each_time(
    anomalib: Any, assistant: AnomalyGPT, pixels_of: Any, part: Any
) -> None:
    references = pixels_of(*(part(seed) for seed in range(3)))
    pixels = pixels_of(part(50, damaged=True))
    for name in ("PatchCore", "PaDiM", "MH-PatchCore"):
        peer = Peer(name, assistant.encoder)
        found = []
        for _ in range(2):
            peer.fit([], references)
            found.append(peer.read(pixels))
        assert found[0].score == found[1].score, name
        assert (found[0].anomaly_map == found[1].anomaly_map).all(), name
