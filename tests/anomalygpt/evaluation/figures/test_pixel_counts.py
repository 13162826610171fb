"""Pixel figures from bins against the raw pixels, brute force, and another implementation."""

import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from anomalygpt.evaluation.figures.figures import FIGURES
from anomalygpt.evaluation.figures.pixel_counts import BINS, PIXEL_FIGURES, PixelCounts

Photo = tuple[np.ndarray, np.ndarray]
KINDS = ["good", "specks", "boxes", "whole"]
LIMITS = {"aupro": 0.3, "aupro_05": 0.05}


def counted(photos: Sequence[Photo], bins: int = BINS) -> PixelCounts:
    counts = PixelCounts(bins)
    for anomaly_map, mask in photos:
        counts.add(anomaly_map, mask)
    return counts


@st.composite
def some_photos(draw: st.DrawFn, levels: int | None = None) -> list[Photo]:
    """Small photos of several sizes: good ones, specks, boxes that touch, and whole-image defects.

    Maps know something about the masks; with levels, all values are whole multiples of 1/levels.
    """
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    photos = []
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4)):
        shape = chance.integers(1, 10, 2)
        mask = np.full(shape, kind == "whole")
        if kind == "specks":
            mask = chance.random(shape) < 0.2
        elif kind == "boxes":
            for top, left in chance.integers(0, 7, (3, 2)):
                mask[top : top + 3, left : left + 2] = True
        values = np.clip(chance.random(shape) * 0.7 + 0.4 * mask * chance.random(shape), 0, 1)
        if levels is not None:
            values = np.rint(values * levels) / levels
        photos.append((values.astype(np.float32), mask))
    truth = np.concatenate([mask.ravel() for _, mask in photos])
    assume(truth.any() and not truth.all())
    return photos


def raw_pixels(photos: Sequence[Photo]) -> Photo:
    maps, masks = zip(*photos, strict=True)
    return np.concatenate([m.ravel() for m in maps]), np.concatenate([m.ravel() for m in masks])


def brute_force_aupro(photos: Sequence[Photo], limit: float) -> float:
    """Every distinct value as threshold, every region by itself, every straight line by itself."""
    values, truth = raw_pixels(photos)
    regions = []
    for anomaly_map, mask in photos:
        labels, number = ndimage.label(mask, structure=np.ones((3, 3)))
        regions += [anomaly_map[labels == label] for label in range(1, number + 1)]
    points = [(0.0, 0.0)]
    for threshold in np.unique(values)[::-1]:
        overlaps = [float((region >= threshold).mean()) for region in regions]
        points.append((float((values[~truth] >= threshold).mean()), float(np.mean(overlaps))))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 >= limit or x1 == x0:
            continue
        end = min(limit, x1)
        y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
        area += (end - x0) * (y0 + y_end) / 2
    return area / limit


def true_figures(photos: Sequence[Photo]) -> dict[str, float]:
    """What the figures are without bins."""
    values, truth = raw_pixels(photos)
    precision, recall, _ = precision_recall_curve(truth, values)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return {
        "pixel_auroc": float(roc_auc_score(truth, values)),
        "pixel_ap": float(average_precision_score(truth, values)),
        "pixel_f1_max": float(f1.max()),
    } | {name: brute_force_aupro(photos, limit) for name, limit in LIMITS.items()}


@given(some_photos(levels=64))
@settings(max_examples=60, deadline=None)
def test_without_loss_the_figures_are_those_of_the_pixels(photos: list[Photo]) -> None:
    """Many ties, and no two values share a bin."""
    assert counted(photos).figures() == pytest.approx(true_figures(photos), abs=1e-9)


@given(some_photos())
@settings(max_examples=40, deadline=None)
def test_the_default_bins_move_the_figures_by_less_than_they_say(photos: list[Photo]) -> None:
    counts = counted(photos)
    figures, errors, truth = counts.figures(), counts.errors(), true_figures(photos)
    for name in PIXEL_FIGURES:
        assert abs(figures[name] - truth[name]) <= errors[name] + 1e-9


def test_large_photos_agree_to_a_thousandth() -> None:
    photos = [smooth_photo(seed, side=200) for seed in range(4)]
    counts = counted(photos)
    figures = counts.figures()
    values, truth = raw_pixels(photos)
    precision, recall, _ = precision_recall_curve(truth, values)
    assert figures["pixel_auroc"] == pytest.approx(roc_auc_score(truth, values), abs=1e-4)
    assert figures["pixel_ap"] == pytest.approx(average_precision_score(truth, values), abs=1e-4)
    best = (2 * precision * recall / (precision + recall)).max()
    assert figures["pixel_f1_max"] == pytest.approx(best, abs=1e-4)
    assert max(counts.errors().values()) < 1e-3


