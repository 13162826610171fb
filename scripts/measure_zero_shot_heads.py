"""Heads without a reference against the text side, on labelled sets in MVTec's layout.

    python scripts/measure_zero_shot_heads.py DATA --categories A B C --photos FOLDER... --cache DIR

For each seed heads are trained on simulated damage over --photos alone, and with --labelled once
more for each set, on the other sets' labelled test photos as well. Neither sees the set that it is
measured on. Prints, after each seed, a table of image and pixel AUROC and their spread.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from anomalygpt import AnomalyGPT, AnomalyGPTError
from anomalygpt.data import Sample, load_mask, open_data
from anomalygpt.encoders.base import ImageFeatures
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.images.reading import load_image
from anomalygpt.progress import with_bar
from anomalygpt.training.rows import mask_cells, model_pixels
from decoder import StageHeads, StageHeadsConfig
from decoder.stage_heads import own_distances
from embedded.heads import HELD_PAIRS, PAIRS, Seen, drawn_map, joined, lessons, seen, trained_heads

BATCH = 16
# Every so many rows and columns of a map count for pixel AUROC.
STEP = 4
# Photos of a set that another set's heads learn from, at most, of each sort.
MOST_LEARNED = 60


@dataclass(frozen=True)
class Labelled:
    """Test photos of a set.

    Attributes:
        name: of the set.
        features: of N photos, half.
        distances: (N, S, P), `own_distances` of them.
        labels: (N,) bool, damaged photos.
        masks: (N, M, M) bool, on the cells of the map; None where damaged photos have none.
    """

    name: str
    features: ImageFeatures
    distances: Tensor
    labels: Tensor
    masks: Tensor | None


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("data", metavar="DATA", type=Path)
    made.add_argument("--categories", nargs="+", required=True, metavar="NAME")
    made.add_argument("--photos", type=Path, nargs="+", required=True, metavar="FOLDER")
    made.add_argument("--cache", type=Path, required=True, help="keeps what the encoder saw")
    made.add_argument("--model", default="embedded")
    made.add_argument("--pairs", type=int, default=PAIRS, help="simulated parts to learn from")
    made.add_argument("--held-pairs", type=int, default=HELD_PAIRS, help="held-out parts")
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    made.add_argument("--labelled", action="store_true", help="also learn from the other sets")
    return made


def encoded(assistant: AnomalyGPT, data: Path, name: str, cache: Path) -> Labelled:
    """A set as the encoder sees it, from the cache where it is there."""
    path = cache / f"{name}.pt"
    if not path.exists():
        samples = open_data(data, "mvtec", [name]).select(split="test")
        photos = [_photo(assistant, sample) for sample in with_bar(samples, len(samples), name)]
        known = all(sample.masks for sample in samples if sample.is_anomalous)
        found = {
            "embedding": torch.cat([photo[0].embedding for photo in photos]),
            "stages": [
                torch.cat(stage) for stage in zip(*(p[0].stages for p in photos), strict=True)
            ],
            "grid": photos[0][0].grid,
            "distances": torch.cat([photo[2] for photo in photos]),
            "labels": torch.tensor([sample.is_anomalous for sample in samples]),
            "masks": torch.stack([photo[1] for photo in photos]) if known else None,
        }
        torch.save(found, path)
    kept = torch.load(path, weights_only=True)
    features = ImageFeatures(kept["embedding"], tuple(kept["stages"]), tuple(kept["grid"]))
    return Labelled(name, features, kept["distances"], kept["labels"], kept["masks"])


@torch.inference_mode()
def _photo(assistant: AnomalyGPT, sample: Sample) -> tuple[ImageFeatures, Tensor, Tensor]:
    encoder, cells = assistant.config.encoder, assistant.decoder.config.map_size
    photo = load_image(sample.image)
    shape = (photo.height, photo.width)
    geometry = ImageGeometry.fit(shape, encoder.input_size, encoder.resize)
    mask = torch.zeros(cells, cells, dtype=torch.bool)
    if sample.masks:
        mask = torch.as_tensor(mask_cells(load_mask(sample, shape), geometry, cells)) > 0
    network: Any = assistant.encoder
    found: ImageFeatures = network(model_pixels(photo, encoder)[None])
    stages = tuple(stage.half() for stage in found.stages)
    distances = own_distances(found.stages, found.grid, StageHeadsConfig())
    return ImageFeatures(found.embedding, stages, found.grid), mask, distances


def learned_from(found: Labelled, seed: int) -> Seen:
    """What heads learn from a labelled set."""
    generator = np.random.default_rng([seed, len(found.labels)])
    chosen = [
        generator.permutation(np.flatnonzero(found.labels.numpy() == side))[:MOST_LEARNED]
        for side in (False, True)
    ]
    parts = []
    rows = np.concatenate(chosen)
    for start in range(0, len(rows), BATCH):
        some = torch.from_numpy(rows[start : start + BATCH])
        shares = [_share(found, int(row)) for row in some]
        part, distances = _floats(found.features, some), found.distances[some]
        labels = found.labels[some]
        parts.append(seen(part, shares, labels, generator, keep=False, distances=distances))
    return joined(parts)


def _share(found: Labelled, row: int) -> Tensor | None:
    grid = found.features.grid
    if found.masks is None:
        return None if found.labels[row] else torch.zeros(grid[0] * grid[1])
    plane = found.masks[row].float()[None, None]
    return torch.nn.functional.adaptive_avg_pool2d(plane, grid).flatten()


def _floats(features: ImageFeatures, rows: Tensor) -> ImageFeatures:
    stages = tuple(stage[rows].float() for stage in features.stages)
    return ImageFeatures(features.embedding[rows], stages, features.grid)


@torch.inference_mode()
def measured(
    assistant: AnomalyGPT, found: Labelled, heads: StageHeads | None
) -> tuple[float, float]:
    """Image and pixel AUROC of a set without a reference; NaN without masks."""
    decoder = assistant.decoder
    scores, cells = [], []
    for rows in torch.arange(len(found.labels)).split(BATCH):
        part, distances = _floats(found.features, rows), found.distances[rows]
        maps = drawn_map(decoder, heads, part.stages, part.grid, distances)
        score = decoder.score(maps, part.grid)
        if heads is not None:
            score = heads.score(score, part.stages, part.grid, distances)
        scores.append(score)
        cells.append(maps[:, ::STEP, ::STEP])
    image = float(roc_auc_score(found.labels.numpy(), torch.cat(scores).numpy()))
    if found.masks is None:
        return image, float("nan")
    truth = found.masks[:, ::STEP, ::STEP].flatten().numpy()
    return image, float(roc_auc_score(truth, torch.cat(cells).flatten().numpy()))


def table(rows: dict[str, np.ndarray], names: Sequence[str]) -> Iterable[str]:
    """Lines of Markdown.

    Args:
        rows: for each way (seeds, sets, 2), image and pixel AUROC.
        names: of the sets.
    """
    yield "| | " + " | ".join([*names, "mean image AUROC", "mean pixel AUROC"]) + " |"
    yield "|---|" + "---:|" * (len(names) + 2)
    for way, found in rows.items():
        cells = [_cell(image, pixel) for image, pixel in 100 * found.mean(axis=0)]
        means = 100 * np.nanmean(found, axis=1)
        for each in means.T:
            spread = f" ± {each.std(ddof=1):.1f}" if len(each) > 1 else ""
            cells.append(f"{each.mean():.1f}{spread}")
        yield f"| {way} | " + " | ".join(cells) + " |"


def _cell(image: float, pixel: float) -> str:
    return f"{image:.1f}" if np.isnan(pixel) else f"{image:.1f} / {pixel:.1f}"


def run(options: argparse.Namespace) -> int:
    options.cache.mkdir(parents=True, exist_ok=True)
    assistant = AnomalyGPT.from_pretrained(
        options.model, device="cpu", dtype="float32", map_only=True
    )
    sets = [encoded(assistant, options.data, name, options.cache) for name in options.categories]
    rows: dict[str, list[Any]] = {"text side": [[measured(assistant, each, None) for each in sets]]}
    for seed in options.seeds:
        learned, held = lessons(
            assistant, options.photos, options.cache, options.pairs, options.held_pairs, seed
        )
        heads = trained_heads(assistant.decoder, learned, held, seed)
        rows.setdefault("heads, photos alone", []).append(
            [measured(assistant, each, heads) for each in sets]
        )
        if options.labelled:
            found = with_others(assistant, sets, learned, held, seed)
            rows.setdefault("heads, and the other sets", []).append(found)
        lines = table({way: np.array(each) for way, each in rows.items()}, options.categories)
        print("\n".join([*lines, ""]), flush=True)
    return 0


def with_others(
    assistant: AnomalyGPT, sets: Sequence[Labelled], learned: Seen, held: Seen, seed: int
) -> list[tuple[float, float]]:
    """Each set, measured with heads that learned from the others as well."""
    labelled = [learned_from(each, seed) for each in sets]
    found = []
    for number, each in enumerate(sets):
        others = [*labelled[:number], *labelled[number + 1 :]]
        heads = trained_heads(assistant.decoder, learned, held, seed, others=others)
        found.append(measured(assistant, each, heads))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return run(options)
    except (AnomalyGPTError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
