"""Figures of photos: their definitions, their limits, and what is undefined."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from anomalygpt.evaluation.figures.figures import FIGURES
from anomalygpt.evaluation.figures.image_figures import (
    probability_figures,
    ranking_figures,
    verdict_figures,
)

RANKING = ("image_auroc", "image_ap", "image_f1_max", "oracle_accuracy")
labels_of_both = st.lists(st.booleans(), min_size=2, max_size=30).filter(
    lambda labels: any(labels) and not all(labels)
)


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties, and labels of both kinds."""
    labels = np.array(draw(labels_of_both))
    levels = st.integers(-3, 3)
    scores = draw(st.lists(levels, min_size=len(labels), max_size=len(labels)))
    return np.array(scores) / 4, labels


# No two so near each other that one of them is lost in the difference to one half.
PROBABILITIES = st.floats(0, 1).map(lambda value: round(value, 6))


@given(scored())
@settings(max_examples=60, deadline=None)
def test_ranking_figures_are_their_definitions(case: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = case
    figures = ranking_figures(scores, labels)
    assert figures["image_auroc"] == pytest.approx(roc_auc_score(labels, scores))
    assert figures["image_ap"] == pytest.approx(average_precision_score(labels, scores))
    verdicts = [scores >= threshold for threshold in (-9, *scores, 9)]
    best_f1 = max(f1_score(labels, said, zero_division=0) for said in verdicts)
    assert figures["image_f1_max"] == pytest.approx(best_f1)
    assert figures["oracle_accuracy"] == max((said == labels).mean() for said in verdicts)


@given(scored())
@settings(max_examples=30, deadline=None)
def test_only_the_order_of_scores_counts(case: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = case
    shuffled = np.random.default_rng(0).permutation(len(labels))
    moved = ranking_figures(np.exp(3 * scores[shuffled]) - 7, labels[shuffled])
    assert moved == pytest.approx(ranking_figures(scores, labels))


def test_a_score_below_all_thresholds_is_all_good_or_all_bad() -> None:
    """The best that a useless score allows is to call all photos what most of them are."""
    for labels in ([1, 0, 0, 0], [1, 1, 1, 0]):
        assert ranking_figures(np.zeros(4), np.array(labels))["oracle_accuracy"] == 0.75
    reversed_scores = ranking_figures(np.array([0.0, 1, 2]), np.array([1, 0, 0]))
    assert reversed_scores["image_auroc"] == 0
    assert reversed_scores["oracle_accuracy"] == pytest.approx(2 / 3)


def test_a_perfect_ranking() -> None:
    figures = ranking_figures(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]))
    assert figures == dict.fromkeys(RANKING, 1.0)


@pytest.mark.parametrize("labels", [[], [0], [1, 1, 1], [False, False]])
def test_no_ranking_without_both_kinds(labels: list) -> None:
    scores = np.linspace(0, 1, len(labels))
    assert ranking_figures(scores, np.array(labels)) == dict.fromkeys(RANKING)
    assert probability_figures(scores, np.array(labels))["probability_auroc"] is None


@given(labels_of_both, st.data())
@settings(max_examples=30, deadline=None)
def test_verdicts_are_shares(labels: list[bool], data: st.DataObject) -> None:
    said = data.draw(st.lists(st.booleans(), min_size=len(labels), max_size=len(labels)))
    pairs = list(zip(said, labels, strict=True))
    figures = verdict_figures(np.array(said), np.array(labels))
    good, bad = labels.count(False), labels.count(True)
    assert figures["overkill"] == pytest.approx(pairs.count((True, False)) / good)
    assert figures["miss_rate"] == pytest.approx(pairs.count((False, True)) / bad)
    wrong = figures["overkill"] * good + figures["miss_rate"] * bad
    assert figures["accuracy"] == pytest.approx(1 - wrong / len(labels))


def test_verdicts_that_nobody_could_give() -> None:
    nothing = np.array([], dtype=bool)
    assert verdict_figures(nothing, nothing) == dict.fromkeys(("accuracy", "overkill", "miss_rate"))
    yes = np.ones(2, bool)
    assert verdict_figures(yes, yes) == {"accuracy": 1.0, "overkill": None, "miss_rate": 0.0}
    assert verdict_figures(yes, ~yes) == {"accuracy": 0.0, "overkill": 1.0, "miss_rate": None}