@given(some_photos(), st.sampled_from([1, 2, 3, 10, 16, 100]))
@settings(max_examples=80, deadline=None)
def test_few_bins_stay_within_the_errors_too(photos: list[Photo], bins: int) -> None:
    counts = counted(photos, bins)
    figures, errors, truth = counts.figures(), counts.errors(), true_figures(photos)
    for name in PIXEL_FIGURES:
        assert 0 <= figures[name] <= 1
        assert abs(figures[name] - truth[name]) <= errors[name] + 1e-9
    assert truth["pixel_f1_max"] >= figures["pixel_f1_max"] - 1e-9


def test_the_best_order_in_a_bin_is_as_far_as_the_errors_say() -> None:
    values = np.linspace(0, 1, 200, dtype=np.float32).reshape(10, 20)
    photo = (values, values > 0.9)
    counts = counted([photo], bins=1)
    figures = counts.figures()
    assert true_figures([photo]) == pytest.approx(dict.fromkeys(PIXEL_FIGURES, 1.0))
    moved = {name: 1 - figure for name, figure in figures.items()}
    assert counts.errors() == pytest.approx(moved)


def test_the_worst_order_in_a_bin_is_as_far_as_the_errors_say() -> None:
    """The upper of two bins has three good pixels above all defects."""
    upper = np.r_[np.linspace(0.6, 0.7, 50), 0.8, 0.85, 0.9]
    values = np.r_[upper, np.linspace(0.1, 0.2, 70)].astype(np.float32)[None]
    mask = np.zeros(values.shape, bool)
    mask[0, :50] = True
    counts = counted([(values, mask)], bins=2)
    figures, errors, truth = counts.figures(), counts.errors(), true_figures([(values, mask)])
    for name in ("pixel_auroc", *LIMITS):
        assert figures[name] - truth[name] == pytest.approx(errors[name], abs=1e-9)
    # Here a sum is bounded by an integral.
    assert 0 <= errors["pixel_ap"] - (figures["pixel_ap"] - truth["pixel_ap"]) < 1e-3


def test_bins_of_one_kind_cost_nothing() -> None:
    photo = smooth_photo(3, side=40)
    pure = np.where(photo[1], 0.75, 0.25).astype(np.float32)
    counts = counted([(pure, photo[1])], bins=2)
    assert counts.figures() == pytest.approx(dict.fromkeys(PIXEL_FIGURES, 1.0))
    assert counts.errors() == pytest.approx(dict.fromkeys(PIXEL_FIGURES, 0.0), abs=1e-12)


@given(some_photos())
@settings(max_examples=30, deadline=None)
def test_a_perfect_map_and_a_constant_one(photos: list[Photo]) -> None:
    perfect = [(mask.astype(np.float32), mask) for _, mask in photos]
    assert counted(perfect).figures() == pytest.approx(dict.fromkeys(PIXEL_FIGURES, 1.0))
    constant = [(np.full(mask.shape, 0.3, np.float32), mask) for _, mask in photos]
    figures = counted(constant).figures()
    _, truth = raw_pixels(photos)
    assert figures["pixel_auroc"] == pytest.approx(0.5)
    assert figures["pixel_ap"] == pytest.approx(truth.mean())
    # The line from (0, 0) to (1, 1), up to the limit.
    assert figures["aupro"] == pytest.approx(0.15)
    assert figures["aupro_05"] == pytest.approx(0.025)


@given(some_photos(levels=16), st.randoms())
@settings(max_examples=30, deadline=None)
def test_neither_order_nor_resolution_matters(photos: list[Photo], chance: Any) -> None:
    figures = counted(photos).figures()
    shuffled = list(photos)
    chance.shuffle(shuffled)
    assert counted(shuffled).figures() == pytest.approx(figures, abs=1e-12)
    larger = [tuple(part.repeat(3, axis=0).repeat(2, axis=1) for part in p) for p in photos]
    assert counted(larger).figures() == pytest.approx(figures, abs=1e-12)
    assert counted(larger).regions == counted(photos).regions
    turned = [(anomaly_map.T, mask.T) for anomaly_map, mask in photos]
    assert counted(turned).figures() == pytest.approx(figures, abs=1e-12)


def test_regions_touch_over_corners_and_not_over_photos() -> None:
    corners = np.eye(5, dtype=bool)
    apart = np.zeros((5, 5), bool)
    apart[::2, ::2] = True
    values = np.zeros((5, 5), np.float32)
    counts = counted(
        [(values, corners), (values, corners), (values, apart), (values, apart & 0 > 0)]
    )
    assert (counts.regions, counts.photos) == (1 + 1 + 9, 4)


