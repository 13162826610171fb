"""Small benchmarks of multiple-choice questions in the formats of MMAD and RobustMAD, made here."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.small_evaluations import STAINS, part, stain_mask

RECORDED = Path(__file__).parent / "fixtures" / "mmad"


def asked(kind: str, text: str, answer: str, *options: str) -> dict[str, Any]:
    """A question as mmad.json has it."""
    return {
        "Question": text,
        "Answer": answer,
        "Options": dict(zip("ABCDE", options, strict=False)),
        "type": kind,
        "annotation": True,
    }


def detection(is_anomalous: bool, *, yes_first: bool) -> dict[str, Any]:
    options = ("Yes.", "No.") if yes_first else ("No.", "Yes.")
    right = "A" if is_anomalous == yes_first else "B"
    return asked("Anomaly Detection", "Is anything wrong?", right, *options)


def _entry(is_anomalous: bool, number: int, mask: str, templates: list[str]) -> dict[str, Any]:
    talk = [detection(is_anomalous, yes_first=number % 2 == 0)]
    if is_anomalous:
        where = ("Top left.", "Right.", "Center.", "Bottom left.")
        talk.append(asked("Defect Localization", "Where is it?", "A", *where))
    talk.append(asked("Object Structure", "What is it?", "B", "A ring.", "A disc.", "A cube."))
    return {
        "image_path": "unused",
        "conversation": talk,
        "mask_path": mask,
        "random_templates": templates,
        "similar_templates": templates[::-1],
    }


def make_mmad(root: Path, *, each: int = 2) -> Path:
    """Two data sets of one product, `each` good and stained photos, three templates; the masks of
    the second are folders."""
    told: dict[str, Any] = {}
    for name, product, inner, kind in (
        ("DS-MVTec", "bottle", "image", "stain"),
        ("MVTec-LOCO", "pushpins", "test", "logical_anomalies"),
    ):
        place = "MVTec-AD" if name == "DS-MVTec" else name
        templates = [f"{place}/{product}/train/good/{number:03}.png" for number in range(3)]
        for number, path in enumerate(templates):
            part(root / path, number + 10 * len(told))
        for number in range(each):
            good = f"{name}/{product}/{inner}/good/{number:03}.png"
            bad = f"{name}/{product}/{inner}/{kind}/{number:03}.png"
            part(root / good, 100 + number + len(told))
            part(root / bad, 200 + number + len(told), STAINS[number % 4])
            mask = f"rbg_mask/{kind}/{number:03}_rbg_mask.png"
            if name == "MVTec-LOCO":
                mask = f"ground_truth/{kind}/{number:03}"
                for piece in ("000", "001"):
                    stain_mask(root / name / product / mask / f"{piece}.png", STAINS[number % 4])
            else:
                stain_mask(root / name / product / mask, STAINS[number % 4])
            told[good] = _entry(False, number, "", templates)
            told[bad] = _entry(True, number, mask, templates)
    write(root, told)
    return root


def write(root: Path, told: Any) -> None:
    """Writes mmad.json anew."""
    (root / "mmad.json").write_text(json.dumps(told), encoding="utf-8")


def change(root: Path, key: str, **values: Any) -> None:
    """Changes what mmad.json says about a photo."""
    told = json.loads((root / "mmad.json").read_text(encoding="utf-8"))
    told[key] = {**told.get(key, {}), **values}
    write(root, told)


def make_robustmad(root: Path) -> Path:
    """A good and a stained photo with five options each, and a question that nobody can answer."""
    images = []
    part(root / "VisA" / "candle" / "train" / "000.png", 1)
    for number, stain in enumerate((None, STAINS[0])):
        name = f"VisA/candle/test/{number:03}.png"
        part(root / name, 2 + number, stain)
        yes = ["Yes.", "No.", "Only outside.", "Both.", "It cannot be told."]
        questions = [
            {
                "question_id": 1,
                "robustness_category": "wording",
                "question_type": "Anomaly Detection",
                "question": "Is anything wrong?",
                "options": dict(zip("ABCDE", yes, strict=True)),
                "answer": "B" if stain is None else "A",
            },
            {
                "question_id": 2,
                "robustness_category": "unanswerable",
                "question_type": "Object Analysis",
                "question": "Who made it?",
                "options": dict(
                    zip("ABCDE", ["Ann", "Bob", "Cem", "Dan", "Nobody knows."], strict=True)
                ),
                "answer": "E",
            },
        ]
        images.append(
            {
                "dataset": "VisA",
                "category": "candle",
                "image_id": str(number),
                "image_path": name,
                "specie_name": "good" if stain is None else "stain",
                "anomaly": int(stain is not None),
                "difficulty": "easy",
                "reference_image_path": "VisA/candle/train/000.png",
                "questions": questions,
            }
        )
    text = json.dumps({"images": images})
    (root / "RobustMAD_MCQ.json").write_text(text, encoding="utf-8")
    return root


def recorded_mmad(name: str) -> Any:
    """What was recorded from the published code, see shared/reference/mmad."""
    return json.loads((RECORDED / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def asking() -> SimpleNamespace:
    """The makers above: `asking.mmad(folder)`, `asking.change(folder, key, …)` and so on."""
    return SimpleNamespace(
        mmad=make_mmad,
        robustmad=make_robustmad,
        write=write,
        change=change,
        asked=asked,
        detection=detection,
        recorded=recorded_mmad,
        folder=RECORDED,
    )


@pytest.fixture
def mmad(tmp_path: Path) -> Path:
    """A small benchmark in MMAD's format, to be changed at will."""
    return make_mmad(tmp_path / "mmad")


@pytest.fixture
def robustmad(tmp_path: Path) -> Path:
    """A small benchmark in RobustMAD's format, to be changed at will."""
    return make_robustmad(tmp_path / "robustmad")
