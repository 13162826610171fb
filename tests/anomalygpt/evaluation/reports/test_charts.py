"""Charts are SVG text that fits into a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from anomalygpt.evaluation.reports.charts import reliability, roc_curves, score_histograms

Made = SimpleNamespace
CHARTS = [roc_curves, score_histograms, reliability]


@pytest.mark.parametrize("draw", CHARTS)
def test_a_chart_is_one_element_that_loads_nothing(draw: Callable, made: Made) -> None:
    svg = draw(made.photos, 4, "normalised")
    root = ElementTree.fromstring(svg)
    assert root.tag == "svg"
    assert "first seed" in root.attrib["aria-label"]
    assert "http" not in svg
    assert "#010203" not in svg
    assert "currentColor" in svg
    assert "4 shots, normalised map" in svg


@pytest.mark.parametrize("draw", CHARTS)
def test_the_same_photos_give_the_same_text(draw: Callable, made: Made) -> None:
    assert draw(made.photos, 1, "normalised") == draw(made.photos, 1, "normalised")


def test_names_within_the_charts_do_not_meet(made: Made) -> None:
    found = []
    for draw in CHARTS:
        svg = draw(made.photos, 4, "normalised")
        identities = re.findall(r'\bid="([^"]*)"', svg)
        wanted = re.findall(r'(?:href="#|url\(#)([^")]*)', svg)
        assert wanted
        assert set(wanted) <= set(identities)
        found += identities
    assert len(found) == len(set(found))


@pytest.mark.parametrize("draw", CHARTS)
def test_nothing_is_drawn_of_nothing(draw: Callable, made: Made) -> None:
    assert draw([], 4, "normalised") is None
    assert draw(made.photos, 3, "normalised") is None
    assert draw(made.photos, 4, "published") is None


def test_categories_of_one_kind_get_no_curve(made: Made) -> None:
    photos = [p for p in made.photos if p["category"] == "cookie" or not p["is_anomalous"]]
    svg = roc_curves(photos, 4, "normalised")
    assert "cookie" in svg
    assert "nut" not in svg
    assert roc_curves([p for p in photos if p["category"] == "nut"], 4, "normalised") is None
    assert ">nut<" in score_histograms(photos, 4, "normalised")


def test_the_curve_tells_its_area(made: Made) -> None:
    for photo in made.photos:
        photo["score"] = 0.9 if photo["is_anomalous"] else 0.1
    assert ">100.0  cookie<" in roc_curves(made.photos, 1, "normalised")


def test_only_the_first_seed_counts(made: Made) -> None:
    first = [photo for photo in made.photos if photo["seed"] == 0]
    for draw in CHARTS:
        assert draw(first, 1, "normalised") == draw(made.photos, 1, "normalised")


def test_probabilities_are_those_of_words(made: Made) -> None:
    without = [photo for photo in made.photos if photo["verdict"] == "threshold"]
    assert reliability(without, 1, "normalised") is None
    assert score_histograms(without, 1, "normalised") is not None


@pytest.mark.parametrize("value", [None, float("nan")])
def test_photos_without_a_score_are_left_out(made: Made, value: float | None) -> None:
    kept = [dict(photo) for photo in made.photos if photo["image"] != made.photos[0]["image"]]
    for photo in made.photos:
        if photo["image"] == made.photos[0]["image"]:
            photo["score"] = value
    for draw in (roc_curves, score_histograms):
        assert draw(made.photos, 1, "normalised") == draw(kept, 1, "normalised")


def test_equal_scores_and_extreme_probabilities(made: Made) -> None:
    for photo in made.photos:
        photo["score"] = 0.5
        photo["probability"] = float(photo["is_anomalous"])
    for draw in CHARTS:
        assert draw(made.photos, 1, "normalised") is not None


def test_any_name_is_just_a_name(made_with) -> None:
    names = ["_hidden", "$x^2$", "<script>", 'id="x"', "部品"]
    made = made_with(categories=names, shots=(1,), seeds=(0,), photos=8)
    for draw in (roc_curves, score_histograms):
        svg = draw(made.photos, 1, "normalised")
        texts = [text.text or "" for text in ElementTree.fromstring(svg).iter("text")]
        for name in names:
            assert any(text.endswith(name) for text in texts), texts


def test_long_names_leave_room_for_the_curves(made_with) -> None:
    made = made_with(categories=("x" * 300, "nut"), shots=(1,), seeds=(0,))
    for draw in (roc_curves, score_histograms):
        assert f"{'x' * 23}…<" in draw(made.photos, 1, "normalised")


def test_many_categories_have_panels_of_their_own(made_with) -> None:
    made = made_with(categories=[f"part{number}" for number in range(15)], shots=(1,), photos=8)
    svg = score_histograms(made.photos, 1, "normalised")
    assert all(f">part{number}<" in svg for number in range(15))
    assert "part14<" in roc_curves(made.photos, 1, "normalised")
