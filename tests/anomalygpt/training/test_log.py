"""The table and the curves of a run."""

from __future__ import annotations

import csv
import io
import math
import sys

import numpy as np
import pytest
from PIL import Image

from anomalygpt.errors import OutputError
from anomalygpt.training.log import COLUMNS, CSV_FILE, CURVE_FILE, TrainingLog, draw_curves


@pytest.fixture(autouse=True)
def _no_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is installed its event files would only cost time."""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)


def row(step: int, **values) -> dict:
    return {"step": step, "kind": "simulated", "seconds": 0.5 * step, "loss": 1 / step, **values}


def table(folder) -> list[dict[str, str]]:
    with (folder / CSV_FILE).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pixels(picture: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(picture)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def test_values_come_back_from_the_table(tmp_path):
    log = TrainingLog(tmp_path / "new" / "run", 0)
    numbers = np.random.default_rng(0)
    written = [
        {name: float(numbers.lognormal(0, 6)) for name in COLUMNS if name not in ("step", "kind")}
        for _ in range(5)
    ]
    for step, values in enumerate(written, 1):
        log.add({"step": step * 1_234_567, "kind": "instruction", **values, "unknown": 3.0})
    read = table(tmp_path / "new" / "run")
    assert list(read[0]) == list(COLUMNS)
    for step, (line, values) in enumerate(zip(read, written, strict=True), 1):
        assert line["step"] == str(step * 1_234_567)
        assert line["kind"] == "instruction"
        for name, value in values.items():
            assert float(line[name]) == pytest.approx(value, rel=1e-5)
    assert log.seconds == pytest.approx(written[-1]["seconds"], rel=1e-5)


def test_what_is_missing_stays_empty(tmp_path):
    log = TrainingLog(tmp_path, 0)
    assert log.seconds == 0.0
    log.add({"step": 1, "loss": 0.0, "rows_per_second": None, "ce": math.nan})
    (line,) = table(tmp_path)
    assert (line["loss"], line["ce"], line["rows_per_second"], line["dice"]) == ("0", "nan", "", "")


@pytest.mark.parametrize("resumed", [0, 1, 4, 6, 9])
def test_resuming_drops_what_came_after_the_checkpoint(tmp_path, resumed):
    log = TrainingLog(tmp_path, 0)
    for step in (2, 4, 6, 8):
        log.add(row(step))
    kept = [step for step in (2, 4, 6, 8) if step <= resumed]
    again = TrainingLog(tmp_path, resumed)
    assert [int(line["step"]) for line in again.rows] == kept
    assert again.seconds == (0.5 * kept[-1] if kept else 0.0)
    again.add(row(resumed + 1, dice=0.25))
    assert [int(line["step"]) for line in table(tmp_path)] == [*kept, resumed + 1]
    assert table(tmp_path)[-1]["dice"] == "0.25"


def test_a_table_of_an_older_version_or_cut_short_is_still_read(tmp_path):
    (tmp_path / CSV_FILE).write_text("step,loss,old\n1,0.5,7\n2,0.25,8\nx,1,1\n3", encoding="utf-8")
    log = TrainingLog(tmp_path, 5)
    log.add(row(6))
    assert [(line["step"], line["loss"]) for line in table(tmp_path)[:3]] == [
        ("1", "0.5"),
        ("2", "0.25"),
        ("3", ""),
    ]


def test_curves_change_with_the_rows(tmp_path):
    log = TrainingLog(tmp_path, 0)
    log.draw()
    assert not (tmp_path / CURVE_FILE).exists()
    shown = []
    for step in (1, 2, 3):
        log.add(row(step, ce=2.0 / step, validation_loss=0.5, validation_place_accuracy=0.3))
        log.draw()
        shown.append(pixels((tmp_path / CURVE_FILE).read_bytes()))
    assert len({picture.shape for picture in shown}) == 1
    assert not np.array_equal(shown[0], shown[1])
    assert not np.array_equal(shown[1], shown[2])


def test_curves_show_losses_of_simulated_steps_alone():
    rows = [{name: str(row(step).get(name, "")) for name in COLUMNS} for step in (1, 2, 3)]
    other = [{**rows[0], "step": "2", "kind": "instruction", "loss": "9"}, *rows]
    assert np.array_equal(pixels(draw_curves(rows)), pixels(draw_curves(other)))


@pytest.mark.parametrize("value", ["0", "nan", "inf", ""])
def test_curves_bear_values_that_a_logarithm_does_not(value):
    empty = dict.fromkeys(COLUMNS, "")
    rows = [
        {**empty, "step": str(step), "kind": "simulated", "loss": "1", "ce": value, "dice": value}
        for step in (1, 2)
    ]
    assert pixels(draw_curves(rows)).std() > 0


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "run").write_text("a file", encoding="utf-8")
    with pytest.raises(OutputError, match="run"):
        TrainingLog(tmp_path / "run", 0).add(row(1))
