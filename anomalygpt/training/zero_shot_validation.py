"""What learned prompts say about labelled photos that they did not learn from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.metrics import (
    average_precision_score,
    precision_recall_fscore_support,
    roc_auc_score,
)
from torch import Tensor

from anomalygpt.data import Sample
from anomalygpt.errors import DataError
from anomalygpt.model import AnomalyGPT
from anomalygpt.training.objective import frozen_features
from anomalygpt.training.validation import pixel_auroc
from anomalygpt.training.zero_shot_batches import PromptBatch
from anomalygpt.verdict import says_yes
from decoder.similarity import abnormal_probability

# Ranking many millions of cells takes longer than an epoch: then every second row and column
# counts, or every third and so on.
MOST_CELLS = 4_000_000


def held_out(
    samples: Sequence[Sample], share: float, seed: int
) -> tuple[list[Sample], list[Sample]]:
    """Photos to learn from, and photos to measure by; of each product and sort the same share.

    Args:
        samples: good and damaged ones.
        share: in [0, 1); 0 holds none out. Of two photos or more of a sort one is held out at
            least, and one is left at least.
        seed: of the choice.

    Returns:
        Both in the order of `samples`.

    Raises:
        DataError: too few photos to hold out good and damaged ones.
    """
    if not share:
        return list(samples), []
    sorts: dict[tuple[str, bool], list[int]] = {}
    for number, sample in enumerate(samples):
        sorts.setdefault((sample.category, sample.is_anomalous), []).append(number)
    generator = np.random.default_rng([seed, len(samples)])
    out: set[int] = set()
    for _, numbers in sorted(sorts.items()):
        count = min(max(1, round(share * len(numbers))), len(numbers) - 1)
        out.update(generator.permutation(numbers)[:count].tolist())
    measured = [sample for number, sample in enumerate(samples) if number in out]
    if {sample.is_anomalous for sample in measured} != {False, True}:
        raise DataError(
            "too few photos to hold some out: two good and two damaged photos of a product are "
            "needed at least; give more, or --validation-share 0"
        )
    return [sample for number, sample in enumerate(samples) if number not in out], measured


@torch.no_grad()
def prompt_figures(
    assistant: AnomalyGPT, text: Tensor, batches: Iterable[PromptBatch], products: Sequence[str]
) -> dict[str, float]:
    """How well prompts tell damaged photos from good ones, and their damaged pixels.

    Args:
        assistant: whose decoder has learned prompts.
        text: (2, C), features of its prompts, [normal, abnormal].
        batches: photos of both sorts.
        products: of each photo, in the same order.

    Returns:
        In [0, 1]: "image_auroc"; "pixel_auroc"; "precision", "recall" and "f1" of damaged photos,
        said of those that lie nearer to the abnormal side; "map", average precision of photos,
        mean over the products that have both sorts, or of all photos where none has.
    """
    decoder = assistant.decoder
    scores, labels, maps, masks = [], [], [], []
    for batch in batches:
        features = frozen_features(assistant, batch.pixels)
        drawn = decoder.text_map(features.stages, features.grid, text)
        scale = decoder.config.logit_scale
        scores.append(abnormal_probability(features.embedding, text, scale).float().cpu())
        labels.append(batch.labels)
        maps.append(drawn.float().cpu())
        masks.append(batch.masks.bool())
    step = 1
    while sum(part[:, ::step, ::step].numel() for part in maps) > MOST_CELLS:
        step += 1
    cells = [torch.cat([part[:, ::step, ::step] for part in parts]) for parts in (maps, masks)]
    return {
        **photo_figures(torch.cat(scores).numpy(), torch.cat(labels).numpy(), products),
        "pixel_auroc": pixel_auroc(cells[0], cells[1]),
    }


def photo_figures(
    scores: np.ndarray, labels: np.ndarray, products: Sequence[str]
) -> dict[str, float]:
    """Those of `prompt_figures` that judge photos.

    Args:
        scores: (N,), probabilities that a photo is damaged.
        labels: (N,), 1 where it is; both sorts.
        products: of each photo.
    """
    said = np.array([says_yes(float(score)) for score in scores])
    found: Any = precision_recall_fscore_support(labels, said, average="binary", zero_division=0)
    names = np.array(products)
    groups = [names == name for name in dict.fromkeys(products)]
    groups = [group for group in groups if len(set(labels[group])) == 2]
    groups = groups or [np.ones(len(labels), bool)]
    precision = [average_precision_score(labels[group], scores[group]) for group in groups]
    return {
        "image_auroc": float(roc_auc_score(labels, scores)),
        "precision": float(found[0]),
        "recall": float(found[1]),
        "f1": float(found[2]),
        "map": float(np.mean(precision)),
    }


def best_of(figures: Sequence[Mapping[str, float]]) -> int:
    """Which epoch, counted from 0, ranks photos best; of equal ones that which ranks pixels best,
    then the earliest."""
    ranks = [(each["image_auroc"], each["pixel_auroc"]) for each in figures]
    return ranks.index(max(ranks))
