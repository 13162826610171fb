"""The embedded model's maps against those of its teachers, alone and two together.

    python scripts/compare_teachers.py DATA --teachers FOLDER --shots 1 4 --seeds 0 1 2 \
        --output comparison.md

All see the same photos and references, those of `anomalygpt evaluate`. A teacher is read as any
encoder is (docs/few-shot.md). The ensemble is the mean of the maps of ViT-Tiny and MobileNetV2: of
their normalised maps, and of their published ones, each divided by its mean over the test photos.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from anomalygpt import AnomalyGPT
from anomalygpt.data import Sample, load_mask, open_data
from anomalygpt.errors import AnomalyGPTError
from anomalygpt.evaluation.figures.image_figures import ranking_figures
from anomalygpt.evaluation.figures.pixel_counts import PixelCounts
from anomalygpt.evaluation.protocol import Trial, plan
from anomalygpt.evaluation.settings import EvaluationSettings
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.progress import with_bar
from decoder import image_score
from decoder.config import Formulation

TEACHERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "ViT-Tiny": ("vit_tiny_patch16_224", "vit_tiny_patch16_224.safetensors", {}),
    "MobileNetV2": (
        "mobilenetv2_100",
        "mobilenetv2_100_to_stride16.safetensors",
        {"input_size": 256, "mean": 0.5, "std": 0.5, "pad_type": "same"},
    ),
    "ResNet18": ("resnet18", "resnet18_to_layer3.safetensors", {"input_size": 256}),
}
PAIR = ("ViT-Tiny", "MobileNetV2")
BATCH = 8
SIDE = 224

Rows = dict[tuple[int, str, str], list[tuple[float | None, float | None]]]


class Seen:
    """A model's features of all test photos of a category, encoded once."""

    def __init__(self, model: AnomalyGPT, photos: Sequence[Path]) -> None:
        self.model = model
        self.parts = [
            model.encode(list(photos[start : start + BATCH]))
            for start in range(0, len(photos), BATCH)
        ]

    @property
    def geometries(self) -> list[ImageGeometry]:
        return [geometry for part in self.parts for geometry in part.geometries]

    def maps(self, references: Sequence[Path], formulation: Formulation) -> Tensor:
        """(N, 224, 224) against the references."""
        bank = self.model.remember(list(references), formulation=formulation)
        found = [self.model.examine(part, bank, formulation=formulation) for part in self.parts]
        return torch.cat([each.maps for each in found])


def compared(seen: dict[str, Seen], references: Sequence[Path]) -> Iterator[tuple[str, Tensor]]:
    """Every method with its maps."""
    normalised = {name: each.maps(references, "normalised") for name, each in seen.items()}
    yield from normalised.items()
    yield "two teachers, normalised", torch.stack([normalised[name] for name in PAIR]).mean(dim=0)
    published = [seen[name].maps(references, "published") for name in PAIR]
    together = torch.stack([maps / maps.mean() for maps in published]).mean(dim=0)
    yield "two teachers, published", together / (1 + together)


def figures(
    maps: Tensor, samples: Sequence[Sample], geometries: Sequence[ImageGeometry]
) -> tuple[float | None, float | None]:
    """Image and pixel AUROC of the maps (N, S, S); None where one cannot be told."""
    labels = np.array([sample.is_anomalous for sample in samples])
    image = ranking_figures(image_score(maps).numpy(), labels)["image_auroc"]
    if not any(sample.masks for sample in samples):
        return image, None
    counts = PixelCounts()
    for drawn, sample, geometry in zip(maps, samples, geometries, strict=True):
        small = np.zeros((SIDE, SIDE), bool)
        if sample.is_anomalous:
            mask = load_mask(sample, geometry.original).astype(np.float32)
            share = F.interpolate(torch.from_numpy(mask)[None, None], (SIDE, SIDE), mode="area")
            small = share[0, 0].numpy() >= 0.5
        counts.add(drawn.numpy(), small)
    return image, counts.figures()["pixel_auroc"]


def measure(options: argparse.Namespace) -> Rows:
    """Figures by shots, method and category, one for each seed."""
    settings = EvaluationSettings(
        data=str(options.data),
        categories=tuple(options.categories) if options.categories else None,
        shots=tuple(options.shots),
        seeds=tuple(options.seeds),
    )
    plans = plan(open_data(options.data, categories=settings.categories), settings)
    models = {"embedded": AnomalyGPT.from_pretrained(options.model, device="cpu", map_only=True)}
    for name, (encoder, file, choices) in TEACHERS.items():
        models[name] = AnomalyGPT.from_encoder(
            encoder, options.teachers / file, options=choices, device="cpu"
        )
    rows: Rows = {}
    for each in plans:
        photos = [sample.image for sample in each.samples]
        seen = {
            name: Seen(model, photos)
            for name, model in with_bar(list(models.items()), len(models), each.category)
        }
        geometries = seen["embedded"].geometries
        for trial in with_bar(list(each.trials), len(each.trials), each.category):
            for name, found in _trial(seen, trial, each.samples, geometries):
                rows.setdefault((trial.shots, name, each.category), []).append(found)
    return rows


def _trial(
    seen: dict[str, Seen],
    trial: Trial,
    samples: Sequence[Sample],
    geometries: Sequence[ImageGeometry],
) -> Iterator[tuple[str, tuple[float | None, float | None]]]:
    kept = [n for n, sample in enumerate(samples) if sample.image not in trial.excluded]
    for name, maps in compared(seen, trial.order[: trial.shots]):
        chosen = [samples[n] for n in kept]
        yield name, figures(maps[kept], chosen, [geometries[n] for n in kept])


def report(rows: Rows, arguments: Sequence[str]) -> str:
    """Markdown tables, one for each number of references."""
    lines = [f"`python scripts/compare_teachers.py {' '.join(arguments)}`", ""]
    categories = list(dict.fromkeys(category for _, _, category in rows))
    for shots in sorted({shots for shots, _, _ in rows}):
        lines += [f"References: {shots}. Image AUROC / pixel AUROC, mean over seeds.", ""]
        lines += ["| | " + " | ".join([*categories, "mean image"]) + " |"]
        lines += ["|---" * (len(categories) + 2) + "|"]
        for name in dict.fromkeys(name for count, name, _ in rows if count == shots):
            cells, images = [], []
            for category in categories:
                found = rows[shots, name, category]
                image, pixel = (_mean([pair[i] for pair in found]) for i in range(2))
                images.append(image)
                cells.append(f"{_shown(image)} / {_shown(pixel)}")
            lines.append(f"| {name} | {' | '.join(cells)} | {_shown(_mean(images))} |")
        lines.append("")
    return "\n".join(lines)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def main() -> int:
    parser = argparse.ArgumentParser(description="The embedded model's maps beside its teachers'.")
    parser.add_argument("data", type=Path, metavar="DATA", help="a data set with train/good")
    parser.add_argument("--teachers", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--categories", nargs="+")
    parser.add_argument("--shots", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--output", type=Path, metavar="FILE.md")
    options = parser.parse_args()
    try:
        text = report(measure(options), sys.argv[1:])
    except AnomalyGPTError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text)
    if options.output is not None:
        options.output.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
