"""Made results of an evaluation, as results.json and photos.csv have them, and small data sets to
evaluate tiny assistants on."""

from __future__ import annotations

import csv
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from threadpoolctl import threadpool_limits

from anomalygpt import AnomalyGPT, GenerationOptions
from anomalygpt.evaluation.figures import FIGURES
from anomalygpt.evaluation.run import evaluate
from anomalygpt.evaluation.settings import EvaluationSettings

PIXEL = ("pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro", "aupro_05")
NOT_FOR_THRESHOLDS = ("probability_auroc", "ece", "place_precision", "place_recall")
LOW = ("overkill", "miss_rate", "ece")


def made_results(
    categories: Sequence[str] = ("cookie", "nut"),
    shots: Sequence[int] = (1, 4),
    seeds: Sequence[int | None] = (0, 1, 2),
    verdicts: Sequence[str] = ("language", "threshold"),
    without_masks: Sequence[str] = ("nut",),
    photos: int = 24,
) -> SimpleNamespace:
    """`results` and `photos` of a run that never was; the same for the same arguments."""
    chance = random.Random(0)
    rows, taken = [], []
    for category in categories:
        for count in shots:
            for seed in seeds:
                values = _figures(chance, category not in without_masks)
                rows += [
                    _row(category, count, seed, verdict, values, photos) for verdict in verdicts
                ]
                taken += _photos(chance, category, count, seed, verdicts, photos)
    return SimpleNamespace(
        results={
            **_frame(categories, shots, seeds, photos, without_masks),
            "rows": rows,
            "summary": _summary(rows, categories, shots, verdicts),
            "examples": [example for c in categories for example in _examples(c)],
        },
        photos=taken,
    )


@pytest.fixture
def made() -> SimpleNamespace:
    """Two categories, one without masks; 1 and 4 shots, three seeds, both verdicts."""
    return made_results()


@pytest.fixture
def made_with():
    """`made_results`, for runs of another shape."""
    return made_results


def _figures(chance: random.Random, has_masks: bool) -> dict[str, float | None]:
    values: dict[str, float | None] = {}
    for name in FIGURES:
        value = chance.uniform(0.02, 0.2) if name in LOW else chance.uniform(0.7, 0.99)
        is_defined = has_masks or name not in (*PIXEL, "place_precision", "place_recall")
        values[name] = value if is_defined else None
    return values


def _row(
    category: str, shots: int, seed: int | None, verdict: str, values: dict, photos: int
) -> dict[str, Any]:
    figures = dict(values)
    if verdict == "threshold":
        figures.update(dict.fromkeys(NOT_FOR_THRESHOLDS), accuracy=values["accuracy"] - 0.05)
    return {
        "category": category,
        "shots": shots,
        "seed": seed,
        "map": "normalised",
        "verdict": verdict,
        "photos": photos,
        "photos_with_pixels": photos if values["aupro"] is not None else 0,
        "references": [f"{category}/train/good/{number:03}.jpg" for number in range(shots)],
        "threshold": 0.51234567891 if verdict == "threshold" else None,
        **figures,
        "binning_error": {
            name: None if values[name] is None else 1.25e-4 / number
            for number, name in enumerate(PIXEL, 1)
        },
    }


def _photos(
    chance: random.Random,
    category: str,
    shots: int,
    seed: int | None,
    verdicts: Sequence[str],
    count: int,
) -> list[dict[str, Any]]:
    taken = []
    for number in range(count):
        is_anomalous = number % 2 == 0
        score = min(1.0, max(0.0, chance.gauss(0.62 if is_anomalous else 0.45, 0.07)))
        probability = min(1.0, max(0.0, chance.gauss(0.75 if is_anomalous else 0.25, 0.25)))
        for verdict in verdicts:
            has_words = verdict != "threshold"
            said = probability > 0.5 if has_words else score > 0.512
            answer = "Yes, there is, at the top." if said else "No, there is none."
            taken.append(
                {
                    "category": category,
                    "shots": shots,
                    "seed": seed,
                    "map": "normalised",
                    "verdict": verdict,
                    "image": f"{category}/test/{'bad' if is_anomalous else 'good'}/{number:03}.jpg",
                    "kind": "bad" if is_anomalous else None,
                    "is_anomalous": is_anomalous,
                    "score": score,
                    "probability": probability if has_words else None,
                    "threshold": None if has_words else 0.512,
                    "said": said,
                    "answer": answer if has_words else None,
                    "named": ["top", "top left"] if said and has_words else [],
                    "defect_places": ["top"] if is_anomalous else [],
                }
            )
    return taken


