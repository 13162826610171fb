"""MMAD: mmad.json, with multiple-choice questions about the photos of four data sets.

Facts of the format and of its faults: docs/data.md. Nothing of MMAD's own texts is in this package.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from anomalygpt.data.files import is_file, is_folder, photos
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

JSON = "mmad.json"
# The revision of the hub, 39,670 questions; that of the repository has two more.
HUB_SHA256 = "639343b491bc67b2abb3c5d719f221ce27f83b2ed97948f4e88055aaa31f1c1e"

DETECTION = "Anomaly Detection"
LOCALISATION = "Defect Localization"
# In the order of the published tables.
KINDS = (
    DETECTION,
    "Defect Classification",
    LOCALISATION,
    "Defect Description",
    "Defect Analysis",
    "Object Classification",
    "Object Analysis",
)
# Types of the file that are scored together with another.
MERGED = {"Object Structure": "Object Analysis", "Object Details": "Object Analysis"}

# Data set: (photos with a yes/no question, of good parts), of the whole benchmark.
WHOLE = {
    "DS-MVTec": (1691, 465),
    "MVTec-LOCO": (1565, 573),
    "VisA": (2141, 943),
    "GoodsAD": (2900, 1269),
}

_NUTS = re.compile(r"DS-MVTec/pill/image/good/0(?:[01]\d|2[01])\.\w+")
_MEND = "correct mmad.json, or copy it again; they are left out"


def is_mmad(root: Path) -> bool:
    """Whether a folder holds it."""
    return is_file(root / JSON)


def read_mmad(root: Path, wanted: Collection[str] | None) -> Reading:
    """Its photos as samples, see `as_reading`.

    Raises:
        DataError: see `open_mmad`.
    """
    return as_reading(open_mmad(root), wanted)


def open_mmad(root: Path) -> Questionnaire:
    """All photos and questions.

    Raises:
        DataError: mmad.json cannot be read, or holds something else.
    """
    found, told = begin(root, "mmad", JSON)
    if not isinstance(told, dict):
        raise DataError(
            f"{shown(found.file)} is expected to be one JSON object with a photo's path for each "
            f"key, but is a {type(told).__name__}; copy it again"
        )
    for key, values in told.items():
        photo = _photo(found, str(key).replace("\\", "/"), values)
        if photo is not None:
            found.photos.append(photo)
    found.findings += [*_nuts(found), *_mask_folders(found)]
    return found


def _photo(found: Questionnaire, key: str, values: Any) -> QuestionedPhoto | None:
    parts = PurePosixPath(key).parts
    conversations = (
        [name for name in values if str(name).startswith("conversation")]
        if isinstance(values, dict)
        else []
    )
    if len(parts) < 4 or ".." in parts or not conversations:
        found.findings.append(
            Finding(
                "error",
                found.file,
                "entries that are no photo with questions",
                "a key is DATA SET/PRODUCT/…/KIND/FILE, its value has a conversation; " + _MEND,
                shown(key),
            )
        )
        return None
    if len(conversations) > 1:
        found.findings.append(
            Finding(
                "warning",
                found.root / key,
                "photos with several conversations",
                "nothing; the first is read, as the published code does",
                ", ".join(map(shown, conversations)),
            )
        )
    kind = parts[-2]
    is_anomalous = kind.casefold() != GOOD
    return QuestionedPhoto(
        key=key,
        image=found.root / key,
        data_set=parts[0],
        product=parts[1],
        kind=kind,
        is_anomalous=is_anomalous,
        masks=_masks(found, key, values) if is_anomalous else (),
        random_templates=_paths(found, values.get("random_templates")),
        similar_templates=_paths(found, values.get("similar_templates")),
        questions=tuple(_questions(found, key, values[conversations[0]])),
    )


def _paths(found: Questionnaire, names: Any) -> tuple[Path, ...]:
    listed = names if isinstance(names, list) else []
    return tuple(found.root / str(name).replace("\\", "/") for name in listed)


def _masks(found: Questionnaire, key: str, values: Mapping[str, Any]) -> tuple[Path, ...]:
    """A file, all files of a folder, or the same name as PNG; () where there is nothing."""
    name = values.get("mask_path")
    if not isinstance(name, str) or not name.strip():
        return ()
    path = found.root.joinpath(*PurePosixPath(key).parts[:2], name.replace("\\", "/"))
    if is_file(path):
        return (path,)
    as_png = path.with_suffix(".png")
    if path.suffix.lower() in (".jpg", ".jpeg") and is_file(as_png):
        return (as_png,)
    for folder in (path, path.with_suffix("")):
        if is_folder(folder) and (inside := photos(folder)):
            return tuple(inside)
    found.findings.append(
        Finding(
            "warning",
            path,
            "masks that are not there",
            "nothing, if answers are enough; only figures per pixel need them",
        )
    )
    return ()


def _questions(found: Questionnaire, key: str, asked: Any) -> Iterator[Question]:
    for number, each in enumerate(asked if isinstance(asked, list) else [asked], 1):
        detail = f"{shown(key)}, question {number}"
        told = each if isinstance(each, dict) else {}
        options = checked_options(told.get("Options"))
        text, kind = told.get("Question"), told.get("type")
        if options is None or not isinstance(text, str) or not isinstance(kind, str):
            found.findings.append(
                Finding(
                    "error",
                    found.file,
                    "questions that cannot be asked",
                    "a question has Question, Answer, type, and Options with letters A to E; "
                    + _MEND,
                    detail,
                )
            )
            continue
        answer = str(told.get("Answer", "")).strip()
        if answer not in options:
            found.findings.append(
                Finding(
                    "error",
                    found.file,
                    "questions whose answer is none of their options",
                    _MEND,
                    f"{detail}: {shown(answer)!r}",
                )
            )
            continue
        found.findings += _oddities(found, kind, options, detail)
        yield Question(kind.strip(), text.strip(), options, answer)


def _oddities(
    found: Questionnaire, kind: str, options: Mapping[str, str], detail: str
) -> Iterator[Finding]:
    if kind.strip() not in {*KINDS, *MERGED}:
        yield Finding(
            "warning",
            found.file,
            "questions of an unknown type",
            "nothing; they get a column of their own",
            f"{detail}: {shown(kind)}",
        )
    if list(options) != sorted(options):
        yield Finding(
            "warning",
            found.file,
            "options whose letters are out of order",
            "nothing; the published code letters them anew and takes the answer as it is, so it "
            "scores another option",
            detail,
        )


def _nuts(found: Questionnaire) -> Iterator[Finding]:
    """Photos of Defect Spectrum that lie in the wrong folder, as their answers show."""
    for photo in found.photos:
        right = " ".join(each.options[each.answer] for each in photo.questions).lower()
        is_corrected = re.search(r"\b(?:pills?|tablets?)\b", right) and "nut" not in right
        if _NUTS.fullmatch(photo.key) and not is_corrected:
            yield Finding(
                "warning",
                photo.image,
                "photos of pills that show metal nuts",
                "a fault of the published data (22 photos): their templates are pills, so leave "
                "them out or take the corrected photos",
            )


def _mask_folders(found: Questionnaire) -> Iterator[Finding]:
    folders = [photo for photo in found.photos if len({*photo.masks}) > 1 or _in_folder(photo)]
    if folders:
        yield Finding(
            "warning",
            found.file,
            "masks that are folders",
            "nothing; all masks in the folder are united, as MVTec LOCO means them",
            f"{len(folders)} photo{'s' * (len(folders) != 1)}, first {shown(folders[0].key)}",
        )


def _in_folder(photo: QuestionedPhoto) -> bool:
    """Whether the mask lies in a folder of the photo's own name."""
    return any(path.parent.name == photo.image.stem for path in photo.masks)
