"""`anomalygpt data check`: every trap of a data set is named, with what to do about it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from anomalygpt import progress
from anomalygpt.data import checking
from anomalygpt.errors import DataError

LAYOUTS = ["mvtec", "visa", "loco", "folder", "pairs"]

Make = SimpleNamespace


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_good_data_set(make: Make, anomalygpt, tmp_path: Path, layout: str) -> None:
    root = getattr(make, layout)(tmp_path / "set")
    ran = anomalygpt("data", "check", root)
    assert ran.status == 0, ran.out
    assert not ran.err
    assert ran.out.splitlines()[-1] == "ready for training: yes"


def test_what_is_printed(make: Make, anomalygpt, tmp_path: Path) -> None:
    root = make.mvtec(tmp_path / "set", ("bottle", "nut"))
    for number in range(5):
        make.mask(root / "nut" / "ground_truth" / "crack" / f"9{number}_mask.png")
    shutil.copy(root / "nut/train/good/000.png", root / "nut/test/good/new name.png")
    (root / "text").mkdir()
    ran = anomalygpt("data", "check", root)
    assert ran.status == 1
    assert (
        ran.out
        == f"""\
{root}: MVTec AD

category  train good  test good  test bad  with mask
bottle             3          2         2          2
nut                3          3         2          2
all                6          5         4          4

error: test photos that are also in train
    nut/test/good/new name.png: same as train/good/000.png
  what to do: take them out of one; measured on photos it has learned, a model looks too good

warning: masks without a photo (5)
    nut/ground_truth/crack/90_mask.png
    nut/ground_truth/crack/91_mask.png
    nut/ground_truth/crack/92_mask.png
    … and 2 more
  what to do: give mask and photo the same name, or take the mask out

warning: folders that are no category, left out
    text
  what to do: nothing, if they are another data set (check it by itself); a category holds \
train/good and test

