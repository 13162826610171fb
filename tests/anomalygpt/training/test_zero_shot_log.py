"""The table and the curves of learned prompts."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from PIL import Image

from anomalygpt.training.log import CSV_FILE, CURVE_FILE
from anomalygpt.training.zero_shot_log import COLUMNS, draw_epochs, write_log

LOSSES = {"loss": 3.5, "photos": 1.0, "pixels": 2.0, "contrastive": 0.5}
FIGURES = dict.fromkeys(("image_auroc", "pixel_auroc", "precision", "recall", "map", "f1"), 0.75)


def pixels(picture: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(picture)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def test_each_epoch_is_a_row(tmp_path: Path) -> None:
    write_log(tmp_path, [{**LOSSES, **FIGURES}, {"loss": 0.125, "photos": 0.125}], 0)
    with (tmp_path / CSV_FILE).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {name: float(rows[0][name]) for name in COLUMNS[1:]} == {**LOSSES, **FIGURES}
    assert rows[1]["loss"] == "0.125"
    assert rows[1]["f1"] == ""
    assert pixels((tmp_path / CURVE_FILE).read_bytes()).shape == (500, 1200, 3)


def test_the_best_epoch_is_marked() -> None:
    epochs = [{**LOSSES, **FIGURES}, {**LOSSES, **FIGURES}]
    marked, other, unmarked = (draw_epochs(epochs, best) for best in (0, 1, None))
    assert not np.array_equal(pixels(marked), pixels(other))
    assert not np.array_equal(pixels(marked), pixels(unmarked))
