"""The limit of a product, measured on its good photos."""

from __future__ import annotations

import pytest

from anomalygpt import AnomalyGPT
from anomalygpt.errors import ConfigError
from anomalygpt.products.calibration import calibrated
from anomalygpt.products.plant import Plant
from anomalygpt.products.store import Change
from decoder.limits import rank_of
from tests.kept import discs, new, part


def measured(plant: Plant, assistant: AnomalyGPT):  # type: ignore[no-untyped-def]
    product = plant.products.find("disc")
    return calibrated(plant.products, plant.shelf, assistant, product, who="ann")


def test_the_limit_is_that_of_the_scores(plant: Plant, assistant: AnomalyGPT) -> None:
    discs(plant, 1, 2, false_alarms=0.4, confidence=0.8)
    plant.products.change("disc", Change(good=[new(seed) for seed in range(3, 12)]), who="ann")
    product = measured(plant, assistant)
    bank = plant.shelf.bank(product, assistant)
    scores = sorted(
        assistant.inspect(plant.blobs.path(each.photo), bank, map_only=True).anomaly_score
        for each in product.good
    )
    assert product.limit is not None
    assert product.limit.score == pytest.approx(scores[-rank_of(9, 0.4, 0.8)], abs=1e-6)
    assert (product.limit.photos, product.version) == (9, 3)
    assert product.limit.false_alarms == 0.4


def test_what_cannot_be_promised_is_told_before_anything_is_encoded(
    plant: Plant, assistant: AnomalyGPT, encoded: list[int]
) -> None:
    discs(plant, 1)
    with pytest.raises(ConfigError, match="promises nothing"):
        measured(plant, assistant)
    plant.products.remove("disc", who="ann")
    discs(plant, 1, false_alarms=0.05)
    plant.products.change("disc", Change(good=[new(3)]), who="ann")
    with pytest.raises(ConfigError, match="59 are needed, 58 more"):
        measured(plant, assistant)
    assert encoded == []


def test_a_reference_measures_no_limit(plant: Plant, assistant: AnomalyGPT) -> None:
    """The same pixels in another file."""
    discs(plant, 1, false_alarms=0.5, confidence=0.5)
    other = new(1)
    again = type(other)("again.png", part(1) + b"\0")
    plant.products.change("disc", Change(good=[again]), who="ann")
    with pytest.raises(ConfigError, match="is one of the references"):
        measured(plant, assistant)
