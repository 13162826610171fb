"""The assistant as one who answers multiple-choice questions.

It says how it knows: whether something is wrong by its verdict, where by its regions, how many and
how large by its map. Whatever else is asked is the option that its language model finds likeliest;
it never looks at what a file is called.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.data import Question
from anomalygpt.errors import MissingPartError
from anomalygpt.evaluation.provenance import model_hash
from anomalygpt.evaluation.questions.answering import Answer
from anomalygpt.evaluation.questions.asking import is_detection, is_localisation, yes_and_no
from anomalygpt.evaluation.questions.matching import (
    Shares,
    cells_of,
    count_shares,
    place_shares,
    size_shares,
)
from anomalygpt.images.detail import Detail
from anomalygpt.results.inspection import Inspection
from anomalygpt.verdict import says_yes
from decoder import MemoryBank

if TYPE_CHECKING:
    from anomalygpt.evidence import Evidence
    from anomalygpt.model import AnomalyGPT

# Banks of templates in memory; photos come sorted by them.
_BANKS = 4

_ABOUT_DEFECTS = re.compile(r"\b(?:defect|anomal|damage|flaw)", re.IGNORECASE)
_HOW_MANY = re.compile(r"\b(?:how many|number of|count)\b", re.IGNORECASE)
_HOW_LARGE = re.compile(r"\bhow (?:large|big|small)\b|\b(?:size|area|extent)\b", re.IGNORECASE)


class EmbeddedAnswerer:
    """An assistant with a language model, whether it is the one of the package or another.

    Attributes:
        name: what the assistant is called.
        known_photos: hashes of its training photos; None where it brings none.
    """

    def __init__(
        self,
        assistant: AnomalyGPT,
        *,
        rotations: int | None = None,
        flips: bool = False,
        fixed_pose: bool = False,
        detail: Detail | None = None,
        bit_depth: int | None = None,
    ) -> None:
        """
        Args:
            assistant: the one.
            rotations, flips, fixed_pose, detail, bit_depth: how templates are read, see
                `AnomalyGPT.remember`.

        Raises:
            MissingPartError: the assistant has no language model.
        """
        if assistant.language_model is None:
            raise MissingPartError(
                f"{assistant.name} has no language model to answer questions; take a model that "
                "has one, such as embedded"
            )
        self.name = assistant.name
        # A converted model was trained elsewhere, and brings no hashes.
        self.known_photos = assistant.training_photos or None
        self._assistant = assistant
        self._bit_depth = bit_depth
        self._turning: dict[str, Any] = {
            "rotations": rotations,
            "flips": flips,
            "fixed_pose": fixed_pose,
            "detail": detail,
        }
        self._banks: OrderedDict[tuple[Path, ...], MemoryBank] = OrderedDict()
        self._mark: Any = None

    @property
    def mark(self) -> Any:
        """Weights, and how templates are read."""
        if self._mark is None:
            self._mark = {
                "weights": model_hash(self._assistant),
                "card": self._assistant.card,
                "templates": {**self._turning, "bit_depth": self._bit_depth},
            }
        return self._mark

    @property
    def reads_knowledge(self) -> bool:
        """Whether what is told about a product changes any answer."""
        return not self._assistant.is_narrow

    def open(
        self, photo: Path, templates: Sequence[Path], knowledge: str | None
    ) -> EmbeddedSession:
        """Look at a photo; see `Answerer.open`."""
        evidence = self._examined(photo, templates, knowledge)
        (found,) = self._assistant.judge(evidence)

        def likelihoods(question: str, options: Sequence[str]) -> list[float]:
            features = evidence.photos.features
            return self._assistant.speech.likelihoods(
                features.embedding, evidence.maps, evidence.first_question(question), options
            )

        return EmbeddedSession(found, _insisting(evidence, found), likelihoods)

    def inspect(self, photo: Path, templates: Sequence[Path]) -> Inspection:
        """The findings on a photo, for others to speak about; see `open`."""
        (found,) = self._assistant.judge(self._examined(photo, templates, None))
        return found

    def _examined(self, photo: Path, templates: Sequence[Path], knowledge: str | None) -> Evidence:
        assistant = self._assistant
        kind = assistant.config.decoder.formulation
        bank, depth = assistant.library.alike(
            [photo], self._bank(tuple(templates)), kind, self._bit_depth
        )
        photos = assistant.encode([photo], bit_depth=depth)
        return assistant.examine(photos, bank, description=knowledge, formulation=kind)

    def _bank(self, templates: tuple[Path, ...]) -> MemoryBank:
        if templates not in self._banks:
            bank = self._assistant.remember(templates, bit_depth=self._bit_depth, **self._turning)
            self._banks[templates] = bank
            while len(self._banks) > _BANKS:
                self._banks.popitem(last=False)
        self._banks.move_to_end(templates)
        return self._banks[templates]


def _insisting(evidence: Evidence, found: Inspection) -> Inspection:
    """The findings with regions in any case: who is asked where the defect is must point."""
    if found.is_anomalous:
        return found
    return evidence.inspection(
        0,
        {},
        question=ANOMALY_QUESTION,
        is_anomalous=True,
        probability=found.anomaly_probability,
    )


class EmbeddedSession:
    """A photo that an assistant has looked at; earlier questions change no later answer."""

    def __init__(
        self,
        found: Inspection,
        insisting: Inspection,
        likelihoods: Callable[[str, Sequence[str]], list[float]],
    ) -> None:
        """
        Args:
            found: the findings.
            insisting: the same, with regions also where the verdict is no.
            likelihoods: of each option as an answer to a question, mean of the logarithm per token.
        """
        self.found, self._insisting = found, insisting
        self._likelihoods = likelihoods

    @property
    def probability(self) -> float | None:
        """P(anomaly) of the verdict."""
        return self.found.anomaly_probability

    def answer(self, question: Question, options: Mapping[str, str]) -> Answer:
        """The letter, and the share of each; see `Session.answer`."""
        shares = self._from_result(question, options)
        if shares is None:
            told = self._likelihoods(question.text, list(options.values()))
            shares = dict(zip(options, _softmax(told), strict=True))
        best = max(shares, key=lambda letter: shares[letter])
        if is_detection(question) and shares:
            # At even odds the verdict decides, which is one rule for all.
            best = self._spoken(options) or best
        return Answer(best, shares)

    def _from_result(self, question: Question, options: Mapping[str, str]) -> Shares | None:
        """What the result tells; None where it tells nothing about it."""
        if is_detection(question):
            probability = self.probability or 0.0
            meaning = yes_and_no(options)
            weights = {True: probability, False: 1.0 - probability}
            return {
                letter: weights[meaning[letter]] if letter in meaning else 0.0 for letter in options
            }
        if is_localisation(question):
            return place_shares(options, cells_of(self._insisting))
        if _ABOUT_DEFECTS.search(f"{question.kind} {question.text}"):
            regions = self._insisting.regions
            if _HOW_MANY.search(question.text):
                return count_shares(options, len(regions))
            if _HOW_LARGE.search(question.text):
                covered = sum(region.area_fraction for region in regions)
                return size_shares(options, min(1.0, covered))
        return None

    def _spoken(self, options: Mapping[str, str]) -> str | None:
        said = says_yes(self.probability or 0.0)
        meaning = yes_and_no(options)
        return next((letter for letter, means in meaning.items() if means == said), None)


def _softmax(values: Sequence[float]) -> list[float]:
    most = max(values)
    weights = [math.exp(value - most) for value in values]
    total = sum(weights)
    return [weight / total for weight in weights]
