"""Benchmarks of multiple-choice questions about photos: what one is once it is read."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anomalygpt.data.files import is_file
from anomalygpt.data.samples import Finding, Reading, Sample
from anomalygpt.errors import DataError
from anomalygpt.files import hash_file, shown

GOOD = "good"
LETTERS = "ABCDE"

_RENEW = "copy the data set again; from the hub's folder view files are missing"


@dataclass(frozen=True)
class Question:
    """A question with its options.

    Attributes:
        kind: its type as the file has it, such as "Defect Localization".
        text: the question alone.
        options: text by letter, in the order of the file.
        answer: the right letter.
        group: a further division of the questions; "" without one.
    """

    kind: str
    text: str
    options: Mapping[str, str]
    answer: str
    group: str = ""


@dataclass(frozen=True)
class QuestionedPhoto:
    """A photo and what is asked about it.

    Attributes:
        key: its name in the file.
        image: the photo; it need not be there.
        data_set, product: such as "DS-MVTec" and "bottle".
        kind: the folder of its defect, such as "broken_large"; "good" for good parts.
        is_anomalous: whether the part has a defect.
        masks: files that show it, all of them together.
        random_templates, similar_templates: photos of good parts; they need not be there.
        questions: in the order of the file.
    """

    key: str
    image: Path
    data_set: str
    product: str
    kind: str
    is_anomalous: bool
    masks: tuple[Path, ...] = ()
    random_templates: tuple[Path, ...] = ()
    similar_templates: tuple[Path, ...] = ()
    questions: tuple[Question, ...] = ()

    @property
    def category(self) -> str:
        """Data set and product, such as "DS-MVTec/bottle"."""
        return f"{self.data_set}/{self.product}"


@dataclass
class Questionnaire:
    """All photos and questions of a benchmark.

    Attributes:
        root: its folder.
        layout: "mmad" or "robustmad".
        file: the file of questions.
        sha256: its hash, 64 hexadecimal digits.
        photos: in the order of the file.
        findings: what somebody should know, or mend; what an error is about was left out.
    """

    root: Path
    layout: str
    file: Path
    sha256: str
    photos: list[QuestionedPhoto] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def select(self, categories: Sequence[str] | None) -> list[QuestionedPhoto]:
        """Photos of some products.

        Args:
            categories: "bottle" or "DS-MVTec/bottle"; None takes all.

        Raises:
            DataError: there is no such product.
        """
        if categories is None:
            return list(self.photos)
        known = {each.category for each in self.photos} | {each.product for each in self.photos}
        if unknown := [name for name in categories if name not in known]:
            products = sorted({each.category for each in self.photos})
            raise DataError(
                f"{shown(self.root)} has no category {', '.join(map(shown, unknown))}; it has "
                f"{', '.join(map(shown, products[:6]))}{' …' * (len(products) > 6)}"
            )
        return [each for each in self.photos if {each.category, each.product} & set(categories)]


def begin(root: Path, layout: str, name: str) -> tuple[Questionnaire, Any]:
    """An empty questionnaire, and what its file holds.

    Raises:
        DataError: the file is missing or no JSON.
    """
    file = root / name
    try:
        told = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{shown(file)} cannot be read: {error.strerror}; copy it again") from None
    except ValueError as error:
        raise DataError(f"{shown(file)} is no JSON ({error}); copy it again") from None
    return Questionnaire(root, layout, file, hash_file(file)), told


def checked_options(options: Any) -> dict[str, str] | None:
    """Options by letter; None where they are none."""
    if not isinstance(options, dict) or not options or not set(options) <= set(LETTERS):
        return None
    if not all(isinstance(text, str) for text in options.values()):
        return None
    return {str(letter): text.strip() for letter, text in options.items()}


def as_reading(questionnaire: Questionnaire, wanted: Collection[str] | None) -> Reading:
    """The photos as samples: those of questions to test with, their templates as good ones.

    What lies not there is a finding, and left out.
    """
    reading = Reading(sorted({each.category for each in questionnaire.photos}))
    reading.findings = [*questionnaire.findings, *missing_files(questionnaire)]
    seen: set[tuple[Path, str]] = set()
    for photo in questionnaire.photos:
        if wanted is not None and photo.category not in wanted:
            continue
        kind = photo.kind if photo.is_anomalous else None
        found = [
            Sample(photo.image, photo.category, "test", photo.is_anomalous, kind, photo.masks),
            *(Sample(path, photo.category, "train", False) for path in _templates(photo)),
        ]
        for sample in found:
            if (sample.image, sample.category) not in seen and is_file(sample.image):
                reading.samples.append(sample)
            seen.add((sample.image, sample.category))
    reading.samples.sort(key=lambda each: (each.category, each.split, str(each.image)))
    return reading


def missing_files(questionnaire: Questionnaire) -> Iterator[Finding]:
    """Photos and templates that are named and not there."""
    places: dict[Path, int] = {}
    for photo in questionnaire.photos:
        if not is_file(photo.image):
            yield Finding("error", photo.image, "photos that are not there", _RENEW)
        for path in _templates(photo):
            places[path] = places.get(path, 0) + 1
    for path, count in sorted(places.items()):
        if not is_file(path):
            yield Finding(
                "warning",
                path,
                "templates that are not there",
                f"the next of their list are taken instead; {_RENEW}. Those of DS-MVTec lie in "
                "MVTec-AD, beside it",
                f"named by {count} photo{'s' * (count != 1)}",
            )


def _templates(photo: QuestionedPhoto) -> list[Path]:
    return list(dict.fromkeys((*photo.random_templates, *photo.similar_templates)))
