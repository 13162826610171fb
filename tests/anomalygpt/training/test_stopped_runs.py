"""Runs that are stopped or meet trouble: they end saved, and go on as if nothing had been."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from anomalygpt.errors import ConfigError, TrainingError, WorkerError
from anomalygpt.training import checkpoints
from anomalygpt.training import trainer as trainer_module
from anomalygpt.training.trainer import Trainer
from tests.training_runs import (
    assert_close,
    assert_equal,
    before_step,
    ctrl_c,
    kept,
    last_weights,
    log_rows,
    steps,
)

# --- going on ----------------------------------------------------------------------------------


@pytest.mark.parametrize("also", ["simulated", "instructions"])
def test_a_stopped_run_ends_with_the_same_weights(
    training_arguments, tmp_path, monkeypatch, instructions, also
) -> None:
    settings: dict[str, Any] = {"max_steps": 5, "validate_every": 2, "log_every": 1, "epochs": 2}
    if also == "instructions":
        settings["instructions"] = instructions
    whole = training_arguments(output=str(tmp_path / "whole"), **settings)
    assert Trainer(whole).run()
    stopped = training_arguments(output=str(tmp_path / "stopped"), **settings)
    before_step(monkeypatch, 3, ctrl_c)
    trainer = Trainer(stopped)
    assert not trainer.run()
    assert kept(stopped.output)[-1] == trainer.step == 3
    assert "saved up to step 3 of 5; go on with the same command and --resume" in (
        trainer.how_to_go_on()
    )
    assert Trainer(stopped, resume=True).run()
    rows = log_rows(stopped.output)
    assert [row["step"] for row in rows] == ["0", "1", "2", "3", "4", "5"]
    assert rows == log_rows(whole.output)
    if also == "instructions":
        assert [row["kind"] for row in rows[1:]] == ["simulated", "instruction"] * 2 + ["simulated"]
    assert kept(stopped.output) == kept(whole.output)
    for one, other in zip(
        checkpoints.existing(Path(whole.output)),
        checkpoints.existing(Path(stopped.output)),
        strict=True,
    ):
        weights, state = checkpoints.load(one)
        its_weights, its_state = checkpoints.load(other)
        assert_equal(weights, its_weights)
        assert state["best"] == its_state["best"]
        moments = [s["optimizer"]["state"] for s in (state, its_state)]
        for number, values in moments[0].items():
            assert_equal(values, moments[1][number])
    exported = [Path(run.output) / "assistant" for run in (whole, stopped)]
    for file in ("decoder.safetensors", "prompt_learner.safetensors"):
        assert_equal(load_file(exported[0] / file), load_file(exported[1] / file))


def test_what_does_not_touch_the_weights_may_change(
    training_arguments, tmp_path, monkeypatch
) -> None:
    settings: dict[str, Any] = {"max_steps": 4, "validation_rows": 0}
    whole = training_arguments(output=str(tmp_path / "whole"), **settings)
    assert Trainer(whole).run()
    stopped = training_arguments(output=str(tmp_path / "stopped"), **settings)
    before_step(monkeypatch, 2, ctrl_c)
    assert not Trainer(stopped).run()
    other = training_arguments(
        output=stopped.output, **settings, micro_batch_size=3, workers=1, log_every=1
    )
    assert Trainer(other, resume=True).run()
    assert steps(stopped.output) == [3, 4]
    # A step moves a weight by up to 1e-3.
    assert_close(last_weights(whole.output), last_weights(stopped.output), 1e-5)


def test_a_run_is_not_mixed_with_another(training_arguments) -> None:
    arguments = training_arguments(max_steps=1, validation_rows=0)
    assert Trainer(arguments).run()
    with pytest.raises(ConfigError, match="saved up to step 1; add --resume"):
        Trainer(arguments)
    other = training_arguments(max_steps=1, validation_rows=0, learning_rate=0.5)
    with pytest.raises(ConfigError, match=r"learning_rate=0.001, now it is 0.5"):
        Trainer(other, resume=True)
    # A complete run has nothing left to do.
    before = last_weights(arguments.output)
    assert Trainer(arguments, resume=True).run()
    assert_equal(before, last_weights(arguments.output))


def test_weights_of_another_model_are_refused(training_arguments) -> None:
    arguments = training_arguments(max_steps=1, validation_rows=0)
    trainer = Trainer(arguments)
    name, weight = next(iter(trainer.trainable.items()))
    before = weight.detach().clone()
    weights = {n: w.detach() + 1 for n, w in trainer.trainable.items()}
    for odd in ({n: w for n, w in weights.items() if n != name}, {**weights, name: weight[:1]}):
        with pytest.raises(ConfigError, match=f"the first that differs: {name}"):
            checkpoints.set_weights(trainer.trainable, odd, Path("here"))
    assert torch.equal(weight, before)


def test_resuming_where_nothing_was_saved_begins(training_arguments) -> None:
    arguments = training_arguments(max_steps=1, validation_rows=0)
    assert Trainer(arguments, resume=True).run()
    assert kept(arguments.output) == [1]


def test_the_second_ctrl_c_ends_at_once(training_arguments, monkeypatch) -> None:
    """A launcher passes on what reached us already: that one is no second."""
    monkeypatch.setattr(trainer_module, "SAME_SIGNAL", 0.05)

    def twice() -> None:
        ctrl_c()
        ctrl_c()
        signal.raise_signal(signal.SIGTERM)
        time.sleep(0.1)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            ctrl_c()

    before_step(monkeypatch, 2, twice)
    former = signal.getsignal(signal.SIGTERM)
    assert not Trainer(training_arguments(max_steps=4, validation_rows=0)).run()
    assert signal.getsignal(signal.SIGTERM) is former


# --- workers that die or hang ---


def workers_get(number: int) -> Callable[[], None]:
    """Sends a signal to all processes that prepare batches."""

    def send() -> None:
        for child in multiprocessing.active_children():
            os.kill(int(child.pid or 0), number)

    return send


def test_a_worker_that_is_killed_ends_the_run_saved(training_arguments, monkeypatch, tmp_path):
    settings = {"max_steps": 8, "epochs": 4, "validation_rows": 0, "workers": 2}
    run = training_arguments(**settings)
    before_step(monkeypatch, 2, workers_get(signal.SIGKILL))
    with pytest.raises(
        WorkerError, match=r"killed by SIGKILL.*; saved up to step \d of 8"
    ) as caught:
        Trainer(run).run()
    assert "\n" not in str(caught.value)
    assert kept(run.output)[-1] >= 2  # what was made ahead is used up first
    assert Trainer(run, resume=True).run()
    whole = training_arguments(**settings, output=str(tmp_path / "whole"))
    assert Trainer(whole).run()
    assert_equal(last_weights(run.output), last_weights(whole.output))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_waiting_for_a_worker(training_arguments, monkeypatch, number) -> None:
    """Nothing comes from a worker that hangs; the run is saved and ends all the same."""
    run = training_arguments(max_steps=8, epochs=4, validation_rows=0, workers=1)
    timers = []

    def hang() -> None:
        workers_get(signal.SIGSTOP)()
        timers.append(threading.Timer(3, os.kill, (os.getpid(), number)))
        timers[0].start()

    before_step(monkeypatch, 2, hang)
    try:
        assert not Trainer(run).run()
    finally:
        timers[0].cancel()
    assert 2 <= kept(run.output)[-1] < 8


# --- trouble -----------------------------------------------------------------------------------


def test_a_loss_that_is_no_number(training_arguments) -> None:
    arguments = training_arguments(
        learning_rate=1e30, max_steps=6, save_every=1, warmup=0, validation_rows=0
    )
    with pytest.raises(TrainingError, match="new folder with a lower --learning-rate") as raised:
        Trainer(arguments).run()
    # To resume would lead to the same place.
    assert "--resume" not in str(raised.value)
    assert kept(arguments.output)


def test_unreadable_photos_are_named_once_and_replaced(
    training_arguments, make_discs_in, tmp_path, monkeypatch, capsys
) -> None:
    """One is broken from the beginning, one in the middle of the first epoch."""
    photos = make_discs_in(tmp_path / "discs") / "disc" / "train" / "good"
    (photos / "003.png").write_bytes((photos / "003.png").read_bytes()[:200])
    before_step(monkeypatch, 2, lambda: (photos / "005.png").write_text("no picture"))
    arguments = training_arguments(
        data=str(photos.parents[2]), epochs=3, reference_share=0.5, validation_share=0.0
    )
    trainer = Trainer(arguments)
    assert trainer.run()
    assert trainer.step == trainer.total_steps == 15
    told = [line for line in capsys.readouterr().err.splitlines() if "skipped" in line]
    named = sorted(name for line in told for name in ("003.png", "005.png") if name in line)
    assert named == ["003.png", "005.png"]
    assert len(told) == 2


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, but: int = 0) -> None:
    """Leave only a few bytes free."""
    room = shutil.disk_usage(folder).free - but
    (folder / "filler").write_bytes(bytes(room))


@pytest.mark.parametrize(
    ("step", "log_every", "room", "saved"),
    [
        pytest.param(4, 100, 0, 2, id="no checkpoint"),
        pytest.param(4, 1, 0, 2, id="no log"),
        pytest.param(6, 100, 500_000, 6, id="no assistant"),
        pytest.param(1, 1, 0, None, id="nothing at all"),
    ],
)
def test_a_full_disk_costs_nothing_that_was_saved(
    training_arguments, as_options, anomalygpt, tmp_path, monkeypatch, disk,
    step, log_every, room, saved,
) -> None:  # fmt: skip
    settings = {"max_steps": 6, "epochs": 2, "save_every": 2, "validation_rows": 0}
    whole = training_arguments(output=str(tmp_path / "whole"), **settings)
    assert Trainer(whole).run()
    run = training_arguments(output=str(disk / "run"), **settings, log_every=log_every)
    before_step(monkeypatch, step, lambda: fill(disk, room))
    ran = anomalygpt(*as_options(run))
    assert ran.status == 2
    assert not ran.out
    line = ran.err.splitlines()[-1]
    assert sum(text.startswith("anomalygpt: ") for text in ran.err.splitlines()) == 1
    assert "Traceback" not in ran.err
    assert "run" in line
    if saved is None:
        assert "nothing was saved yet" in line
        assert kept(run.output) == []
    else:
        assert f"saved up to step {saved} of 6; go on with the same command and --resume" in line
        assert kept(run.output)[-1] == saved
        for folder in checkpoints.existing(Path(run.output)):
            checkpoints.load(folder)
    assert not [path for path in Path(run.output).rglob("*") if path.name.startswith(".")]
    (disk / "filler").unlink()
    done = anomalygpt(*as_options(run), "--resume")
    assert done.status == 0, done.err
    assert_equal(last_weights(run.output), last_weights(whole.output))
