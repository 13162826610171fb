"""A mask is split into defects, each with its own place and size."""

import numpy as np
import pytest

from simulation import PLACES, Defect, SimulatedAnomaly, find_defects


def blocks(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (90, 120)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


def test_a_block_measured() -> None:
    defect = Defect.from_mask(blocks((10, 20, 15, 22)), "hole")
    assert defect.center == (12, 20.5)
    assert defect.box == (10, 20, 15, 22)
    assert defect.area == 10
    assert defect.place == "top left"
    assert defect.kind == "hole"


@pytest.mark.parametrize("index", range(9))
def test_every_cell_has_its_name(index: int) -> None:
    row, column = divmod(index, 3)
    mask = blocks((40 * column, 30 * row, 40 * column + 40, 30 * row + 30))
    assert find_defects(mask)[0].place == PLACES[index]


def test_the_place_is_where_most_of_it_lies() -> None:
    # A frame has its centre where nothing is wrong.
    frame = blocks((0, 0, 120, 90)) & ~blocks((4, 4, 120, 90))
    assert find_defects(frame)[0].place != "center"


def test_an_empty_mask() -> None:
    assert find_defects(np.zeros((9, 9), bool)) == ()
    with pytest.raises(ValueError, match="at least one pixel"):
        Defect.from_mask(np.zeros((9, 9), bool))


def test_neighbours_are_one_defect_and_others_are_not() -> None:
    near = blocks((10, 10, 20, 20), (21, 10, 30, 20))
    far = blocks((10, 10, 20, 20), (40, 10, 49, 20))
    assert len(find_defects(near)) == 1
    assert [defect.box for defect in find_defects(far)] == [(10, 10, 20, 20), (40, 10, 49, 20)]
    assert sum(defect.area for defect in find_defects(far)) == far.sum()


def test_order_is_by_cell_and_then_by_size() -> None:
    mask = blocks((100, 70, 110, 80), (2, 2, 6, 6), (20, 15, 30, 25), (60, 40, 70, 50))
    found = find_defects(mask, "stain")
    assert [defect.place for defect in found] == ["top left", "top left", "center", "bottom right"]
    assert found[0].area > found[1].area
    assert {defect.kind for defect in found} == {"stain"}


def test_dust_is_left_out_unless_there_is_nothing_else() -> None:
    shape = (300, 300)
    dust, block = blocks((5, 5, 7, 6), shape=shape), blocks((100, 100, 120, 120), shape=shape)
    assert len(find_defects(dust)) == 1
    assert [defect.box for defect in find_defects(dust | block)] == [(100, 100, 120, 120)]


def test_the_mask_is_the_label_above_its_threshold() -> None:
    label = np.array([[0.0, 0.3, 0.31, 1.0]], np.float32)
    label[0, 1] = 0.3
    anomaly = SimulatedAnomaly(np.zeros((1, 4, 3), np.uint8), label, ())
    assert anomaly.mask.tolist()[0][2:] == [True, True]
    assert not anomaly.mask[0, 0]
