"""The facts follow from the masks, by the stated thresholds."""

import numpy as np
import pytest

from simulation.anomaly import PLACES, Defect
from simulation.dialogues import Facts, facts_of

SIZE = (90, 120)


def defect(rows: slice, columns: slice, kind: str | None = None) -> Defect:
    mask = np.zeros(SIZE, bool)
    mask[rows, columns] = True
    return Defect.from_mask(mask, kind)


def test_a_good_part_has_no_facts_but_its_size() -> None:
    facts = facts_of([], SIZE)
    assert facts == Facts(SIZE)
    assert (facts.count, facts.places, facts.cells, facts.kinds) == (0, (), (), ())
    assert facts.largest is None
    assert facts.severity is None


def test_one_defect() -> None:
    facts = facts_of([defect(slice(0, 30), slice(0, 36), "scratch")], SIZE)
    (found,) = facts.defects
    assert found.place == "top left"
    assert found.cells == ("top left",)
    assert found.area_fraction == facts.total_fraction == pytest.approx(0.1)
    assert (found.size, found.severity, found.kind) == ("large", "severe", "scratch")
    assert found.box == (0, 0, 36, 30)
    assert not found.elongated


def test_overlapping_defects_count_a_pixel_once_in_the_total() -> None:
    one = defect(slice(0, 30), slice(0, 36))
    facts = facts_of([one, one], SIZE)
    assert facts.total_fraction == pytest.approx(0.1)
    assert facts.count == 2
    assert facts.places == ("top left",)


@pytest.mark.parametrize(
    ("pixels", "size", "severity"),
    [
        (19, "tiny", "minor"),
        (20, "small", "minor"),
        (99, "small", "minor"),
        (100, "small", "moderate"),
        (150, "medium-sized", "moderate"),
        (499, "medium-sized", "moderate"),
        (500, "medium-sized", "severe"),
        (600, "large", "severe"),
        (2000, "very large", "severe"),
        (10000, "very large", "severe"),
    ],
)
def test_words_begin_at_their_limits(pixels: int, size: str, severity: str) -> None:
    mask = (np.arange(10000) < pixels).reshape(100, 100)
    facts = facts_of([Defect.from_mask(mask)], (100, 100))
    assert facts.defects[0].size == size
    assert facts.defects[0].severity == severity == facts.severity


@pytest.mark.parametrize(("length", "elongated"), [(4, False), (9, False), (11, True), (60, True)])
def test_elongated_means_much_longer_than_wide(length: int, elongated: bool) -> None:
    across = facts_of([defect(slice(40, 44), slice(20, 20 + length))], SIZE)
    down = facts_of([defect(slice(20, 20 + length), slice(40, 44))], SIZE)
    assert across.defects[0].elongated == down.defects[0].elongated == elongated


def test_a_line_of_one_pixel_and_a_single_pixel() -> None:
    assert facts_of([defect(slice(5, 6), slice(5, 40))], SIZE).defects[0].elongated
    assert not facts_of([defect(slice(5, 6), slice(5, 6))], SIZE).defects[0].elongated


def test_stray_pixels_leave_a_cell_fine() -> None:
    # A cell has 30 * 40 pixels, and 0.5 % of them are 6.
    assert facts_of([defect(slice(5, 6), slice(0, 45))], SIZE).cells == ("top left",)
    assert facts_of([defect(slice(5, 6), slice(0, 46))], SIZE).cells == ("top left", "top")


def test_a_defect_is_always_in_its_own_cell() -> None:
    assert facts_of([defect(slice(50, 51), slice(60, 61))], SIZE).cells == ("center",)


def test_places_come_in_reading_order_and_kinds_once() -> None:
    low = defect(slice(80, 84), slice(50, 60), "hole")
    high = defect(slice(1, 3), slice(100, 104), "hole")
    facts = facts_of([low, high, defect(slice(40, 42), slice(0, 4))], SIZE)
    assert facts.places == ("top right", "left", "bottom")
    assert facts.kinds == ("hole",)
    assert facts.largest == facts.defects[0]
    assert set(facts.cells) <= set(PLACES)


def test_tiny_photos() -> None:
    assert facts_of([Defect.from_mask(np.ones((1, 1), bool))], (1, 1)).total_fraction == 1
    facts = facts_of([Defect.from_mask(np.ones((2, 5), bool))], (2, 5))
    assert facts.defects[0].place in facts.cells


@pytest.mark.parametrize("size", [(0, 5), (120, 90), (90, 121)])
def test_another_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="size"):
        facts_of([defect(slice(0, 3), slice(0, 3))], size)