def test_a_small_region_counts_as_much_as_a_large_one() -> None:
    mask = np.zeros((40, 40), bool)
    mask[:20, :20] = True
    mask[30, 30] = True
    only_large = (mask & (np.arange(40) < 20)).astype(np.float32)
    figures = counted([(only_large, mask)]).figures()
    # From one of two regions at no false alarm to both at all pixels.
    assert figures["aupro"] == pytest.approx(0.5 + 0.5 * 0.15)
    assert figures["pixel_auroc"] > 0.99


@pytest.mark.parametrize("defective", [True, False, None])
def test_nothing_is_said_without_both_kinds_of_pixels(defective: bool | None) -> None:
    counts = PixelCounts()
    if defective is not None:
        counts.add(np.full((4, 4), 0.5, np.float32), np.full((4, 4), defective))
    assert counts.figures() == counts.errors() == dict.fromkeys(PIXEL_FIGURES)
    assert set(PIXEL_FIGURES) <= set(FIGURES)


@given(some_photos(), some_photos(), st.sampled_from([16, BINS]))
@settings(max_examples=30, deadline=None)
def test_the_state_goes_on_exactly_where_it_was(
    first: list[Photo], second: list[Photo], bins: int
) -> None:
    restored = PixelCounts.from_arrays(counted(first, bins).to_arrays())
    for photo in second:
        restored.add(*photo)
    expected = counted([*first, *second], bins)
    for name, array in expected.to_arrays().items():
        np.testing.assert_array_equal(array, restored.to_arrays()[name], strict=True)
    assert restored.figures() == expected.figures()
    assert restored.errors() == expected.errors()


def test_the_state_fits_into_a_file(tmp_path: Any) -> None:
    counts = counted([smooth_photo(0, side=50)])
    np.savez(tmp_path / "counts.npz", **counts.to_arrays())
    with np.load(tmp_path / "counts.npz", allow_pickle=False) as arrays:
        assert PixelCounts.from_arrays(arrays).figures() == counts.figures()
    empty = PixelCounts.from_arrays(PixelCounts(8).to_arrays())
    assert (empty.bins, empty.photos, empty.regions) == (8, 0, 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.pop("overlap"),
        lambda arrays: arrays.update(bins=np.array(4)),
        lambda arrays: arrays.update(normal=arrays["normal"][:-1]),
    ],
)
def test_a_damaged_state_is_refused(change: Callable[[dict], object]) -> None:
    arrays = counted([smooth_photo(0, side=50)]).to_arrays()
    change(arrays)
    with pytest.raises(ValueError, match="pixel counts"):
        PixelCounts.from_arrays(arrays)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf, -1e-6, 1.001])
def test_values_that_no_map_has_are_refused_and_not_counted(broken: float) -> None:
    counts = PixelCounts()
    values = np.full((4, 4), 0.5, np.float32)
    values[1, 2] = broken
    with pytest.raises(ValueError, match=r"lies in \[0, 1\]"):
        counts.add(values, np.eye(4, dtype=bool))
    assert counts.photos == counts.regions == 0
    assert not counts.to_arrays()["normal"].size


def test_shapes_and_types_are_checked() -> None:
    values, mask = np.zeros((4, 5), np.float32), np.zeros((4, 5), bool)
    for wrong_map, wrong_mask in (
        (values, mask.astype(np.uint8)),
        (values, mask.T),
        (values.astype(np.float64), mask),
        (values[None], mask[None]),
        (values[:0], mask[:0]),
    ):
        with pytest.raises(ValueError, match=r"float32, got|a mask is"):
            PixelCounts().add(wrong_map, wrong_mask)
    for bins in (0, -1, 2**24 + 1):
        with pytest.raises(ValueError, match="bins must be"):
            PixelCounts(bins)


def test_both_ends_of_the_range_have_a_bin() -> None:
    """And what lies next to them has another one."""
    ends = np.array([0.0, 1.0], np.float32)
    values = np.stack([ends, np.nextafter(ends, np.float32(0.5), dtype=np.float32)])
    arrays = counted([(values, np.zeros((2, 2), bool))]).to_arrays()
    assert [arrays["normal_bins"][0], arrays["normal_bins"][-1]] == [0, BINS - 1]
    assert arrays["normal"].sum() == 4
    assert len(arrays["normal_bins"]) >= 3  # float32 has steps below 2^-127


def test_bins_keep_the_order_of_values() -> None:
    chance = np.random.default_rng(0)
    small = 10.0 ** chance.uniform(-37, 0, 20000)
    values = np.unique(np.concatenate([small, 1 - small, chance.random(20000)]).astype(np.float32))
    values = values[values <= 1]
    cells = PixelCounts()._cells(values[None], np.zeros((1, len(values)), bool))[0].astype(int)
    assert (np.diff(cells) >= 0).all()


