"""What a run that learns prompts writes down of each epoch: a CSV table, a picture of the curves.

Nothing in them depends on the machine's speed: a run that was stopped and went on writes the same.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from anomalygpt.files import write_atomically
from anomalygpt.training.log import CSV_FILE, CURVE_FILE

LOSSES = ("loss", "photos", "pixels", "contrastive")
FIGURES = ("image_auroc", "pixel_auroc", "precision", "recall", "map", "f1")
COLUMNS = ("epoch", *LOSSES, *FIGURES)
_TITLES = {"image_auroc": "image AUROC", "pixel_auroc": "pixel AUROC", "map": "mAP", "f1": "F1"}


def write_log(output: Path, epochs: Sequence[Mapping[str, float]], best: int | None) -> None:
    """Write `log.csv` and `curves.png` anew.

    Args:
        output: folder of the run.
        epochs: of each epoch, losses and figures by name; what is missing stays empty.
        best: the best epoch so far, counted from 0; None without validation.

    Raises:
        OutputError: they cannot be written.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, values in enumerate(epochs):
        told = [f"{values[name]:.6g}" if name in values else "" for name in COLUMNS[1:]]
        writer.writerow([number + 1, *told])
    write_atomically(output / CSV_FILE, lambda file: file.write(table.getvalue().encode()))
    picture = draw_epochs(epochs, best)
    write_atomically(output / CURVE_FILE, lambda file: file.write(picture))


def draw_epochs(epochs: Sequence[Mapping[str, float]], best: int | None) -> bytes:
    """Losses and figures over the epochs, the best one marked, as a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    losses, figures = figure.subplots(1, 2)
    for axes, names in ((losses, LOSSES), (figures, FIGURES)):
        for name in names:
            found = [(n + 1, each[name]) for n, each in enumerate(epochs) if name in each]
            if found:
                numbers, values = zip(*found, strict=True)
                axes.plot(numbers, values, "o-", markersize=3, label=_TITLES.get(name, name))
        if best is not None:
            axes.axvline(best + 1, color="0.5", linestyle=":", label="best epoch")
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if axes.lines:
            axes.legend(fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.13))
    losses.set(title="losses", xlabel="epoch", yscale="log")
    figures.set(title="held-out photos", xlabel="epoch", ylim=(-0.02, 1.02))
    packed = io.BytesIO()
    figure.savefig(packed, format="png")
    return packed.getvalue()
