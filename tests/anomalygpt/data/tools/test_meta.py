"""meta.json: written from folders of every kind, and read as a layout of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from anomalygpt.data import check, open_data
from anomalygpt.data.tools.meta import collect_meta, write_meta
from anomalygpt.errors import DataError, OutputError


def written(root: Path) -> dict:
    write_meta(collect_meta(root))
    return json.loads((root / "meta.json").read_text("utf-8"))


def test_a_category_as_published(mvtec: Path) -> None:
    table = written(mvtec)
    assert list(table) == ["train", "test"]
    assert [len(table[phase]["bottle"]) for phase in table] == [3, 4]
    assert table["test"]["bottle"][0] == {
        "img_path": "bottle/test/crack/000.png",
        "mask_path": "bottle/ground_truth/crack/000_mask.png",
        "cls_name": "bottle",
        "specie_name": "crack",
        "anomaly": 1,
    }
    good = table["train"]["bottle"][0]
    assert (good["mask_path"], good["specie_name"], good["anomaly"]) == ("", "good", 0)
    for phase in table:
        part = json.loads((mvtec / f"meta_{phase}.json").read_text("utf-8"))
        assert part == {phase: table[phase]}


@pytest.mark.parametrize("layout", ["mvtec", "visa", "loco", "folder", "pairs"])
def test_every_layout_comes_back_as_it_was(make, tmp_path: Path, layout: str) -> None:
    root = getattr(make, layout)(tmp_path / "set")
    before = open_data(root)
    written(root)
    # The table beside folders that say the same makes nothing ambiguous.
    assert open_data(root) == before
    read = open_data(root, "meta")
    assert read.layout == "meta"

    def key(sample):
        return (sample.image, sample.split, sample.is_anomalous, sample.kind, sample.masks)

    assert sorted(map(key, read.samples)) == sorted(map(key, before.samples))
    assert read.categories == before.categories


def test_the_table_alone_is_a_data_set(make, mvtec: Path, tmp_path: Path) -> None:
    write_meta(collect_meta(mvtec))
    table = (mvtec / "meta.json").read_text("utf-8").replace("/good/", "/one/")
    for split in ("train", "test"):
        (mvtec / "bottle" / split / "good").rename(mvtec / "bottle" / split / "one")
    shutil.move(mvtec / "bottle", mvtec / "data")
    (mvtec / "meta.json").write_text(table.replace('"bottle/', '"data/'), "utf-8")
    assert open_data(mvtec, "meta").categories == ["bottle"]
    assert check(mvtec, "meta").is_ready
    # Without the whole table, the two parts of it.
    other = make.mvtec(tmp_path / "other")
    write_meta(collect_meta(other))
    whole = open_data(other, "meta")
    (other / "meta.json").unlink()
    assert open_data(other, "meta") == whole


def test_groups_and_defects_in_train(make, tmp_path: Path) -> None:
    for group in ("COMP_1", "COMP_2"):
        product = tmp_path / group / "product_1"
        make.photo(product / "train" / "good" / "1.png")
        make.photo(product / "train" / "Kratzer" / "ä 1.png")
        make.mask(product / "ground_truth" / "Kratzer" / "ä 1_mask.png")
        make.photo(product / "test" / "good" / "1.png")
    table = written(tmp_path)
    assert sorted(table["train"]) == ["COMP_1/product_1", "COMP_2/product_1"]
    bad = [entry for entry in table["train"]["COMP_1/product_1"] if entry["anomaly"]]
    assert [entry["mask_path"] for entry in bad] == [
        "COMP_1/product_1/ground_truth/Kratzer/ä 1_mask.png"
    ]
    data = open_data(tmp_path)
    assert data.layout == "meta"
    assert len(data.select(split="train", is_anomalous=True)) == 2


def test_masks_that_are_missing_left_over_and_there_twice(make, mvtec: Path) -> None:
    masks = mvtec / "bottle" / "ground_truth" / "crack"
    (masks / "000_mask.png").rename(masks / "999_mask.png")
    problems = {finding.problem for finding in collect_meta(mvtec).findings}
    assert problems == {"masks without a photo", "photos of defects without a mask"}
    assert written(mvtec)["test"]["bottle"][0]["mask_path"] == ""
    make.mask(masks / "001_mask.tif")
    meta = collect_meta(mvtec)
    assert not meta.is_ready
    with pytest.raises(DataError, match=r"several have the same name.*nothing was written"):
        write_meta(meta, replace=True)


def test_one_mask_for_two_photos_is_an_error(make, mvtec: Path) -> None:
    make.photo(mvtec / "bottle" / "train" / "crack" / "000.png")
    meta = collect_meta(mvtec)
    assert not meta.is_ready
    assert "masks that several photos claim" in {finding.problem for finding in meta.findings}


def test_nobody_knows_what_a_folder_holds(make, tmp_path: Path) -> None:
    make.photo(tmp_path / "part" / "test" / "series 7" / "1.png")
    meta = collect_meta(tmp_path)
    assert [finding.severity for finding in meta.findings] == ["error", "warning"]


def test_files_that_are_there_are_kept(mvtec: Path) -> None:
    (mvtec / "meta_test.json").write_text("mine")
    with pytest.raises(OutputError, match=r"meta_test\.json is there already"):
        write_meta(collect_meta(mvtec))
    assert not (mvtec / "meta.json").exists()
    write_meta(collect_meta(mvtec), replace=True)
    assert (mvtec / "meta_test.json").read_text("utf-8") != "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "expected to be a JSON object with train and test"),
        ("{", "cannot be read"),
        ('{"train": [], "test": {}}', "a list of photos for each product"),
        ('{"train": {}, "spare": {}}', "has the phase 'spare'"),
        ('{"test": {"a": [{"img_path": "x.png", "anomaly": 0}]}}', "that are not there: 1"),
        ('{"test": {"a": [{"img_path": "a.png", "anomaly": "no"}]}}', "say something unknown"),
        ('{"test": {"a": [7]}}', "say something unknown"),
        (
            '{"test": {"a": [{"img_path": "a.png", "mask_path": "m.png", "anomaly": 1}]}}',
            "masks in the table that are not there",
        ),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_tables_that_are_none(make, tmp_path: Path, text: str, message: str) -> None:
    make.photo(tmp_path / "a.png")
    (tmp_path / "meta.json").write_text(text)
    with pytest.raises(DataError, match=message):
        open_data(tmp_path, "meta")


def test_windows_paths_and_unnamed_kinds(make, tmp_path: Path) -> None:
    make.photo(tmp_path / "a" / "1.png")
    make.mask(tmp_path / "a" / "m.png")
    entry = {"img_path": "a\\1.png", "mask_path": "a\\m.png", "specie_name": "", "anomaly": 1}
    (tmp_path / "meta.json").write_text(json.dumps({"test": {"a": [entry]}}))
    (sample,) = open_data(tmp_path).samples
    assert sample.kind == "anomaly"
    assert sample.masks == (tmp_path / "a" / "m.png",)


def test_the_command(anomalygpt, mvtec: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in mvtec.rglob("*")}
    ran = anomalygpt("data", "meta", mvtec, "--output", tmp_path / "out")
    assert ran.status == 0
    assert ran.out.splitlines()[1:] == [
        "bottle   train     3    0          0",
        "bottle   test      2    2          2",
    ]
    assert {path: path.stat().st_mtime_ns for path in mvtec.rglob("*")} == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "meta.json",
        "meta_test.json",
        "meta_train.json",
    ]
    assert anomalygpt("data", "meta", mvtec, "--output", tmp_path / "out").status == 2
    folder = mvtec / "bottle" / "ground_truth" / "crack"
    shutil.copy(folder / "000_mask.png", folder / "000_mask.tif")
    ran = anomalygpt("data", "meta", mvtec, "--output", tmp_path / "other")
    assert ran.status == 1
    assert "error: masks of which several have the same name" in ran.out
    assert not (tmp_path / "other").exists()