def test_saturated_maps_keep_their_figures() -> None:
    """The map of a trained text side: nearly all values crowd at 0 and at 1."""
    chance = np.random.default_rng(1)
    photos = []
    for _ in range(3):
        mask = np.zeros((64, 64), bool)
        mask[10:30, 20:50] = True
        logits = chance.normal(-18, 6, mask.shape) + 9 * mask
        photos.append(((1 / (1 + np.exp(-logits))).astype(np.float32), mask))
    counts = counted(photos)
    values, masks = (np.concatenate([p[i].ravel() for p in photos]) for i in (0, 1))
    figures, errors = counts.figures(), counts.errors()
    assert figures["pixel_auroc"] == pytest.approx(roc_auc_score(masks, values), abs=1e-4)
    assert figures["pixel_ap"] == pytest.approx(average_precision_score(masks, values), abs=1e-3)
    assert errors["pixel_auroc"] < 5e-4


# Another public implementation.


def smooth_photo(seed: int, side: int = 64, levels: int | None = None) -> Photo:
    """A noisy map with blobs, and elliptic defects that lie next to them, the same everywhere."""
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    noise = chance.random((side + 4, side + 4))
    near = sum(noise[i : i + side, j : j + side] for i in range(5) for j in range(5)) / 25
    values, mask = near * 0.8, np.zeros((side, side), bool)
    for _ in range(1 + seed % 3):
        center, size = chance.uniform(5, side - 5, 2), chance.uniform(2, 9, 2)
        moved, height = center + chance.normal(0, 2, 2), chance.uniform(0.05, 0.5)
        mask |= ((x - center[0]) / size[0]) ** 2 + ((y - center[1]) / size[1]) ** 2 <= 1
        away = ((x - moved[0]) / size[0]) ** 2 + ((y - moved[1]) / size[1]) ** 2
        values = values + height * np.exp(-away)
    values = np.clip(values, 0, 1)
    if levels is not None:
        values = np.rint(values * levels) / levels
    return values.astype(np.float32), mask


def peer_case(first: int, levels: int | None) -> list[Photo]:
    """Four photos of 64×64, the last of them good."""
    photos = [smooth_photo(seed, levels=levels) for seed in range(first, first + 4)]
    return [*photos[:3], (photos[3][0], np.zeros((64, 64), bool))]


# (first seed, levels) -> AUPRO up to 0.3 and up to 0.05 as anomalib 2.7.0 (torch 2.15.0, CPU)
# computes it: `metric = anomalib.metrics.aupro._AUPRO(fpr_limit=limit)`, for each photo of
# `peer_case` `metric.update(torch.from_numpy(map)[None], torch.from_numpy(mask)[None].int())`,
# `metric.compute()`. It uses every distinct value as a threshold, the same 8-connected regions
# and the same line up to the limit. What is left: it sums in float32 (below 1e-5 here), and our
# bins, where values are not on a grid that they keep apart.
ANOMALIB = {
    (0, None): (0.6412683, 0.3874558),
    (10, None): (0.7244502, 0.4907526),
    (20, 256): (0.69243, 0.4329374),
    (30, 16): (0.6757063, 0.4993157),
}
ANOMALIB_ROUNDING = 1e-5


@pytest.mark.parametrize("case", ANOMALIB)
def test_aupro_is_that_of_anomalib(case: tuple[int, int | None]) -> None:
    counts = counted(peer_case(*case))
    figures, errors = counts.figures(), counts.errors()
    for name, expected in zip(LIMITS, ANOMALIB[case], strict=True):
        assert figures[name] == pytest.approx(expected, abs=ANOMALIB_ROUNDING)
        assert abs(figures[name] - expected) <= errors[name] + ANOMALIB_ROUNDING


@pytest.mark.parametrize("case", ANOMALIB)
def test_aupro_is_that_of_the_anomalib_that_is_installed(case: tuple[int, int | None]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of its imports are its own
        peer = pytest.importorskip(
            "anomalib.metrics.aupro", reason="anomalib is not installed; the extra `peers` has it"
        )
    figures = counted(peer_case(*case)).figures()
    for name, limit in LIMITS.items():
        metric = peer._AUPRO(fpr_limit=limit)
        for anomaly_map, mask in peer_case(*case):
            metric.update(torch.from_numpy(anomaly_map)[None], torch.from_numpy(mask)[None].int())
        assert figures[name] == pytest.approx(float(metric.compute()), abs=ANOMALIB_ROUNDING)
