"""Our map from a few good photos against other ways to read the same encoder.

    python scripts/compare_peers.py DATA --shots 1 4 --seeds 0 1 2 --encoder resnet18 \
        --encoder-weights FILE --encoder-option input_size=256 --output comparison.md

All methods see the same references (those of `anomalygpt evaluate`), the same test photos as the
same pixels, and the same encoder weights:

- ours, with the normalised and the published map;
- PatchCore-style and SPADE-style readings, written plainly below; they take the encoder's levels
  as they are, before our encoder weighs and joins them;
- anomalib's models (extra `peers`), built from their own code with our encoder's weights loaded
  into them. Before anything is measured, the levels that each of them computes from a photo are
  compared with ours. Models that need weights of their own or long training are left out; the
  report lists them.

Maps of peers are distances d without a bound. Figures only depend on the order of values, so d is
written as d / (c + d), with c the median of the map of a simulated other photo of the first
reference.

Time is that of encoding and matching one photo on the CPU, without reading the file and without
bringing the map back to the photo's own size. All methods read a photo before the next one comes,
in another order for each photo, and one photo is read by each before the clock starts. The time
to learn the references ("build") is apart; ours includes reading their files once more.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any, Protocol
from unittest import mock

import cv2
import numpy as np
import timm
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from anomalygpt import AnomalyGPT, AnomalyGPTError
from anomalygpt.cli import parse_options
from anomalygpt.data import Sample, load_mask, open_data
from anomalygpt.encoders.timm_backbone import TimmEncoder
from anomalygpt.errors import ConfigError, DataError, MissingExtraError
from anomalygpt.evaluation.image_figures import ranking_figures
from anomalygpt.evaluation.pixel_counts import PixelCounts
from anomalygpt.evaluation.protocol import CategoryPlan, Trial, plan
from anomalygpt.evaluation.settings import EvaluationSettings
from anomalygpt.evidence import EncodedPhotos
from anomalygpt.image_io import load_image, write_atomically
from anomalygpt.preprocessing import ImageGeometry, preprocess
from simulation import vary

# As published for PatchCore (Roth et al., 2022) and in anomalib's defaults.
CORESET_SHARE = 0.1
SUPPORT = 9
BLUR_SIGMA = 4.0
# As published for SPADE (Cohen and Hoshen, 2020).
SPADE_NEIGHBOURS = 5

SEARCH_ROWS = 1024
# Largest difference between a peer's levels and ours, as a share of the largest value.
SAME_LEVELS = 1e-4
CFA_EPOCHS = 30
PADIM_FEATURES = 100
SEED = 0
OURS = "ours, normalised"
FIGURES = ("image_auroc", "pixel_auroc", "aupro")

_OWN_WEIGHTS = "built on weights of its own, which would have to be downloaded"
_TRAINING = "trains a network for many epochs"
LEFT_OUT = {
    **dict.fromkeys(
        (
            *("AnomalyDINO", "AnomalyVFM", "CFM", "Dinomaly", "Dsr", "EfficientAd", "FoundAD"),
            *("GeneralAD", "InpFormer", "L2BT", "Rad", "SuperADD", "VlmAd", "WinClip"),
        ),
        _OWN_WEIGHTS,
    ),
    **dict.fromkeys(
        (
            *("Cflow", "Csflow", "Draem", "Fastflow", "Fre", "Ganomaly", "Glass", "Patchflow"),
            *("ReverseDistillation", "Stfpm", "Supersimplenet", "Uflow", "UniNet"),
        ),
        _TRAINING,
    ),
}


@dataclass(frozen=True)
class Reading:
    """What a method finds on one photo.

    Attributes:
        score: higher is less like the references.
        anomaly_map: (h, w) over the model's square, at least 0; None where a method draws none.
    """

    score: float
    anomaly_map: np.ndarray | None


class Method(Protocol):
    """A way to compare photos with references.

    Attributes:
        name: in tables.
        bounded: whether its maps lie in [0, 1] already.
    """

    name: str
    bounded: bool

    def fit(self, references: Sequence[Path], pixels: Tensor) -> None:
        """Learn the references: as files, and as the model's pixels (k, 3, S, S)."""
        ...

    def read(self, pixels: Tensor) -> Reading:
        """Encode and compare one photo, (1, 3, S, S)."""
        ...


