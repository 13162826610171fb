"""Pixel figures of any number of photos in bounded memory.

Map values in [0, 1] fall into 2^18 bins, and each bin counts normal pixels, defect pixels, and the
shares of connected defect regions: three histograms of 2 MiB, however many photos of whatever size
come. The bins are equal but for the outermost 1/128 at either end, where they become finer and
finer: the map of a trained text side crowds there.

The figures treat the values of a bin as equal. What that can move is known without the values: the
truth lies between the figure with every bin in its most favourable order and the one in its least
favourable (`PixelCounts.errors`). A map of 16 bits, as in a PNG, loses nothing: its 65536 values
fall into different bins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from sklearn.metrics import auc, average_precision_score, roc_auc_score

from anomalygpt.evaluation.figures.figures import PIXEL_FIGURES, Figures
from anomalygpt.evaluation.figures.image_figures import best_f1

BINS = 2**18

# The ends of [0, 1] in which bins go by the logarithm of the distance to the end, the share of all
# bins that each end gets, and how many times the distance is halved there.
END, END_SHARE, OCTAVES = 2.0**-7, 0.2, 120

AUPRO_LIMITS = {"aupro": 0.3, "aupro_05": 0.05}

_STATE = ("bins", "photos", "regions", "normal_bins", "normal", "defect_bins", "defect", "overlap")


class PixelCounts:
    """Histograms of map values, apart for normal pixels, defect pixels and defect regions.

    A region is a set of defect pixels of one photo that are connected, also over corners. Each of
    its pixels counts 1 / size of the region, so that the overlap with regions above a threshold
    (PRO) is a sum over bins as well.

    Attributes:
        photos: how many were added.
        regions: how many defect regions they have.
    """

    def __init__(self, bins: int = BINS) -> None:
        """Start without photos.

        Args:
            bins: how many bins lie between 0 and 1, from 1 to 2^24.

        Raises:
            ValueError: another number of bins.
        """
        if not 1 <= bins <= 2**24:
            raise ValueError(f"bins must be from 1 to {2**24}, got {bins}")
        self.photos = 0
        self.regions = 0
        self._normal = np.zeros(bins, np.int64)
        self._defect = np.zeros(bins, np.int64)
        self._overlap = np.zeros(bins, np.float64)

    @property
    def bins(self) -> int:
        """How many bins lie between 0 and 1."""
        return len(self._normal)

    def add(self, anomaly_map: np.ndarray, mask: np.ndarray) -> None:
        """Count the pixels of one photo.

        Args:
            anomaly_map: (H, W) float32 in [0, 1].
            mask: (H, W) bool, where the defects are.

        Raises:
            ValueError: shapes or types differ from these, or a value is outside [0, 1] or no
                finite number; nothing is counted then.
        """
        cells = self._cells(anomaly_map, mask)
        counts = np.bincount(cells.ravel())
        self._normal[: len(counts)] += counts
        self.photos += 1
        if not mask.any():
            return
        number, labels, stats, _ = cv2.connectedComponentsWithStats(
            np.ascontiguousarray(mask).view(np.uint8), connectivity=8
        )
        damaged = cells[mask]
        counts = np.bincount(damaged)
        self._normal[: len(counts)] -= counts
        self._defect[: len(counts)] += counts
        share = 1 / stats[:, cv2.CC_STAT_AREA].clip(min=1)
        self._overlap[: len(counts)] += np.bincount(damaged, weights=share[labels[mask]])
        self.regions += number - 1

    def _cells(self, anomaly_map: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """The bin of every pixel, (H, W) uint32."""
        if mask.dtype != np.bool_ or mask.ndim != 2 or not mask.size:
            raise ValueError(f"a mask is (H, W) bool, got {mask.shape} {mask.dtype}")
        if anomaly_map.shape != mask.shape or anomaly_map.dtype != np.float32:
            raise ValueError(
                f"the map of a photo whose mask is {mask.shape} is {mask.shape} float32, "
                f"got {anomaly_map.shape} {anomaly_map.dtype}"
            )
        low, high = float(anomaly_map.min()), float(anomaly_map.max())
        if not (low >= 0 and high <= 1):  # NaN is neither
            raise ValueError(f"an anomaly map lies in [0, 1], got values from {low:g} to {high:g}")
        cells = (_stretched(anomaly_map) * self.bins).astype(np.uint32)
        return np.minimum(cells, np.uint32(self.bins - 1), out=cells)

    def figures(self) -> Figures:
        """The figures of all photos so far.

        Returns:
            pixel_auroc, pixel_ap, pixel_f1_max, aupro and aupro_05, each in [0, 1]; each None
            unless there are both normal and defect pixels.
        """
        filled = self._filled()
        if filled is None:
            return dict.fromkeys(PIXEL_FIGURES)
        # One entry per bin and kind of pixel; the number of the bin ranks as well as its values.
        order = np.arange(len(filled.normal))
        labels = np.repeat([False, True], len(order))
        scores = np.concatenate([order, order])
        weights = np.concatenate([filled.normal, filled.defect])
        labels, scores, weights = (part[weights > 0] for part in (labels, scores, weights))
        false_positives, overlaps = filled.pro_curve()
        figures = {
            "pixel_auroc": float(roc_auc_score(labels, scores, sample_weight=weights)),
            "pixel_ap": float(average_precision_score(labels, scores, sample_weight=weights)),
            "pixel_f1_max": best_f1(labels, scores, weights),
        }
        for name, limit in AUPRO_LIMITS.items():
            figures[name] = area_up_to(limit, false_positives, overlaps)
        # Sums of weights may round to a little more.
        return {name: float(np.minimum(1.0, figure)) for name, figure in figures.items()}

    def errors(self) -> Figures:
        """How far the bins can have moved each figure at most.

        The larger of the distances to the figure when all defect pixels of every bin lie above
        its normal ones, and when they lie below. F1-max can only be too low: the borders of the
        bins are among the thresholds. Values that really are equal, such as those of a saturated
        map, count as if they were not, so for these it says too much, never too little.

        Returns:
            The same names as `figures`, each at least 0, and None where the figure is.
        """
        filled = self._filled()
        if filled is None:
            return dict.fromkeys(PIXEL_FIGURES)
        figures = self.figures()
        lowest, highest = (filled.extremes(best=best) for best in (False, True))
        errors: Figures = {}
        for name, figure in figures.items():
            assert figure is not None
            errors[name] = max(0.0, highest[name] - figure, figure - lowest.get(name, figure))
        return errors

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The state as arrays for `numpy.savez`; only bins that hold pixels are kept."""
        normal, defect = np.flatnonzero(self._normal), np.flatnonzero(self._defect)
        scalars = {name: np.array(getattr(self, name)) for name in ("bins", "photos", "regions")}
        return scalars | {
            "normal_bins": normal.astype(np.uint32),
            "normal": self._normal[normal],
            "defect_bins": defect.astype(np.uint32),
            "defect": self._defect[defect],
            "overlap": self._overlap[defect],
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> PixelCounts:
        """What `to_arrays` described, exactly.

        Raises:
            ValueError: an array is missing, or they do not fit each other.
        """
        missing = [name for name in _STATE if name not in arrays]
        if missing:
            raise ValueError(f"pixel counts lack {missing}; give what to_arrays returned")
        counts = cls(int(arrays["bins"]))
        counts.photos, counts.regions = int(arrays["photos"]), int(arrays["regions"])
        try:
            counts._normal[arrays["normal_bins"]] = arrays["normal"]
            counts._defect[arrays["defect_bins"]] = arrays["defect"]
            counts._overlap[arrays["defect_bins"]] = arrays["overlap"]
        except (IndexError, ValueError) as error:
            raise ValueError(f"pixel counts do not fit their bins: {error}") from None
        return counts

    def _filled(self) -> _FilledBins | None:
        """The bins that hold pixels; None unless both kinds of pixels are there."""
        if not (self._normal.any() and self._defect.any()):
            return None
        kept = (self._normal > 0) | (self._defect > 0)
        # As float64: products of two counts can leave 64 bits, and single counts stay exact.
        return _FilledBins(
            self._normal[kept].astype(np.float64),
            self._defect[kept].astype(np.float64),
            self._overlap[kept],
        )


@dataclass(frozen=True)
class _FilledBins:
    """The bins that hold pixels, from low to high map values.

    Attributes:
        normal: (K,) float64, normal pixels.
        defect: (K,) float64, defect pixels.
        overlap: (K,) float64, shares of regions; their sum is the number of regions.
    """

    normal: np.ndarray
    defect: np.ndarray
    overlap: np.ndarray

    def pro_curve(self) -> tuple[np.ndarray, np.ndarray]:
        """False-positive rate and mean overlap with the regions, (K + 1,) each, from 0 to 1."""
        return _risen(self.normal[::-1]), _risen(self.overlap[::-1])

    def extremes(self, *, best: bool) -> dict[str, float]:
        """The figures when the defect pixels of every bin lie above its normal ones, or below;
        the lowest F1-max is the figure itself and left out."""
        normal, defect = self.normal[::-1], self.defect[::-1]
        hits, alarms = np.cumsum(defect), np.cumsum(normal)
        total = hits[-1]
        # A tie counts as half a pair in order.
        ordered = np.sum(defect * (alarms[-1] - alarms)) + best * np.sum(defect * normal)
        figures = {"pixel_auroc": float(ordered / total / alarms[-1])}
        if best:
            before = alarms - normal  # false alarms before the first normal pixel of the bin
            shares = defect * hits / np.maximum(hits + before, 1)
            figures["pixel_f1_max"] = float(np.max(2 * hits / (hits + before + total)))
        else:
            # The i-th of d defect pixels, a hits and f false alarms before it, has the precision
            # 1 - f / (a + i + f). The sum of 1 / (c + i) is at most log(1 + d / (c + 1/2)), the
            # integral around the middles of a convex function.
            shares = defect - alarms * np.log1p(defect / (hits - defect + alarms + 0.5))
        figures["pixel_ap"] = float(shares.sum() / total)
        steps = _steps(*self.pro_curve(), overlap_first=best)
        return figures | {name: area_up_to(limit, *steps) for name, limit in AUPRO_LIMITS.items()}


def _stretched(values: np.ndarray) -> np.ndarray:
    """Values in [0, 1] in the same order, with more room for those near 0 and 1; 0, 0.5 and 1
    stay where they are."""
    middle = (1 - 2 * END_SHARE) / (1 - 2 * END)
    found = END_SHARE + (values.astype(np.float64) - END) * middle
    for end, sign in ((0.0, 1.0), (1.0, -1.0)):
        near = values < END if sign > 0 else values > 1 - END
        distance = np.abs(values[near].astype(np.float64) - end)
        with np.errstate(divide="ignore"):
            halvings = np.log2(END / distance)
        found[near] = end + sign * END_SHARE * np.maximum(0.0, 1 - halvings / OCTAVES)
    return found


def area_up_to(limit: float, false_positives: np.ndarray, overlaps: np.ndarray) -> float:
    """Area under the PRO curve from 0 to a false-positive rate, as a share of the limit.

    Args:
        limit: in (0, 1].
        false_positives: (K,) rates, rising from 0 to 1.
        overlaps: (K,) in [0, 1], rising; points are joined by straight lines.

    Returns:
        In [0, 1].
    """
    inside = int(np.searchsorted(false_positives, limit, side="right"))
    x, y = false_positives[:inside], overlaps[:inside]
    if x[-1] < limit:
        # Not np.interp over all points: it may pick either end of a vertical step.
        ends = slice(inside - 1, inside + 1)
        x = np.append(x, limit)
        y = np.append(y, np.interp(limit, false_positives[ends], overlaps[ends]))
    return float(auc(x, y) / limit)


def _risen(parts: np.ndarray) -> np.ndarray:
    """Running sum from exactly 0 to exactly 1, (K + 1,)."""
    sums = np.concatenate([[0.0], np.cumsum(parts)])
    return np.minimum(sums / sums[-1], 1.0)


def _steps(
    false_positives: np.ndarray, overlaps: np.ndarray, *, overlap_first: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The curve with a corner in place of each straight line: first up, or first right."""
    x, y = np.repeat(false_positives, 2), np.repeat(overlaps, 2)
    return (x[:-1], y[1:]) if overlap_first else (x[1:], y[:-1])
