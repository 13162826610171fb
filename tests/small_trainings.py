"""A small data set to train on, and settings of a run, for tests of all parts of training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anomalygpt.training import TrainingArguments

SIZE = (40, 48)  # height, width

DiscsMaker = Callable[..., Path]
ArgumentsMaker = Callable[..., TrainingArguments]


def disc(path: Path, seed: int, size: tuple[int, int] = SIZE, damaged: bool = False) -> None:
    """A bright disc with noise on a dark ground; with a red stain at its top right if damaged."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    inside = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (0.4 * height) ** 2
    pixels = np.where(inside, 170.0, 60.0)[..., None] + np.array([0.0, 10.0, 20.0])
    if damaged:
        pixels[stain(size)] = (230.0, 30.0, 20.0)
    pixels += np.random.default_rng(seed).normal(0, 6, pixels.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)


def stain(size: tuple[int, int] = SIZE) -> tuple[slice, slice]:
    """Where the stain of a damaged disc is."""
    height, width = size
    return slice(height // 5, 2 * height // 5), slice(3 * width // 5, 4 * width // 5)


def make_discs(
    root: Path, category: str = "disc", good: int = 10, size: tuple[int, int] = SIZE
) -> Path:
    """One category in MVTec's layout: `good` training photos, 2 good and 2 stained to test."""
    folder = root / category
    for number in range(good):
        disc(folder / "train" / "good" / f"{number:03d}.png", number, size)
    mask = np.zeros(size, np.uint8)
    mask[stain(size)] = 255
    for number in range(2):
        disc(folder / "test" / "good" / f"{number:03d}.png", 100 + number, size)
        disc(folder / "test" / "stain" / f"{number:03d}.png", 200 + number, size, damaged=True)
        path = folder / "ground_truth" / "stain" / f"{number:03d}_mask.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
    return root


@pytest.fixture(scope="session")
def make_discs_in() -> DiscsMaker:
    """`make_discs_in(folder, category="disc", good=10, size=(40, 48))` writes a data set."""
    return make_discs


@pytest.fixture(scope="session")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of one category, "disc"; do not write into it."""
    return make_discs(tmp_path_factory.mktemp("discs"))


@pytest.fixture
def training_arguments(discs: Path, assistant_folder: Path, tmp_path: Path) -> ArgumentsMaker:
    """Settings of a short run of the tiny assistant on `discs`, with changes.

    Whoever gives an encoder gets no model beside it.
    """

    def make(**changes: Any) -> TrainingArguments:
        settings: dict[str, Any] = {
            "data": str(discs),
            "output": str(tmp_path / "run"),
            "model": None if "encoder" in changes else str(assistant_folder),
            "epochs": 1,
            "batch_size": 4,
            "micro_batch_size": 4,
            "validation_rows": 4,
            "validation_share": 0.2,
            "workers": 0,
            "cpu": True,
        }
        return TrainingArguments(**(settings | changes))

    return make


@pytest.fixture
def own_accelerator() -> Iterator[None]:
    """Accelerate keeps the number format of a process's first run."""
    yield
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def as_options() -> Callable[[TrainingArguments], list[str]]:
    """The command line that means these settings, from "train" on."""

    def options(arguments: TrainingArguments) -> list[str]:
        found = ["train", arguments.data, arguments.output]
        for field in dataclasses.fields(arguments):
            value = getattr(arguments, field.name)
            flag = f"--{field.name.replace('_', '-')}"
            if field.name in ("data", "output") or value in (field.default, {}):
                continue
            if field.name == "encoder_options":
                found += ["--encoder-option", *(f"{key}={text}" for key, text in value.items())]
            elif isinstance(value, bool):
                found.append(flag if value else flag.replace("--", "--no-"))
            else:
                several = value if isinstance(value, tuple) else (value,)
                found += [flag, *map(str, several)]
        return found

    return options
