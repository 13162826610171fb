"""One batch of photos through the assistant: maps, who says what, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import torch
from PIL import Image

from anomalygpt.data import Sample
from anomalygpt.errors import ConfigError, DeviceError
from anomalygpt.evaluation.figures.threshold import reference_threshold
from anomalygpt.evaluation.references import ReferenceSet
from anomalygpt.evaluation.settings import EvaluationSettings, MapKind
from anomalygpt.evidence import EncodedPhotos, Evidence
from anomalygpt.language.generation import VERDICT_OPTIONS
from anomalygpt.model import AnomalyGPT
from anomalygpt.verdict import says_yes
from simulation.dialogues.english.reading import places_in

if TYPE_CHECKING:  # transformers takes a second to load, and a map needs none of it
    from anomalygpt.language.speaking import Prompts

Seconds: TypeAlias = "dict[str, list[tuple[int, float]]]"

LANGUAGE, THRESHOLD = "language", "threshold"

# Verdicts of the language model, by what it sees of the map.
PROMPTS: Mapping[str, Prompts] = {
    LANGUAGE: "map",
    "language without map": "base",
    "language without prompts": "none",
}


@dataclass(frozen=True)
class Said:
    """What was said about one photo.

    Attributes:
        verdict: who said it, "threshold" or one of `PROMPTS`.
        is_anomalous: yes or no; None where nothing can be said, as without a reference.
        probability: P(anomaly) in [0, 1]; None for a threshold.
        threshold: the score above which it says yes; None for a language model.
        question: what the language model was asked.
        answer: its words.
        named: the cells of the 3×3 grid that the answer, or a region above the level, is in.
    """

    verdict: str
    is_anomalous: bool | None
    probability: float | None = None
    threshold: float | None = None
    question: str | None = None
    answer: str | None = None
    named: tuple[str, ...] = ()


@dataclass
class Measuring:
    """What to measure of each batch.

    Attributes:
        assistant: whom.
        maps: formulations of the map.
        verdicts: "threshold" or of `PROMPTS`.
        own_words: whether the language model's own sentence counts instead of the one that users
            read.
        seconds: per stage, (photos, seconds) of each batch; cleared by whoever reads it.
    """

    assistant: AnomalyGPT
    maps: Sequence[MapKind]
    verdicts: Sequence[str]
    own_words: bool = False
    seconds: Seconds = field(default_factory=dict)

    @classmethod
    def of(cls, assistant: AnomalyGPT, settings: EvaluationSettings) -> Measuring:
        """What the settings ask for.

        Raises:
            ConfigError: they ask for what the assistant does not have.
        """
        speaks = assistant.language_model is not None
        verdicts: list[str] = list(settings.verdicts) or [LANGUAGE if speaks else THRESHOLD]
        ablations = {
            "language without map": settings.no_decoder,
            "language without prompts": settings.no_prompt_learner,
        }
        verdicts += [name for name, asked in ablations.items() if asked]
        if not speaks and verdicts != [THRESHOLD]:
            raise ConfigError(
                f"{assistant.name} has no language model to say yes or no; leave out "
                "--no-decoder, --no-prompt-learner and --verdict language, or give --model"
            )
        if 0 in settings.shots and not assistant.decoder.has_text_side:
            raise ConfigError(
                f"{assistant.name} has no trained text side, so it draws no map without a "
                "reference; leave out --shots 0"
            )
        maps = settings.maps or (assistant.config.decoder.formulation,)
        return cls(assistant, maps, verdicts, settings.own_words)

    def encode(self, photos: Sequence[Image.Image], names: Sequence[Path]) -> EncodedPhotos:
        """Features of photos that are in memory already."""
        with self.timed("encode", len(photos)):
            encoded = self.assistant.encode(photos)
        return replace(encoded, names=[str(name) for name in names])

    def evidence(
        self, photos: EncodedPhotos, references: ReferenceSet, category: str
    ) -> Iterator[tuple[MapKind, Evidence]]:
        """The maps of photos, in every formulation that is asked for.

        Raises:
            DeviceError: a map holds NaN or infinite values.
        """
        for kind in self.maps:
            with self.timed(f"map, {_count(len(references.names))}", len(photos)):
                evidence = self.assistant.examine(
                    photos, references.banks[kind], category=category, formulation=kind
                )
            if not evidence.maps.isfinite().all():
                raise DeviceError(
                    f"a map of {photos.names[0]} or of the photos after it holds NaN or infinite "
                    "values; run in float32"
                )
            yield kind, evidence

    def threshold(
        self, kind: MapKind, references: ReferenceSet, grid: tuple[int, int], category: str
    ) -> float | None:
        """The score above which the threshold says yes, in a formulation of the map; None where
        nobody asks for it, or without references."""
        if THRESHOLD not in self.verdicts:
            return None
        return reference_threshold(self.assistant, references, grid, category, kind)

    def said(
        self, evidence: Evidence, samples: Sequence[Sample], threshold: float | None
    ) -> dict[str, list[Said]]:
        """What is said about each photo, by verdict."""
        found = {}
        for verdict in self.verdicts:
            if verdict == THRESHOLD:
                found[verdict] = self._by_threshold(evidence, samples, threshold)
            else:
                with self.timed(verdict, len(samples)):
                    found[verdict] = self._by_language(evidence, verdict)
        return found

    def _by_language(self, evidence: Evidence, verdict: str) -> list[Said]:
        inspections = self.assistant.judge(
            evidence,
            prompts=PROMPTS[verdict],
            own_words=VERDICT_OPTIONS if self.own_words else None,
        )
        return [
            Said(
                verdict,
                each.is_anomalous,
                probability=each.anomaly_probability,
                question=each.question,
                answer=each.answer,
                # A "no" names no place, whatever words follow.
                named=tuple(sorted(places_in(each.answer or ""))) if each.is_anomalous else (),
            )
            for each in inspections
        ]

    def _by_threshold(
        self, evidence: Evidence, samples: Sequence[Sample], threshold: float | None
    ) -> list[Said]:
        if threshold is None:
            return [Said(THRESHOLD, None) for _ in samples]
        said = []
        for row, (sample, score) in enumerate(zip(samples, evidence.scores.tolist(), strict=True)):
            yes = says_yes(score, threshold)
            named: set[str] = set()
            if yes and sample.masks:  # places are compared with masks alone
                found = evidence.inspection(row, self.assistant.card, is_anomalous=True)
                named = {region.location for region in found.regions}
            said.append(Said(THRESHOLD, yes, threshold=threshold, named=tuple(sorted(named))))
        return said

    @contextmanager
    def timed(self, stage: str, photos: int) -> Iterator[None]:
        """Note how long a stage takes for a batch."""
        begun = time.perf_counter()
        yield
        if self.assistant.device.type == "cuda":
            torch.cuda.synchronize(self.assistant.device)
        self.seconds.setdefault(stage, []).append((photos, time.perf_counter() - begun))


def _count(references: int) -> str:
    return f"{references} reference{'' if references == 1 else 's'}"
