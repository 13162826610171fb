"""Pixel AUROC on real defects, before and after a training run.

    python scripts/measure_training.py RUN --category magnetic_tile --seeds 0 1 2

Reads RUN/arguments.json for the data set, and measures the assistant as it was before the first
step and as it was exported. Photos are those under test/ with masks, and test/good; masks are
compared on the cells of the map. Three maps: the text side alone, the references alone, and both
fused as the assistant draws them; one reference from train/good by seed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from anomalygpt import AnomalyGPT, AnomalyGPTError
from anomalygpt.data import Sample, load_mask, open_data
from anomalygpt.encoders import ImageFeatures
from anomalygpt.images.reading import load_image
from anomalygpt.training import TrainingArguments
from anomalygpt.training.checkpoints import existing
from anomalygpt.training.rows import model_pixels, shrink_mask
from anomalygpt.training.start import starting_assistant, training_data
from anomalygpt.training.trainer import ASSISTANT_FOLDER
from decoder.scale import fused

BATCH = 16


def run_arguments(run: Path) -> TrainingArguments:
    """The arguments that the run's last checkpoint keeps."""
    saved = existing(run)
    if not saved:
        raise SystemExit(f"error: {run} has no checkpoint; train first")
    return TrainingArguments(**json.loads((saved[-1] / "arguments.json").read_text()))


def masks_of(samples: Sequence[Sample], size: int) -> np.ndarray:
    """(N, size, size) bool."""
    masks = []
    for sample in samples:
        photo = load_image(sample.image)
        shape = (photo.height, photo.width)
        mask = load_mask(sample, shape) if sample.is_anomalous else np.zeros(shape, bool)
        masks.append(shrink_mask(mask, (size, size)))
    return np.stack(masks)


def encoded(assistant: AnomalyGPT, samples: Sequence[Sample]) -> ImageFeatures:
    parts = []
    for start in tqdm(range(0, len(samples), BATCH), desc="encoding", delay=2):
        photos = [load_image(sample.image) for sample in samples[start : start + BATCH]]
        pixels = [model_pixels(photo, assistant.config.encoder) for photo in photos]
        parts.append(assistant.encoder(torch.stack(pixels)))
    return ImageFeatures.cat(parts)


def measured(
    assistant: AnomalyGPT,
    features: ImageFeatures,
    masks: np.ndarray,
    references: Sequence[Path],
) -> Iterator[tuple[str, float]]:
    """Yield (map, pixel AUROC); one value of the text side, one per reference of the others."""
    text = assistant.category_features("object")
    stages, grid = features.stages, features.grid
    truth = masks.ravel()
    text_map = assistant.decoder.text_map(stages, grid, text)
    yield "text", float(roc_auc_score(truth, text_map.flatten().numpy()))
    for path in references:
        bank = assistant.remember([path])
        reference_map = assistant.decoder.reference_map(stages, grid, bank)
        together = fused(reference_map, text_map, assistant.decoder.config.text_weight)
        yield "reference", float(roc_auc_score(truth, reference_map.flatten().numpy()))
        yield "fused", float(roc_auc_score(truth, together.flatten().numpy()))


@torch.inference_mode()
def main() -> int:
    parser = argparse.ArgumentParser(description="Pixel AUROC before and after a training run.")
    parser.add_argument("run", type=Path, metavar="RUN", help="OUTPUT of the training")
    parser.add_argument("--category", required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    arguments = run_arguments(options.run)
    data = open_data(Path(arguments.data), arguments.layout, [options.category])
    samples = [s for s in data.select(split="test") if s.masks or not s.is_anomalous]
    normal = training_data(arguments).normal_photos[options.category]
    chosen = [
        normal[int(np.random.default_rng(seed).integers(len(normal)))] for seed in options.seeds
    ]
    before = starting_assistant(arguments, torch.device("cpu"))
    after = AnomalyGPT.from_pretrained(options.run / ASSISTANT_FOLDER, device="cpu", map_only=True)
    features = encoded(after, samples)
    masks = masks_of(samples, after.decoder.config.map_size)
    print(f"{len(samples)} photos, {int(masks.any(axis=(1, 2)).sum())} of them with defects")
    print("| map | before | after |\n|---|---|---|")
    found: dict[str, list[list[float]]] = {}
    for column, assistant in enumerate((before, after)):
        for name, value in measured(assistant, features, masks, chosen):
            found.setdefault(name, [[], []])[column].append(value)
    for name, columns in found.items():
        cells = [f"{np.mean(values):.3f} ± {np.std(values):.3f}" for values in columns]
        print(f"| {name} | {cells[0]} | {cells[1]} |")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except AnomalyGPTError as error:
        sys.exit(f"error: {error}")
