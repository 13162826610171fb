"""What the decoder knows of photos after encoding: kept, so that no photo is encoded twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from anomalygpt.certainty import DESCRIPTION_UNREAD, NO_REFERENCE
from anomalygpt.encoders.base import ImageFeatures
from anomalygpt.errors import ConfigError, MissingPartError
from anomalygpt.preprocessing import ImageGeometry
from anomalygpt.results import DEFAULT_LEVEL, Inspection, find_regions
from decoder import DecoderError, EmptyMemoryBankError


@dataclass(frozen=True)
class EncodedPhotos:
    """Photos after the image encoder.

    Attributes:
        features: of B photos.
        geometries: where each photo lies in the model's square.
        names: what each photo is called; None for pixels without a name.
        marks: of each photo's pixels, by which it is known among references; () where nobody asks.
    """

    features: ImageFeatures
    geometries: Sequence[ImageGeometry]
    names: Sequence[str | None]
    marks: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.geometries)

    def only(self, row: int) -> EncodedPhotos:
        """One of the photos."""
        alone = slice(row, row + 1)
        return EncodedPhotos(
            self.features[alone], self.geometries[alone], self.names[alone], self.marks[alone]
        )


@dataclass(frozen=True)
class Evidence:
    """Photos with their maps, as they go to the prompt learner and into an `Inspection`.

    Attributes:
        photos: B encoded photos.
        maps: (B, S, S) in [0, 1].
        scores: (B,) in [0, 1].
        references: names of the good parts they were compared with.
        raw_distances: True when the maps are published distances, whose level differs from
            product to product; False when 0.5 means the same for every map.
        description: what the user told about the part.
        region_level: map value from which on a place stands out.
        cautions: of each photo, what its verdict must be read with besides what the evidence
            itself says; () where there is nothing.
        reads_description: False where the language model would not understand it.
    """

    photos: EncodedPhotos
    maps: Tensor
    scores: Tensor
    references: Sequence[str]
    raw_distances: bool
    description: str | None
    region_level: float = DEFAULT_LEVEL
    cautions: Sequence[Sequence[str]] = ()
    reads_description: bool = True

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
        probability: float | None = None,
        answer: str | None = None,
    ) -> Inspection:
        """The findings on one photo; without a probability of the language model, no verdict.

        Args:
            row: which photo.
            model: what the result says about the assistant.
            question: what the language model was asked.
            probability: P(yes) against P(no), in [0, 1].
            answer: the language model's words.
        """
        small_map = self.maps[row].float().cpu().numpy()
        geometry = self.photos.geometries[row]
        is_anomalous = None if probability is None else probability > 0.5
        level = self._level(small_map, is_anomalous)
        # A good part has no regions: what is said and what is drawn agree.
        regions = [] if is_anomalous is False else find_regions(small_map, geometry, level)
        return Inspection(
            geometry=geometry,
            anomaly_score=float(self.scores[row]),
            small_map=small_map,
            is_anomalous=is_anomalous,
            anomaly_probability=probability,
            answer=answer,
            question=question,
            description=self.description,
            regions=regions,
            level=level,
            image=self.photos.names[row],
            references=self.references,
            model=model,
            cautions=self._cautions(row, is_anomalous is not None),
        )

    def _cautions(self, row: int, is_verdict: bool) -> list[str]:
        """What the verdict on a photo must be read with, the gravest first."""
        cautions = [] if self.references else [NO_REFERENCE]
        cautions += self.cautions[row] if self.cautions else ()
        if is_verdict and (self.description or "").strip() and not self.reads_description:
            cautions.append(DESCRIPTION_UNREAD)
        return cautions

    def _level(self, small_map: np.ndarray, is_anomalous: bool | None) -> float:
        """The map value above which a place counts as a region."""
        peak = float(small_map.max())
        middle = (float(np.median(small_map)) + peak) / 2
        level = middle if self.raw_distances else self.region_level
        # Who says yes must show where: the strongest place then is a region in any case.
        return min(level, 0.9 * peak) if is_anomalous else level


@contextmanager
def decoder_errors() -> Iterator[None]:
    """Re-raise errors of the decoder as the assistant's own; the decoder cannot import them."""
    try:
        yield
    except EmptyMemoryBankError as error:
        raise MissingPartError(str(error)) from error
    except DecoderError as error:
        raise ConfigError(str(error)) from error
