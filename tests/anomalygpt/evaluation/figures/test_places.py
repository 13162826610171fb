"""Places of defects and figures of the places that answers name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalygpt.constants import LOCATIONS
from anomalygpt.evaluation.figures.figures import FIGURES
from anomalygpt.evaluation.figures.places import defect_places, place_figures

cells = st.lists(st.sampled_from(LOCATIONS), max_size=4)


@given(st.integers(1, 40), st.integers(1, 40), st.data())
@settings(max_examples=60, deadline=None)
def test_the_cell_of_every_pixel(height: int, width: int, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, height - 1))
    column = data.draw(st.integers(0, width - 1))
    mask = np.zeros((height, width), bool)
    mask[row, column] = True
    # A pixel belongs to the third that holds its upper left corner.
    vertical = sum(row * 3 >= third * height for third in (1, 2))
    horizontal = sum(column * 3 >= third * width for third in (1, 2))
    place = LOCATIONS[3 * vertical + horizontal]
    assert defect_places(mask) == ([place], {place})


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_a_defect_lies_where_it_has_pixels(seed: int) -> None:
    chance = np.random.default_rng(seed)
    mask = np.zeros(chance.integers(3, 90, 2), bool)
    for _ in range(chance.integers(0, 5)):
        top, left = (chance.integers(0, side) for side in mask.shape)
        mask[top : top + chance.integers(1, 20), left : left + chance.integers(1, 20)] = True
    places, holding = defect_places(mask)
    assert set(places) <= holding <= set(LOCATIONS)
    assert bool(places) == bool(holding) == mask.any()


def test_defects_can_share_a_cell_and_reach_over_several() -> None:
    mask = np.zeros((90, 90), bool)
    mask[2:5, 2:5] = mask[20:24, 20:24] = True
    mask[40:45, 10:85] = True
    places, holding = defect_places(mask)
    assert places == ["top left", "top left", "center"]
    assert holding == {"top left", "left", "center", "right"}


def test_dust_is_no_defect_but_counts_where_it_lies() -> None:
    mask = np.zeros((300, 300), bool)
    mask[10:40, 10:40] = True
    mask[290, 290] = True
    assert defect_places(mask) == (["top left"], {"top left", "bottom right"})


def test_an_empty_mask_has_no_places() -> None:
    assert defect_places(np.zeros((8, 8), bool)) == ([], set())


@pytest.mark.parametrize(
    "mask", [np.zeros((4, 4), np.uint8), np.zeros(4, bool), np.zeros((0, 4), bool)]
)
def test_what_is_no_mask_is_refused(mask: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"a mask is \(H, W\) bool"):
        defect_places(mask)


def test_cells_and_defects_are_pooled_over_photos() -> None:
    records = [
        ({"top", "left"}, ["top", "top", "center"], {"top", "center"}),
        ({"bottom", "bottom left"}, ["bottom"], {"bottom", "bottom left"}),
        (set(), ["right"], {"right"}),
    ]
    # Of the named cells only left is wrong: bottom left holds the end of a defect. Center and
    # right are defects that nobody named.
    assert place_figures(records) == {"place_precision": 3 / 4, "place_recall": 3 / 5}


@given(st.lists(st.tuples(cells, cells, cells), max_size=5), st.randoms())
@settings(max_examples=50, deadline=None)
def test_shares_do_not_depend_on_order_or_repetition(records: list, chance) -> None:
    figures = place_figures(records)
    assert set(figures) <= set(FIGURES)
    for figure in figures.values():
        assert figure is None or 0 <= figure <= 1
    said_twice = [(said + said, places, holding) for said, places, holding in records]
    chance.shuffle(said_twice)
    assert place_figures(said_twice) == figures
    assert (figures["place_precision"] is None) == all(not said for said, _, _ in records)
    assert (figures["place_recall"] is None) == all(not places for _, places, _ in records)


@given(st.lists(cells.filter(bool), min_size=1, max_size=5))
def test_naming_exactly_the_places_is_perfect(photos: list[list[str]]) -> None:
    records = [(set(places), places, set(places)) for places in photos]
    assert place_figures(records) == {"place_precision": 1.0, "place_recall": 1.0}
    everywhere = [(LOCATIONS, places, set(places)) for places in photos]
    assert place_figures(everywhere)["place_recall"] == 1.0
    silent = [((), places, set(places)) for places in photos]
    assert place_figures(silent) == {"place_precision": None, "place_recall": 0.0}
