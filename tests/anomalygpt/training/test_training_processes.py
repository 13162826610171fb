"""Runs as programs: signals from outside, and several processes that make one run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pytest
import torch

from anomalygpt.errors import ConfigError
from anomalygpt.training import TrainingArguments
from anomalygpt.training import processes as processes_module
from anomalygpt.training.trainer import Trainer
from tests import processes
from tests.training_runs import (
    assert_close,
    assert_equal,
    kept,
    last_weights,
    log_rows,
    remembered,
    steps,
)


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("", 0))
        return str(listener.getsockname()[1])


def signal_once_saved(run: processes.Started, output: str, step: int, what: int) -> None:
    """Send a signal to the whole group as soon as a checkpoint of a step after `step` is there."""
    end = time.monotonic() + 240
    while not (found := kept(output)) or found[-1] <= step:
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)
    os.killpg(run.pid, what)


def test_a_run_with_a_hard_life_ends_with_the_same_weights(
    training_arguments, as_options, tmp_path
) -> None:
    """Killed, then resumed and terminated, resumed and stopped with Ctrl-C, resumed to the end."""
    settings = {
        "epochs": 20, "max_steps": 20, "save_every": 1, "log_every": 1, "validation_rows": 0,
    }  # fmt: skip
    saved = 0
    for what, workers in ((signal.SIGKILL, 0), (signal.SIGTERM, 1), (signal.SIGINT, 0)):
        run = training_arguments(output=str(tmp_path / "run"), **settings, workers=workers)
        process = processes.Started(*as_options(run), "--resume")
        signal_once_saved(process, run.output, saved, what)
        out, err = (written.decode() for written in process.communicate(timeout=180))
        saved = kept(run.output)[-1]
        assert out == ""
        assert "Traceback" not in err
        if what == signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
            continue
        assert process.returncode == 130, err
        assert [line for line in err.splitlines() if line.startswith("anomalygpt: ")] == [
            f"anomalygpt: interrupted; saved up to step {saved} of 20; go on with the same "
            "command and --resume"
        ]
    assert 3 <= saved < 20
    assert Trainer(training_arguments(output=run.output, **settings), resume=True).run()
    whole = training_arguments(output=str(tmp_path / "whole"), **settings)
    assert Trainer(whole).run()
    assert log_rows(run.output) == log_rows(whole.output)
    assert steps(run.output) == list(range(1, 21))
    assert_equal(last_weights(run.output), last_weights(whole.output))


def test_two_processes_are_one_with_the_same_batch(
    training_arguments, as_options, tmp_path, instructions
) -> None:
    """Five rows of a step over two processes; the first row of the log is the step before which
    nothing was learnt, the later ones hold what the steps before them did to the weights.

    Sums in another order differ in the last digit, and Adam makes whole steps of gradients that are
    nothing but that digit; with small steps the rows after them stay comparable.
    """
    settings = {
        "epochs": 4, "max_steps": 4, "log_every": 1, "batch_size": 5, "micro_batch_size": 2,
        "validate_every": 2, "instructions": instructions, "learning_rate": 3e-5,
    }  # fmt: skip
    one = training_arguments(output=str(tmp_path / "one"), **settings)
    assert Trainer(one).run()
    two = training_arguments(output=str(tmp_path / "two"), **settings)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    process = subprocess.Popen(
        [
            *launch, "--num_processes", "2", "--num_machines", "1",
            "--main_process_port", free_port(), "--mixed_precision", "no",
            "--dynamo_backend", "no", "-m", "anomalygpt", *as_options(two),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=300)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, err
    # The processes of torch 2.9 greet each other on stdout, across each other's lines.
    told = [line for line in out.splitlines() if "trained" in line]
    assert told == [f"trained: {two.output}/assistant; use it with --model"]
    rows = [log_rows(run.output) for run in (one, two)]
    assert [row["step"] for row in rows[1]] == ["0", "1", "2", "3", "4"]
    for ours, theirs in zip(*rows, strict=True):
        assert ours.keys() == theirs.keys()
        for name in ("gradient_norm", "loss", "ce", "focal", "dice", "validation_loss"):
            if ours[name]:
                assert float(theirs[name]) == pytest.approx(float(ours[name]), rel=1e-4)
    assert_close(last_weights(one.output), last_weights(two.output), 1e-5)
    assert remembered(one.output) == remembered(two.output)


def test_a_batch_smaller_than_the_processes_is_refused(training_arguments, monkeypatch) -> None:
    class Three:
        num_processes = 3

    monkeypatch.setattr(processes_module, "Accelerator", lambda **_: Three())
    with pytest.raises(ConfigError, match="2 rows cannot be split over 3 processes"):
        Trainer(training_arguments(batch_size=2))


@pytest.mark.parametrize(("world", "expected"), [("1", False), ("2", True)])
def test_processes_without_a_gpu_find_each_other(
    training_arguments, monkeypatch, world, expected
) -> None:
    """Accelerate would take them for runs of their own that write into the same folder."""
    asked: dict[str, Any] = {}
    monkeypatch.setattr(processes_module, "Accelerator", lambda **given: asked.update(given))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("WORLD_SIZE", world)
    arguments: TrainingArguments = training_arguments(cpu=False)
    processes_module.accelerator_of(arguments)
    assert asked == {"mixed_precision": "no", "cpu": expected}