class Ours:
    """The assistant's own map, in one of its two formulations."""

    bounded = True

    def __init__(self, assistant: AnomalyGPT, formulation: Any) -> None:
        self.name = f"ours, {formulation}"
        self.assistant = assistant
        self.formulation = formulation

    def fit(self, references: Sequence[Path], pixels: Tensor) -> None:
        self.bank = self.assistant.remember(list(references))
        # Patches of all references are joined, and their own distances read, at the first search.
        self.read(pixels[:1])

    def read(self, pixels: Tensor) -> Reading:
        self.assistant.set_formulation(self.formulation)
        side = pixels.shape[-1]
        geometry = ImageGeometry.fit((side, side), side, "square")
        photo = EncodedPhotos(self.assistant.encoder(pixels), [geometry], [None])
        evidence = self.assistant.examine(photo, self.bank)
        return Reading(float(evidence.scores[0]), evidence.maps[0].numpy())


class PatchCoreStyle:
    """PatchCore on the levels of our encoder.

    Levels are averaged over 3×3 cells and joined on the finest grid; a greedy coreset of the
    references' patches is kept; a patch is as odd as its distance to the nearest one kept, and
    the photo as its oddest patch, less where that one's nearest neighbour is itself on its own.
    """

    bounded = False
    name = "PatchCore-style"

    def __init__(self, encoder: Any, share: float = CORESET_SHARE) -> None:
        self.encoder = encoder
        self.share = share

    def fit(self, references: Sequence[Path], pixels: Tensor) -> None:
        patches = self._patches(pixels).permute(0, 2, 3, 1).flatten(0, 2)
        self.bank = patches[coreset(patches, max(1, int(len(patches) * self.share)))]

    def read(self, pixels: Tensor) -> Reading:
        grid = self._patches(pixels)
        patches = grid[0].flatten(1).T
        distances, found = nearest(patches, self.bank, 1)
        worst = int(distances[:, 0].argmax())
        _, support = nearest(self.bank[found[worst]], self.bank, min(SUPPORT, len(self.bank)))
        around = (self.bank[support[0]] - patches[worst]).norm(dim=1)
        weight = 1.0 - around.softmax(dim=0)[0]
        anomaly_map = smooth(distances.view(1, 1, *grid.shape[-2:]), pixels.shape[-1])
        return Reading(float(weight * distances[worst, 0]), anomaly_map)

    def _patches(self, pixels: Tensor) -> Tensor:
        """(B, C, H, W), all levels joined."""
        pooled = [F.avg_pool2d(level, 3, 1, 1) for level in encoder_levels(self.encoder, pixels)]
        size = max(level.shape[-2:] for level in pooled)
        return torch.cat([enlarge(level, size) for level in pooled], dim=1)


class SpadeStyle:
    """SPADE on the levels of our encoder.

    A patch is as odd as the mean distance to its K nearest patches of all references, level by
    level; the photo as the mean distance of its average deepest patch to those of the K nearest
    references. K is 5, and the number of references where there are fewer.
    """

    bounded = False
    name = "SPADE-style"

    def __init__(self, encoder: Any) -> None:
        self.encoder = encoder

    def fit(self, references: Sequence[Path], pixels: Tensor) -> None:
        levels = encoder_levels(self.encoder, pixels)
        self.neighbours = min(SPADE_NEIGHBOURS, len(pixels))
        self.banks = [level.permute(0, 2, 3, 1).flatten(0, 2).contiguous() for level in levels]
        self.whole = levels[-1].mean(dim=(2, 3))

    def read(self, pixels: Tensor) -> Reading:
        levels = encoder_levels(self.encoder, pixels)
        size, maps = max(level.shape[-2:] for level in levels), []
        for level, bank in zip(levels, self.banks, strict=True):
            distances, _ = nearest(level[0].flatten(1).T, bank, self.neighbours)
            plane = distances.mean(dim=1).view(1, 1, *level.shape[-2:])
            maps.append(enlarge(plane, size))
        whole, _ = nearest(levels[-1].mean(dim=(2, 3)), self.whole, self.neighbours)
        return Reading(float(whole.mean()), smooth(torch.stack(maps).mean(dim=0), pixels.shape[-1]))


