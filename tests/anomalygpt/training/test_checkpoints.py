"""Checkpoints: whole or not at all, and read back as they were."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from anomalygpt.errors import CheckpointError, OutputError
from anomalygpt.training import checkpoints

WEIGHTS = {"decoder.a": torch.arange(6.0).view(2, 3), "prompt_learner.b": torch.tensor([0.5])}
STATE = {
    "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]},
    "scaler": None,
    "random": [torch.get_rng_state()],
    "best": {"step": 3, "loss": 0.25},
}


@pytest.fixture
def save(training_arguments, tmp_path: Path) -> Callable[..., Path]:
    """Writes a checkpoint of a step into `tmp_path`."""

    def write(step: int, **changes: Any) -> Path:
        return checkpoints.save(tmp_path, step, changes or WEIGHTS, STATE, training_arguments())

    return write


def test_what_is_saved_comes_back(save, training_arguments, tmp_path) -> None:
    folder = save(12)
    weights, state = checkpoints.load(folder)
    assert weights.keys() == WEIGHTS.keys()
    assert all(torch.equal(weights[name], value) for name, value in WEIGHTS.items())
    assert state["step"] == 12
    assert state["best"] == STATE["best"]
    assert state["scaler"] is None
    assert torch.equal(state["random"][0], STATE["random"][0])
    assert torch.equal(state["optimizer"]["state"][0]["exp_avg"], torch.ones(2))
    training_arguments().check_resumable(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "arguments.json",
        "state.pt",
        "weights.safetensors",
    ]


def test_they_come_in_the_order_of_steps_and_nothing_else(save, tmp_path) -> None:
    steps = [100, 3, 20]
    for step in steps:
        save(step)
    folder = tmp_path / checkpoints.FOLDER
    for name in ("step-00000003 (copy)", "step-5.bak", ".step-00000007.partial-0a", "other"):
        (folder / name).mkdir()
    (folder / "step-00000009").write_text("a file")
    found = checkpoints.existing(tmp_path)
    assert [checkpoints.step_of(path) for path in found] == sorted(steps)
    checkpoints.prune(tmp_path, {20, 100})
    assert [checkpoints.step_of(path) for path in checkpoints.existing(tmp_path)] == [20, 100]
    left = {path.name for path in folder.iterdir()}
    # What people put there stays; what a killed run left goes.
    assert {"step-00000003 (copy)", "step-5.bak", "other"} < left
    assert ".step-00000007.partial-0a" not in left


def test_a_folder_without_checkpoints_has_none(tmp_path) -> None:
    assert checkpoints.existing(tmp_path / "none") == []


def test_a_step_is_saved_once(save) -> None:
    first = save(1)
    again = save(1, other=torch.zeros(1))
    assert again == first
    assert checkpoints.load(first)[0].keys() == WEIGHTS.keys()


@pytest.mark.parametrize("name", [checkpoints.WEIGHTS, checkpoints.STATE])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, None])
def test_damaged_checkpoints_are_named(save, name: str, share: float | None) -> None:
    path = save(4) / name
    content = path.read_bytes()
    path.unlink()
    if share is not None:
        path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError) as raised:
        checkpoints.load(path.parent)
    assert str(path.parent) in str(raised.value)
    assert "remove the folder to go on from the one before it" in str(raised.value)


class _Command:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch was-here",)


def test_a_state_cannot_run_code(save, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = save(1)
    torch.save({"step": _Command()}, folder / checkpoints.STATE)
    with pytest.raises(CheckpointError):
        checkpoints.load(folder)
    assert not (tmp_path / "was-here").exists()


def test_no_room_is_said_before_anything_is_written(save, tmp_path, monkeypatch) -> None:
    first = save(1)
    monkeypatch.setattr("anomalygpt.files.shutil.disk_usage", lambda _: SimpleNamespace(free=3))
    with pytest.raises(OutputError, match="only 3 bytes are free"):
        save(2)
    assert list((tmp_path / checkpoints.FOLDER).iterdir()) == [first]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_what_interrupts_the_writing_leaves_nothing(save, tmp_path, monkeypatch, error) -> None:
    first = save(1)

    def fail(self: Path, data: Any) -> int:
        with self.open("wb") as file:
            file.write(data[:10])
        raise error

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OutputError if isinstance(error, OSError) else KeyboardInterrupt):
        save(2)
    assert list((tmp_path / checkpoints.FOLDER).iterdir()) == [first]
    checkpoints.load(first)
