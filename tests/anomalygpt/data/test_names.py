"""One table says which words mean good, bad or mask; what is not in it says nothing."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalygpt.data import check, open_data
from anomalygpt.data.names import meaning, means_masks
from anomalygpt.errors import DataError

GOOD = ["good", "OK", "ok", "Normal", "pass", "gut", "i.O.", "defect-free", "Non_Defective"]
GOOD += ["양품", "良品", "bon", "bueno", "No Defect", "sans défaut"]
BAD = ["bad", "NG", "ko", "n.i.O.", "Fail", "defect", "schlecht", "불량", "不良", "mauvais", "malo"]
BAD += ["not good", "NOT-OK", "abnormal", "不合格", "défauts"]
UNKNOWN = ["crack", "broken_large", "train", "valid", "images", "0", "photos", "goodish", "good ng"]


@pytest.mark.parametrize(
    ("names", "expected"), [(GOOD, "good"), (BAD, "bad"), (UNKNOWN, None)], ids=str
)
def test_words_that_are_known(names: list[str], expected: str | None) -> None:
    assert {name: meaning(name) for name in names} == dict.fromkeys(names, expected)


@given(
    st.sampled_from([*GOOD, *BAD]),
    st.sampled_from(["", "01_", "2 ", "Part-"]),
    st.sampled_from(["", " parts", "_images", "-3", "_사진"]),
    st.sampled_from([str.upper, str.lower, str.title]),
)
def test_what_stands_around_a_word_and_its_capitals_do_not_matter(
    word: str, before: str, after: str, write
) -> None:
    assert meaning(before + write(word) + after) == meaning(word)


def test_words_for_masks() -> None:
    assert all(map(means_masks, ["masks", "Ground-Truth", "GT", "Masken", "Labels"]))
    assert not any(map(means_masks, ["good", "images", "bad"]))


# --- every reader -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOOD)
def test_a_good_folder_of_any_name_holds_no_defects(make, tmp_path: Path, name: str) -> None:
    """The same photos are good and bad in MVTec's layout whatever the good folder is called."""
    root = make.mvtec(tmp_path / "set")
    for split in ("train", "test"):
        (root / "bottle" / split / "good").rename(root / "bottle" / split / name)
    data = open_data(root)
    assert data.layout == "mvtec"
    assert len(data.select(split="train", is_anomalous=False)) == 3
    assert len(data.select(split="test", is_anomalous=False)) == 2
    assert {sample.kind for sample in data.select(is_anomalous=True)} == {"crack"}


@pytest.mark.parametrize(("good", "bad"), [("OK", "NG"), ("양품", "불량"), ("良品", "不良")])
def test_plain_folders_and_tables_in_other_words(make, tmp_path, good: str, bad: str) -> None:
    make.photo(tmp_path / "plain" / good / "1.png")
    make.photo(tmp_path / "plain" / bad / "2.png")
    visa = make.visa(tmp_path / "visa")
    rows = [row.replace("normal", good).replace("anomaly,", f"{bad},") for row in make.visa_rows]
    make.visa_table(visa, rows)
    for root, counts in ((tmp_path / "plain", (1, 1)), (visa, (4, 2))):
        data = open_data(root)
        found = [len(data.select(is_anomalous=is_bad)) for is_bad in (False, True)]
        assert tuple(found) == counts


def test_btad(make, tmp_path: Path) -> None:
    for place in ("train/ok", "test/ok", "test/ko"):
        make.photo(tmp_path / "01" / place / "1.png")
    make.mask(tmp_path / "01" / "ground_truth" / "ko" / "1.png")
    data = open_data(tmp_path)
    (bad,) = data.select(split="test", is_anomalous=True)
    assert (bad.kind, len(bad.masks)) == ("ko", 1)
    assert len(data.select(split="test", is_anomalous=False)) == 1


def test_a_test_folder_that_nobody_knows_is_refused(make, mvtec: Path) -> None:
    """Good parts under an unknown name would count as defects."""
    (mvtec / "bottle" / "test" / "good").rename(mvtec / "bottle" / "test" / "fertig")
    with pytest.raises(DataError, match=r"may be good parts or a kind of defect.*fertig"):
        open_data(mvtec)
    report = check(mvtec)
    assert not report.is_ready
    assert "양품" in report.to_text()
    assert "test/fertig" in report.to_text()
    # Beside good parts, or with masks, it is a kind of defect as published.
    make.mask(mvtec / "bottle" / "ground_truth" / "fertig" / "000_mask.png")
    assert {s.kind for s in open_data(mvtec).select(is_anomalous=True)} == {"crack", "fertig"}


# --- no folder is good without a reason ---------------------------------------------------------


def test_photos_alone_are_good_only_if_somebody_says_so(make, tmp_path: Path) -> None:
    make.photo(tmp_path / "delivery" / "1.png")
    with pytest.raises(DataError, match=r"no word about whether .*--dataset good"):
        open_data(tmp_path / "delivery")
    with pytest.raises(DataError, match="not in the layout of plain folders"):
        open_data(tmp_path / "delivery", "folder")
    assert len(open_data(tmp_path / "delivery", "good").samples) == 1
    (tmp_path / "delivery").rename(tmp_path / "양품")
    assert len(open_data(tmp_path / "양품").samples) == 1


