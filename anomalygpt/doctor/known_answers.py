"""What a model said about example photos when it was shipped, and whether it still says so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from anomalygpt.errors import AnomalyGPTError, CheckpointError
from anomalygpt.files import hash_file

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.results.inspection import Inspection

# A photo, and photos of good parts to compare it with.
Question: TypeAlias = "tuple[Path, tuple[Path, ...]]"

KNOWN_ANSWERS = "known_answers.json"

# Other machines and versions of the libraries round differently, by less than this.
PROBABILITY_TOLERANCE = 0.02
SCORE_TOLERANCE = 0.01

# A short look is about so many reference photos: encoding them, turned, takes most of the time.
FEW_REFERENCES = 3

_KINDS: dict[str, type | tuple[type, ...]] = {
    "image": str,
    "references": list,
    "sha256": list,
    "is_anomalous": bool,
    "anomaly_probability": (int, float),
    "anomaly_score": (int, float),
    "locations": list,
    "answer": str,
}


def known_answers(assistant: AnomalyGPT, examples: Path) -> list[dict[str, Any]]:
    """What the assistant says about each example, for whoever wants to see if it still does.

    Returns:
        For each photo of `examples/PART/`: its name and references (the part's `good_*` photos),
        their SHA-256, and the verdict, probability, score, places and sentence.
    """
    questions: list[Question] = []
    for part in sorted(path for path in examples.iterdir() if path.is_dir()):
        photos = sorted(path for path in part.iterdir() if path.suffix in (".jpg", ".png"))
        good = [path for path in photos if path.stem.startswith("good")]
        for photo in photos:
            others = [reference for reference in good if reference != photo]
            questions.append((photo, tuple(others[:1])))
    found = []
    for answer in _ask(assistant, examples, questions):
        if isinstance(answer, AnomalyGPTError):
            raise answer
        found.append(answer)
    return found


def some_of(known: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that a short look asks for: photos of a few parts, both good and damaged ones."""
    verdicts: dict[tuple[str, ...], set[bool]] = {}
    for each in known:
        verdicts.setdefault(tuple(each["references"]), set()).add(each["is_anomalous"])
    # References with both verdicts first; a stable sort keeps the order otherwise.
    chosen = sorted(verdicts, key=lambda names: -len(verdicts[names]))[:FEW_REFERENCES]
    return [each for each in known if tuple(each["references"]) in chosen]


def ask_again(
    assistant: AnomalyGPT, examples: Path, known: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any] | AnomalyGPTError]:
    """What the assistant says now about photos whose answers are known, in their order.

    In place of an answer that cannot be had comes the error that says why: a photo cannot be used,
    or a map or score is no finite number.

    Args:
        assistant: one with a language model.
        examples: the folder that names in the answers are relative to.
        known: from `load_known_answers`.
    """
    questions: list[Question] = [
        (examples / each["image"], tuple(examples / name for name in each["references"]))
        for each in known
    ]
    return _ask(assistant, examples, questions)


def _ask(
    assistant: AnomalyGPT, examples: Path, questions: Sequence[Question]
) -> list[dict[str, Any] | AnomalyGPTError]:
    """Photos with the same references are asked about together: each is encoded once."""
    groups: dict[tuple[Path, ...], list[Path]] = {}
    for photo, references in questions:
        groups.setdefault(references, []).append(photo)
    found: dict[Question, dict[str, Any] | AnomalyGPTError] = {}
    for references, photos in groups.items():
        try:
            inspections = list(assistant.inspect_batch(photos, list(references)))
        except AnomalyGPTError as error:
            found |= dict.fromkeys([(photo, references) for photo in photos], error)
            continue
        for photo, inspection in zip(photos, inspections, strict=True):
            found[photo, references] = (
                inspection
                if isinstance(inspection, AnomalyGPTError)
                else _answer(examples, photo, references, inspection)
            )
    return [found[question] for question in questions]


def _answer(
    examples: Path, photo: Path, references: Sequence[Path], inspection: Inspection
) -> dict[str, Any]:
    """What was found on one photo, as plain JSON values."""
    return {
        "image": photo.relative_to(examples).as_posix(),
        "references": [path.relative_to(examples).as_posix() for path in references],
        "sha256": [hash_file(path) for path in (photo, *references)],
        "is_anomalous": inspection.is_anomalous,
        "anomaly_probability": round(float(inspection.anomaly_probability or 0.0), 3),
        "anomaly_score": round(inspection.anomaly_score, 3),
        "locations": [region.location for region in inspection.regions],
        "answer": inspection.answer,
    }


def load_known_answers(folder: Path) -> list[dict[str, Any]] | None:
    """Read `folder/known_answers.json`; None where a model brings none.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = folder / KNOWN_ANSWERS
    try:
        answers = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); copy the model again") from error
    if not isinstance(answers, list) or not answers or not all(map(_is_answer, answers)):
        raise CheckpointError(f"{path} is damaged: it holds no known answers; copy the model again")
    return answers


def _is_answer(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    if not all(isinstance(value.get(key), kind) for key, kind in _KINDS.items()):
        return False
    names = [*value["references"], *value["sha256"]]
    return all(isinstance(name, str) for name in names) and len(value["sha256"]) == 1 + len(
        value["references"]
    )


def unusable_photos(known: Mapping[str, Any], examples: Path) -> list[str]:
    """Why the photos of a known answer cannot be asked about: one text for each bad photo."""
    found = []
    names = [known["image"], *known["references"]]
    for name, expected in zip(names, known["sha256"], strict=True):
        path = examples / name
        if not path.is_file():
            found.append(f"{path} is not there")
        elif hash_file(path) != expected:
            found.append(f"{path} was changed: it is not the photo that the answer is about")
    return found


def differences(known: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """In what an answer differs from the known one; an empty list where it does not."""
    texts = [
        f"{what} is {found[key]!r}, expected {known[key]!r}"
        for key, what in (
            ("is_anomalous", "is_anomalous"),
            ("answer", "the sentence"),
            ("locations", "the list of places"),
        )
        if found[key] != known[key]
    ]
    for key, tolerance in (
        ("anomaly_probability", PROBABILITY_TOLERANCE),
        ("anomaly_score", SCORE_TOLERANCE),
    ):
        # Both are recorded with three digits: a hair more than the tolerance is rounding.
        if not abs(found[key] - known[key]) <= tolerance + 1e-9:
            texts.append(f"{key} is {found[key]}, expected {known[key]} ± {tolerance}")
    return texts
