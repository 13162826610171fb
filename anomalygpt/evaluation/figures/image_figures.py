"""Figures that need one number per photo: a score, a yes or no, or a probability.

What is undefined, such as a ranking of good photos alone, is None and never NaN.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from anomalygpt.evaluation.figures.figures import Figures

CALIBRATION_BINS = 15
# So many of the verdicts that nobody looks at again must be right.
SURE_SHARE = 0.95


def ranking_figures(scores: np.ndarray, labels: np.ndarray) -> Figures:
    """How well scores separate photos with defects from good ones, whatever the threshold.

    Args:
        scores: (N,) finite, higher for defects.
        labels: (N,) bool or 0 and 1, true for photos with defects.

    Returns:
        image_auroc, image_ap, image_f1_max and oracle_accuracy, whose thresholds include "all
        good" and "all bad"; each None unless both kinds of photos are there.

    Raises:
        ValueError: a score is not finite, or shapes differ.
    """
    values, damaged = _checked("scores", scores, labels)
    if not _both_kinds(damaged):
        names = ("image_auroc", "image_ap", "image_f1_max", "oracle_accuracy")
        return dict.fromkeys(names)
    false_share, true_share, _ = roc_curve(damaged, values, drop_intermediate=False)
    bad = int(damaged.sum())
    right = true_share * bad + (1 - false_share) * (len(damaged) - bad)
    return {
        "image_auroc": float(roc_auc_score(damaged, values)),
        "image_ap": float(average_precision_score(damaged, values)),
        "image_f1_max": best_f1(damaged, values),
        # Shares times counts are whole numbers but for rounding.
        "oracle_accuracy": float(np.rint(right.max()) / len(damaged)),
    }


def verdict_figures(said: np.ndarray, labels: np.ndarray) -> Figures:
    """How often the assistant's own yes or no is right.

    Args:
        said: (N,) bool, true where a photo was called defective.
        labels: (N,) bool or 0 and 1, true for photos with defects.

    Returns:
        accuracy (None without photos), overkill (None without good photos) and miss_rate (None
        without photos with defects).

    Raises:
        ValueError: other values than these, or shapes differ.
    """
    damaged = _as_bool("labels", labels)
    called = _as_bool("verdicts", said)
    if called.shape != damaged.shape:
        raise ValueError(f"{len(called)} verdicts for {len(damaged)} labels; give one for each")
    return {
        "accuracy": _share(called == damaged),
        "overkill": _share(called[~damaged]),
        "miss_rate": _share(~called[damaged]),
    }


def probability_figures(probabilities: np.ndarray, labels: np.ndarray) -> Figures:
    """How well P(anomaly) ranks photos, and whether it means what it says.

    Args:
        probabilities: (N,) in [0, 1], P(anomaly) of each photo.
        labels: (N,) bool or 0 and 1, true for photos with defects.

    Returns:
        probability_auroc (None unless both kinds of photos are there); ece, in 15 equal bins, and
        sure_share (None without photos).

    Raises:
        ValueError: a probability is not finite or outside [0, 1], or shapes differ.
    """
    values, damaged = _checked("probabilities", probabilities, labels)
    if len(values) and not 0 <= values.min() <= values.max() <= 1:
        raise ValueError(
            f"probabilities lie in [0, 1], got {values.min():g} to {values.max():g}; "
            "turn logits into probabilities first"
        )
    return {
        "probability_auroc": (
            float(roc_auc_score(damaged, values)) if _both_kinds(damaged) else None
        ),
        "ece": _calibration_error(values, damaged) if len(values) else None,
        "sure_share": _sure_share(values, damaged) if len(values) else None,
    }


def _sure_share(probabilities: np.ndarray, damaged: np.ndarray) -> float:
    """Share of the photos up to which, the surest first, `SURE_SHARE` of the verdicts are right;
    photos of the same odds count together."""
    sureness = np.abs(probabilities - 0.5).round(12)  # .3 and .7 are as even
    order = np.argsort(-sureness, kind="stable")
    right = np.cumsum(((probabilities > 0.5) == damaged)[order])
    count = np.arange(1, len(order) + 1)
    last = np.append(np.diff(sureness[order]) != 0, True)  # of photos with the same odds
    enough = count[last & (right >= SURE_SHARE * count)]
    return float(enough[-1] / len(order)) if len(enough) else 0.0


def best_f1(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Best F1 over all thresholds.

    Args:
        labels: (N,) bool, at least one true.
        scores: (N,) finite.
        weights: (N,) positive, how often each entry counts; None for once.
    """
    precision, recall, _ = precision_recall_curve(labels, scores, sample_weight=weights)
    # Where both are 0 the product is 0 too, and so is F1.
    total = np.maximum(precision + recall, np.finfo(float).tiny)
    return float((2 * precision * recall / total).max())


def _calibration_error(probabilities: np.ndarray, damaged: np.ndarray) -> float:
    # It takes three seconds to import; who only ranks photos need not wait for it.
    import torch
    from torchmetrics.functional.classification import binary_calibration_error

    # torchmetrics gives a probability of exactly 1 a bin of its own, a sixteenth.
    below_one = np.minimum(probabilities, np.nextafter(1.0, 0.0))
    error = binary_calibration_error(
        torch.from_numpy(below_one),
        torch.from_numpy(damaged.astype(np.int64)),
        n_bins=CALIBRATION_BINS,
        norm="l1",
    )
    return float(error)


def _checked(what: str, values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One finite float64 and one bool for each photo."""
    damaged = _as_bool("labels", labels)
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != damaged.shape:
        raise ValueError(
            f"{what} have the shape {numbers.shape}, labels {damaged.shape}; give one for each"
        )
    broken = int(np.count_nonzero(~np.isfinite(numbers)))
    if broken:
        raise ValueError(f"{broken} of {len(numbers)} {what} are no finite numbers")
    return numbers, damaged


def _as_bool(what: str, values: np.ndarray) -> np.ndarray:
    given = np.asarray(values)
    if given.ndim != 1 or not np.isin(given, (0, 1)).all():
        raise ValueError(f"{what} are (N,) of true and false or 0 and 1, got {given!r}")
    return given.astype(bool)


def _both_kinds(damaged: np.ndarray) -> bool:
    return bool(damaged.any()) and not damaged.all()


def _share(hits: np.ndarray) -> float | None:
    return float(hits.mean()) if len(hits) else None
