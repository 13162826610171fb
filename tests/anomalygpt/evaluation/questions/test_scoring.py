"""Figures of answers, and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from anomalygpt.data.mmad import DETECTION
from anomalygpt.evaluation.questions.scoring import Scored, ScoredPhoto, percent, score


def photo(
    is_anomalous: bool,
    right: bool,
    probability: float | None = None,
    *others: Scored,
    data_set: str = "X",
) -> ScoredPhoto:
    detection = Scored(DETECTION, right, False, 2)
    return ScoredPhoto(data_set, f"{data_set}/a", is_anomalous, probability, (detection, *others))


def test_mmad_detection_is_balanced() -> None:
    photos = [photo(True, True)] * 8 + [photo(False, False)] * 2 + [photo(False, True)] * 2
    found = score(photos)["mean"]
    assert found[DETECTION]["value"] == pytest.approx((1.0 + 0.5) / 2)
    assert found["overkill"]["value"] == pytest.approx(0.5)
    assert found["miss"]["value"] == 0.0
    assert (found[DETECTION]["questions"], found["overkill"]["questions"]) == (12, 4)
    assert found[DETECTION]["guessing"] == 0.5


def test_mmad_data_sets_count_alike_in_the_mean_and_by_photos_when_pooled() -> None:
    kind = "Object Analysis"
    right, wrong = Scored(kind, True, False, 4), Scored(kind, False, False, 4)
    many = [ScoredPhoto("X", "X/a", True, None, (right,))] * 9
    one = [ScoredPhoto("Y", "Y/b", True, None, (wrong,))]
    found = score(many + one)
    assert found["mean"][kind]["value"] == pytest.approx(0.5)
    assert found["pooled"][kind]["value"] == pytest.approx(0.9)
    assert found["data_sets"]["X"][kind]["value"] == 1.0
    assert found["categories"]["Y/b"][kind]["value"] == 0.0
    assert found["mean"][kind]["guessing"] == 0.25


def test_unparsed_mmad_answers_count_as_wrong_and_apart() -> None:
    kind = "Defect Analysis"
    photos = [
        ScoredPhoto("X", "X/a", True, None, (Scored(kind, True, False, 4),)),
        ScoredPhoto("X", "X/a", True, None, (Scored(kind, False, True, 4),)),
    ]
    found = score(photos)["mean"]
    assert (found[kind]["value"], found[kind]["unparsed"]) == (0.5, 1)
    assert found["average"]["unparsed"] == 1


def test_a_type_of_mmad_that_one_data_set_lacks_is_no_zero() -> None:
    extra = Scored("Defect Analysis", True, False, 4)
    photos = [
        *(photo(True, True, None, extra), photo(False, True)),
        *(photo(True, True, data_set="Y"), photo(False, True, data_set="Y")),
    ]
    found = score(photos)
    assert found["data_sets"]["Y"]["Defect Analysis"]["value"] is None
    assert found["data_sets"]["Y"]["average"]["value"] == 1.0
    assert found["mean"]["Defect Analysis"]["value"] == 1.0


def test_mmad_figures_are_undefined_without_both_kinds_of_photos() -> None:
    found = score([photo(True, True, 0.9)] * 3)["mean"]
    assert (
        found[DETECTION]["value"] is found["overkill"]["value"] is found["auroc"]["value"] is None
    )
    assert percent(found["auroc"]) == "–"
    assert found["miss"]["value"] == 0.0


def test_auroc_and_calibration_of_mmad_probabilities() -> None:
    chance = np.random.default_rng(3)
    labels = chance.random(60) < 0.4
    values = np.round(np.clip(labels * 0.3 + chance.random(60) * 0.7, 0, 1), 1)  # with ties
    photos = [
        photo(bool(bad), True, float(value)) for bad, value in zip(labels, values, strict=True)
    ]
    photos += [photo(True, True)] * 5  # nobody knows theirs
    found = score(photos)["mean"]
    assert found["auroc"]["value"] == pytest.approx(roc_auc_score(labels, values))
    assert found["auroc"]["low"] < found["auroc"]["value"] < found["auroc"]["high"]
    assert found["auroc"]["questions"] == 60
    assert 0 < found["ece"]["value"] < 1


def test_mmad_intervals_draw_photos_and_not_questions() -> None:
    """Ten questions that stand and fall together tell no more than one."""
    kind = "Object Analysis"

    def photos(repeats: int) -> list[ScoredPhoto]:
        return [
            ScoredPhoto("X", "X/a", True, None, (Scored(kind, n % 2 == 0, False, 4),) * repeats)
            for n in range(40)
        ]

    once, often = (score(photos(repeats))["mean"][kind] for repeats in (1, 10))
    assert once["low"] == pytest.approx(often["low"])
    assert once["high"] == pytest.approx(often["high"])
    # About two standard errors of a share of 40.
    assert once["high"] - once["low"] == pytest.approx(4 * (0.25 / 40) ** 0.5, rel=0.15)
    assert score(photos(1)) == score(photos(1))


def test_groups_and_unknown_types_beside_those_of_mmad() -> None:
    questions = (
        Scored("Weight", True, False, 5, "wording"),
        Scored("Defect Analysis", False, True, 5, "unanswerable"),
    )
    found = score([ScoredPhoto("X", "X/a", True, None, questions)] * 4)
    assert list(found["mean"])[:2] == ["Defect Analysis", "Weight"]
    assert found["groups"]["wording"]["value"] == 1.0
    unanswerable = found["groups"]["unanswerable"]
    assert (unanswerable["value"], unanswerable["unparsed"]) == (0.0, 4)
    assert unanswerable["guessing"] == pytest.approx(0.2)
