"""One category of an evaluation: batches of photos in, records and counts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anomalygpt.evaluation.batches import LoadedBatch
from anomalygpt.evaluation.figures.pixel_counts import PixelCounts
from anomalygpt.evaluation.measuring import Measuring, Said
from anomalygpt.evaluation.protocol import CategoryPlan, Trial
from anomalygpt.evaluation.references import References, ReferenceSet
from anomalygpt.evaluation.settings import EvaluationSettings, MapKind
from anomalygpt.evaluation.state import CategoryState, Record
from anomalygpt.evidence import EncodedPhotos, Evidence


class CategoryRun:
    """What is done with every photo of a category.

    Attributes:
        sets: the references of each trial; [] where every photo has its own.
        depths: bit depths of photos with more than 8 bits.
    """

    def __init__(
        self,
        measuring: Measuring,
        settings: EvaluationSettings,
        plan: CategoryPlan,
        state: CategoryState,
        depths: Mapping[Path, int] | None = None,
    ) -> None:
        """
        Args:
            measuring: the assistant and what it is asked.
            settings: of the evaluation.
            plan: the category's photos and trials.
            state: what was measured already.
            depths: bit depths of photos with more than 8 bits, from `bit_depths`.

        Raises:
            DataError: too few references can be read.
        """
        self.depths = depths or {}
        self._measuring = measuring
        self._mask_size = settings.mask_size
        self._plan = plan
        self._state = state
        self._with_pixels = any(sample.masks for sample in plan.samples)
        self._references = References(
            measuring.assistant,
            measuring.maps,
            rotations=settings.rotations,
            flips=settings.flips,
            fixed_pose=settings.fixed_pose,
            detail=settings.detail,
            depths=depths,
        )
        self.sets = [] if plan.own_references else self._references.sets(plan)
        self._excluded = [self._not_measured(trial) for trial in plan.trials]
        state.references = [list(each.names) for each in self.sets] or [
            [str(sample.reference) for sample in plan.samples]
        ]
        state.skipped |= self._references.skipped

    def add(self, batch: LoadedBatch) -> None:
        """Measure one batch in every trial."""
        state = self._state
        self._measuring.seconds = {}
        if batch.photos:
            self._measuring.seconds["read"] = [(len(batch.photos), batch.seconds)]
            encoded = self._measuring.encode(batch.photos, [s.image for s in batch.samples])
            if self._plan.own_references:
                self._with_own_references(encoded, batch)
            else:
                for number, references in enumerate(self.sets):
                    self._try(number, references, encoded, batch)
        state.skipped |= batch.skipped
        state.done += batch.count
        for stage, pairs in self._measuring.seconds.items():
            state.seconds.setdefault(stage, []).extend(pairs)

    def references(self, image: Path, shots: int, seed: int | None) -> ReferenceSet:
        """What a photo was compared with in a trial."""
        for trial, references in zip(self._plan.trials, self.sets, strict=False):
            if (trial.shots, trial.seed) == (shots, seed):
                return references
        reference = next(s.reference for s in self._plan.samples if s.image == image)
        assert reference is not None
        single = self._references.single(reference)
        assert single is not None  # or the photo would have no record
        return single

    def _not_measured(self, trial: Trial) -> set[Path]:
        """Photos that are no test in a trial: the same ones for all numbers of references of a
        draw, so that they can be compared."""
        drawn = [
            Path(name)
            for other, references in zip(self._plan.trials, self.sets, strict=False)
            if other.seed == trial.seed
            for name in references.names
        ]
        return {*trial.excluded, *drawn}

    def _with_own_references(self, encoded: EncodedPhotos, batch: LoadedBatch) -> None:
        """Each photo against its own reference, which is encoded for it alone."""
        for row, sample in enumerate(batch.samples):
            assert sample.reference is not None
            with self._measuring.timed("encode the reference", 1):
                references = self._references.single(sample.reference)
            if references is None:
                batch.skipped |= self._references.skipped
                continue
            self._try(0, references, encoded.only(row), batch.only(row))

    def _try(
        self, number: int, references: ReferenceSet, encoded: EncodedPhotos, batch: LoadedBatch
    ) -> None:
        """Write down what one trial says about a batch, in every formulation of the map."""
        trial, category = self._plan.trials[number], self._plan.category
        rows = [r for r, s in enumerate(batch.samples) if s.image not in self._excluded[number]]
        if not rows:
            return
        for kind, evidence in self._measuring.evidence(encoded, references, category):
            threshold = self._threshold(number, kind, references, encoded)
            said = self._measuring.said(evidence, batch.samples, threshold)
            for row in rows:
                mask = batch.masks[row]
                if mask is not None and self._with_pixels:
                    counts = self._state.pixels.setdefault(f"{number}.{kind}", PixelCounts())
                    self._count(counts, evidence, row, mask)
                known = _known(self._plan.category, trial, kind, evidence, row, batch)
                self._state.records += [
                    {**known, **_spoken(answers[row])} for answers in said.values()
                ]

    def _threshold(
        self, number: int, kind: MapKind, references: ReferenceSet, encoded: EncodedPhotos
    ) -> float | None:
        """The threshold that the references give; worked out once where they stay the same."""
        known, key = self._state.thresholds, f"{number}.{kind}"
        if key in known and not self._plan.own_references:
            return known[key]
        found = self._measuring.threshold(
            kind, references, encoded.features.grid, self._plan.category
        )
        if not self._plan.own_references:
            known[key] = found
        return found

    def _count(self, counts: PixelCounts, evidence: Evidence, row: int, mask: np.ndarray) -> None:
        """Compare map and mask on the photo's own pixels, or on a small square."""
        size = mask.shape if self._mask_size is None else (self._mask_size, self._mask_size)
        if size != mask.shape:
            nearest = cv2.INTER_NEAREST_EXACT
            mask = cv2.resize(mask.astype(np.uint8), size[::-1], interpolation=nearest) > 0
        small_map = evidence.maps[row].float().cpu().numpy()
        values = evidence.photos.geometries[row].back_project(small_map, size)
        counts.add(values, mask)


def _known(
    category: str, trial: Trial, kind: str, evidence: Evidence, row: int, batch: LoadedBatch
) -> Record:
    sample, places = batch.samples[row], batch.places[row]
    return {
        "category": category,
        "shots": trial.shots,
        "seed": trial.seed,
        "map": kind,
        "image": str(sample.image),
        "kind": sample.kind,
        "is_anomalous": sample.is_anomalous,
        "score": float(evidence.scores[row]),
        "defect_places": None if places is None else list(places[0]),
        "defect_cells": None if places is None else sorted(places[1]),
    }


def _spoken(said: Said) -> dict[str, Any]:
    told = asdict(said)
    told["said"] = told.pop("is_anomalous")
    told["named"] = list(said.named)
    return told


def reading_of(records: Sequence[Record]) -> list[tuple[str, str]]:
    """The (map, verdict) pairs that records come in, in order."""
    return list(dict.fromkeys((record["map"], record["verdict"]) for record in records))