def encoder_levels(encoder: Any, pixels: Tensor, stages: Sequence[int] = ()) -> list[Tensor]:
    """What the encoder reads, (B, C, H, W) per level, each on its own grid; finest first.

    Args:
        encoder: any; with timm's networks the levels before they are joined.
        pixels: (B, 3, S, S).
        stages: other levels of a timm network than those that the encoder reads.
    """
    if isinstance(encoder, TimmEncoder):
        return encoder.backbone.forward_intermediates(
            pixels,
            indices=list(stages or encoder.config.stages),
            stop_early=True,
            output_fmt="NCHW",
            intermediates_only=True,
        )
    features = encoder(pixels)
    return [stage.transpose(1, 2).unflatten(2, features.grid) for stage in features.stages]


def nearest(query: Tensor, bank: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Euclidean distances to the `count` nearest rows of a bank, nearest first, and which.

    Args:
        query: (N, C).
        bank: (M, C).

    Returns:
        (N, count) distances, exact ones: 0 for a row that the bank holds; (N, count) indices.
    """
    squares = bank.square().sum(dim=1)
    found, distances = [], []
    for rows in query.split(SEARCH_ROWS):
        indices = torch.addmm(squares, rows, bank.T, alpha=-2).topk(count, largest=False).indices
        found.append(indices)
        distances.append((bank[indices] - rows[:, None]).norm(dim=2))
    exact, order = torch.cat(distances).sort(dim=1)
    return exact, torch.cat(found).gather(1, order)


def coreset(patches: Tensor, count: int) -> Tensor:
    """Indices of `count` patches of (N, C): each time the one farthest from those taken."""
    generator = torch.Generator().manual_seed(SEED)
    taken = [torch.randint(len(patches), (), generator=generator)]
    distances = torch.full((len(patches),), torch.inf)
    for _ in range(count - 1):
        distances = torch.minimum(distances, (patches - patches[taken[-1]]).norm(dim=1))
        # Equal patches must not be taken twice before all others are.
        distances[taken[-1]] = -1.0
        taken.append(distances.argmax())
    return torch.stack(taken)


def enlarge(level: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) on a finer grid."""
    return F.interpolate(level, size=size, mode="bilinear", align_corners=False)


def smooth(plane: Tensor, side: int) -> np.ndarray:
    """Distances of a grid, (1, 1, H, W), as a map (side, side), blurred as PatchCore's."""
    pixels = enlarge(plane, (side, side))[0, 0].numpy()
    reach = 2 * int(4 * BLUR_SIGMA + 0.5) + 1
    return cv2.GaussianBlur(pixels, (reach, reach), BLUR_SIGMA)


@dataclass(frozen=True)
class Recipe:
    """How one of anomalib's models is built and fitted.

    Attributes:
        module: where it lies under `anomalib.models.image`.
        build: from that module, the encoder and the levels to read.
        fit: learns reference pixels (k, 3, S, S).
        levels: which levels it reads by default, told from those that our encoder reads.
        note: for the report.
    """

    module: str
    build: Callable[[Any, TimmEncoder, list[int]], Any]
    fit: Callable[[Any, Tensor, Any], None]
    levels: Callable[[TimmEncoder], list[int]]
    note: str


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
        self.module = importlib.import_module(
            f"anomalib.models.image.{self.recipe.module}.torch_model"
        )
        self.stages = self.recipe.levels(encoder)
        torch.manual_seed(SEED)
        self.built = self.recipe.build(self.module, encoder, self.stages)
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
        self.recipe.fit(self.model, pixels.clone(), self.module)
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


def our_levels(encoder: TimmEncoder) -> list[int]:
    return list(encoder.config.stages)


def finer_levels(encoder: TimmEncoder) -> list[int]:
    """With one more at the fine end, as PaDiM and CFA were published; blocks stay as they are."""
    stages = encoder.config.stages
    before = stages[0] - 1
    return list(stages if encoder._is_isotropic or before < 0 else (before, *stages))


def deepest_level(encoder: TimmEncoder) -> list[int]:
    return list(encoder.config.stages[-1:])


def build_patchcore(module: Any, encoder: TimmEncoder, stages: list[int]) -> Any:
    return module.PatchcoreModel(stages, encoder.config.name, pre_trained=False)


def fit_patchcore(model: Any, pixels: Tensor, module: Any) -> None:
    sampling = importlib.import_module("anomalib.models.components.sampling.k_center_greedy")
    model(pixels)
    with mock.patch.object(sampling, "tqdm", lambda items, **_: items), unwarned():
        model.subsample_embedding(CORESET_SHARE)


def build_padim(module: Any, encoder: TimmEncoder, stages: list[int]) -> Any:
    return module.PadimModel(
        encoder.config.name, stages, pre_trained=False, n_features=PADIM_FEATURES
    )


def build_dfm(module: Any, encoder: TimmEncoder, stages: list[int]) -> Any:
    return module.DFMModel(encoder.config.name, stages[0], pre_trained=False)


def build_dfkde(module: Any, encoder: TimmEncoder, stages: list[int]) -> Any:
    return module.DfkdeModel(encoder.config.name, stages, pre_trained=False)


def fit_statistics(model: Any, pixels: Tensor, module: Any) -> None:
    """PaDiM, DFM, DFKDE: collect features, then fit."""
    model(pixels)
    # DFKDE says "too few" by a value that nobody reads at this level of its code.
    if getattr(model, "classifier", None) is not None:
        wanted = model.classifier.n_pca_components
        if len(pixels) < wanted:
            raise ValueError(f"needs at least {wanted} references for its {wanted} components")
    model.fit()


def build_mh_patchcore(module: Any, encoder: TimmEncoder, stages: list[int]) -> Any:
    return module.MHPatchcoreModel(encoder.config.name, stages, pre_trained=False)


def fit_mh_patchcore(model: Any, pixels: Tensor, module: Any) -> None:
    """Its three passes over the references, in the order of its lightning module."""
    embeddings = model(pixels)
    model.pca.update(embeddings)
    model.pca.finalize()
    model.covariance.update(model.pca(embeddings))
    model.covariance.finalize()
    model.memory_bank.update(model.covariance(model.pca(embeddings)))
    model.memory_bank.finalize()


def build_cfa(module: Any, encoder: TimmEncoder, stages: list[int]) -> Any:
    """CFA downloads torchvision's weights when it is built; here it starts without any."""
    import torchvision
    from torchvision.models.feature_extraction import create_feature_extractor

    name = encoder.config.name.split(".")[0]
    if name not in ("resnet18", "wide_resnet50_2") or stages != [1, 2, 3]:
        raise ConfigError("reads levels 1 to 3 of resnet18 or wide_resnet50_2 only")

    def unloaded(backbone: str, return_nodes: list[str]) -> nn.Module:
        network = getattr(torchvision.models, backbone)(weights=None)
        return create_feature_extractor(network, return_nodes=return_nodes).eval()

    with mock.patch.object(module, "get_feature_extractor", unloaded):
        model = module.CfaModel(name, 1, 1, 3, 3, 1e-5)
    model.radius = model.radius.detach()  # part of a graph it could not be copied
    return model


def fit_cfa(model: Any, pixels: Tensor, module: Any) -> None:
    """Its descriptor is trained: one step of all references per epoch, its optimiser's settings."""
    from anomalib.models.image.cfa.loss import CfaLoss

    with mock.patch.object(module, "tqdm", lambda items, **_: items):
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


RECIPES = {
    "PatchCore": Recipe(
        "patchcore", build_patchcore, fit_patchcore, our_levels, "coreset of 10 %, our levels"
    ),
    "PaDiM": Recipe(
        "padim", build_padim, fit_statistics, finer_levels, "100 features, one finer level more"
    ),
    "DFM": Recipe("dfm", build_dfm, fit_statistics, deepest_level, "our deepest level"),
    "DFKDE": Recipe(
        "dfkde", build_dfkde, fit_statistics, deepest_level, "our deepest level, no map"
    ),
    "MH-PatchCore": Recipe(
        "mh_patchcore", build_mh_patchcore, fit_mh_patchcore, our_levels, "our levels"
    ),
    "CFA": Recipe(
        "cfa", build_cfa, fit_cfa, finer_levels, "30 epochs of one step, one finer level more"
    ),
}
# What anomalib calls the models above.
_RUN_NAMES = frozenset({"Patchcore", "Padim", "Dfm", "Dfkde", "MHPatchcore", "Cfa"})


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
    try:
        with unwarned():
            anomalib = importlib.import_module("anomalib")
            offered = importlib.import_module("anomalib.models.image").__all__
    except ImportError as error:
        raise MissingExtraError(
            f"anomalib cannot be imported ({one_line(error)}); install it with "
            "pip install 'anomalygpt[peers]', or add --peers none"
        ) from None
    encoder: Any = assistant.encoder
    if not isinstance(encoder, TimmEncoder):
        return [], [f"anomalib: none, since its models take no {encoder.config.kind} encoder"]
    pixels = open_photo(assistant, photo)[0]
    peers, lines = [], [f"anomalib {anomalib.__version__}:"]
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
            f"- {name} run ({RECIPES[name].note}); its levels {peer.stages} differ from ours "
            f"by {difference:.0e} of the largest value on {photo.name}"
        )
    return peers, lines + left_out(offered)


