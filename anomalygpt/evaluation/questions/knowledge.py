"""What is told about a product before it is asked about, and whether that gives answers away.

A file of MMAD's shape, domain_knowledge.json: data set, product, class, text. Published runs join
all texts of a product, which are those of the very defects that are asked about ("retrieval
leakage"). So both are measured: with everything, and without the text of the photo's own class.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from anomalygpt.data.questionnaires import GOOD, QuestionedPhoto
from anomalygpt.errors import DataError
from anomalygpt.files import hash_file, shown

# What is told: nothing, all texts of the product, or all but that of the photo's own class.
Telling: TypeAlias = Literal["none", "all", "without own class"]

# Data sets that the file calls otherwise.
_OTHER_NAMES = {"DS-MVTec": "MVTec", "MVTec-AD": "MVTec"}


@dataclass(frozen=True)
class Knowledge:
    """Texts by product.

    Attributes:
        file: where they come from.
        sha256: of the file.
        texts: by data set, product and class.
    """

    file: Path
    sha256: str
    texts: Mapping[str, Mapping[str, Mapping[str, str]]]

    @classmethod
    def read(cls, file: Path) -> Knowledge:
        """Read a file.

        Raises:
            DataError: it is missing, no JSON, or of another shape.
        """
        try:
            told = json.loads(file.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise DataError(
                f"{shown(file)} cannot be read: {error.strerror}; give a domain_knowledge.json"
            ) from None
        except ValueError as error:
            raise DataError(f"{shown(file)} is no JSON ({error}); copy it again") from None
        if not _is_nested(told):
            raise DataError(
                f"{shown(file)} has another shape; expected "
                '{"DATA SET": {"PRODUCT": {"CLASS": "text"}}}'
            )
        return cls(file, hash_file(file), told)

    def of(self, photo: QuestionedPhoto) -> Mapping[str, str]:
        """Texts of a photo's product, by class; {} where there are none."""
        names = (photo.data_set, _OTHER_NAMES.get(photo.data_set, photo.data_set))
        return next(
            (self.texts[name][photo.product] for name in names if self._has(name, photo)), {}
        )

    def _has(self, name: str, photo: QuestionedPhoto) -> bool:
        return photo.product in self.texts.get(name, {})

    def leaks(self, photo: QuestionedPhoto) -> bool:
        """Whether it tells of the very defect that the photo shows."""
        return photo.is_anomalous and photo.kind in self.of(photo)

    def told(self, photo: QuestionedPhoto, telling: Telling) -> str | None:
        """What is told of a photo's product; None where that is nothing.

        Without the text of its own class one is missing. That must not say that the part is
        damaged, so of a good part some text about a defect is left out too, drawn by its name.
        """
        texts = dict(self.of(photo)) if telling != "none" else {}
        if telling == "without own class":
            defects = sorted(name for name in texts if name != GOOD)
            if photo.is_anomalous:
                texts.pop(photo.kind, None)
            elif defects:
                texts.pop(random.Random(photo.key).choice(defects))
        return "\n".join(texts.values()) or None  # spaces and all, as published

    def summary(self, photos: Sequence[QuestionedPhoto]) -> dict[str, object]:
        """What results say about it: the file, how many photos it tells nothing about, and the
        retrieval leakage."""
        leaking = sum(map(self.leaks, photos))
        return {
            "file": self.file.name,
            "sha256": self.sha256,
            "photos_without": sum(not self.of(photo) for photo in photos),
            "leaking_photos": leaking,
            "retrieval_leakage": leaking > 0,
        }


def _is_nested(told: object, depth: int = 3) -> bool:
    if depth == 0:
        return isinstance(told, str)
    return isinstance(told, dict) and all(_is_nested(each, depth - 1) for each in told.values())
