"""Options against regions."""

from __future__ import annotations

import numpy as np
import pytest

from anomalygpt import Inspection
from anomalygpt.constants import LOCATIONS
from anomalygpt.evaluation.questions.matching import (
    cells_of,
    count_shares,
    place_shares,
    size_shares,
)
from anomalygpt.images.preprocessing import ImageGeometry

FOUR = "ABCD"


def best(shares: dict[str, float] | None) -> str:
    assert shares is not None
    assert sum(shares.values()) == pytest.approx(1)
    return max(shares, key=lambda letter: shares[letter])


def options(*texts: str) -> dict[str, str]:
    return dict(zip("ABCDE", texts, strict=False))


def cells(**shares: float) -> np.ndarray:
    return np.array([shares.get(place.replace(" ", "_"), 0.0) for place in LOCATIONS])


def test_cells_hold_what_is_above_the_level_on_the_photo() -> None:
    small = np.full((12, 12), 0.4, np.float32)
    small[0:3, 9:12] = 0.9
    found = Inspection(
        geometry=ImageGeometry((60, 120), 12, (0, 0, 12, 12)),
        anomaly_score=0.9,
        small_map=small,
        level=0.5,
    )
    shares = cells_of(found)
    assert shares.sum() == pytest.approx(1)
    assert shares[LOCATIONS.index("top right")] > 0.9
    nothing = Inspection(
        geometry=found.geometry, anomaly_score=0.1, small_map=np.zeros((12, 12), np.float32)
    )
    assert not cells_of(nothing).any()


@pytest.mark.parametrize("place", LOCATIONS)
def test_the_place_that_an_mmad_option_names(place: str) -> None:
    for other in LOCATIONS:
        if other != place:
            told = options(f"{other.capitalize()}.", f"At the {place} of the part.")
            assert best(place_shares(told, cells(**{place.replace(" ", "_"): 1.0}))) == "B"


@pytest.mark.parametrize(
    ("texts", "where", "letter"),
    [
        # None names the cell itself: the nearest one.
        (("Bottom left.", "Top left.", "Bottom.", "Bottom right."), {"top": 1.0}, "B"),
        (("Upper-left corner", "Lower middle", "On the right"), {"bottom": 1.0}, "B"),
        # Two places for two regions, and one for one.
        (
            ("Top left.", "Top left and bottom right.", "Bottom right.", "Center."),
            {"top_left": 0.5, "bottom_right": 0.5},
            "B",
        ),
        (("Top left.", "Top left and bottom right."), {"top_left": 1.0}, "A"),
        (("Somewhere.", "Left.", "Right.", "It cannot be told."), {"right": 1.0}, "C"),
    ],
)
def test_places_of_mmad_options(
    texts: tuple[str, ...], where: dict[str, float], letter: str
) -> None:
    assert best(place_shares(options(*texts), cells(**where))) == letter


def test_mmad_options_without_places_are_not_matched() -> None:
    assert place_shares(options("Left.", "On the rim.", "On the label."), cells(left=1.0)) is None
    assert place_shares(options("Left.", "Right."), cells()) is None


@pytest.mark.parametrize(
    ("texts", "count", "letter"),
    [
        (("One.", "Two.", "Three.", "Four."), 3, "C"),
        (("1", "2", "More than 2"), 5, "C"),
        (("1", "2", "More than 2"), 2, "B"),
        (("A single one.", "Several."), 1, "A"),
        (("A single one.", "Several."), 4, "B"),
        (("1 to 3", "4 to 6", "7 or more"), 6, "B"),
        (("1 to 3", "4 to 6", "7 or more"), 9, "C"),
        (("None.", "One."), 0, "A"),
    ],
)
def test_numbers_of_mmad_options(texts: tuple[str, ...], count: int, letter: str) -> None:
    assert best(count_shares(options(*texts), count)) == letter


@pytest.mark.parametrize(
    ("texts", "share", "letter"),
    [
        (("Tiny.", "Small.", "Medium.", "Very large."), 0.001, "A"),
        (("Tiny.", "Small.", "Medium.", "Very large."), 0.03, "C"),
        (("Tiny.", "Small.", "Medium.", "Very large."), 0.5, "D"),
        (("Small.", "Large."), 0.12, "B"),
        (("About 1 %.", "About 10 %.", "50 percent."), 0.08, "B"),
    ],
)
def test_sizes_of_mmad_options(texts: tuple[str, ...], share: float, letter: str) -> None:
    assert best(size_shares(options(*texts), share)) == letter


def test_mmad_options_that_are_no_numbers_or_sizes() -> None:
    assert count_shares(options("Red.", "Blue.", "One."), 1) is None
    assert size_shares(options("Red.", "Blue.", "Large."), 0.1) is None
