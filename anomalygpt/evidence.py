"""What the decoder knows of photos after encoding: kept, so that no photo is encoded twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from anomalygpt.encoders.base import ImageFeatures
from anomalygpt.encoders.photos import EncodedPhotos
from anomalygpt.errors import ConfigError, MissingPartError
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.results.cautions import (
    AMONG_PEERS,
    AMONG_REFERENCES,
    DESCRIPTION_UNREAD,
    NO_REFERENCE,
    OTHER_PRODUCT,
)
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import DEFAULT_LEVEL, find_regions
from decoder import DecoderError, EmptyMemoryBankError, ImageDecoder, MemoryBank
from decoder.config import Formulation
from decoder.limits import Limit
from decoder.scale import as_map, as_ratio


@dataclass(frozen=True)
class Evidence:
    """Photos with their maps, as they go to the prompt learner and into an `Inspection`.

    Attributes:
        photos: B encoded photos.
        maps: (B, S, S) in [0, 1].
        scores: (B,) in [0, 1].
        references: names of the good parts they were compared with.
        description: what the user told about the part.
        formulation: how distances became the maps, see `DecoderConfig`.
        region_level: map value from which on a place stands out.
        cautions: of each photo, what its verdict must be read with besides what the evidence
            itself says; () where there is nothing.
        reads_description: False where the language model would not understand it.
        limit: the score above which a part of this product is anomalous; None where the language
            model's yes or no decides.
    """

    photos: EncodedPhotos
    maps: Tensor
    scores: Tensor
    references: Sequence[str]
    description: str | None
    formulation: Formulation = "normalised"
    region_level: float = DEFAULT_LEVEL
    cautions: Sequence[Sequence[str]] = ()
    reads_description: bool = True
    limit: Limit | None = None

    def first_question(self, question: str) -> str:
        """A question, after what the user told about the part, as published."""
        description = (self.description or "").strip()
        return f"{description} {question}" if description and self.reads_description else question

    def inspection(
        self,
        row: int,
        model: Mapping[str, str],
        *,
        question: str | None = None,
        is_anomalous: bool | None = None,
        probability: float | None = None,
    ) -> Inspection:
        """The findings on one photo.

        Args:
            row: which photo.
            model: what the result says about the assistant.
            question: what the language model was asked.
            is_anomalous: the verdict; None where nobody was asked.
            probability: P(yes) against P(no), in [0, 1].

        Raises:
            ConfigError: a probability without its verdict, see `verdict.says_yes`.
        """
        if probability is not None and is_anomalous is None:
            raise ConfigError("a probability comes with its verdict; give is_anomalous too")
        small_map = self.maps[row].float().cpu().numpy()
        geometry = self.photos.geometries[row]
        level = self._level(small_map, is_anomalous)
        # A good part has no regions: what is said and what is drawn agree.
        regions = [] if is_anomalous is False else find_regions(small_map, geometry, level)
        return Inspection(
            geometry=geometry,
            anomaly_score=float(self.scores[row]),
            small_map=small_map,
            is_anomalous=is_anomalous,
            anomaly_probability=probability,
            question=question,
            description=self.description,
            regions=regions,
            level=level,
            image=self.photos.names[row],
            references=self.references,
            model={**model, "formulation": self.formulation},
            formulation=self.formulation,
            cautions=self._cautions(row, is_anomalous is not None),
            limit=None if is_anomalous is None else self.limit,
        )

    def _cautions(self, row: int, is_verdict: bool) -> list[str]:
        """What the verdict on a photo must be read with, the gravest first."""
        known = self.cautions[row] if self.cautions else ()
        lone = not self.references and AMONG_PEERS not in known
        cautions = [NO_REFERENCE, *known] if lone else [*known]
        if is_verdict and (self.description or "").strip() and not self.reads_description:
            cautions.append(DESCRIPTION_UNREAD)
        return cautions

    def _level(self, small_map: np.ndarray, is_anomalous: bool | None) -> float:
        """The map value above which a place counts as a region."""
        peak = float(small_map.max())
        middle = (float(np.median(small_map)) + peak) / 2
        # Published distances to references have no level that holds for every product.
        is_distance = self.formulation == "published" and len(self.references) > 0
        level = middle if is_distance else self.region_level
        # Who says yes must show where: the strongest place then is a region in any case.
        return min(level, 0.9 * peak) if is_anomalous else level


def looked_at_closely(
    maps: Tensor,
    bank: MemoryBank,
    decoder: ImageDecoder,
    geometries: Sequence[ImageGeometry],
    looks: Iterable[ImageFeatures | None],
) -> Tensor:
    """Reference maps with what closer looks show, see `ImageDecoder.with_closer_look`.

    Args:
        maps: (B, S, S) in [0, 1], normalised, of the photos seen whole.
        bank: what they were compared with.
        decoder: that drew the maps.
        geometries: where each photo lies in the square of the map.
        looks: at each photo, see `PhotoEncoder.closer`, or at none of them; taken only where the
            references were looked at closely, too.

    Returns:
        (B, S, S) in [0, 1].
    """
    found = list(maps.split(1))
    for row, look in enumerate(looks if bank.closer else ()):
        if look is None:
            continue
        geometry = geometries[row]
        scale = maps.shape[-1] / geometry.size
        top, left, bottom, right = (round(edge * scale) for edge in geometry.box)
        # All of the map, unless the photo does not fill the square; at least one cell.
        part = np.s_[:, top : max(bottom, top + 1), left : max(right, left + 1)]
        own = found[row].clone()
        own[part] = decoder.with_closer_look(found[row][part], look.stages, look.grid, bank)
        found[row] = own
    return torch.cat(found)


def drawn_maps(
    decoder: ImageDecoder,
    photos: EncodedPhotos,
    bank: MemoryBank,
    text_features: Tensor | None,
    formulation: Formulation,
) -> Tensor:
    """`maps_of` encoded photos, with closer looks at them; no gradients.

    Returns:
        (B, S, S), see `ImageDecoder.anomaly_map`.

    Raises:
        MissingPartError, ConfigError: see `maps_of`.
    """
    closer = partial(
        looked_at_closely,
        bank=bank,
        decoder=decoder,
        geometries=photos.geometries,
        looks=(look(bank.detail) for look in photos.closer),
    )
    with torch.inference_mode():
        return maps_of(
            decoder,
            photos.features,
            bank,
            text_features,
            formulation,
            closer=closer,
            marks=photos.marks,
        )


def maps_of(
    decoder: ImageDecoder,
    features: ImageFeatures,
    bank: MemoryBank,
    text_features: Tensor | None,
    formulation: Formulation,
    *,
    closer: Callable[[Tensor], Tensor] | None = None,
    marks: Sequence[str] = (),
) -> Tensor:
    """Maps from whatever there is: words, references or other photos of the run, closer looks, and
    what is known of good parts besides (`MemoryBank.factor` and `ignored`). Gradients reach the
    features.

    Args:
        decoder: that draws.
        features: of B photos.
        bank: what they are compared with.
        text_features: (2, C), see `AnomalyGPT.category_features`.
        formulation: how distances become a map.
        closer: what becomes of the reference map by closer looks.
        marks: of each photo's pixels, where photos of a run are compared.

    Returns:
        (B, S, S), see `ImageDecoder.anomaly_map`.

    Raises:
        MissingPartError: no reference, and no trained text side to do without.
        ConfigError: an unknown formulation, one that knows no runs, or features that do not fit.
    """
    with decoder_errors():
        drawn = decoder.anomaly_map(
            features.stages,
            features.grid,
            text_features=text_features,
            memory_bank=bank,
            formulation=formulation,
            closer=closer,
            marks=marks,
        )
    if formulation == "normalised" and bank.factor != 1.0:
        drawn = as_map(bank.factor * as_ratio(drawn))
    if bank.ignored is not None:
        drawn = drawn.masked_fill(_at_size(bank.ignored, drawn), 0.0)
    return drawn


def _at_size(ignored: Tensor, maps: Tensor) -> Tensor:
    """Places that do not count, on the cells of maps; a cell of which any part is ignored is."""
    share = torch.nn.functional.adaptive_max_pool2d(
        ignored[None].float().to(maps.device), tuple(maps.shape[-2:])
    )
    return share[0] > 0


def scores_of(
    decoder: ImageDecoder,
    features: ImageFeatures,
    maps: Tensor,
    bank: MemoryBank,
    text_features: Tensor | None,
    formulation: Formulation,
) -> Tensor:
    """(B,) in [0, 1]: one number for each of the photos that were drawn; gradients reach the maps
    and the features."""
    found = decoder.with_whole(
        decoder.score(maps, features.grid, formulation),
        features.embedding,
        text_features,
        has_references=len(bank) > 0,
        formulation=formulation,
        tokens=(features.stages, features.grid) if bank.peers is None else None,
    )
    return found.clamp(0.0, 1.0)


@contextmanager
def decoder_errors() -> Iterator[None]:
    """Re-raise errors of the decoder as the assistant's own; the decoder cannot import them."""
    try:
        yield
    except EmptyMemoryBankError as error:
        raise MissingPartError(str(error)) from error
    except DecoderError as error:
        raise ConfigError(str(error)) from error


def cautions_of(
    marks: Sequence[str], embedding: Tensor, bank: MemoryBank, least_likeness: float | None
) -> tuple[tuple[str, ...], ...]:
    """What each photo's verdict must be read with, the gravest first.

    Args:
        marks: of each photo's pixels; () where nobody knows them.
        embedding: (B, D), the photos as a whole.
        bank: what they were compared with.
        least_likeness: see `DecoderConfig`.
    """
    if bank.peers is not None:
        return ((AMONG_PEERS,),) * len(embedding)
    least = -1.0 if least_likeness is None else least_likeness
    likeness = bank.likeness(embedding.detach())
    found: list[tuple[str, ...]] = []
    for row in range(len(embedding)):
        if marks and bank.with_mark([marks[row]]):
            found.append((AMONG_REFERENCES,))
        elif likeness is not None and float(likeness[row]) < least:
            found.append((OTHER_PRODUCT,))
        else:
            found.append(())
    return tuple(found)
