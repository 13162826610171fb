"""Charts of an evaluation as SVG text to be put into a page.

Lines and letters take the page's text colour, so that a chart reads on light and dark paper.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Photo: TypeAlias = "Mapping[str, Any]"

# Okabe and Ito's colours, which keep apart for colour-blind readers; dashes tell repeats.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999")
_DASHES = ("-", "--", ":")
_GOOD, _DEFECTIVE = "#3b8bc4", "#e69f00"
# Stands for the page's text colour until the SVG is written.
_INK = "#010203"
_BINS = 15
# Longer names would leave no room for the curves.
_LONGEST_NAME = 24
# Matplotlib types the names of its settings one by one.
_STYLE: Any = {
    "svg.hashsalt": "anomalygpt",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "text.parse_math": False,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "figure.facecolor": "none",
    "legend.labelcolor": _INK,
    "legend.frameon": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def roc_curves(photos: Iterable[Photo], shots: int, map_name: str) -> str | None:
    """ROC curves of the image score, one line per category, first seed only.

    Args:
        photos: one entry per photo and run, as in photos.csv.
        shots: number of references whose runs are drawn.
        map_name: map whose scores are drawn.

    Returns:
        An `<svg>` element; None when no category has scores of good and defective photos.
    """
    curves = []
    for category, chosen in _by_category(_scored(photos, shots, map_name)).items():
        scores, labels = _scores(chosen)
        if labels.any() and not labels.all():
            curves.append((category, *_roc(scores, labels)))
    if not curves:
        return None
    from matplotlib import rc_context
    from sklearn.metrics import auc

    with rc_context(_STYLE):
        # The legend needs its own column of text and grows with the categories.
        figure = _figure(5.2, max(3.6, 0.6 + 0.18 * len(curves)))
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=_INK, alpha=0.3, linewidth=0.8)
        for number, (category, false_rate, true_rate) in enumerate(curves):
            area = auc(false_rate, true_rate)
            style = _DASHES[number // len(_COLOURS) % len(_DASHES)]
            # The figure comes first: a label that begins with "_" would be hidden.
            label = f"{100 * area:.1f}  {_short(category)}"
            colour = _COLOURS[number % len(_COLOURS)]
            axes.plot(false_rate, true_rate, style, color=colour, linewidth=1.6, label=label)
        axes.set(xlabel="good photos called defective", ylabel="defective photos found")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal", anchor="NW")
        axes.grid(alpha=0.2)
        handles, labels_shown = axes.get_legend_handles_labels()
        figure.legend(
            handles, labels_shown, loc="outside right upper", title="AUROC", alignment="left"
        )
        return _svg(figure, "roc", f"ROC curves of the image score, {_setting(shots, map_name)}")


def score_histograms(photos: Iterable[Photo], shots: int, map_name: str) -> str | None:
    """How the scores of good and defective photos lie, a panel per category, first seed only.

    A dashed line marks the threshold where one was used; crosses are photos that it judged
    wrongly, or the language model where there is no threshold.

    Args:
        photos: as in `roc_curves`.
        shots: as in `roc_curves`.
        map_name: as in `roc_curves`.

    Returns:
        An `<svg>` element; None when there is no score.
    """
    categories = _by_category(_scored(photos, shots, map_name))
    if not categories:
        return None
    from matplotlib import rc_context

    columns = min(3, len(categories))
    rows = math.ceil(len(categories) / columns)
    with rc_context(_STYLE):
        figure = _figure(2.6 * columns + 1.0, 1.75 * rows + 0.7)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (category, chosen) in zip(panels, categories.items(), strict=False):
            _draw_scores(axes, category, chosen)
        for axes in panels[len(categories) :]:
            axes.set_axis_off()
        figure.supxlabel("image score", fontsize=9)
        figure.supylabel("photos", fontsize=9)
        # One panel is too narrow for all four side by side.
        columns = 4 if len(categories) > 1 else 2
        figure.legend(handles=_score_legend(), loc="outside upper left", ncols=columns)
        return _svg(figure, "scores", f"Histograms of the image score, {_setting(shots, map_name)}")


def reliability(photos: Iterable[Photo], shots: int, map_name: str) -> str | None:
    """How often photos are defective against P(anomaly), all categories, first seed only.

    Args:
        photos: as in `roc_curves`; those of the language model's verdict count.
        shots: as in `roc_curves`.
        map_name: as in `roc_curves`.

    Returns:
        An `<svg>` element; None when there is no probability.
    """
    chosen = [
        photo
        for photo in _first_seed(photos, shots, map_name)
        if photo["verdict"] == "language" and _is_number(photo["probability"])
    ]
    if not chosen:
        return None
    from matplotlib import rc_context

    probabilities = np.array([photo["probability"] for photo in chosen], float)
    labels = np.array([photo["is_anomalous"] for photo in chosen], bool)
    bins = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    used = counts > 0
    said = np.bincount(bins, probabilities, _BINS)[used] / counts[used]
    came = np.bincount(bins, labels, _BINS)[used] / counts[used]
    with rc_context(_STYLE):
        figure = _figure(4.2, 4.2)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        top.plot([0, 1], [0, 1], color=_INK, alpha=0.3, linewidth=0.8)
        top.plot(said, came, "o-", color=_GOOD, linewidth=1.4, markersize=5)
        top.set(ylabel="share that is defective", xlim=(-0.02, 1.02), ylim=(-0.03, 1.03))
        bottom.bar((np.arange(_BINS) + 0.5) / _BINS, counts, 0.9 / _BINS, color=_GOOD)
        bottom.set(xlabel="P(anomaly) as the assistant says it", ylabel="photos")
        for axes in (top, bottom):
            axes.grid(alpha=0.2)
        return _svg(figure, "reliability", f"Reliability, {_setting(shots, map_name)}")


def _draw_scores(axes: Axes, category: str, photos: Sequence[Photo]) -> None:
    scores, labels = _scores(photos)
    low, high = float(scores.min()), float(scores.max())
    edges = np.linspace(low, high if high > low else low + 1e-3, 21).tolist()
    for part, colour in ((~labels, _GOOD), (labels, _DEFECTIVE)):
        axes.hist(scores[part], edges, color=colour, alpha=0.45)
        axes.hist(scores[part], edges, color=colour, histtype="step", linewidth=1.2)
    threshold = next((p["threshold"] for p in photos if _is_number(p["threshold"])), None)
    if threshold is not None:
        axes.axvline(threshold, color=_INK, linestyle="--", linewidth=1)
    is_wrong = np.array(
        [p["said"] is not None and p["said"] != p["is_anomalous"] for p in photos], bool
    )
    # In half of a count below zero, where they hide no bar.
    height = axes.get_ylim()[1]
    for part, colour in ((~labels & is_wrong, _GOOD), (labels & is_wrong, _DEFECTIVE)):
        level = np.full(int(part.sum()), -0.07 * height)
        axes.plot(scores[part], level, "x", color=colour, markersize=4, markeredgewidth=1.2)
    axes.set_ylim(-0.14 * height, 1.05 * height)
    axes.set_title(_short(category))
    axes.locator_params(axis="y", nbins=4, integer=True)
    axes.locator_params(axis="x", nbins=4)
    axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= height])


def _score_legend() -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    return [
        Patch(color=_GOOD, alpha=0.6, label="good"),
        Patch(color=_DEFECTIVE, alpha=0.6, label="defective"),
        Line2D([], [], color=_INK, linestyle="--", linewidth=1, label="threshold"),
        Line2D([], [], color=_INK, marker="x", linestyle="", markersize=4, label="judged wrongly"),
    ]


def _first_seed(photos: Iterable[Photo], shots: int, map_name: str) -> list[Photo]:
    """Photos of one setting; runs with other seeds have references, and so scores, of their own."""
    seeds: dict[str, Any] = {}
    return [
        photo
        for photo in photos
        if photo["shots"] == shots
        and photo["map"] == map_name
        and photo["seed"] == seeds.setdefault(photo["category"], photo["seed"])
    ]


def _scored(photos: Iterable[Photo], shots: int, map_name: str) -> list[Photo]:
    """Every photo once, with the threshold's verdict if there is one, else the language model's."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for photo in _first_seed(photos, shots, map_name):
        if not _is_number(photo["score"]) or photo["verdict"] not in ("language", "threshold"):
            continue
        kept = found.setdefault((photo["category"], photo["image"]), dict(photo))
        if photo["threshold"] is not None:
            kept |= {"threshold": photo["threshold"], "said": photo["said"]}
    return list(found.values())


