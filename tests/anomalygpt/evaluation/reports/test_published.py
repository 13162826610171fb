"""Published figures are shown for the same data in the same setting only."""

from __future__ import annotations

import pytest

from anomalygpt.evaluation.figures.figures import FIGURES
from anomalygpt.evaluation.reports.published import known_data_set, published_figures

MVTEC = [
    *("bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut"),
    *("pill", "screw", "tile", "toothbrush", "transistor", "wood", "zipper"),
]
VISA = [
    *("candle", "capsules", "cashew", "chewinggum", "fryum", "macaroni1", "macaroni2"),
    *("pcb1", "pcb2", "pcb3", "pcb4", "pipe_fryum"),
]


def counts(names: list[str], total: int) -> dict[str, dict[str, int]]:
    found = {name: {"train": 9, "good": 10, "anomalous": 20, "with_mask": 20} for name in names}
    found[names[0]]["good"] += total - 30 * len(names)
    return found


def test_whole_data_sets_are_known() -> None:
    assert known_data_set("mvtec", counts(MVTEC, 1725)) == "MVTec AD"
    assert known_data_set("visa", counts(VISA, 2162)) == "VisA"
    assert known_data_set("mvtec", counts(VISA, 2162)) == "VisA"


def test_parts_and_other_data_are_not() -> None:
    assert known_data_set("mvtec", counts(MVTEC[:-1], 1725)) is None
    assert known_data_set("mvtec", counts(MVTEC, 1724)) is None
    assert known_data_set("mvtec", counts([*MVTEC, "cookie"], 1725)) is None
    assert known_data_set("visa", counts(MVTEC, 1725)) is None
    assert known_data_set("folder", {}) is None


@pytest.mark.parametrize("name", [None, "cookies"])
@pytest.mark.parametrize("trained_here", [False, True])
def test_other_data_has_none(name: str | None, trained_here: bool) -> None:
    assert published_figures(name, [0, 1, 4], trained_here) == []


def test_only_the_shots_that_were_measured() -> None:
    rows = published_figures("VisA", [4, 1], False)
    assert [row["shots"] for row in rows] == sorted(row["shots"] for row in rows)
    assert {row["shots"] for row in rows} == {1, 4}
    assert published_figures("MVTec AD", [3, 16], False) == []


def test_the_paper_of_this_model() -> None:
    rows = published_figures("MVTec AD", [1], False)
    own = next(row for row in rows if row["method"] == "AnomalyGPT")
    assert own["figures"] == {
        "image_auroc": [94.1, 1.1],
        "pixel_auroc": [95.3, 0.1],
        "accuracy": [86.1, 1.1],
    }
    assert "2308.15366" in own["source"]


def test_a_model_trained_on_the_data_is_compared_with_such_models() -> None:
    trained = published_figures("MVTec AD", [0, 1], True)
    assert {row["method"] for row in trained} == {"AnomalyGPT", "UniAD"}
    assert {row["shots"] for row in trained} == {0}
    zero_shot = published_figures("MVTec AD", [0], False)
    assert [row["method"] for row in zero_shot] == ["WinCLIP"]


@pytest.mark.parametrize("name", ["MVTec AD", "VisA"])
@pytest.mark.parametrize("trained_here", [False, True])
def test_every_row_is_complete_and_in_percent(name: str, trained_here: bool) -> None:
    rows = published_figures(name, [0, 1, 2, 4], trained_here)
    assert len({(row["method"], row["shots"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["source"]
        assert row["figures"]
        assert set(row["figures"]) <= set(FIGURES)
        for mean, spread in row["figures"].values():
            assert 50 < mean <= 100
            assert spread is None or 0 <= spread < 10
