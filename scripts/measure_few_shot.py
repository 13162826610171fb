"""Image AUROC of an encoder's maps on folders in MVTec layout, with a few references.

    python scripts/measure_few_shot.py DATA --categories cookie tile \
        --encoder vit_tiny_patch16_224 --encoder-weights FILE --shots 1 4 --seeds 0 1 2

References are drawn from train/good by `numpy.random.default_rng(seed).choice`; every photo under
test/ is scored; test/good is normal, everything else is not. Both formulations of the map are
measured on the same features.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from anomalygpt import AnomalyGPT, AnomalyGPTError
from anomalygpt.cli import parse_options
from anomalygpt.evidence import EncodedPhotos
from anomalygpt.image_io import list_images

FORMULATIONS = ("normalised", "published")
BATCH = 16


def encode(assistant: AnomalyGPT, paths: Sequence[Path], name: str) -> list[EncodedPhotos]:
    batches = range(0, len(paths), BATCH)
    return [
        assistant.encode(paths[start : start + BATCH])
        for start in tqdm(batches, desc=name, unit=" batches", delay=2)
    ]


def measure(
    assistant: AnomalyGPT,
    category: Path,
    shots: Sequence[int],
    seeds: Sequence[int],
    rotations: int,
) -> Iterator[tuple[int, str, float]]:
    """Yield (shots, formulation, AUROC) for every seed."""
    train, test = list_images(category / "train" / "good"), list_images(category / "test")
    labels = [path.parent.name != "good" for path in test]
    photos = encode(assistant, test, category.name)
    for count in shots:
        for seed in seeds:
            chosen = np.random.default_rng(seed).choice(len(train), count, replace=False)
            bank = assistant.remember([train[i] for i in chosen], rotations=rotations)
            for formulation in FORMULATIONS:
                assistant.set_formulation(formulation)
                scores = [assistant.examine(batch, bank).scores.numpy() for batch in photos]
                yield count, formulation, float(roc_auc_score(labels, np.concatenate(scores)))


def main() -> int:
    parser = argparse.ArgumentParser(description="Image AUROC of an encoder with few references.")
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of categories")
    parser.add_argument("--categories", nargs="+", required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--encoder-weights", type=Path)
    parser.add_argument("--encoder-option", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--shots", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rotations", type=int, default=1)
    options = parser.parse_args()
    assistant = AnomalyGPT.from_encoder(
        options.encoder, options.encoder_weights, options=parse_options(options.encoder_option)
    )
    found: dict[tuple[int, str], dict[str, list[float]]] = {}
    for category in options.categories:
        for count, formulation, auroc in measure(
            assistant, options.data / category, options.shots, options.seeds, options.rotations
        ):
            found.setdefault((count, formulation), {}).setdefault(category, []).append(auroc)
    print("| references | map | " + " | ".join(options.categories) + " | mean |")
    print("|---|---|" + "---|" * (len(options.categories) + 1))
    for (count, formulation), row in found.items():
        means = [float(np.mean(values)) for values in row.values()]
        cells = [
            f"{mean:.3f} ± {np.std(values):.3f}"
            for mean, values in zip(means, row.values(), strict=True)
        ]
        print(f"| {count} | {formulation} | {' | '.join(cells)} | {np.mean(means):.3f} |")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except AnomalyGPTError as error:
        sys.exit(f"error: {error}")