def direct_ece(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Fifteen equal bins, the last with 1; how far the mean of each is from what happened."""
    bins = [min(14, int(p * 15)) for p in probabilities]
    error = 0.0
    for number in range(15):
        inside = np.array([b == number for b in bins])
        if inside.any():
            gap = abs(probabilities[inside].mean() - labels[inside].mean())
            error += gap * inside.mean()
    return error


@given(
    st.lists(
        st.tuples(st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0]), st.booleans()), min_size=1
    )
)
@settings(max_examples=60, deadline=None)
def test_the_calibration_error_is_its_definition(pairs: list[tuple[float, bool]]) -> None:
    probabilities, labels = (np.array(part) for part in zip(*pairs, strict=True))
    # On a border between bins, rounding decides.
    inner = probabilities[(probabilities > 0) & (probabilities < 1)] * 15
    assume((np.abs(inner - np.rint(inner)) > 1e-9).all())
    figures = probability_figures(probabilities, labels)
    assert figures["ece"] == pytest.approx(direct_ece(probabilities, labels), abs=1e-9)


def test_who_means_what_he_says_is_calibrated() -> None:
    labels = np.array([0, 1, 1, 1])
    assert probability_figures(np.full(4, 0.75), labels)["ece"] == pytest.approx(0)
    assert probability_figures(np.array([0.0, 1, 1, 1]), labels)["ece"] == pytest.approx(0)
    assert probability_figures(1.0 - labels, labels) == {
        "probability_auroc": 0.0,
        "ece": pytest.approx(1),
        "sure_share": 0.0,
    }
    nobody = probability_figures(np.array([]), np.array([]))
    assert nobody == {"probability_auroc": None, "ece": None, "sure_share": None}


def test_a_probability_of_one_shares_the_last_bin() -> None:
    figures = probability_figures(np.array([1.0, 0.96]), np.array([False, True]))
    assert figures["ece"] == pytest.approx(0.48)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(broken: float) -> None:
    for figures in (ranking_figures, probability_figures):
        with pytest.raises(ValueError, match="1 of 2"):
            figures(np.array([0.5, broken]), np.array([0, 1]))


def test_other_values_are_refused() -> None:
    with pytest.raises(ValueError, match="one for each"):
        ranking_figures(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match="one for each"):
        verdict_figures(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match="labels are"):
        ranking_figures(np.zeros(2), np.array([0, 255]))
    with pytest.raises(ValueError, match="verdicts are"):
        verdict_figures(np.array([0.2, 0.7]), np.array([0, 1]))
    with pytest.raises(ValueError, match=r"got -1\.5 to 2"):
        probability_figures(np.array([-1.5, 2]), np.array([0, 1]))


def test_all_figures_have_a_name_that_results_know() -> None:
    some, labels = np.array([0.2, 0.7]), np.array([0, 1])
    figures = ranking_figures(some, labels) | probability_figures(some, labels)
    figures |= verdict_figures(some > 0.5, labels)
    assert set(figures) <= set(FIGURES)
    assert all(type(figure) is float for figure in figures.values())


@given(st.lists(st.tuples(PROBABILITIES, st.booleans()), min_size=1, max_size=60))
def test_the_sure_share_is_the_largest_that_is_right(photos: list[tuple[float, bool]]) -> None:
    """Against every limit on the odds, tried one by one."""
    probabilities = np.array([each[0] for each in photos])
    labels = np.array([each[1] for each in photos])
    found = probability_figures(probabilities, labels)["sure_share"]
    sureness = np.abs(probabilities - 0.5)
    right = (probabilities > 0.5) == labels
    shares = [
        (sureness >= limit).mean() for limit in sureness if right[sureness >= limit].mean() >= 0.95
    ]
    assert found == pytest.approx(max(shares, default=0.0))


def test_photos_with_even_odds_go_to_a_person() -> None:
    labels = np.array([False] * 19 + [True] * 20 + [False])
    probabilities = np.array([0.01] * 19 + [0.99] * 20 + [0.6])
    assert probability_figures(probabilities, labels)["sure_share"] == 1.0  # 39 of 40
    labels[0] = labels[1] = True
    assert probability_figures(probabilities, labels)["sure_share"] == pytest.approx(0.0)
