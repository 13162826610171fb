"""Data sets of every layout: which photos they have, and what is known about them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from anomalygpt.constants import LAYOUT_NAMES
from anomalygpt.data import load_mask, normal_images, open_data
from anomalygpt.data.opening import LAYOUTS
from anomalygpt.errors import DataError
from anomalygpt.files import hash_file

# Layout: categories, and the numbers of good training, good test and bad test photos.
EXPECTED = {
    "mvtec": (["bottle"], 3, 2, 2),
    "visa": (["candle", "pcb1"], 2, 2, 2),
    "loco": (["pushpins"], 1, 1, 2),
    "crackforest": (["road"], 0, 0, 2),
    "folder": (["set"], 3, 0, 3),
    "pairs": (["set"], 2, 0, 2),
}


@pytest.mark.parametrize("layout", EXPECTED)
def test_every_layout_is_found_and_read(make, tmp_path: Path, layout: str) -> None:
    root = getattr(make, layout)(tmp_path / "set")
    categories, train, good, bad = EXPECTED[layout]
    data = open_data(root)
    assert data.layout == layout
    assert data == open_data(root, layout)
    assert data.categories == categories
    assert len(data.select(split="train", is_anomalous=False)) == train
    assert len(data.select(split="test", is_anomalous=False)) == good
    assert len(data.select(is_anomalous=True)) == bad
    assert not data.select(split="train", is_anomalous=True)
    for sample in data.samples:
        assert sample.image.is_file()
        assert (sample.kind is not None) == sample.is_anomalous
        assert bool(sample.masks) == sample.is_anomalous
        found = load_mask(sample, make.size)
        assert found.shape == make.size
        assert found[2:6, 3:7].all() == found.any() == sample.is_anomalous


def test_the_root_may_be_one_category(mvtec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = open_data(mvtec)
    one = open_data(mvtec / "bottle")
    assert one.samples == whole.samples
    monkeypatch.chdir(mvtec / "bottle")
    assert open_data(".").categories == ["bottle"]


def test_both_names_of_masks(make, mvtec: Path) -> None:
    folder = mvtec / "bottle" / "ground_truth" / "crack"
    (folder / "000_mask.png").rename(folder / "000.PNG")
    names = [sample.masks[0].name for sample in open_data(mvtec).select(is_anomalous=True)]
    assert names == ["000.PNG", "001_mask.png"]


def test_a_photo_without_a_mask(mvtec: Path) -> None:
    (mvtec / "bottle" / "ground_truth" / "crack" / "000_mask.png").unlink()
    first, second = open_data(mvtec).select(is_anomalous=True)
    assert first.masks == ()
    assert second.masks
    with pytest.raises(DataError, match=r"000\.png has no mask; leave it out"):
        load_mask(first, (20, 24))


def test_loco_unites_its_masks_and_keeps_validation(make, tmp_path: Path) -> None:
    data = open_data(make.loco(tmp_path))
    assert len(data.select(split="validation")) == 1
    (logical,) = [sample for sample in data.samples if sample.kind == "logical_anomalies"]
    assert len(logical.masks) == 2
    found = load_mask(logical, make.size)
    assert found[2:6, 3:7].all()
    assert found[10:12, 10:12].all()
    assert found.sum() == 16 + 4


def test_a_mix_of_mvtec_and_loco_is_read_as_one(make, tmp_path: Path) -> None:
    data = open_data(make.loco(make.mvtec(tmp_path)))
    assert data.layout == "mvtec"
    assert data.categories == ["bottle", "pushpins"]
    assert all(sample.masks for sample in data.select(is_anomalous=True))


def test_pairs_have_references(make, tmp_path: Path) -> None:
    data = open_data(make.pairs(tmp_path))
    for query in data.select(is_anomalous=True):
        assert query.reference == tmp_path / "reference" / f"{query.image.stem}.png"
    assert normal_images(tmp_path) == [tmp_path / "reference" / f"{name}.png" for name in "ab"]


def test_kinds_of_plain_folders(make, tmp_path: Path) -> None:
    data = open_data(make.folder(tmp_path))
    kinds = {sample.kind: sample.masks[0].parent.name for sample in data.select(split="test")}
    assert kinds == {"Defective": "Masks", "dent": "dent", "scratch": "scratch"}


def test_masks_may_lie_among_the_bad_ones(make, tmp_path: Path) -> None:
    make.photo(tmp_path / "good" / "1.png")
    make.photo(tmp_path / "bad" / "2.png")
    make.mask(tmp_path / "bad" / "masks" / "2.png")
    (bad,) = open_data(tmp_path).select(is_anomalous=True)
    assert bad.masks == (tmp_path / "bad" / "masks" / "2.png",)


def test_normal_images_of_a_plain_folder(make, tmp_path: Path) -> None:
    """Hidden files and the litter of desktops are no photos."""
    names = ["a b.JPG", "grün.png", "c.jpeg"]
    for name in names:
        make.photo(tmp_path / name)
    make.photo(tmp_path / ".hidden.png")
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    assert {path.name for path in normal_images(tmp_path)} == set(names)


def test_normal_images_of_a_category(visa: Path) -> None:
    assert [path.parts[-5] for path in normal_images(visa)] == ["candle", "pcb1"]
    assert [path.parts[-5] for path in normal_images(visa, "pcb1")] == ["pcb1"]


def test_umlauts_may_be_written_in_two_ways(make, tmp_path: Path) -> None:
    make.photo(tmp_path / "good" / "1.png")
    make.photo(tmp_path / "bad" / unicodedata.normalize("NFD", "stück 1.png"))
    make.mask(tmp_path / "masks" / unicodedata.normalize("NFC", "stück 1_mask.png"))
    assert open_data(tmp_path).select(is_anomalous=True)[0].masks


def test_links_in_circles(make, tmp_path: Path) -> None:
    root = make.folder(tmp_path / "set")
    (root / "OK" / "again").symlink_to(root / "OK")
    (root / "OK" / "loop").symlink_to("loop")
    (root / "all").symlink_to(root)
    assert len(normal_images(root)) == 3


def test_visa_from_windows(make, visa: Path) -> None:
    """A byte order mark, backslashes, blanks and lines of commas."""
    rows = [row.replace("/", "\\").replace(",", " , ") for row in make.visa_rows]
    make.visa_table(visa, [*rows, ",,,,", ""], "\ufeffObject,Split,label,image,mask")
    data = open_data(visa)
    assert data.categories == ["candle", "pcb1"]
    assert len(data.samples) == 6
    assert all(sample.masks for sample in data.select(is_anomalous=True))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("pcb1,test,strange,pcb1/x.JPG,", "something unknown: 1"),
        ("pcb1,exam,normal,pcb1/x.JPG,", "something unknown: 1"),
        ("pcb1,test", "something unknown: 1"),
        ("pcb1,test,normal,pcb1/gone.JPG,", r"not there: 1, first .*gone\.JPG"),
        ("pcb1,test,anomaly,pcb1/Data/Images/Normal/0000.JPG,pcb1/no.png", r"first .*no\.png"),
    ],
)
def test_visa_with_a_wrong_line(make, visa: Path, row: str, message: str) -> None:
    """The other objects can still be used."""
    make.visa_table(visa, [*make.visa_rows, row])
    with pytest.raises(DataError, match=message):
        open_data(visa)
    assert len(open_data(visa, categories=["candle"]).samples) == 3


def test_visa_without_columns(make, visa: Path) -> None:
    make.visa_table(visa, [], "object,split,image")
    with pytest.raises(DataError, match="columns object, split, image; label, mask missing"):
        open_data(visa)
    (visa / "split_csv" / "1cls.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"1cls\.csv cannot be read"):
        open_data(visa)


# --- what is no data set -------------------------------------------------------------------------


def test_nothing_that_is_known(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(DataError) as raised:
        open_data(tmp_path)
    for word in ("notes.txt", "CATEGORY/train/good", "1cls.csv", "query/", "good/", "docs/data.md"):
        assert word in str(raised.value)


def test_a_data_set_one_folder_deeper(make, tmp_path: Path) -> None:
    make.visa(tmp_path / "VisA_20220922")
    with pytest.raises(DataError, match="lies in VisA_20220922: give that folder"):
        open_data(tmp_path)


@pytest.mark.parametrize(
    ("given", "layout", "message"),
    [
        ("gone", "auto", "does not exist; give the folder"),
        ("set/bottle/train/good/000.png", "auto", "is a file; give the folder"),
        (
            "set",
            "visa",
            r"not in the layout of VisA: looked for split_csv/1cls\.csv, found bottle/",
        ),
        ("set", "cifar", "no layout 'cifar'; choose auto, mvtec"),
        ("set\0", "auto", "does not exist"),
    ],
)
def test_roots_that_cannot_be_read(make, tmp_path, given: str, layout: str, message: str) -> None:
    make.mvtec(tmp_path / "set")
    with pytest.raises(DataError, match=message):
        open_data(tmp_path / given, layout)


def test_a_root_with_two_layouts(make, tmp_path: Path) -> None:
    make.visa(make.pairs(tmp_path))
    with pytest.raises(DataError, match=r"visa \(split_csv/1cls\.csv\) and pairs .* --dataset"):
        open_data(tmp_path)
    assert open_data(tmp_path, "pairs").layout == "pairs"


def test_two_good_folders(make, tmp_path: Path) -> None:
    make.photo(tmp_path / "good" / "1.png")
    make.photo(tmp_path / "OK" / "1.png")
    with pytest.raises(DataError, match="OK and good, which mean the same"):
        open_data(tmp_path)


def test_unknown_categories(mvtec: Path) -> None:
    with pytest.raises(DataError, match="no category screw, nut; it has bottle"):
        open_data(mvtec, categories=["bottle", "screw", "nut"])
    with pytest.raises(DataError, match="no category screw"):
        normal_images(mvtec, "screw")


def test_no_photos(make, mvtec: Path, tmp_path: Path) -> None:
    for path in mvtec.rglob("*.png"):
        path.unlink()
    with pytest.raises(DataError, match="layout of MVTec AD, but no photo"):
        open_data(mvtec)
    with pytest.raises(DataError, match="no training photo of a good part"):
        normal_images(make.crackforest(tmp_path / "roads"))


def test_a_query_without_a_reference(make, tmp_path: Path) -> None:
    make.pairs(tmp_path)
    (tmp_path / "reference" / "a.png").unlink()
    with pytest.raises(DataError, match=r"queries without a reference: 1, first .*a\.jpg"):
        open_data(tmp_path)


def test_hash_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert hash_file(tmp_path / "empty").startswith("e3b0c44298fc1c14")
    with pytest.raises(DataError, match="gone cannot be read"):
        hash_file(tmp_path / "gone")


def test_the_command_line_offers_every_layout() -> None:
    assert tuple(LAYOUTS) == LAYOUT_NAMES