def left_out(offered: Sequence[str]) -> list[str]:
    """Lines on anomalib's models that are not run, and why."""
    reasons: dict[str, list[str]] = {}
    for name in offered:
        if name not in _RUN_NAMES:
            reasons.setdefault(LEFT_OUT.get(name, "newer than this script"), []).append(name)
    return [f"- left out, {reason}: {', '.join(names)}" for reason, names in reasons.items()]


@contextmanager
def unwarned() -> Iterator[None]:
    """anomalib warns of what it will change in itself; nobody who compares can act on it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{text[:157]}…"


def open_photo(assistant: AnomalyGPT, photo: Path | Image.Image) -> tuple[Tensor, ImageGeometry]:
    """The encoder's pixels of a photo, (1, 3, S, S), and where it lies in them."""
    settings = assistant.config.encoder
    pixels, geometry = preprocess(
        load_image(photo),
        size=settings.input_size,
        mean=settings.mean,
        std=settings.std,
        resize=settings.resize,
    )
    return pixels[None], geometry


@dataclass
class Outcome:
    """What one method did in one trial of one category.

    Attributes:
        build_ms: time to learn the references.
        failure: why there are no figures.
        figures: image_auroc, pixel_auroc and aupro; None for what cannot be told.
        milliseconds: of each photo.
    """

    build_ms: float = 0.0
    failure: str | None = None
    figures: dict[str, float | None] = field(default_factory=lambda: dict.fromkeys(FIGURES))
    milliseconds: list[float] = field(default_factory=list)