@pytest.mark.parametrize("layout", ["auto", "good", "folder"])
def test_a_folder_of_bad_parts_is_never_good(make, tmp_path: Path, layout: str) -> None:
    make.photo(tmp_path / "불량" / "1.png")
    with pytest.raises(DataError, match=r"not in the layout|means bad parts"):
        open_data(tmp_path / "불량", layout)


def test_no_advice_leads_to_a_folder_that_is_not_called_good(make, tmp_path: Path) -> None:
    for name in ("erste", "zweite"):
        make.photo(tmp_path / name / "1.png")
    with pytest.raises(DataError) as raised:
        open_data(tmp_path)
    assert "give that folder" not in str(raised.value)
    assert "양품" in str(raised.value)


# --- formats of labelling tools -----------------------------------------------------------------

COCO = '{"images": [], "annotations": [], "categories": []}'
FORMATS = {
    "COCO": {"annotations/instances.json": COCO},
    "Roboflow": {"train/_annotations.coco.json": COCO, "valid/_annotations.coco.json": COCO},
    "YOLO": {"labels/1.txt": "0 0.5 0.5 0.1 0.2\n", "images/1.png": ""},
    "YOLO ": {"data.yaml": "path: .\nnames: [scratch]\n"},
    "LabelMe": {"1.json": '{"version": "5", "shapes": [], "imagePath": "1.png"}'},
    "Label Studio": {"export.json": '[{"id": 1, "annotations": [], "data": {"image": "1.png"}}]'},
    "Pascal VOC boxes": {"Annotations/1.xml": "<annotation><filename>1.png</filename>"},
    "CVAT": {"annotations.xml": "<?xml version='1.0'?>\n<annotations><version>1.1</version>"},
    "CVAT and Pascal VOC": {"SegmentationClass/1.png": "", "JPEGImages/1.png": ""},
    "photos in images and masks in masks": {"images/1.png": "", "masks/1.png": ""},
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats_of_labelling_tools_are_named(make, tmp_path: Path, name: str) -> None:
    for place, text in FORMATS[name].items():
        if text:
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place).write_text(text, encoding="utf-8")
        else:
            make.photo(tmp_path / place)
    make.photo(tmp_path / "train" / "1.png")
    make.photo(tmp_path / "1.png")
    with pytest.raises(DataError) as raised:
        open_data(tmp_path)
    message = str(raised.value)
    assert name.strip() in message
    if name in ("Pascal VOC boxes", "CVAT and Pascal VOC", "photos in images and masks in masks"):
        assert "into good" in message
        assert "into bad" in message
    else:
        assert "`anomalygpt data labels import` makes a data set of it" in message


def test_labels_beside_a_layout_that_is_read_are_a_warning(make, tmp_path: Path) -> None:
    make.folder(tmp_path)
    (tmp_path / "coco.json").write_text(COCO, encoding="utf-8")
    report = check(tmp_path)
    assert report.is_ready
    assert "COCO annotations, not read" in report.to_text()


@pytest.mark.parametrize("layout", ["mvtec", "visa", "loco", "crackforest", "folder", "pairs"])
def test_layouts_that_are_read_look_like_no_labelling_tool(make, tmp_path, layout: str) -> None:
    report = check(getattr(make, layout)(tmp_path / "set"))
    assert report.is_ready
    assert "not read" not in report.to_text()


# --- names that are there twice -----------------------------------------------------------------


def test_two_masks_of_one_name(make, mvtec: Path) -> None:
    place = mvtec / "bottle" / "ground_truth" / "crack"
    make.mask(place / "000_mask.tif", value=1)
    with pytest.raises(DataError, match=r"several have the same name: 1, first .*000_mask\.tif"):
        open_data(mvtec)


@pytest.mark.parametrize("layout", ["mvtec", "folder", "pairs"])
def test_two_photos_of_one_mask(make, tmp_path: Path, layout: str) -> None:
    root = getattr(make, layout)(tmp_path / "set")
    sample = open_data(root).select(is_anomalous=True)[0]
    shutil.copy(sample.image, sample.image.with_suffix(".bmp"))
    with pytest.raises(DataError, match="masks that several photos claim"):
        open_data(root)


def test_two_references_of_one_name(make, tmp_path: Path) -> None:
    make.photo(make.pairs(tmp_path) / "reference" / "a.bmp")
    with pytest.raises(DataError, match="references of which several have the same name"):
        open_data(tmp_path)


def test_the_lines_of_the_page_sort_photos_by_their_masks(make, tmp_path, monkeypatch) -> None:
    page = (Path(__file__).parents[3] / "docs" / "data.md").read_text("utf-8")
    (lines,) = re.findall(r"^```python[^\n]*\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    for name, value in (("1", 255), ("2", 0)):
        make.photo(tmp_path / "images" / f"{name}.jpg")
        make.mask(tmp_path / "masks" / f"{name}.png", value=value)
    make.photo(tmp_path / "images" / "unlabelled.jpg")
    monkeypatch.chdir(tmp_path)
    exec(lines, {})
    data = open_data(tmp_path / "sorted")
    assert [sample.image.name for sample in data.select(is_anomalous=False)] == ["2.jpg"]
    (bad,) = data.select(is_anomalous=True)
    assert (bad.image.name, [mask.name for mask in bad.masks]) == ("1.jpg", ["1.png"])
