"""How well a promised false-alarm rate holds, and how many misses it costs.

    python scripts/measure_limits.py --simulate
    python scripts/measure_limits.py DATA...

With `--simulate` limits are measured on draws from known distributions, where the true share of
false alarms can be computed.

Each DATA is a product in MVTec AD's layout. The first photo of `train/good` is the reference; all
other good photos are split at random, again and again: on one part the limit is measured, by it the
others and the damaged photos are judged. Those that are left over are few: their share of false
alarms lies above the true one by chance, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import beta

from anomalygpt import AnomalyGPT, Inspection
from anomalygpt.images.listing import list_images
from anomalygpt.progress import with_bar
from decoder.limits import limit_of, photos_needed

SPLITS, DRAWS = 200, 1000
# Share of false alarms, and confidence.
PROMISES = ((0.05, 0.95), (0.1, 0.95), (0.2, 0.9))
DISTRIBUTIONS = {"narrow": (40, 60), "skewed": (2, 8), "two-humped": (0.3, 0.3)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print one line for each promise and product."""
    parser = argparse.ArgumentParser(description="How well a promised false-alarm rate holds.")
    parser.add_argument("folders", nargs="*", type=Path, metavar="DATA")
    parser.add_argument("--simulate", action="store_true", help="from known distributions")
    parser.add_argument("--most", type=int, default=130, metavar="N", help="good photos of each")
    parser.add_argument("--detail", default="whole")
    parser.add_argument("--model", default="embedded")
    options = parser.parse_args(arguments)
    if options.simulate:
        simulate()
    if options.folders:
        model = AnomalyGPT.from_pretrained(options.model, map_only=True)
        measure({each.name: scores_of(model, each, options) for each in options.folders})
    return 0


def simulate() -> None:
    """Print how often the true share of false alarms is within the promise."""
    generator = np.random.default_rng(0)
    print("false alarms  confidence  parts  distribution   within  mean true share")
    for share, confidence in PROMISES:
        fewest = photos_needed(share, confidence)
        for count in (fewest, 2 * fewest):
            for name, (a, b) in DISTRIBUTIONS.items():
                draws = generator.beta(a, b, size=(DRAWS, count))
                limits = [limit_of(row.tolist(), share, confidence, "").score for row in draws]
                true = beta.sf(limits, a, b)
                within = float(np.mean(true <= share))
                print(
                    f"{share:12.2f}  {confidence:10.2f}  {count:5d}  {name:12s}  {within:7.1%}"
                    f"  {np.mean(true):15.1%}"
                )


def scores_of(
    model: AnomalyGPT, folder: Path, options: argparse.Namespace
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of good and of damaged photos of a product, against its first good one."""
    train, good = (list_images(folder / split / "good") for split in ("train", "test"))
    damaged = [path for path in list_images(folder / "test") if path.parent.name != "good"]
    bank = model.remember(train[:1], detail=options.detail)
    found = []
    for photos in (_some([*train[1:], *good], options.most), _some(damaged, options.most)):
        seen = model.inspect_batch(photos, bank, map_only=True)
        results = list(with_bar(seen, len(photos), f"photos of {folder.name}"))
        found.append(np.array([r.anomaly_score for r in results if isinstance(r, Inspection)]))
    return found[0], found[1]


def _some(photos: Sequence[Path], most: int) -> list[Path]:
    """At most so many, evenly spread."""
    step = max(1.0, len(photos) / most)
    return [photos[int(number * step)] for number in range(min(most, len(photos)))]


def measure(every: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Print how often false alarms stay within the promise, and how many misses that costs."""
    generator = np.random.default_rng(0)
    print("false alarms  confidence  product        measured on  judged  within  alarms  missed")
    for share, confidence in PROMISES:
        rows = []
        needed = photos_needed(share, confidence)
        for name, (good, damaged) in every.items():
            # Half of them, where that is enough for the promise.
            count = max(needed, len(good) // 2)
            if len(good) < count + 10:
                print(f"{share:12.2f}  {confidence:10.2f}  {name:13s}  too few: {len(good)}")
                continue
            rows.append(_splits(good, damaged, (share, confidence), count, generator))
            print(_line(share, confidence, name, count, len(good) - count, rows[-1]))
        if rows:
            print(_line(share, confidence, "mean", 0, 0, tuple(np.mean(rows, axis=0))))


def _splits(
    good: np.ndarray,
    damaged: np.ndarray,
    promise: tuple[float, float],
    count: int,
    generator: np.random.Generator,
) -> tuple[float, ...]:
    """How often within the promise, and the mean shares of false alarms and misses."""
    alarms, missed = [], []
    for _ in range(SPLITS):
        scores = generator.permutation(good)
        limit = limit_of(scores[:count].tolist(), *promise, "").score
        alarms.append(float(np.mean(scores[count:] > limit)))
        missed.append(float(np.mean(damaged <= limit)))
    within = float(np.mean(np.array(alarms) <= promise[0] + 1e-9))
    return within, float(np.mean(alarms)), float(np.mean(missed))


def _line(
    share: float, confidence: float, name: str, count: int, left: int, row: tuple[float, ...]
) -> str:
    within, alarms, missed = row
    return (
        f"{share:12.2f}  {confidence:10.2f}  {name:13s}  {count or '':>11}  {left or '':>6}"
        f"  {within:6.1%}  {alarms:6.1%}  {missed:6.1%}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