@dataclass
class Tally:
    """What a method says about the photos of a running trial.

    Attributes:
        outcome: becomes complete by `finish`.
        scale: c of d / (c + d) for its maps.
        pixels: its maps against the masks; None where nothing of the kind can be counted.
    """

    outcome: Outcome
    scale: float = 1.0
    pixels: PixelCounts | None = None
    scores: list[float] = field(default_factory=list)
    labels: list[bool] = field(default_factory=list)

    def finish(self) -> Outcome:
        """The outcome with its figures."""
        if self.outcome.failure is None:
            found = ranking_figures(np.array(self.scores), np.array(self.labels))
            if self.pixels is not None:
                found = {**found, **self.pixels.figures()}
            self.outcome.figures = {name: found.get(name) for name in FIGURES}
        return self.outcome


@torch.no_grad()
def run_trial(
    methods: Sequence[Method],
    assistant: AnomalyGPT,
    samples: Sequence[Sample],
    references: Sequence[Path],
    progress: tqdm,
) -> dict[str, Outcome]:
    """All methods on the same photos against the same references.

    A photo without a mask that would need one counts for the image figures alone.
    """
    has_masks = any(sample.masks for sample in samples)
    tallies = {method.name: fitted(method, assistant, references, has_masks) for method in methods}
    for number, sample in enumerate(samples):
        pixels, geometry = open_photo(assistant, sample.image)
        mask = None
        if has_masks and (sample.masks or not sample.is_anomalous):
            mask = load_mask(sample, geometry.original)
        # Another order for each photo: what a method leaves in the caches meets them all.
        for turn in np.random.default_rng(number).permutation(len(methods)):
            method = methods[turn]
            tally = tallies[method.name]
            if tally.outcome.failure is None:
                try:
                    read_one(method, tally, pixels, geometry, mask, sample.is_anomalous)
                except Exception as error:  # the others go on, whatever its code raises
                    tally.outcome.failure = one_line(error)
        progress.update()
    return {name: tally.finish() for name, tally in tallies.items()}


