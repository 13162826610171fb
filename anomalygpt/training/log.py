"""What a run writes down while it goes: a CSV table, a picture of the curves, TensorBoard."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anomalygpt.files import write_atomically

CSV_FILE, CURVE_FILE, TENSORBOARD_FOLDER = "log.csv", "curves.png", "tensorboard"

LOSSES = ("loss", "ce", "focal", "dice")
FIGURES = (
    "text_pixel_auroc",
    "reference_pixel_auroc",
    "text_verdict_accuracy",
    "reference_verdict_accuracy",
    "place_accuracy",
    "threshold_accuracy",
)
COLUMNS = (
    "step", "epoch", "kind", "seconds", "rows_per_second", "learning_rate", "gradient_norm",
    *LOSSES,
    *(f"validation_{name}" for name in (*LOSSES, *FIGURES, "threshold")),
)  # fmt: skip


class TrainingLog:
    """The table of a run, one row per logged step."""

    def __init__(self, output: Path, resumed_step: int) -> None:
        """
        Args:
            output: folder of the run.
            resumed_step: later rows of an earlier attempt are dropped; 0 begins anew.
        """
        self._path = output / CSV_FILE
        self._curves = output / CURVE_FILE
        self.rows = _rows_until(self._path, resumed_step)
        self._board = _tensorboard(output, resumed_step)

    @property
    def seconds(self) -> float:
        """Training time so far, over all attempts."""
        return float(self.rows[-1]["seconds"]) if self.rows else 0.0

    def add(self, values: Mapping[str, Any]) -> None:
        """Write one row; values that are missing stay empty.

        Raises:
            OutputError: the table cannot be written.
        """
        self.rows.append({name: _text(values.get(name)) for name in COLUMNS})
        table = io.StringIO()
        writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomically(self._path, lambda file: file.write(table.getvalue().encode()))
        if self._board is not None:
            for name, value in values.items():
                if isinstance(value, float):
                    self._board.add_scalar(name, value, values["step"])

    def draw(self) -> None:
        """Draw the curves of all rows so far.

        Raises:
            OutputError: the picture cannot be written.
        """
        if self.rows:
            picture = draw_curves(self.rows)
            write_atomically(self._curves, lambda file: file.write(picture))

    def close(self) -> None:
        if self._board is not None:
            self._board.close()


def draw_curves(rows: Sequence[Mapping[str, str]]) -> bytes:
    """Losses and validation figures over the steps, as a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    losses, figures = figure.subplots(1, 2)
    for number, name in enumerate(LOSSES):
        colour = f"C{number}"
        steps, values = _column([r for r in rows if r["kind"] == "simulated"], name)
        if len(steps):
            losses.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
            losses.plot(steps, _smooth(values), color=colour, label=name)
        steps, values = _column(rows, f"validation_{name}")
        if len(steps):
            losses.plot(steps, values, "o--", color=colour, markersize=3, label=f"{name}, held out")
    for name in FIGURES:
        steps, values = _column(rows, f"validation_{name}")
        if len(steps):
            figures.plot(steps, values, "o-", markersize=3, label=name.replace("_", " "))
    losses.set(title="losses", xlabel="step", yscale="log")
    figures.set(title="held-out simulated data", xlabel="step", ylim=(-0.02, 1.02))
    for axes, columns in ((losses, 4), (figures, 3)):
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=8, ncols=columns, loc="upper center", bbox_to_anchor=(0.5, -0.13))
    packed = io.BytesIO()
    figure.savefig(packed, format="png")
    return packed.getvalue()


def _column(rows: Sequence[Mapping[str, str]], name: str) -> tuple[np.ndarray, np.ndarray]:
    found = [(int(row["step"]), float(row[name])) for row in rows if row.get(name)]
    # A diverging run has infinite values, which have no place on an axis.
    found = [(step, value) for step, value in found if math.isfinite(value)]
    steps, values = zip(*found, strict=True) if found else ((), ())
    return np.array(steps), np.array(values)


def _smooth(values: np.ndarray) -> np.ndarray:
    """Mean of the last few values, so that the trend shows through the batches' chance."""
    width = max(1, len(values) // 15)
    sums = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - width)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _rows_until(path: Path, step: int) -> list[dict[str, str]]:
    if not step or not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("step", "").isdecimal()]
    return [
        {name: row.get(name) or "" for name in COLUMNS} for row in rows if int(row["step"]) <= step
    ]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _tensorboard(output: Path, step: int) -> Any:
    """A writer where TensorBoard is installed, else None."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(output / TENSORBOARD_FOLDER), purge_step=step or None)