def _summary(
    rows: list[dict], categories: Sequence[str], shots: Sequence[int], verdicts: Sequence[str]
) -> list[dict[str, Any]]:
    summary = []
    for category in (*categories, None):
        for count in shots:
            for verdict in verdicts:
                chosen = [
                    row
                    for row in rows
                    if category in (row["category"], None)
                    and (row["shots"], row["verdict"]) == (count, verdict)
                ]
                seeds = list(dict.fromkeys(row["seed"] for row in chosen))
                entry = {"category": category or "mean", "shots": count, "map": "normalised"}
                entry |= {"verdict": verdict, "runs": len(seeds)}
                if category is None:
                    entry["categories"] = len(categories)
                for name in FIGURES:
                    entry[name] = _spread(chosen, seeds, name)
                summary.append(entry)
    return summary


def _spread(rows: list[dict], seeds: list, name: str) -> dict[str, Any] | None:
    means = []
    for seed in seeds:
        values = [row[name] for row in rows if row["seed"] == seed and row[name] is not None]
        means += [statistics.fmean(values)] if values else []
    if not means:
        return None
    std = statistics.stdev(means) if len(means) > 1 else None
    return {"mean": statistics.fmean(means), "std": std}


def _examples(category: str) -> list[dict[str, Any]]:
    return [
        {
            "category": category,
            "shots": 4,
            "seed": 0,
            "map": "normalised",
            "verdict": "language",
            "kind": kind,
            "wrong": number == 0,
            "image": f"{category}/test/{'bad' if kind == 'miss' else 'good'}/{number:03}.jpg",
            "overlay": f"examples/{category}-4-{kind.replace(' ', '-')}-{number}.jpg",
            "score": 0.4567,
            "probability": 0.321,
            "threshold": None,
            "question": "Is there any anomaly in the image?",
            "answer": "No, there is no anomaly in the image.",
            "defect": "broken" if kind == "miss" else None,
        }
        for kind in ("miss", "false alarm")
        for number in range(2)
    ]


def _frame(
    categories: Sequence[str],
    shots: Sequence[int],
    seeds: Sequence[int | None],
    photos: int,
    without_masks: Sequence[str],
) -> dict[str, Any]:
    half = photos // 2
    counts = {
        category: {
            "train": 20,
            "good": photos - half,
            "anomalous": half,
            "with_mask": 0 if category in without_masks else half,
        }
        for category in categories
    }
    stages = {"read": 12.0, "encode": 85.5, "map": 4.25, "language": 310.0, "total": 411.75}
    return {
        "schema_version": 1,
        "date": "2026-11-21T16:00:00+00:00",
        "command": "anomalygpt evaluate data --model demo --shots 1 4 --seeds 0 1 2",
        "versions": {"anomalygpt": "0.1.0", "python": "3.11.2", "torch": "2.9.0"},
        "machine": {"processor": "Xeon", "cores": 2, "device": "cpu", "memory_gb": 23.4},
        "model": {
            "name": "demo",
            "version": "0.1.0",
            "encoder": "vit_tiny_patch16_224",
            "formulation": "normalised",
            "hash": "0123abcd",
        },
        "settings": {
            "data": "data",
            "dataset": "mvtec",
            "categories": list(categories),
            "shots": list(shots),
            "seeds": list(seeds),
            "references": "random",
            "limit": None,
            "mask_size": None,
            "batch_size": 8,
        },
        "data": {"layout": "mvtec", "name": None, "categories": counts},
        "rules": {"masks": "A mask's pixels count as a defect from 128 on."},
        "skipped": [],
        "latency_ms": {
            stage: {"median": value, "p95": 1.5 * value, "photos": photos}
            for stage, value in stages.items()
        },
        "peak_memory_mb": {"process": 1834.5, "gpu": None},
        "published": [],
    }


# --- data sets -----------------------------------------------------------------------------------

SIZE = (72, 96)  # height, width
STAINS = (
    (slice(10, 22), slice(12, 30)),
    (slice(40, 60), slice(60, 74)),
    (slice(30, 38), slice(44, 70)),
    (slice(50, 66), slice(8, 24)),
)