def fitted(
    method: Method, assistant: AnomalyGPT, references: Sequence[Path], has_masks: bool
) -> Tally:
    """The method learns the references and reads one photo without being timed."""
    tally = Tally(Outcome())
    photos = [open_photo(assistant, path)[0] for path in references]
    other = vary(np.asarray(load_image(references[0])), np.random.default_rng(SEED))
    try:
        start = time.perf_counter()
        method.fit(references, torch.cat(photos))
        tally.outcome.build_ms = (time.perf_counter() - start) * 1e3
        reading = checked(method.read(open_photo(assistant, Image.fromarray(other))[0]))
    except Exception as error:  # such as a covariance of one photo
        tally.outcome.failure = one_line(error)
        return tally
    if reading.anomaly_map is not None:
        tally.pixels = PixelCounts() if has_masks else None
        tally.scale = float(np.median(reading.anomaly_map)) or 1.0
    return tally


def read_one(
    method: Method,
    tally: Tally,
    pixels: Tensor,
    geometry: ImageGeometry,
    mask: np.ndarray | None,
    is_anomalous: bool,
) -> None:
    """One photo: its time, its score, and its map against the mask."""
    with torch.inference_mode():
        start = time.perf_counter()
        reading = method.read(pixels)
        tally.outcome.milliseconds.append((time.perf_counter() - start) * 1e3)
    checked(reading)
    tally.scores.append(reading.score)
    tally.labels.append(is_anomalous)
    if tally.pixels is not None and reading.anomaly_map is not None and mask is not None:
        anomaly_map = geometry.back_project(reading.anomaly_map)
        if not method.bounded:
            anomaly_map = bounded(anomaly_map, tally.scale)
        tally.pixels.add(anomaly_map, mask)


def checked(reading: Reading) -> Reading:
    """
    Raises:
        ValueError: it holds a value that cannot be compared.
    """
    values = [reading.score]
    if reading.anomaly_map is not None:
        values += [float(reading.anomaly_map.min()), float(reading.anomaly_map.max())]
    if not np.isfinite(values).all():
        raise ValueError("its score or map holds values that are no numbers")
    if min(values[1:], default=0.0) < 0:
        raise ValueError(f"the map has negative values, down to {min(values[1:]):.3g}")
    return reading


def bounded(distances: np.ndarray, scale: float) -> np.ndarray:
    """Distances from 0 on as values in [0, 1), in the same order; `scale` becomes one half."""
    wide = distances.astype(np.float64)
    return (wide / (scale + wide)).astype(np.float32)


