"""How each of anomalib's models is built around an encoder, and fitted; and those left out."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from anomalygpt.encoders.timm_backbone import TimmEncoder
from anomalygpt.errors import ConfigError
from peers.plain import CORESET_SHARE

CFA_EPOCHS = 30
PADIM_FEATURES = 100

# Why models are left out, and which.
LEFT_OUT = {
    "built on weights of its own, which would have to be downloaded": (
        "AnomalyDINO AnomalyVFM CFM Dinomaly Dsr EfficientAd FoundAD GeneralAD InpFormer L2BT Rad "
        "SuperADD VlmAd WinClip"
    ),
    "trains a network for many epochs": (
        "Cflow Csflow Draem Fastflow Fre Ganomaly Glass Patchflow ReverseDistillation Stfpm "
        "Supersimplenet Uflow UniNet"
    ),
}


def our_levels(encoder: TimmEncoder) -> list[int]:
    return list(encoder.config.stages)


def finer_levels(encoder: TimmEncoder) -> list[int]:
    """With one more at the fine end, as PaDiM and CFA were published; blocks stay as they are."""
    stages = encoder.config.stages
    before = stages[0] - 1
    return list(stages if encoder._is_isotropic or before < 0 else (before, *stages))


def deepest_level(encoder: TimmEncoder) -> list[int]:
    return list(encoder.config.stages[-1:])


def build_usual(model: Any, network: str, stages: list[int]) -> Any:
    return model(backbone=network, layers=stages, pre_trained=False)


def build_padim(model: Any, network: str, stages: list[int]) -> Any:
    return model(network, stages, pre_trained=False, n_features=PADIM_FEATURES)


def build_dfm(model: Any, network: str, stages: list[int]) -> Any:
    return model(network, stages[0], pre_trained=False)


def fit_patchcore(model: Any, pixels: Tensor) -> None:
    sampling = importlib.import_module("anomalib.models.components.sampling.k_center_greedy")
    model(pixels)
    with mock.patch.object(sampling, "tqdm", lambda items, **_: items), unwarned():
        model.subsample_embedding(CORESET_SHARE)


def fit_statistics(model: Any, pixels: Tensor) -> None:
    """PaDiM, DFM, DFKDE: collect features, then fit."""
    model(pixels)
    # DFKDE says "too few" by a value that nobody reads at this level of its code.
    if getattr(model, "classifier", None) is not None:
        wanted = model.classifier.n_pca_components
        if len(pixels) < wanted:
            raise ValueError(f"needs at least {wanted} references for its {wanted} components")
    model.fit()


def fit_mh_patchcore(model: Any, pixels: Tensor) -> None:
    """Its three passes over the references, in the order of its lightning module."""
    embeddings = model(pixels)
    model.pca.update(embeddings)
    model.pca.finalize()
    model.covariance.update(model.pca(embeddings))
    model.covariance.finalize()
    model.memory_bank.update(model.covariance(model.pca(embeddings)))
    model.memory_bank.finalize()


def build_cfa(model: Any, network: str, stages: list[int]) -> Any:
    """CFA downloads torchvision's weights when it is built; here it starts without any."""
    import torchvision
    from torchvision.models.feature_extraction import create_feature_extractor

    name = network.split(".")[0]
    if name not in ("resnet18", "wide_resnet50_2") or stages != [1, 2, 3]:
        raise ConfigError("reads levels 1 to 3 of resnet18 or wide_resnet50_2 only")

    def unloaded(backbone: str, return_nodes: list[str]) -> nn.Module:
        network = getattr(torchvision.models, backbone)(weights=None)
        return create_feature_extractor(network, return_nodes=return_nodes).eval()

    with mock.patch(f"{model.__module__}.get_feature_extractor", unloaded):
        built = model(name, 1, 1, 3, 3, 1e-5)
    built.radius = built.radius.detach()  # part of a graph it could not be copied
    return built


def fit_cfa(model: Any, pixels: Tensor) -> None:
    """Its descriptor is trained: one step of all references per epoch, its optimiser's settings."""
    from anomalib.models.image.cfa.loss import CfaLoss

    with mock.patch(f"{type(model).__module__}.tqdm", lambda items, **_: items):
        model.initialize_centroid([SimpleNamespace(image=pixels)])
    loss = CfaLoss(num_nearest_neighbors=3, num_hard_negative_features=3, radius=1e-5)
    model.requires_grad_(False)
    model.descriptor.requires_grad_(True)
    optimiser = torch.optim.AdamW(
        model.descriptor.parameters(), lr=1e-3, weight_decay=5e-4, amsgrad=True
    )
    with torch.enable_grad():
        for _ in range(CFA_EPOCHS):
            optimiser.zero_grad()
            loss(model(pixels)).backward()
            optimiser.step()
    model.requires_grad_(False)


@dataclass(frozen=True)
class Recipe:
    """How one of anomalib's models is built and fitted.

    Attributes:
        place: its folder under `anomalib.models.image`, and its class there.
        levels: which levels it reads by default, told from those that our encoder reads.
        note: for the report.
        fit: learns reference pixels (k, 3, S, S).
        build: from its class, the name of timm's network and the levels to read.
    """

    place: str
    levels: Callable[[TimmEncoder], list[int]]
    note: str
    fit: Callable[[Any, Tensor], None] = fit_statistics
    build: Callable[[Any, str, list[int]], Any] = build_usual

    def built(self, network: str, stages: list[int]) -> Any:
        folder, name = self.place.split(".")
        module = importlib.import_module(f"anomalib.models.image.{folder}.torch_model")
        return self.build(getattr(module, name), network, stages)


RECIPES = {
    "PatchCore": Recipe(
        "patchcore.PatchcoreModel", our_levels, "coreset of 10 %, our levels", fit_patchcore
    ),
    "PaDiM": Recipe(
        "padim.PadimModel", finer_levels, "100 features, one finer level more", build=build_padim
    ),
    "DFM": Recipe("dfm.DFMModel", deepest_level, "our deepest level", build=build_dfm),
    "DFKDE": Recipe("dfkde.DfkdeModel", deepest_level, "our deepest level, no map"),
    "MH-PatchCore": Recipe(
        "mh_patchcore.MHPatchcoreModel", our_levels, "our levels", fit_mh_patchcore
    ),
    "CFA": Recipe(
        "cfa.CfaModel",
        *(finer_levels, "30 epochs of one step, one finer level more", fit_cfa, build_cfa),
    ),
}


def left_out(offered: Sequence[str]) -> list[str]:
    """Lines on anomalib's models that are not run, and why."""
    run = {recipe.place.split(".")[0].replace("_", "") for recipe in RECIPES.values()}
    reasons: dict[str, list[str]] = {}
    for name in offered:
        if name.lower() not in run:
            known = (reason for reason, names in LEFT_OUT.items() if name in names.split())
            reasons.setdefault(next(known, "newer than this script"), []).append(name)
    return [f"- left out, {reason}: {', '.join(names)}" for reason, names in reasons.items()]


@contextmanager
def unwarned() -> Iterator[None]:
    """anomalib warns of what it will change in itself; nobody who compares can act on it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
