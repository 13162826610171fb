"""Photos of a run compared with each other (`--mutual`), no good part, and a few references.

All test photos of a product are judged after each way of comparing. The photos of the run that
they are compared with are drawn from the test photos: as they come, or with a share of bad parts.

    python scripts/measure_mutual.py DATA --category NAME... --output FILE.md
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from anomalygpt import AnomalyGPT
from anomalygpt.data import InspectionData, Sample, load_mask, open_data
from anomalygpt.encoders.photos import EncodedPhotos
from anomalygpt.evaluation.figures.image_figures import ranking_figures, verdict_figures
from anomalygpt.evaluation.figures.pixel_counts import PixelCounts
from anomalygpt.evidence import Evidence
from anomalygpt.files import write_atomically
from anomalygpt.progress import with_bar
from anomalygpt.references.mutual import MOST_PHOTOS, bank_among
from anomalygpt.verdict import EVEN
from decoder import MemoryBank

SHARES = (0.1, 0.3, 0.5)
COLUMNS = ("image_auroc", "pixel_auroc", "accuracy", "oracle_accuracy", "overkill", "miss_rate")

# Masks and maps are compared on squares of so many pixels.
MASK_SIZE = 256

Figures = dict[str, float | None]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    assistant = AnomalyGPT.from_pretrained("embedded", device="cpu")
    found: dict[str, dict[str, Figures]] = {}
    for name in options.category:
        found[name] = measured(assistant, options, name)
        text = table(found)
        if options.output:  # after each, for it takes a while
            _write(options.output, text)
    print(table(found), end="")
    return 0


def measured(
    assistant: AnomalyGPT, options: argparse.Namespace, category: str
) -> dict[str, Figures]:
    """COLUMNS by what photos of a product are compared with, mean over draws."""
    data = open_data(options.data, "mvtec", [category])
    tests = [
        *_spaced(data.select(split="test", is_anomalous=False), options.most),
        *_spaced(data.select(split="test", is_anomalous=True), options.most),
    ]
    shown = with_bar(tests, len(tests), f"photos of {category}")
    encoded = [_encoded(assistant, sample, options.references > 0) for sample in shown]
    found: dict[str, list[Figures]] = {}
    for name, bank in _banks(assistant, options, data, tests, encoded):
        seen = with_bar(encoded, len(encoded), f"{category}, {name}")
        evidence = [assistant.examine(photo, bank) for photo in seen]
        found.setdefault(name, []).append(judged(assistant, evidence, tests))
        print(category, name, found[name][-1], flush=True)
    return {name: _mean(draws) for name, draws in found.items()}


def judged(assistant: AnomalyGPT, evidence: Sequence[Evidence], tests: Sequence[Sample]) -> Figures:
    """COLUMNS of photos that were examined one by one; None without masks or one of both kinds."""
    bad = np.array([sample.is_anomalous for sample in tests])
    scores = np.array([float(each.scores[0]) for each in evidence])
    said = [assistant.judge(each)[0].anomaly_probability or 0.0 for each in evidence]
    figures = {
        **ranking_figures(scores, bad),
        **verdict_figures(np.array(said) > EVEN, bad),
        "pixel_auroc": _pixel_auroc(evidence, tests),
    }
    return {name: figures[name] for name in COLUMNS}


def table(found: dict[str, dict[str, Figures]]) -> str:
    """A row for each product and what it was compared with, and their means, in percent."""
    ways = list(next(iter(found.values())))
    mean = {way: _mean([each[way] for each in found.values()]) for way in ways}
    lines = [
        "| product | compared with | " + " | ".join(COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 2) + "|",
    ]
    for product, figures in {**found, "mean": mean}.items():
        for way, values in figures.items():
            cells = ["–" if value is None else f"{100 * value:.1f}" for value in values.values()]
            lines.append("| " + " | ".join([product, way, *cells]) + " |")
    return "\n".join(lines) + "\n"


def _banks(
    assistant: AnomalyGPT,
    options: argparse.Namespace,
    data: InspectionData,
    tests: Sequence[Sample],
    encoded: Sequence[EncodedPhotos],
) -> Iterator[tuple[str, MemoryBank]]:
    """What photos are compared with, by name; the same name for each draw of it."""
    yield "nothing", MemoryBank()
    numbers = np.arange(len(tests))
    bad = np.array([sample.is_anomalous for sample in tests])
    for seed in options.seeds:
        generator = np.random.default_rng(seed)
        for share in (None, *SHARES):
            count = min(MOST_PHOTOS, len(tests))
            if share is None:
                chosen = generator.choice(numbers, count, replace=False)
            else:
                wrong = min(round(share * count), int(bad.sum()))
                right = min(count - wrong, int((~bad).sum()))
                # As many bad ones as the share asks for, also where good ones are few.
                wrong = min(wrong, round(right * share / (1 - share)))
                chosen = np.concatenate(
                    [
                        generator.choice(numbers[~bad], right, replace=False),
                        generator.choice(numbers[bad], wrong, replace=False),
                    ]
                )
            name = "the run" if share is None else f"a run, {share:.0%} bad"
            yield name, bank_among(assistant, [encoded[number] for number in chosen])
    if options.references:
        good = [sample.image for sample in data.select(split="train", is_anomalous=False)]
        drawn = np.random.default_rng(0).choice(len(good), options.references, replace=False)
        bank = assistant.remember([good[number] for number in drawn], detail=options.detail)
        yield f"{options.references} references", bank


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode()))


def _encoded(assistant: AnomalyGPT, sample: Sample, looks_closer: bool) -> EncodedPhotos:
    photo = assistant.encode([sample.image])
    return photo if looks_closer else replace(photo, closer=())


def _pixel_auroc(evidence: Sequence[Evidence], tests: Sequence[Sample]) -> float | None:
    counts, size = PixelCounts(), (MASK_SIZE, MASK_SIZE)
    for each, sample in zip(evidence, tests, strict=True):
        if sample.is_anomalous and not sample.masks:
            return None
        geometry = each.photos.geometries[0]
        mask = load_mask(sample, geometry.original).astype(np.uint8)
        small = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT) > 0
        counts.add(geometry.back_project(each.maps[0].float().cpu().numpy(), size), small)
    return counts.figures()["pixel_auroc"]


def _spaced(samples: Sequence[Sample], most: int | None) -> Sequence[Sample]:
    """At most so many, evenly over all."""
    if most is None or len(samples) <= most:
        return samples
    return [samples[index * len(samples) // most] for index in range(most)]


def _mean(draws: Sequence[Figures]) -> Figures:
    found: Figures = {}
    for name in COLUMNS:
        known = [value for each in draws if (value := each[name]) is not None]
        found[name] = float(np.mean(known)) if known else None
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with the products, laid out as MVTec AD")
    parser.add_argument("--category", nargs="+", required=True, metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="of runs (default 0)")
    parser.add_argument(
        "--references", type=int, default=4, help="0 measures none (default 4, seed 0)"
    )
    parser.add_argument("--detail", default="auto", help="of the references, see few-shot.md")
    parser.add_argument(
        "--most", type=int, metavar="N", help="good and bad test photos each, evenly over all"
    )
    parser.add_argument("--output", type=Path, metavar="FILE.md")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
