"""Steps into a training run, and what runs leave behind, for all its tests."""

from __future__ import annotations

import csv
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch
from torch import Tensor

from anomalygpt.training import checkpoints
from anomalygpt.training.batches import Batch, StepBatches

# Columns that say how long something took.
CLOCK = ("seconds", "rows_per_second")


def before_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], object]) -> None:
    """Do something once in the middle of a run, before its step `step` (from 1) is computed."""
    usual = StepBatches.loader
    done: list[int] = []

    def loader(
        batches: StepBatches, start: int, stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[Batch]:
        with closing(usual(batches, start, stopping)) as found:  # type: ignore[type-var]
            for number, batch in enumerate(found, start + 1):
                if number == step and not done:
                    done.append(step)
                    act()
                yield batch

    monkeypatch.setattr(StepBatches, "loader", loader)


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def last_weights(output: str | Path) -> dict[str, Tensor]:
    return checkpoints.load(checkpoints.existing(Path(output))[-1])[0]


def log_rows(output: str | Path) -> list[dict[str, str]]:
    with (Path(output) / "log.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if name not in CLOCK} for row in rows]


def steps(output: str | Path) -> list[int]:
    return [int(row["step"]) for row in log_rows(output)]


def kept(output: str | Path) -> list[int]:
    return [checkpoints.step_of(folder) for folder in checkpoints.existing(Path(output))]


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different


def assert_close(one: dict[str, Tensor], other: dict[str, Tensor], tolerance: float) -> None:
    assert one.keys() == other.keys()
    worst = max(float((one[name] - other[name]).abs().max()) for name in one)
    assert worst <= tolerance


def remembered(output: str | Path) -> list[str]:
    text = (Path(output) / "assistant" / "training_photos.txt").read_text(encoding="utf-8")
    heading, *hashes = text.splitlines()
    assert heading.startswith("# SHA-256 of each photo")
    assert hashes == sorted(set(hashes))
    return hashes
