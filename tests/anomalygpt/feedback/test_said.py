"""Which part of the map somebody means."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomalygpt.errors import ConfigError
from anomalygpt.feedback.said import Said, as_png, at_size, grown
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.products.shelf import read_mask
from anomalygpt.records.blobs import Blobs

SQUARE = ImageGeometry((80, 96), 64, (0.0, 0.0, 64.0, 64.0))
PADDED = ImageGeometry.fit((40, 80), 64, "pad")


def png(mask: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray((mask * 255).astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_box_covers_its_cells_and_no_others() -> None:
    place = Said("damaged", ((0, 0, 48, 40),)).place(SQUARE, (8, 8))
    assert place is not None
    assert place[:4, :4].all()
    assert place.sum() == 16


def test_a_box_lies_where_the_photo_lies_in_the_square() -> None:
    place = Said("damaged", ((0, 0, 80, 20),)).place(PADDED, (8, 8))
    assert place is not None
    assert place[2:4].all()
    assert place.sum() == 16


def test_the_smallest_place_never_gets_lost() -> None:
    for x, y in ((0, 0), (95, 79), (50, 3)):
        place = Said("damaged", ((x, y, x + 1, y + 1),)).place(SQUARE, (8, 8))
        assert place is not None
        assert place[int(y / 10), int(x / 12)]
        assert place.sum() <= 2


def test_a_mask_says_the_same_as_its_box() -> None:
    mask = np.zeros((80, 96), bool)
    mask[10:30, 12:60] = True
    by_mask = Said("damaged", mask=png(mask)).place(SQUARE, (16, 16))
    by_box = Said("damaged", ((12, 10, 60, 30),)).place(SQUARE, (16, 16))
    assert np.array_equal(by_mask, by_box)  # type: ignore[arg-type]


def test_nothing_marked_is_no_place() -> None:
    assert Said("good").place(SQUARE, (8, 8)) is None


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (lambda: Said("bad"), "'good' or 'damaged'"),  # type: ignore[arg-type]
        (lambda: Said("damaged", ((5, 5, 5, 9),)), "X0 Y0 X1 Y1"),
        (lambda: Said("damaged", ((-1, 5, 5, 9),)), "X0 Y0 X1 Y1"),
        (lambda: Said("damaged", ((96, 0, 99, 5),)).place(SQUARE, (8, 8)), "outside"),
        (lambda: Said("damaged", mask=b"no").place(SQUARE, (8, 8)), "no picture"),
        (
            lambda: Said("damaged", mask=png(np.ones((8, 8)))).place(SQUARE, (8, 8)),
            "the mask has 8×8 pixels, the photo 96×80",
        ),
        (
            lambda: Said("damaged", mask=png(np.zeros((80, 96)))).place(SQUARE, (8, 8)),
            "black everywhere",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(said, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=message):
        said()


def test_what_was_said_is_kept(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    for said in (Said("good"), Said("damaged", ((1, 2, 3, 4),), png(np.ones((80, 96))))):
        assert Said.from_dict(said.to_dict(blobs), blobs) == said


def test_places_grow_and_go_through_a_file() -> None:
    cells = np.zeros((64, 64), bool)
    cells[30, 30] = True
    larger = grown(cells)
    assert larger[28:33, 30].all()
    assert not larger[27, 30]
    assert np.array_equal(read_mask(as_png(larger)).numpy(), larger)
    assert at_size(cells, (8, 8))[3, 3]
    assert at_size(cells, (8, 8)).sum() == 1
    assert at_size(cells, (64, 64)) is cells