@dataclass
class Row:
    """One method with one number of references, over categories and seeds."""

    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)

    def milliseconds(self) -> float | None:
        """Median over all photos."""
        every = [ms for found in self._all() for ms in found.milliseconds if not found.failure]
        return median(every) if every else None

    def build_milliseconds(self) -> float | None:
        every = [found.build_ms for found in self._all() if not found.failure]
        return median(every) if every else None

    def failures(self) -> dict[str, list[str]]:
        """Reasons, and the categories in which each came up."""
        reasons: dict[str, list[str]] = {}
        for category, outcomes in self.outcomes.items():
            for reason in {found.failure for found in outcomes if found.failure}:
                reasons.setdefault(reason, []).append(category)
        return reasons

    def _all(self) -> Iterator[Outcome]:
        return (found for outcomes in self.outcomes.values() for found in outcomes)


def measure(
    methods: Sequence[Method],
    assistant: AnomalyGPT,
    plans: Sequence[CategoryPlan],
) -> dict[int, dict[str, Row]]:
    """Rows by number of references and method."""
    rows: dict[int, dict[str, Row]] = {}
    total = sum(len(each.samples) * len(each.trials) for each in plans)
    with tqdm(total=total, unit=" photos", delay=2, file=sys.stderr) as progress:
        for each in plans:
            for trial in each.trials:
                progress.set_postfix_str(f"{each.category}, {trial.shots}, seed {trial.seed}")
                references = drawn(trial)
                found = run_trial(methods, assistant, each.samples, references, progress)
                for name, outcome in found.items():
                    row = rows.setdefault(trial.shots, {}).setdefault(name, Row())
                    row.outcomes.setdefault(each.category, []).append(outcome)
    return rows


def drawn(trial: Trial) -> list[Path]:
    """The references of a trial, as `anomalygpt evaluate` takes them."""
    return list(trial.order[: trial.shots])


def table(shots: int, rows: Mapping[str, Row], categories: Sequence[str]) -> str:
    """One number of references in markdown."""
    head = ["method", "image AUROC", *categories, "pixel AUROC", "AUPRO"]
    head += ["ms/image", "ratio", "build ms"]
    lines = [f"## {shots} reference{'s' * (shots != 1)}", "", line(head), "|---" * len(head) + "|"]
    ours = rows[OURS].milliseconds() if OURS in rows else None
    notes = []
    for name, row in rows.items():
        lines.append(line([name, *cells(row, categories, ours)]))
        for reason, where in row.failures().items():
            what = "failed" if set(where) == set(categories) else f"failed on {', '.join(where)}"
            notes.append(f"- {name} {what}: {reason}")
    return "\n".join([*lines, *([""] if notes else []), *notes])


def cells(row: Row, categories: Sequence[str], ours: float | None) -> list[str]:
    """Figures and times of one method; "–" for what cannot be told."""
    figures = {name: [found.figures for found in row.outcomes[name]] for name in categories}
    image = by_seed(figures, "image_auroc")
    spread = mean_cell(image)
    if image is not None and len(image) > 1:
        spread += f" ± {image.std():.3f}"
    each = [by_seed({name: figures[name]}, "image_auroc") for name in categories]
    # Categories without masks have no say in the figures of the map.
    places = {
        key: by_seed(
            {n: f for n, f in figures.items() if any(seed[key] is not None for seed in f)}, key
        )
        for key in FIGURES[1:]
    }
    times = (row.milliseconds(), row.build_milliseconds())
    ratio = None if times[0] is None or ours is None else times[0] / ours
    return [
        *(spread, *map(mean_cell, each), *map(mean_cell, places.values())),
        *(number(times[0], 1), number(ratio, 2), number(times[1], 0)),
    ]


def by_seed(
    figures: Mapping[str, Sequence[Mapping[str, float | None]]], key: str
) -> np.ndarray | None:
    """(seeds,), mean over categories; None where one is missing."""
    values = [[seed[key] for seed in seeds] for seeds in figures.values()]
    if not values or any(value is None for seeds in values for value in seeds):
        return None
    return np.array(values, dtype=float).mean(axis=0)


def mean_cell(values: np.ndarray | None) -> str:
    return "–" if values is None else f"{values.mean():.3f}"