def part(path: Path, seed: int, stain: tuple[slice, slice] | None = None) -> Path:
    """A bright disc with noise on a dark ground, with a reddish stain if one is given."""
    chance = np.random.default_rng(seed)
    height, width = SIZE
    rows, columns = np.mgrid[:height, :width] - chance.uniform(-3, 3, (2, 1, 1))
    disc = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < 28**2
    pixels = np.where(disc, 170.0, 60.0)[..., None] + np.array([0.0, 10.0, 20.0])
    if stain is not None:
        pixels[stain] += chance.uniform(0.3, 1.0) * (np.array([230.0, 30.0, 20.0]) - pixels[stain])
    pixels += chance.normal(0, 8, pixels.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
    return path


def stain_mask(path: Path, stain: tuple[slice, slice], size: tuple[int, int] = SIZE) -> Path:
    """White where the stain is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros(size, np.uint8)
    pixels[stain] = 255
    Image.fromarray(pixels).save(path)
    return path


def make_category(folder: Path, *, masks: bool, seed: int, train: int = 6, each: int = 4) -> Path:
    """A category in MVTec's layout: `train` photos to learn from, `each` good and stained ones."""
    for number in range(train):
        part(folder / "train" / "good" / f"{number:03}.png", seed + number)
    for number in range(each):
        part(folder / "test" / "good" / f"{number:03}.png", seed + 100 + number)
        stain = STAINS[number % len(STAINS)]
        part(folder / "test" / "stain" / f"{number:03}.png", seed + 200 + number, stain)
        if masks:
            stain_mask(folder / "ground_truth" / "stain" / f"{number:03}_mask.png", stain)
    return folder


@pytest.fixture(scope="session")
def making() -> SimpleNamespace:
    """The makers above: `making.part(file, seed, stain)` and so on."""
    return SimpleNamespace(
        part=part, mask=stain_mask, category=make_category, stains=STAINS, size=SIZE
    )


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two categories in MVTec's layout, "disc" with masks and "ring" without; do not change it."""
    root = tmp_path_factory.mktemp("tree")
    make_category(root / "disc", masks=True, seed=0)
    make_category(root / "ring", masks=False, seed=1000)
    return root


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    """One category with masks in MVTec's layout, to be changed at will."""
    make_category(tmp_path / "data" / "disc", masks=True, seed=0, train=4, each=3)
    return tmp_path / "data"


# --- runs ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def _one_blas_thread() -> Iterator[None]:
    """NumPy's threads cost tiny maps more than they give, a hundred times as much on a busy
    machine."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def mute(build_assistant: Callable[..., AnomalyGPT]) -> AnomalyGPT:
    """A tiny assistant with a text side and without a language model; do not change it."""
    return build_assistant(words=False)


@pytest.fixture(scope="session")
def encoder_alone(encoder_file: Path) -> AnomalyGPT:
    """A tiny assistant without a text side; do not change it."""
    options = {"input_size": 64, "embed_dim": 32, "depth": 4, "num_heads": 2}
    return AnomalyGPT.from_encoder("vit_tiny_patch16_224", encoder_file, options=options)


@pytest.fixture
def run(mute: AnomalyGPT, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`run(data, output="results", assistant=mute, **settings)` evaluates into `tmp_path`.

    Unless told otherwise with one reference, one seed and no example pictures.
    """

    def measure(
        data: Path,
        output: str | Path = "results",
        assistant: AnomalyGPT = mute,
        **settings: Any,
    ) -> dict[str, Any]:
        given = {"seeds": (0,), "examples": 0, **settings}
        return evaluate(assistant, EvaluationSettings(str(data), **given), tmp_path / output)

    return measure


@pytest.fixture(scope="session")
def photos_of() -> Callable[[Path], list[dict[str, str]]]:
    """`photos_of(folder)` reads photos.csv."""
    return _photos_csv


@pytest.fixture(scope="session")
def whole_run(
    tree: Path, assistant: AnomalyGPT, tmp_path_factory: pytest.TempPathFactory
) -> SimpleNamespace:
    """`tree` with everything that can be asked for: `results`, `photos`, `folder`, `settings`."""
    folder = tmp_path_factory.mktemp("whole") / "results"
    settings = EvaluationSettings(
        str(tree),
        shots=(0, 1, 2),
        seeds=(0, 1),
        maps=("normalised", "published"),
        verdicts=("language", "threshold"),
        no_decoder=True,
        no_prompt_learner=True,
        batch_size=5,
        examples=1,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "anomalygpt.evaluation.measuring.VERDICT_OPTIONS", GenerationOptions(max_new_tokens=2)
        )
        results = evaluate(assistant, settings, folder, command="anomalygpt evaluate made")
    photos = _photos_csv(folder)
    return SimpleNamespace(results=results, photos=photos, folder=folder, settings=settings)


def _photos_csv(folder: Path) -> list[dict[str, str]]:
    with (folder / "photos.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
