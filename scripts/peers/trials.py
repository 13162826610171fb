"""All methods on the same photos against the same references, with a clock."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from anomalygpt import AnomalyGPT
from anomalygpt.data import Sample, load_mask
from anomalygpt.evaluation.figures.image_figures import ranking_figures
from anomalygpt.evaluation.figures.pixel_counts import PixelCounts
from anomalygpt.evaluation.protocol import CategoryPlan
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.images.reading import load_image
from anomalygpt.progress import BAR_DELAY
from peers.readings import SEED, Method, bounded, checked, one_line, open_photo
from simulation import vary

FIGURES = ("image_auroc", "pixel_auroc", "aupro")
BAR = "{percentage:3.0f}%|{bar}| {desc}, {elapsed} gone, about {remaining} left"


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


# By number of references, method and category; one for each seed.
Outcomes = dict[int, dict[str, dict[str, list[Outcome]]]]


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


def measure(
    methods: Sequence[Method], assistant: AnomalyGPT, plans: Sequence[CategoryPlan]
) -> Outcomes:
    """Every trial of every category."""
    outcomes: Outcomes = {}
    trials = [
        (each.category, trial, [s for s in each.samples if s.image not in trial.excluded])
        for each in plans
        for trial in each.trials
    ]
    # A step is what one method does with one photo, or with the references. No smoothing: later
    # trials take as long as the earlier ones, learning included.
    steps = len(methods) * sum(1 + len(samples) for *_, samples in trials)
    with tqdm(total=steps, bar_format=BAR, smoothing=0, delay=BAR_DELAY, file=sys.stderr) as bar:
        for category, trial, samples in trials:
            bar.set_description_str(f"{category}, shots {trial.shots}, seed {trial.seed}")
            references = trial.order[: trial.shots]
            for name, outcome in run_trial(methods, assistant, samples, references, bar).items():
                rows = outcomes.setdefault(trial.shots, {}).setdefault(name, {})
                rows.setdefault(category, []).append(outcome)
    return outcomes


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
    tallies = {}
    for method in methods:
        tallies[method.name] = fitted(method, assistant, references, has_masks)
        progress.update()
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