def _by_category(photos: Iterable[Photo]) -> dict[str, list[Photo]]:
    found: dict[str, list[Photo]] = {}
    for photo in photos:
        found.setdefault(photo["category"], []).append(photo)
    return found


def _scores(photos: Sequence[Photo]) -> tuple[np.ndarray, np.ndarray]:
    scores = np.array([photo["score"] for photo in photos], float)
    return scores, np.array([photo["is_anomalous"] for photo in photos], bool)


def _roc(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.metrics import roc_curve

    false_rate, true_rate, _ = roc_curve(labels, scores)
    return false_rate, true_rate


def _is_number(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _setting(shots: int, map_name: str) -> str:
    return f"{shots} {'shot' if shots == 1 else 'shots'}, {map_name} map, first seed"


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def _svg(figure: Figure, name: str, title: str) -> str:
    """The figure as an element for a page: same text for same data, names unique per chart."""
    packed = io.StringIO()
    with warnings.catch_warnings():
        # A letter that this machine's font lacks is still text, which the browser draws.
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(packed, format="svg", metadata=metadata)
    text = packed.getvalue()
    text = text[text.index("<svg") :].strip().replace(_INK, "currentColor")
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    # Only inside of tags: the words between them are names that users gave.
    text = re.sub(r"<[^>]*>", lambda tag: _with_prefix(tag.group(), name), text)
    # The height follows from the width, which a narrow page makes smaller.
    text = re.sub(r'<svg([^>]*?) height="[^"]*"', r"<svg\1", text, count=1)
    # The font that matplotlib would name is not on most readers' machines.
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)


def _with_prefix(tag: str, name: str) -> str:
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    return tag.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')