ready for training: no (1 error, 6 warnings)
"""
    )


def test_json(make: Make, anomalygpt, tmp_path: Path) -> None:
    root = make.mvtec(tmp_path / "set")
    shutil.rmtree(root / "bottle" / "ground_truth")
    ran = anomalygpt("data", "check", root, "--json")
    assert ran.status == 0
    (finding,) = json.loads(ran.out).pop("findings")
    assert {**json.loads(ran.out), "findings": []} == {
        "schema_version": 1,
        "root": str(root),
        "layout": "mvtec",
        "categories": [
            {
                "category": "bottle",
                "train_good": 3,
                "validation_good": 0,
                "test_good": 2,
                "test_bad": 2,
                "with_mask": 0,
            }
        ],
        "conversations": None,
        "findings": [],
        "errors": 0,
        "warnings": 1,
        "ready_for_training": True,
    }
    assert finding["path"] == "bottle"
    assert finding["severity"] == "warning"
    assert finding["problem"] == "no masks at all"
    assert finding["detail"] == "2 photos of defects"


@pytest.mark.parametrize("options", [[], ["--dataset", "visa"], ["--json"]])
def test_what_is_no_data_set(anomalygpt, tmp_path: Path, options: list[str]) -> None:
    ran = anomalygpt("data", "check", tmp_path, *options)
    assert ran.status == 2
    assert not ran.out
    assert "1cls.csv" in ran.error


def test_dialogues(make: Make, anomalygpt, tmp_path: Path) -> None:
    ran = anomalygpt("data", "check", make.instructions(tmp_path), "--dataset", "instructions")
    assert ran.status == 0
    assert "2 dialogues" in ran.out


def test_checking_does_not_wait_for_torch(mvtec: Path) -> None:
    script = (
        "import sys, anomalygpt.cli\n"
        "assert anomalygpt.cli.main(['data', 'check', sys.argv[1]]) == 0\n"
        "heavy = {'torch', 'transformers', 'timm', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, mvtec], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# --- traps: each changes a good category and must be found ---------------------------------------


def _missing_mask(make: Make, bottle: Path) -> None:
    (bottle / "ground_truth/crack/000_mask.png").unlink()


def _small_mask(make: Make, bottle: Path) -> None:
    make.mask(bottle / "ground_truth/crack/000_mask.png", size=(10, 12))


def _turned_mask(make: Make, bottle: Path) -> None:
    make.mask(bottle / "ground_truth/crack/000_mask.png", size=(24, 20))


def _black_mask(make: Make, bottle: Path) -> None:
    make.mask(bottle / "ground_truth/crack/000_mask.png", value=0)


def _white_mask(make: Make, bottle: Path) -> None:
    Image.new("L", make.size[::-1], 255).save(bottle / "ground_truth/crack/000_mask.png")


def _jpeg_mask(make: Make, bottle: Path) -> None:
    (bottle / "ground_truth/crack/000_mask.png").unlink()
    make.mask(bottle / "ground_truth/crack/000_mask.jpg")


def _damaged_mask(make: Make, bottle: Path) -> None:
    (bottle / "ground_truth/crack/000_mask.png").write_bytes(b"\x89PNG")


def _mask_of_unknown_kind(make: Make, bottle: Path) -> None:
    make.mask(bottle / "ground_truth/dent/000_mask.png")


def _mask_beside_photo(make: Make, bottle: Path) -> None:
    make.mask(bottle / "test/crack/000_mask.png")


def _empty_mask_folder(make: Make, bottle: Path) -> None:
    (bottle / "ground_truth/crack/000_mask.png").unlink()
    (bottle / "ground_truth/crack/000").mkdir()


def _damaged_photo(make: Make, bottle: Path) -> None:
    path = bottle / "train/good/000.png"
    path.write_bytes(path.read_bytes()[:200])


def _text_as_photo(make: Make, bottle: Path) -> None:
    (bottle / "test/crack/000.png").write_text("not found", encoding="utf-8")


def _tiny_photo(make: Make, bottle: Path) -> None:
    make.photo(bottle / "train/good/000.png", (8, 8))


def _no_training(make: Make, bottle: Path) -> None:
    shutil.rmtree(bottle / "train/good")


def _empty_training(make: Make, bottle: Path) -> None:
    for path in (bottle / "train/good").iterdir():
        path.unlink()


def _empty_category(make: Make, bottle: Path) -> None:
    for path in bottle.rglob("*.png"):
        path.unlink()


def _no_test(make: Make, bottle: Path) -> None:
    shutil.rmtree(bottle / "test")
    shutil.rmtree(bottle / "ground_truth")


def _no_good_test(make: Make, bottle: Path) -> None:
    shutil.rmtree(bottle / "test/good")


def _learned_and_tested(make: Make, bottle: Path) -> None:
    shutil.copy(bottle / "train/good/001.png", bottle / "test/good/other name.PNG")


def _good_and_bad(make: Make, bottle: Path) -> None:
    shutil.copy(bottle / "test/good/000.png", bottle / "test/crack/001.png")


def _twice_in_training(make: Make, bottle: Path) -> None:
    shutil.copy(bottle / "train/good/001.png", bottle / "train/good/copy.png")


def _bad_training(make: Make, bottle: Path) -> None:
    make.photo(bottle / "train/crack/1.png")


def _foreign_photo(make: Make, bottle: Path) -> None:
    (bottle / "train/good/1.heic").write_bytes(b"x")


def _deeper_photos(make: Make, bottle: Path) -> None:
    make.photo(bottle / "test/good/monday/1.png")


def _loose_photo(make: Make, bottle: Path) -> None:
    make.photo(bottle.parent / "1.png")


TRAPS = [
    (_missing_mask, "warning", "photos of defects without a mask", ""),
    (_small_mask, "error", "masks of another size than their photo", "12×10, the photo 24×20"),
    (_turned_mask, "error", "masks of another size than their photo", "as if turned by 90°"),
    (_black_mask, "warning", "masks that mark nothing, of photos that show a defect", ""),
    (_white_mask, "warning", "masks that mark nearly the whole photo", ""),
    (_jpeg_mask, "warning", "masks with smeared edges", ""),
    (_damaged_mask, "error", "masks that cannot be used", "cannot be read as a mask"),
    (_mask_of_unknown_kind, "warning", "masks without a photo", ""),
    (_mask_beside_photo, "error", "masks between the photos", ""),
    (_empty_mask_folder, "warning", "mask folders without a mask", ""),
    (_damaged_photo, "error", "photos that cannot be used", "is damaged or cut short"),
    (_text_as_photo, "error", "photos that cannot be used", "is a text file"),
    (_tiny_photo, "error", "photos that cannot be used", "8×8 pixels"),
    (_no_training, "error", "no good photos to train on", ""),
    (_empty_training, "error", "no good photos to train on", ""),
    (_empty_category, "error", "no photo at all", ""),
    (_no_test, "warning", "no test photos", ""),
    (_no_good_test, "warning", "no good photos to test with", ""),
    (_learned_and_tested, "error", "test photos that are also in train", "train/good/001.png"),
    (_good_and_bad, "error", "photos that count as good and as defective", "test/good/000.png"),
    (_twice_in_training, "warning", "training photos that are there twice", "train/good/001.png"),
    (_bad_training, "warning", "folders beside train/good, left out", ""),
    (_foreign_photo, "warning", "files and folders between the photos, left out", ""),
    (_deeper_photos, "warning", "files and folders between the photos, left out", ""),
    (_loose_photo, "warning", "photos beside the categories, left out", "1 photo"),
]


@pytest.mark.parametrize(
    ("change", "severity", "problem", "detail"), TRAPS, ids=[t[0].__name__[1:] for t in TRAPS]
)
def test_a_trap(
    make: Make,
    mvtec: Path,
    change: Callable[[Make, Path], None],
    severity: str,
    problem: str,
    detail: str,
) -> None:
    make.mvtec(mvtec, ("nut",))
    change(make, mvtec / "bottle")
    report = checking.check(mvtec)
    found = [finding for finding in report.findings if finding.problem == problem]
    assert len(found) == 1, report.to_text()
    assert found[0].severity == severity
    assert detail in found[0].detail
    assert found[0].path.is_relative_to(mvtec)
    assert found[0].advice
    assert report.is_ready == (severity == "warning")


def test_litter_is_no_trap(mvtec: Path) -> None:
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "._000.png"):
        (mvtec / "bottle" / "train" / "good" / name).write_bytes(b"x")
    (mvtec / "__MACOSX").mkdir()
    assert not checking.check(mvtec).findings


def test_a_turned_photo_with_an_upright_mask(make: Make, mvtec: Path) -> None:
    """EXIF says how the photo is looked at; the mask was drawn over that."""
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(mvtec / "bottle/test/crack/000.png", exif=exif)
    assert not checking.check(mvtec).findings


def test_other_regions_of_crackforest(make: Make, tmp_path: Path) -> None:
    report = checking.check(make.crackforest(tmp_path))
    (finding,) = report.findings
    assert finding.path.name == "002.mat"
    assert finding.detail == "region 3"
    assert report.is_ready


def test_crackforest_without_its_masks(make: Make, tmp_path: Path) -> None:
    make.crackforest(tmp_path)
    for path in (tmp_path / "groundTruth").iterdir():
        path.rename(path.with_stem("other"))
    problems = [finding.problem for finding in checking.check(tmp_path).findings]
    assert problems[0] == "no mask, and no good photo"


def test_visa_with_missing_files(make: Make, anomalygpt, visa: Path) -> None:
    (visa / "pcb1/Data/Images/Normal/0001.JPG").unlink()
    (visa / "candle/Data/Masks/Anomaly/000.png").unlink()
    make.visa_table(visa, [*make.visa_rows, "candle,test,odd,candle/x.JPG,"])
    ran = anomalygpt("data", "check", visa)
    assert ran.status == 1
    for part in (
        "photos in the table that are not there\n    pcb1/Data/Images/Normal/0001.JPG: line 6",
        "masks in the table that are not there\n    candle/Data/Masks/Anomaly/000.png: line 4",
        "split_csv/1cls.csv: line 8: candle,test,odd,candle/x.JPG,",
        "warning: no good photos to test with\n    pcb1",
        "warning: no masks at all\n    candle: 1 photo of defects",
    ):
        assert part in ran.out, ran.out


def test_masks_that_two_kinds_claim(make: Make, tmp_path: Path) -> None:
    root = make.folder(tmp_path)
    for kind in ("scratch", "dent"):
        (root / "Masks" / kind / "1_mask.png").rename(root / "Masks" / "1.png")
    problems = [finding.problem for finding in checking.check(root).findings]
    assert "masks that several photos claim" in problems


def test_pairs_share_a_reference(make: Make, tmp_path: Path) -> None:
    make.pairs(tmp_path)
    shutil.copy(tmp_path / "reference" / "a.png", tmp_path / "reference" / "b.png")
    assert not checking.check(tmp_path).findings
    make.photo(tmp_path / "reference" / "a.png", (30, 30))
    (finding,) = checking.check(tmp_path).findings
    assert finding.problem == "queries of another size than their reference"


# --- many photos ---------------------------------------------------------------------------------


class Terminal:
    """A stderr that says it is watched."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        """Nothing waits."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("delay", [0.0, 60.0])
def test_a_bar_for_long_work(mvtec: Path, anomalygpt, monkeypatch, delay: float) -> None:
    monkeypatch.setattr(progress, "BAR_DELAY", delay)
    monkeypatch.setattr(sys, "stderr", Terminal())
    stderr = sys.stderr
    assert anomalygpt("data", "check", mvtec).status == 0
    assert ("photos" in stderr.text) == (delay == 0.0)


def test_ctrl_c(mvtec: Path, anomalygpt, monkeypatch) -> None:
    """Photos that wait for a thread are not looked at any more."""
    looked = []

    def interrupted(image: object) -> None:
        looked.append(image)
        raise KeyboardInterrupt

    monkeypatch.setattr(checking, "load_image", interrupted)
    monkeypatch.setattr(checking.os, "cpu_count", lambda: 1)
    ran = anomalygpt("data", "check", mvtec)
    assert ran.status == 130
    assert "interrupted" in ran.error
    assert len(looked) < 7


def test_a_folder_that_may_not_be_listed(mvtec: Path, monkeypatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match="cannot be listed: Permission denied; change its access"):
        checking.check(mvtec)
