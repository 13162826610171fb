"""A verdict without a language model: a threshold on the score, from the references alone.

It is what an assistant has to beat. No photo of a defect is looked at, and no test photo.

With three references or more, each is scored against the others, as a further good part would be;
the threshold lies a little above their mean. One or two have too few others: then the distance
counts that good parts are expected to keep, the one that normalises the map.
"""

from __future__ import annotations

import numpy as np
import torch

from anomalygpt.evaluation.references import ReferenceSet
from anomalygpt.model import AnomalyGPT
from decoder import MemoryBank

# How much farther than references from each other a part may be, in distance. Chosen with three
# encoders on magnetic_tile, cookie and alien_toy together (docs/evaluation.md).
ABOVE_REFERENCES = 1.1

# The same for one and for two references, in units of the distance that good parts are expected to
# keep. With two, that distance is partly one between single references, so it is larger.
OF_EXPECTED = {1: 1.15, 2: 1.0}


def reference_threshold(
    assistant: AnomalyGPT, references: ReferenceSet, grid: tuple[int, int], category: str
) -> float | None:
    """The score above which the threshold verdict is "anomalous".

    Args:
        assistant: whose maps are judged, in its present formulation.
        references: of a trial.
        grid: patch rows and columns.
        category: what the part is called, for the text side.

    Returns:
        A score in [0, 1]; None without references.
    """
    if not references.names:
        return None
    published = assistant.decoder.config.formulation == "published"
    with torch.inference_mode():
        if len(references.names) in OF_EXPECTED:
            return _expected_score(assistant, references, grid, category)
        scores = _scores_among_themselves(assistant, references, grid, category)
        distance = ABOVE_REFERENCES * float(np.mean(_distances(scores, published)))
        return float(_scores(np.array(distance), published))


def _scores_among_themselves(
    assistant: AnomalyGPT, references: ReferenceSet, grid: tuple[int, int], category: str
) -> np.ndarray:
    """(K,): each reference against the others."""
    text = assistant.category_features(category)
    bank = references.banks[assistant.decoder.config.formulation]
    scores = []
    for name, (views, _) in zip(references.names, references.views, strict=True):
        # The photo as it is; its turned copies would only ask the same once more.
        maps = assistant.decoder.anomaly_map(
            [stage[:1] for stage in views],
            grid,
            text_features=text,
            memory_bank=bank.without(name),
        )
        scores.append(float(assistant.decoder.score(maps.clamp(0.0, 1.0), grid)))
    return np.array(scores)


def _expected_score(
    assistant: AnomalyGPT, references: ReferenceSet, grid: tuple[int, int], category: str
) -> float:
    """The score of a part at the largest distance that is expected of a good one."""
    decoder = assistant.decoder
    limit = OF_EXPECTED[len(references.names)]
    if decoder.config.formulation == "published":
        scale = references.banks["published"].self_distances()
        return min(1.0, limit * float(scale.mean()))
    score = float(_scores(np.array(limit), published=False))
    if not decoder.has_text_side:
        return score
    # In a fused map, the reference shows what the text side says about a good part.
    views, _ = references.views[0]
    text_map = decoder.anomaly_map(
        [stage[:1] for stage in views],
        grid,
        text_features=assistant.category_features(category),
        memory_bank=MemoryBank(),
    )
    share = decoder.config.text_weight
    return (1 - share) * score + share * float(decoder.score(text_map, grid))


def _distances(scores: np.ndarray, published: bool) -> np.ndarray:
    """Scores of normalised maps as distances, in units of what good parts keep."""
    if published:
        return scores
    return np.sqrt(scores / np.maximum(1e-6, 1 - scores))


def _scores(distances: np.ndarray, published: bool) -> np.ndarray:
    if published:
        return np.minimum(1.0, distances)
    return distances**2 / (1 + distances**2)
