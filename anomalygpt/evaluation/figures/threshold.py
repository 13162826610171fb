"""A verdict without a language model: a threshold on the score, from the references alone.

It is what an assistant has to beat. No photo of a defect is looked at, and no test photo.

With three references or more, each is scored against the others, as a further good part would be;
the threshold lies a little above their mean. One or two have too few others: then the distance
counts that good parts are expected to keep, the one that normalises the map.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from anomalygpt.encoders.base import ImageFeatures
from anomalygpt.evaluation.references import ReferenceSet
from anomalygpt.evidence import looked_at_closely
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.model import AnomalyGPT
from decoder import ImageDecoder
from decoder.config import Formulation
from decoder.scale import as_map, as_ratio, fused

# How much farther than references from each other a part may be, in distance. Chosen with three
# encoders on magnetic_tile, cookie and alien_toy together (docs/evaluation.md).
ABOVE_REFERENCES = 1.1

# The same for one and for two references, in units of the distance that good parts are expected to
# keep. With two, that distance is partly one between single references, so it is larger.
OF_EXPECTED = {1: 1.15, 2: 1.0}


def reference_threshold(
    assistant: AnomalyGPT,
    references: ReferenceSet,
    grid: tuple[int, int],
    category: str,
    formulation: Formulation,
) -> float | None:
    """The score above which the threshold verdict is "anomalous".

    Args:
        assistant: whose maps are judged.
        references: of a trial.
        grid: patch rows and columns.
        category: what the part is called, for the text side.
        formulation: of the maps.

    Returns:
        A score in [0, 1]; None without references.
    """
    if not references.names:
        return None
    text = assistant.category_features(category)
    with torch.inference_mode():
        if len(references.names) in OF_EXPECTED:
            return _expected_score(assistant.decoder, references, grid, text, formulation)
        scores = _scores_among_themselves(assistant, references, grid, text, formulation)
        if formulation == "published":
            return min(1.0, ABOVE_REFERENCES * float(scores.mean()))
        return as_map(ABOVE_REFERENCES * float(as_ratio(scores).mean()))


def _scores_among_themselves(
    assistant: AnomalyGPT,
    references: ReferenceSet,
    grid: tuple[int, int],
    text: Tensor | None,
    formulation: Formulation,
) -> Tensor:
    """(K,) float64: each reference against the others."""
    decoder, resize = assistant.decoder, assistant.config.encoder.resize
    bank = references.banks[formulation]
    scores = []
    for name, reference in zip(references.names, references.encoded, strict=True):
        # The photo as it is; its turned copies would only ask the same once more.
        photo, others = reference.unturned(), bank.without(name)
        closer = None
        if photo.closer:
            look = ImageFeatures(photo.embedding[None], photo.closer.stages, photo.closer.grid)
            where = ImageGeometry.fit(look.grid, decoder.config.map_size, resize)
            closer = partial(
                looked_at_closely, bank=others, decoder=decoder, geometries=[where], looks=[look]
            )
        elif others.closer is not None:
            continue  # one of many: only the first are looked at closely, as the tests are
        maps = decoder.anomaly_map(
            photo.stages,
            grid,
            text_features=text,
            memory_bank=others,
            formulation=formulation,
            closer=closer,
        ).clamp(0.0, 1.0)
        score = decoder.score(maps, grid, formulation)
        whole = photo.embedding[None]
        scores.append(float(decoder.with_whole(score, whole, text, formulation=formulation)))
    return torch.tensor(scores, dtype=torch.float64)


def _expected_score(
    decoder: ImageDecoder,
    references: ReferenceSet,
    grid: tuple[int, int],
    text: Tensor | None,
    formulation: Formulation,
) -> float:
    """The score of a part at the largest distance that is expected of a good one."""
    limit = OF_EXPECTED[len(references.names)]
    if formulation == "published":
        scale = references.banks["published"].self_distances()
        return min(1.0, limit * float(scale.mean()))
    score = as_map(limit)
    if not decoder.has_text_side:
        return score
    # In a fused map, the reference shows what the text side says about a good part.
    seen = references.encoded[0].unturned()
    text_map = decoder.text_map(seen.stages, grid, text, formulation)
    said = float(decoder.score(text_map, grid, formulation))
    fusion = fused(score, said, decoder.config.text_weight)
    joined = torch.tensor([fusion], dtype=torch.float64)
    whole = seen.embedding[None].to(text_map.device)
    return float(decoder.with_whole(joined, whole, text, formulation=formulation))
