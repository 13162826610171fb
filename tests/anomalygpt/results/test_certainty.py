"""How sure a verdict is called: never surer than what it rests on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.results.cautions import AMONG_REFERENCES, OTHER_PRODUCT
from anomalygpt.results.certainty import FAIRLY_SURE, QUITE_SURE, UNSURE, how_sure
from anomalygpt.results.inspection import Inspection

LEVEL = 0.43


def found(
    probability: float | None, peak: float, references: int, formulation: str = "normalised"
) -> Inspection:
    """An inspection whose map has one peak; a yes lowers its level as the evidence does."""
    small_map = np.full((8, 8), 0.05, np.float32)
    small_map[3, 3] = peak
    is_anomalous = None if probability is None else probability > 0.5
    return Inspection(
        geometry=ImageGeometry.fit((80, 80), 8, "square"),
        anomaly_score=peak,
        small_map=small_map,
        is_anomalous=is_anomalous,
        anomaly_probability=probability,
        level=min(LEVEL, 0.9 * peak) if is_anomalous else LEVEL,
        references=[f"good_{number}.jpg" for number in range(references)],
        formulation=formulation,
    )


@pytest.mark.parametrize("probability", [0.0, 0.01, 0.4, 0.6, 0.99, 1.0])
@pytest.mark.parametrize("peak", [0.1, 0.42, 0.44, 0.9])
def test_no_certainty_without_a_good_part(probability: float, peak: float) -> None:
    assert how_sure(found(probability, peak, references=0)) == ""


@pytest.mark.parametrize("references", [0, 1, 9])
def test_no_certainty_without_a_verdict(references: int) -> None:
    assert how_sure(found(None, 0.9, references)) == ""


@pytest.mark.parametrize("references", [1, 2])
@pytest.mark.parametrize("probability", [0.0, 0.02, 0.98, 1.0])
def test_few_good_parts_carry_no_great_certainty(references: int, probability: float) -> None:
    peak = 0.9 if probability > 0.5 else 0.05
    assert how_sure(found(probability, peak, references)) == FAIRLY_SURE


@pytest.mark.parametrize("caution", [OTHER_PRODUCT, AMONG_REFERENCES])
@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_a_comparison_that_says_nothing_makes_nobody_sure(caution: str, probability: float) -> None:
    compared = found(probability, 0.9 if probability else 0.05, references=9)
    assert how_sure(compared) != UNSURE
    assert how_sure(replace(compared, cautions=[caution])) == UNSURE


@pytest.mark.parametrize("references", [1, 2, 4, 50])
@pytest.mark.parametrize("peak", [0.05, 0.2, 0.3, 0.42])
def test_nobody_is_quite_sure_that_a_part_is_good(references: int, peak: float) -> None:
    """Damage that is fainter than what good parts show leaves no trace on the map."""
    assert how_sure(found(0.0, peak, references)) == FAIRLY_SURE


@pytest.mark.parametrize(
    ("peak", "expected"), [(0.9, QUITE_SURE), (0.55, QUITE_SURE), (0.5, FAIRLY_SURE)]
)
def test_a_peak_near_the_level_is_not_clear(peak: float, expected: str) -> None:
    assert how_sure(found(0.99, peak, references=4)) == expected


@pytest.mark.parametrize(("probability", "peak"), [(0.99, 0.4), (0.99, 0.1), (0.01, 0.5)])
def test_words_against_the_map_are_unsure(probability: float, peak: float) -> None:
    assert how_sure(found(probability, peak, references=4)) == UNSURE


@pytest.mark.parametrize("probability", [0.31, 0.5, 0.69])
def test_a_coin_is_unsure(probability: float) -> None:
    peak = 0.9 if probability > 0.5 else 0.05
    assert how_sure(found(probability, peak, references=4)) == UNSURE


def test_published_distances_have_no_level_to_be_far_from() -> None:
    assert how_sure(found(0.99, 0.9, 4, formulation="published")) == FAIRLY_SURE
    assert how_sure(found(0.01, 0.9, 4, formulation="published")) == FAIRLY_SURE
