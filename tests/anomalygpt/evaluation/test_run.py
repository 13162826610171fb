"""Whole runs: layouts, honesty, and what is broken."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from anomalygpt.errors import ConfigError, DataError
from anomalygpt.evaluation import run as running
from anomalygpt.evaluation.figures.figures import FIGURES
from tests.photos import break_photo

PIXEL = ("pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro", "aupro_05")
RANKING = ("image_auroc", "image_ap", "image_f1_max", "oracle_accuracy")


def names(photos: list[dict[str, str]], **wanted: str) -> list[str]:
    return [
        "/".join(Path(p["image"]).parts[-2:])
        for p in photos
        if all(p[key] == value for key, value in wanted.items())
    ]


# --- layouts -------------------------------------------------------------------------------------


def test_every_photo_is_scored_once_for_each_draw(run, disc, tmp_path, photos_of) -> None:
    results = run(disc, shots=(0, 1, 3), seeds=(0, 4), batch_size=4)
    expected = {"/".join(path.parts[-2:]): 1 for path in (disc / "disc" / "test").rglob("*.png")}
    photos = photos_of(tmp_path / "results")
    draws = {(p["shots"], p["seed"]) for p in photos}
    assert draws == {("0", ""), ("1", "0"), ("1", "4"), ("3", "0"), ("3", "4")}
    for shots, seed in draws:
        assert Counter(names(photos, shots=shots, seed=seed)) == expected
    drawn = {(r["shots"], r["seed"]): r["references"] for r in results["rows"]}
    for seed in (0, 4):
        assert drawn[3, seed][:1] == drawn[1, seed]
    assert drawn[0, None] == []


def test_the_batch_size_changes_rounding_only(run, disc) -> None:
    small, large = (run(disc, f"{n}", shots=(0, 2), batch_size=n)["rows"] for n in (1, 5))
    for one, other in zip(small, large, strict=True):
        for name in FIGURES:
            assert one[name] == pytest.approx(other[name], abs=1e-3), name


def test_the_first_photos_are_references(run, disc) -> None:
    (row,) = run(disc, shots=(2,), seeds=(0, 1), references="first")["rows"]
    assert [Path(name).name for name in row["references"]] == ["000.png", "001.png"]
    assert row["seed"] is None


def test_shots_without_a_text_side(run, disc, encoder_alone, tmp_path) -> None:
    with pytest.raises(ConfigError, match="no trained text side"):
        run(disc, assistant=encoder_alone, shots=(0, 1))
    assert not (tmp_path / "results").exists()


def test_plain_folders_measure_good_photos_that_are_no_references(
    run, making, tmp_path, photos_of
) -> None:
    root = tmp_path / "parts"
    for number in range(5):
        making.part(root / "good" / f"{number}.png", number)
    for number in range(3):
        making.part(root / "bad" / f"{number}.png", 50 + number, making.stains[number])
        making.mask(root / "masks" / f"{number}.png", making.stains[number])
    results = run(root, shots=(1, 2), seeds=(0, 1, 2))
    assert results["data"]["layout"] == "folder"
    photos = photos_of(tmp_path / "results")
    two = {r["seed"]: r["references"] for r in results["rows"] if r["shots"] == 2}
    assert len({tuple(found) for found in two.values()}) > 1
    for row in results["rows"]:
        mine = names(photos, shots=str(row["shots"]), seed=str(row["seed"]))
        assert len(mine) == len(set(mine)) == row["photos"] == 3 + 5 - 2
        references = {"/".join(Path(name).parts[-2:]) for name in two[row["seed"]]}
        assert set(mine) == {
            *(f"bad/{n}.png" for n in range(3)), *(f"good/{n}.png" for n in range(5)),
        } - references  # fmt: skip
        assert all(row[name] is not None for name in (*PIXEL, "image_auroc"))


def test_in_plain_folders_too_a_broken_reference_gives_way(
    run, making, tmp_path, photos_of
) -> None:
    """Its successor is no test photo of that draw, with fewer references neither."""
    root = tmp_path / "parts"
    for number in range(5):
        making.part(root / "good" / f"{number}.png", number)
        making.part(root / "bad" / f"{number}.png", 50 + number, making.stains[0])
    break_photo(root / "good" / "0.png")
    results = run(root, shots=(1, 2), references="first")
    one, two = results["rows"]
    assert [Path(name).name for name in two["references"]] == ["1.png", "2.png"]
    assert one["references"] == two["references"][:1]
    for shots in ("1", "2"):
        mine = names(photos_of(tmp_path / "results"), shots=shots)
        assert mine == ["good/3.png", "good/4.png", *(f"bad/{n}.png" for n in range(5))]
    assert [Path(each["path"]).name for each in results["skipped"]] == ["0.png"]


def test_pairs_are_compared_with_their_own_reference(
    run, making, tmp_path, photos_of, mute
) -> None:
    root = tmp_path / "pairs"
    for number in range(3):
        making.part(root / "query" / f"{number}.png", 50 + number, making.stains[number])
        making.part(root / "reference" / f"{number}.png", number)
        making.mask(root / "mask" / f"{number}.png", making.stains[number])
    results = run(root, shots=(4,), seeds=(0, 1), batch_size=2, examples=1)
    (row,) = results["rows"]
    assert (row["shots"], row["seed"], row["photos"]) == (1, None, 3)
    assert all(row[name] is None for name in (*RANKING, "overkill"))
    assert all(row[name] is not None for name in (*PIXEL, "accuracy", "miss_rate"))
    for photo in photos_of(tmp_path / "results"):
        reference = root / "reference" / Path(photo["image"]).name
        alone = mute.inspect(photo["image"], [reference], category="pairs", map_only=True)
        assert float(photo["score"]) == pytest.approx(alone.anomaly_score, abs=1e-5)
        assert 0 < float(photo["threshold"]) < 1
    assert len(results["examples"]) == 1
    break_photo(root / "reference" / "1.png")
    again = run(root, "broken", examples=1)
    assert again["rows"][0]["photos"] == 2
    assert [Path(each["path"]).parts[-2:] for each in again["skipped"]] == [("reference", "1.png")]


def test_loco_and_visa_run(run, making, tmp_path) -> None:
    loco = making.category(tmp_path / "loco" / "pins", masks=False, seed=0, train=2, each=1)
    (loco / "test" / "stain").rename(loco / "test" / "logical_anomalies")
    making.part(loco / "validation" / "good" / "000.png", 77)
    for number in range(2):
        place = loco / "ground_truth" / "logical_anomalies" / "000"
        making.mask(place / f"00{number}.png", making.stains[number])
    results = run(loco.parent, "loco-results", shots=(0, 2))
    assert results["data"]["layout"] == "loco"
    assert all(row["aupro"] is not None for row in results["rows"])

    visa = tmp_path / "visa"
    lines = ["object,split,label,image,mask"]
    for number, (split, kind) in enumerate(
        [("train", "Normal"), ("train", "Normal"), ("test", "Normal"), ("test", "Anomaly")]
    ):
        image = f"candle/Data/Images/{kind}/{number:04}.PNG"
        bad = kind == "Anomaly"
        making.part(visa / image, number, making.stains[0] if bad else None)
        mask = f"candle/Data/Masks/{number:04}.png" if bad else ""
        lines.append(f"candle,{split},{'anomaly' if bad else 'normal'},{image},{mask}")
    making.mask(visa / "candle/Data/Masks/0003.png", making.stains[0])
    (visa / "split_csv").mkdir()
    table = visa / "split_csv" / "1cls.csv"
    table.write_text("\n".join([*lines, *lines[1:]]), encoding="utf-8")  # every line twice
    results = run(visa, "visa-results", shots=(2,))
    assert results["data"]["layout"] == "visa"
    assert [row["photos"] for row in results["rows"]] == [2]
    assert results["rows"][0]["pixel_auroc"] is not None


def test_a_limit_is_the_same_every_time(run, disc, tmp_path, photos_of) -> None:
    first, again = run(disc, "first", limit=4), run(disc, "again", limit=4)
    assert first["rows"] == again["rows"]
    taken = names(photos_of(tmp_path / "first"))
    assert Counter(name.split("/")[0] for name in taken) == {"good": 2, "stain": 2}
    assert run(disc, "all", limit=99)["rows"] == run(disc, "none")["rows"]


# --- honesty -------------------------------------------------------------------------------------


def test_copies_of_training_photos_are_no_test(run, disc, tmp_path, mute, build_assistant) -> None:
    good, test = disc / "disc" / "train" / "good", disc / "disc" / "test"
    shutil.copy(good / "002.png", test / "good" / "001.png")
    with pytest.raises(DataError, match=r"good/001.png is \S*train/good/002.png") as caught:
        run(disc)
    assert "--leave-out-seen" in str(caught.value)
    assert not (tmp_path / "results").exists()
    trained = build_assistant(words=False)
    trained.training_photos = frozenset(
        running.hash_files(running.open_data(disc))[test / "stain" / name]
        for name in ("000.png", "002.png")
    )
    with pytest.raises(DataError, match=r"000.png is a photo the model was trained on"):
        run(disc, assistant=trained)
    results = run(disc, assistant=trained, leave_out_seen=True)
    left_out = [test / "good" / "001.png", *(test / "stain" / f"00{n}.png" for n in (0, 2))]
    assert results["left_out"] == [str(path) for path in left_out]
    assert results["rows"][0]["photos"] == 3
    assert results["data"]["categories"]["disc"]["good"] == 2
    for name in ("results.md", "report.html"):
        text = (tmp_path / "results" / name).read_text(encoding="utf-8")
        assert "Photos left out" in text
        assert all(str(path) in text for path in left_out)
    for path in left_out:
        path.unlink()
    assert results["rows"] == run(disc, "without")["rows"]


def test_nothing_may_be_left(run, disc) -> None:
    for number, path in enumerate(sorted((disc / "disc" / "test").rglob("*.png"))):
        shutil.copy(disc / "disc" / "train" / "good" / f"00{number % 4}.png", path)
    with pytest.raises(DataError, match="nothing is left"):
        run(disc, leave_out_seen=True)


def test_a_run_without_such_photos_does_not_speak_of_them(run, disc, tmp_path) -> None:
    run(disc, leave_out_seen=True)
    for name in ("results.md", "report.html"):
        assert "left out" not in (tmp_path / "results" / name).read_text().split("measured")[0]


# --- what is broken ------------------------------------------------------------------------------


def test_broken_photos_and_masks_are_listed_and_the_rest_counts(run, disc, making) -> None:
    photo = break_photo(disc / "disc" / "test" / "good" / "001.png")
    masks = disc / "disc" / "ground_truth" / "stain"
    damaged = break_photo(masks / "000_mask.png")
    small = making.mask(masks / "001_mask.png", making.stains[0], (40, 40))
    results = run(disc, batch_size=2)
    skipped = {each["path"]: each["reason"] for each in results["skipped"]}
    assert skipped.keys() == {str(photo), str(damaged), str(small)}
    assert "another shape" in skipped[str(small)]
    assert all(len(reason.splitlines()) == 1 for reason in skipped.values())
    (row,) = results["rows"]
    assert (row["photos"], row["photos_with_pixels"]) == (5, 3)
    assert row["pixel_auroc"] is not None


def test_a_broken_reference_gives_way_to_the_next(run, disc) -> None:
    before = run(disc, "before", shots=(1, 2, 3))["rows"]
    order = before[-1]["references"]
    break_photo(Path(order[1]))
    results = run(disc, "after", shots=(1, 2, 3))
    assert [each["path"] for each in results["skipped"]] == [order[1]]
    one, two, three = (row["references"] for row in results["rows"])
    assert one == order[:1]
    assert two == [order[0], order[2]]
    assert three[:2] == two
    assert len(set(three)) == 3
    assert results["rows"][0] == before[0]
    break_photo(Path(order[0]))
    with pytest.raises(DataError, match=r"only 2 of its good photos can be read, 3 references"):
        run(disc, "fewer", shots=(3,))


def test_without_a_single_photo_there_are_no_results(run, disc, tmp_path) -> None:
    kept = {path: path.read_bytes() for path in (disc / "disc" / "test").rglob("*.png")}
    for path in kept:
        break_photo(path)
    with pytest.raises(DataError, match="no test photo could be measured"):
        run(disc)
    for path, content in kept.items():
        path.write_bytes(content)
    assert run(disc)["rows"][0]["photos"] == 6  # the folder is free again


def test_one_category_may_be_unreadable(run, tree, tmp_path, photos_of) -> None:
    root = tmp_path / "tree"
    shutil.copytree(tree, root)
    for path in (root / "ring" / "test").rglob("*.png"):
        break_photo(path)
    results = run(root, examples=1)
    assert {row["category"] for row in results["rows"]} == {"disc"}
    assert len(results["skipped"]) == 8
    assert len(photos_of(tmp_path / "results")) == 8


def test_categories_without_photos(run, disc, tmp_path) -> None:
    (tmp_path / "data" / "empty" / "train" / "good").mkdir(parents=True)
    assert len(run(disc)["rows"]) == 1  # a folder without any photo is no category to measure
    with pytest.raises(DataError, match="does not exist"):
        run(disc / "none", "none")
    with pytest.raises(DataError, match="no category"):
        run(disc, "none", categories=("disk",))
    with pytest.raises(DataError, match="asks for 9 references"):
        run(disc, "none", shots=(9,))
    shutil.rmtree(disc / "disc" / "test")
    with pytest.raises(DataError, match="no test photo"):
        run(disc, "none")
    assert not (tmp_path / "none").exists()
