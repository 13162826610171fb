"""RobustMAD: RobustMAD_MCQ.json, with five options each and questions that nobody can answer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from anomalygpt.data.files import is_file
from anomalygpt.data.questionnaires import (
    GOOD,
    Question,
    QuestionedPhoto,
    Questionnaire,
    as_reading,
    begin,
    checked_options,
)
from anomalygpt.data.samples import Finding, Reading
from anomalygpt.errors import DataError
from anomalygpt.files import shown

JSON = "RobustMAD_MCQ.json"

_MEND = f"correct {JSON}, or copy it again; they are left out"


def is_robustmad(root: Path) -> bool:
    """Whether a folder holds it."""
    return is_file(root / JSON)


def read_robustmad(root: Path, wanted: Collection[str] | None) -> Reading:
    """Its photos as samples, see `as_reading`.

    Raises:
        DataError: see `open_robustmad`.
    """
    return as_reading(open_robustmad(root), wanted)


def open_robustmad(root: Path) -> Questionnaire:
    """All photos and questions; the one reference of a photo stands as its only template.

    Raises:
        DataError: the file cannot be read, or holds something else.
    """
    found, told = begin(root, "robustmad", JSON)
    images = told.get("images") if isinstance(told, dict) else None
    if not isinstance(images, list):
        raise DataError(
            f"{shown(found.file)} is expected to be a JSON object with a list `images`, but has "
            "none; copy it again"
        )
    photos: dict[str, QuestionedPhoto] = {}
    for number, each in enumerate(images, 1):
        photo = _photo(found, number, each)
        if photo is not None:
            # A photo may have several entries; it is looked at once.
            earlier = photos.get(photo.key, replace(photo, questions=()))
            photos[photo.key] = replace(earlier, questions=earlier.questions + photo.questions)
    found.photos = list(photos.values())
    return found


def _photo(found: Questionnaire, number: int, values: Any) -> QuestionedPhoto | None:
    told = values if isinstance(values, dict) else {}
    names = [told.get(name) for name in ("image_path", "dataset", "category")]
    if not all(isinstance(name, str) and name for name in names):
        found.findings.append(
            Finding(
                "error",
                found.file,
                "entries that are no photo with questions",
                f"an entry has image_path, dataset, category and questions; {_MEND}",
                f"entry {number}",
            )
        )
        return None
    key = str(told["image_path"]).replace("\\", "/")
    reference = told.get("reference_image_path")
    templates = (_place(found.root, told, reference),) if isinstance(reference, str) else ()
    kind = str(told.get("specie_name") or Path(key).parent.name)
    is_anomalous = bool(told["anomaly"]) if "anomaly" in told else kind.casefold() != GOOD
    return QuestionedPhoto(
        key=key,
        image=_place(found.root, told, key),
        data_set=str(told["dataset"]),
        product=str(told["category"]),
        kind=kind if is_anomalous else GOOD,
        is_anomalous=is_anomalous,
        random_templates=templates,
        similar_templates=templates,
        questions=tuple(_questions(found, key, told.get("questions"))),
    )


def _place(root: Path, values: Mapping[str, Any], name: str) -> Path:
    """Where a photo lies: below the root, or below the folder of its data set or product."""
    name = name.replace("\\", "/").lstrip("/")
    inner = (str(values["dataset"]), str(values["category"]))
    places = [root / name, root / inner[0] / name, root.joinpath(*inner, name)]
    return next((place for place in places if is_file(place)), places[0])


def _questions(found: Questionnaire, key: str, asked: Any) -> Iterator[Question]:
    for number, each in enumerate(asked if isinstance(asked, list) else [], 1):
        told = each if isinstance(each, dict) else {}
        options, text = checked_options(told.get("options")), told.get("question")
        answer = str(told.get("answer", "")).strip()
        if options is None or not isinstance(text, str) or answer not in options:
            found.findings.append(
                Finding(
                    "error",
                    found.file,
                    "questions that cannot be asked",
                    "a question has question, question_type, options with letters A to E, and one "
                    f"of these letters as answer; {_MEND}",
                    f"{shown(key)}, question {told.get('question_id', number)}",
                )
            )
            continue
        yield Question(
            kind=str(told.get("question_type") or "unknown").strip(),
            text=text.strip(),
            options=options,
            answer=answer,
            group=str(told.get("robustness_category") or "").strip(),
        )
