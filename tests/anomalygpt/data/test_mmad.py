"""MMAD's and RobustMAD's files: all keys, and what is wrong with copies in the field."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from anomalygpt.data import check, load_mask, open_data, open_questionnaire
from anomalygpt.data.report import CheckReport
from anomalygpt.errors import DataError

GOOD = "DS-MVTec/bottle/image/good/000.png"
BAD = "DS-MVTec/bottle/image/stain/000.png"
LOGICAL = "MVTec-LOCO/pushpins/test/logical_anomalies/000.png"


def problems(report: CheckReport) -> dict[str, str]:
    """Problems with their severity."""
    return {finding.problem: finding.severity for finding in report.findings}


def test_mmad_is_found_and_all_its_keys_are_read(mmad: Path) -> None:
    found = open_questionnaire(mmad)
    assert (found.layout, len(found.photos), len(found.sha256)) == ("mmad", 8, 64)
    photo = next(each for each in found.photos if each.key == BAD)
    assert (photo.category, photo.kind, photo.is_anomalous) == ("DS-MVTec/bottle", "stain", True)
    assert photo.image == mmad / BAD
    assert [path.name for path in photo.random_templates] == ["000.png", "001.png", "002.png"]
    assert photo.similar_templates == photo.random_templates[::-1]
    assert photo.random_templates[0].parts[-5] == "MVTec-AD"
    assert [question.kind for question in photo.questions] == [
        *("Anomaly Detection", "Defect Localization", "Object Structure")
    ]
    where = photo.questions[1]
    assert (where.text, where.answer, where.options["B"]) == ("Where is it?", "A", "Right.")
    assert [path.name for path in photo.masks] == ["000_rbg_mask.png"]
    good = next(each for each in found.photos if each.key == GOOD)
    assert (good.kind, good.is_anomalous, good.masks) == ("good", False, ())


def test_mmad_is_a_data_set_of_samples_too(mmad: Path) -> None:
    data = open_data(mmad)
    assert data.layout == "mmad"
    assert data.categories == ["DS-MVTec/bottle", "MVTec-LOCO/pushpins"]
    assert len(data.select("DS-MVTec/bottle", "train", False)) == 3
    assert len(data.select(split="test", is_anomalous=True)) == 4
    assert len(open_data(mmad, "mmad", ["MVTec-LOCO/pushpins"]).samples) == 7


def test_mmad_products_are_chosen_by_either_name(mmad: Path) -> None:
    found = open_questionnaire(mmad)
    assert found.select(["bottle"]) == found.select(["DS-MVTec/bottle"]) != found.select(None)
    with pytest.raises(DataError, match=r"no category cable; it has DS-MVTec/bottle"):
        found.select(["cable"])


def test_folders_of_masks_in_mmad_are_united_and_named(mmad: Path, making) -> None:
    (logical, *_) = open_data(mmad).select("MVTec-LOCO/pushpins", is_anomalous=True)
    assert [path.name for path in logical.masks] == ["000.png", "001.png"]
    assert load_mask(logical, making.size)[making.stains[0]].all()
    report = check(mmad)
    assert problems(report)["masks that are folders"] == "warning"
    (named,) = [each for each in report.findings if each.problem == "masks that are folders"]
    assert named.detail == f"2 photos, first {LOGICAL}"
    assert report.is_ready


def test_a_mask_of_mmad_falls_back_from_jpg_to_png(mmad: Path, asking: SimpleNamespace) -> None:
    asking.change(mmad, BAD, mask_path="rbg_mask/stain/000_rbg_mask.jpg")
    (photo, *_) = open_questionnaire(mmad).photos[1:]
    assert [path.name for path in photo.masks] == ["000_rbg_mask.png"]
    asking.change(mmad, LOGICAL, mask_path="ground_truth/logical_anomalies/000.png")
    logical = open_questionnaire(mmad).photos[5]
    assert (logical.key, len(logical.masks)) == (LOGICAL, 2)
    asking.change(mmad, BAD, mask_path="rbg_mask/gone.jpg")
    assert open_questionnaire(mmad).photos[1].masks == ()
    assert problems(check(mmad))["masks that are not there"] == "warning"


def test_the_first_conversation_of_mmad_counts(mmad: Path, asking: SimpleNamespace) -> None:
    told = json.loads((mmad / "mmad.json").read_text())
    entry = told[GOOD]
    told[GOOD] = {"conversation_0": [asking.detection(False, yes_first=True)], **entry}
    asking.write(mmad, told)
    assert len(open_questionnaire(mmad).photos[0].questions) == 1
    assert problems(check(mmad))["photos with several conversations"] == "warning"


def test_missing_photos_and_templates_of_mmad_are_named(mmad: Path) -> None:
    (mmad / GOOD).unlink()
    (mmad / "MVTec-AD" / "bottle" / "train" / "good" / "000.png").unlink()
    report = check(mmad)
    assert problems(report)["photos that are not there"] == "error"
    assert problems(report)["templates that are not there"] == "warning"
    (template,) = [each for each in report.findings if each.problem.startswith("templates")]
    assert template.detail == "named by 4 photos"
    assert "MVTec-AD" in template.advice
    assert len(open_questionnaire(mmad).photos) == 8  # whoever asks finds out himself


def test_pills_of_mmad_that_are_nuts_are_named(mmad: Path, asking: SimpleNamespace) -> None:
    what = ("Object Classification", "What is it?", "A")
    for number in (0, 21, 22):
        for folder in ("DS-MVTec/pill/image/good", "DS-MVTec/pill/image/crack"):
            key = f"{folder}/{number:03}.png"
            (mmad / key).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(mmad / GOOD, mmad / key)
            talk = [asking.asked(*what, "A metal nut.", "A tablet.")]
            asking.change(mmad, key, conversation=talk, mask_path="", random_templates=[])
    nuts = [each for each in check(mmad).findings if "metal nuts" in each.problem]
    assert [each.path.name for each in nuts] == ["000.png", "021.png"]
    assert all(each.path.parent.name == "good" for each in nuts)
    asking.change(
        mmad,
        "DS-MVTec/pill/image/good/000.png",
        conversation=[asking.asked(*what, "A pill.", "A metal nut.")],
    )
    nuts = [each for each in check(mmad).findings if "metal nuts" in each.problem]
    assert [each.path.name for each in nuts] == ["021.png"]


@pytest.mark.parametrize(
    ("changed", "problem", "severity", "left"),
    [
        ({"Answer": "D"}, "questions whose answer is none of their options", "error", 0),
        ({"Answer": ""}, "questions whose answer is none of their options", "error", 0),
        ({"Options": {}}, "questions that cannot be asked", "error", 0),
        ({"Options": {"A": "x", "Z": "y"}}, "questions that cannot be asked", "error", 0),
        ({"Options": {"A": 1}}, "questions that cannot be asked", "error", 0),
        ({"Question": None}, "questions that cannot be asked", "error", 0),
        ({"type": "Weight"}, "questions of an unknown type", "warning", 1),
        ({"Options": {"B": "x", "A": "y"}}, "options whose letters are out of order", "warning", 1),
    ],
)
def test_odd_questions_of_mmad(
    mmad: Path,
    asking: SimpleNamespace,
    changed: dict[str, object],
    problem: str,
    severity: str,
    left: int,
) -> None:
    question = asking.asked("Object Analysis", "What is it?", "A", "x", "y") | changed
    asking.change(mmad, GOOD, conversation=[question])
    found = open_questionnaire(mmad)
    assert len(found.photos[0].questions) == left
    assert problems(check(mmad)) | {problem: severity} == problems(check(mmad))


def test_option_e_of_mmad_is_an_option(mmad: Path, asking: SimpleNamespace) -> None:
    asking.change(mmad, GOOD, conversation=[asking.asked("Object Analysis", "?", "E", *"vwxyz")])
    (question,) = open_questionnaire(mmad).photos[0].questions
    assert (question.answer, question.options["E"]) == ("E", "z")


@pytest.mark.parametrize("key", ["000.png", "a/b/000.png", "a/../b/good/000.png"])
def test_keys_of_mmad_that_are_no_photo(mmad: Path, asking: SimpleNamespace, key: str) -> None:
    asking.change(mmad, key, conversation=[])
    assert len(open_questionnaire(mmad).photos) == 8
    assert problems(check(mmad))["entries that are no photo with questions"] == "error"


@pytest.mark.parametrize("values", [[], {}, {"mask_path": ""}, None, "x"])
def test_values_of_mmad_that_are_no_photo(mmad: Path, asking: SimpleNamespace, values) -> None:
    told = json.loads((mmad / "mmad.json").read_text())
    asking.write(mmad, {**told, GOOD: values})
    assert len(open_questionnaire(mmad).photos) == 7


def test_captions_beside_photos_of_mmad_are_no_strangers(mmad: Path) -> None:
    (mmad / BAD).with_suffix(".txt").write_text("A caption.")
    assert not any("left out" in each.problem for each in check(mmad).findings)


def test_files_of_mmad_that_are_none(tmp_path: Path, asking: SimpleNamespace) -> None:
    asking.write(tmp_path, ["x"])
    with pytest.raises(DataError, match=r"one JSON object .* but is a list"):
        open_questionnaire(tmp_path)
    (tmp_path / "mmad.json").write_text("{")
    with pytest.raises(DataError, match=r"mmad\.json is no JSON"):
        open_questionnaire(tmp_path)
    asking.write(tmp_path, {})
    with pytest.raises(DataError, match="no question that can be asked"):
        open_questionnaire(tmp_path)


def test_other_data_is_no_mmad(tree: Path) -> None:
    with pytest.raises(DataError, match=r"is MVTec AD and has no questions .* expected mmad\.json"):
        open_questionnaire(tree)
    with pytest.raises(DataError, match=r"not in the layout of MMAD: looked for mmad\.json"):
        open_questionnaire(tree, "mmad")


# --- RobustMAD -----------------------------------------------------------------------------------


def test_robustmad_is_read_like_mmad(robustmad: Path) -> None:
    found = open_questionnaire(robustmad)
    assert found.layout == "robustmad"
    good, bad = found.photos
    assert (good.kind, good.is_anomalous, bad.kind, bad.is_anomalous) == (
        *("good", False),
        *("stain", True),
    )
    assert good.category == "VisA/candle"
    assert good.random_templates == (robustmad / "VisA/candle/train/000.png",)
    unanswerable = bad.questions[1]
    assert (unanswerable.group, unanswerable.answer, len(unanswerable.options)) == (
        *("unanswerable", "E"),
        5,
    )
    assert check(robustmad).is_ready
    counts = check(robustmad).counts[0]
    assert (counts.train_good, counts.test_good, counts.test_bad) == (1, 1, 1)


def test_entries_of_robustmad_about_one_photo_are_one_as_in_mmad(robustmad: Path) -> None:
    file = robustmad / "RobustMAD_MCQ.json"
    images = json.loads(file.read_text())["images"]
    file.write_text(json.dumps({"images": [*images, images[0]]}))
    found = open_questionnaire(robustmad)
    assert [len(photo.questions) for photo in found.photos] == [4, 2]


def test_robustmad_beside_the_folder_of_its_data_set(robustmad: Path) -> None:
    """Unlike mmad.json, nobody has said what its paths are relative to."""
    file = robustmad / "RobustMAD_MCQ.json"
    file.write_text(file.read_text().replace('"VisA/candle/test', '"test'))
    assert open_questionnaire(robustmad).photos[0].image.is_file()


@pytest.mark.parametrize(
    ("old", "new", "photos", "questions"),
    [
        ('"answer": "E"', '"answer": "F"', 2, 2),
        ('"question": "Who made it?"', '"question": 7', 2, 2),
        ('"category": "candle"', '"category": ""', 0, 0),
        ('"question_type": "Object Analysis", ', "", 2, 4),
    ],
)
def test_odd_entries_of_robustmad_and_mmad_alike(
    robustmad: Path, old: str, new: str, photos: int, questions: int
) -> None:
    file = robustmad / "RobustMAD_MCQ.json"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    if not photos:
        with pytest.raises(DataError, match="no question that can be asked"):
            open_questionnaire(robustmad)
        return
    found = open_questionnaire(robustmad)
    assert len(found.photos) == photos
    assert sum(len(photo.questions) for photo in found.photos) == questions
    assert bool(found.findings) == (questions < 4)


def test_a_broken_photo_of_mmad_is_an_error(mmad: Path) -> None:
    (mmad / GOOD).write_bytes(b"no photo")
    Image.new("L", (8, 8)).save(mmad / "DS-MVTec/bottle/rbg_mask/stain/000_rbg_mask.png")
    found = problems(check(mmad))
    assert found["photos that cannot be used"] == "error"
    assert found["masks of another size than their photo"] == "error"
