"""Small data sets to evaluate tiny assistants on, and what comes out."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from threadpoolctl import threadpool_limits

from anomalygpt import AnomalyGPT, GenerationOptions
from anomalygpt.evaluation.run import evaluate
from anomalygpt.evaluation.settings import EvaluationSettings

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
