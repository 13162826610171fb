"""Verdicts with one reference, with and without what a run of parts shows (`--most-are-good`).

For every product and draw one good training photo is the reference. Runs are drawn from the test
photos, with a share of bad parts; each scales the bank, and then all test photos are judged. So
the same photos are judged after every run, and shares of bad parts can be compared.

    python scripts/measure_runs.py DATA --category NAME... --seeds 0 1 2 --output FILE.md
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from anomalygpt import AnomalyGPT, ConfigError
from anomalygpt.data import open_data
from anomalygpt.evaluation.figures.image_figures import (
    probability_figures,
    ranking_figures,
    verdict_figures,
)
from anomalygpt.evidence import Evidence
from anomalygpt.files import write_atomically
from anomalygpt.progress import with_bar
from anomalygpt.references.runs import run_factor
from anomalygpt.verdict import EVEN
from decoder.scale import as_map, as_ratio

SHARES = (0.0, 0.02, 0.1, 0.5)
COLUMNS = ("accuracy", "oracle_accuracy", "overkill", "miss_rate", "ece", "refused")


@dataclass(frozen=True)
class Photos:
    """Test photos of a product, compared with one reference.

    Attributes:
        seen: each of them.
        bad: (N,) bool.
    """

    seen: Sequence[Evidence]
    bad: np.ndarray

    @property
    def scores(self) -> np.ndarray:
        return np.array([float(evidence.scores[0]) for evidence in self.seen])

    def run(self, share: float, length: int, generator: np.random.Generator) -> list[float]:
        """Scores of a run with a share of bad parts."""
        count = int(generator.binomial(length, share))
        good, bad = self.scores[~self.bad], self.scores[self.bad]
        return [*generator.choice(good, length - count), *generator.choice(bad, count)]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    assistant = AnomalyGPT.from_pretrained("embedded", device="cpu")
    found = {name: measured(assistant, options, name) for name in options.category}
    lines = ["| product | run | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 2) + "|"]
    runs = list(next(iter(found.values())))
    mean = {run: np.mean([each[run] for each in found.values()], axis=0) for run in runs}
    for product, figures in {**found, "mean": mean}.items():
        for run, values in figures.items():
            cells = [product, run, *(f"{100 * value:.1f}" for value in values)]
            lines.append("| " + " | ".join(cells) + " |")
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if options.output:
        write_atomically(options.output, lambda file: file.write(text.encode()))
    return 0


def measured(
    assistant: AnomalyGPT, options: argparse.Namespace, category: str
) -> dict[str, np.ndarray]:
    """COLUMNS of each kind of run, mean over draws and runs; a refused run changes no verdict."""
    data = open_data(options.data, "mvtec", [category])
    tests = data.select(split="test")
    normal = [sample.image for sample in data.select(split="train", is_anomalous=False)]
    found: dict[str, list[np.ndarray]] = {}
    for seed in options.seeds:
        generator = np.random.default_rng(seed)
        bank = assistant.remember(normal[int(generator.integers(len(normal)))])
        photos = Photos(
            [
                assistant.examine(assistant.encode([sample.image]), bank)
                for sample in with_bar(tests, len(tests), f"photos of {category}, seed {seed}")
            ],
            np.array([sample.is_anomalous for sample in tests]),
        )
        plain = judged(assistant, photos, 1.0)
        found.setdefault("none", []).append(plain)
        for share in SHARES:
            for _ in range(options.runs):
                try:
                    factor = run_factor(photos.run(share, options.length, generator))
                    values = judged(assistant, photos, factor)
                except ConfigError:
                    values = np.append(plain[:-1], 1.0)
                found.setdefault(f"{share:.0%} bad", []).append(values)
    return {run: np.mean(values, axis=0) for run, values in found.items()}


def judged(assistant: AnomalyGPT, photos: Photos, factor: float) -> np.ndarray:
    """COLUMNS with maps scaled by a factor, nothing refused."""
    probabilities = []
    for evidence in photos.seen:
        maps = as_map(factor * as_ratio(evidence.maps))
        (inspection,) = assistant.judge(replace(evidence, maps=maps))
        probabilities.append(inspection.anomaly_probability)
    values = np.array(probabilities)
    figures = {
        **ranking_figures(photos.scores, photos.bad),
        **verdict_figures(values > EVEN, photos.bad),
        **probability_figures(values, photos.bad),
        "refused": 0.0,
    }
    return np.array([figures[name] for name in COLUMNS])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with the products, laid out as MVTec AD")
    parser.add_argument("--category", nargs="+", required=True, metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--runs", type=int, default=1, help="of each share and draw (default 1)")
    parser.add_argument("--length", type=int, default=60, help="photos of a run (default 60)")
    parser.add_argument("--output", type=Path, metavar="FILE.md")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