def number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def report(
    rows: Mapping[int, Mapping[str, Row]],
    plans: Sequence[CategoryPlan],
    notes: Sequence[str],
    arguments: Sequence[str],
) -> str:
    """Head lines and one table per number of references."""
    photos = ", ".join(f"{each.category} {len(each.samples)}" for each in plans)
    head = [
        "# Ours and other readings of the same encoder",
        "",
        f"{date.today().isoformat()}, torch {torch.__version__}, timm {timm.__version__}, "
        f"{torch.get_num_threads()} threads, CPU. Test photos: {photos}. Image AUROC: mean and "
        "deviation over seeds of the mean over categories, then each category; map figures on the "
        "photos' own pixels, of categories with masks.",
        "",
        "```bash",
        shlex.join(["python", "scripts/compare_peers.py", *arguments]),
        "```",
        "",
        *notes,
    ]
    categories = [each.category for each in plans]
    return "\n".join(head) + "".join(
        f"\n\n{table(shots, found, categories)}" for shots, found in rows.items()
    )


def compare(options: argparse.Namespace, arguments: Sequence[str]) -> str:
    """The whole comparison, as markdown."""
    plans = planned(options)
    if options.threads:
        torch.set_num_threads(options.threads)
    cv2.setNumThreads(torch.get_num_threads())
    assistant = AnomalyGPT.from_encoder(
        options.encoder,
        options.encoder_weights,
        options=parse_options(options.encoder_option),
        device="cpu",
    )
    names = [name for name in dict.fromkeys(options.peers) if name != "none"]
    peers, notes = open_peers(names, assistant, plans[0].trials[0].order[0])
    print("\n".join(notes), file=sys.stderr)
    methods: list[Method] = [
        *(Ours(assistant, formulation) for formulation in ("normalised", "published")),
        *(PatchCoreStyle(assistant.encoder), SpadeStyle(assistant.encoder)),
        *peers,
    ]
    return report(measure(methods, assistant, plans), plans, notes, arguments)


def planned(options: argparse.Namespace) -> list[CategoryPlan]:
    """Photos and references, by the rules of `anomalygpt evaluate`.

    Raises:
        ConfigError, DataError: an option or the data set cannot be used.
    """
    if "none" in options.peers and len(set(options.peers)) > 1:
        raise ConfigError(f"--peers none goes with no other name; got {' '.join(options.peers)}")
    if min(options.shots) < 1:
        raise ConfigError(f"--shots counts from 1 on; got {min(options.shots)}")
    settings = EvaluationSettings(
        data=str(options.data),
        categories=tuple(options.categories) if options.categories else None,
        shots=tuple(options.shots),
        seeds=tuple(options.seeds),
        limit=options.limit,
    )
    plans = plan(open_data(options.data, categories=settings.categories), settings)
    if any(each.own_references for each in plans):
        raise DataError(
            f"{options.data} has a reference for every photo; here they are drawn from train/good"
        )
    return plans


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("data", type=Path, metavar="DATA", help="a data set with train/good")
    made.add_argument("--categories", nargs="+", help="only these products")
    made.add_argument("--shots", nargs="+", type=int, default=[1, 4])
    made.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    made.add_argument("--encoder", required=True)
    made.add_argument("--encoder-weights", type=Path)
    made.add_argument("--encoder-option", nargs="+", default=[], metavar="KEY=VALUE")
    made.add_argument("--limit", type=int, help="at most so many test photos of a category")
    made.add_argument(
        "--peers",
        nargs="+",
        choices=[*RECIPES, "none"],
        default=list(RECIPES),
        metavar="NAME",
        help=f"of anomalib: {', '.join(RECIPES)} (default: all), or none",
    )
    made.add_argument("--threads", type=int, default=0, help="0 leaves the choice to torch")
    made.add_argument("--output", type=Path, metavar="FILE.md", help="also write the report here")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(arguments)
    try:
        text = compare(options, arguments)
        print(text)
        if options.output is not None:
            write_atomically(options.output, lambda file: file.write(f"{text}\n".encode()))
    except AnomalyGPTError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
