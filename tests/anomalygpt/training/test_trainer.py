"""Runs: what they change, write and keep, and that a stopped one goes on as if it had not been."""

from __future__ import annotations

import csv
import json
import math
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from anomalygpt import AnomalyGPT, GenerationOptions
from anomalygpt.errors import ConfigError, TrainingError, WorkerError
from anomalygpt.files import hash_file
from anomalygpt.training import TrainingArguments, checkpoints, validation
from anomalygpt.training import processes as processes_module
from anomalygpt.training import trainer as trainer_module
from anomalygpt.training.trainer import Trainer, learning_rate
from tests import processes

# Columns that say how long something took.
CLOCK = ("seconds", "rows_per_second")


@pytest.fixture(autouse=True)
def _short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random models talk on until they are cut."""
    monkeypatch.setattr(validation, "_ANSWER", GenerationOptions(max_new_tokens=3))


def before_step(
    monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], object], once: bool = True
) -> None:
    """Do something in the middle of a run, just before its step `step` (from 1) is computed."""
    usual = Trainer._do_step
    done: list[int] = []

    def do_step(self: Trainer, batch: Any, bar: Any) -> None:
        if self.step == step - 1 and not (once and done):
            done.append(step)
            act()
        usual(self, batch, bar)

    monkeypatch.setattr(Trainer, "_do_step", do_step)


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


@pytest.fixture
def instructions(tmp_path: Path, discs: Path) -> str:
    """Two dialogues about pictures, as PandaGPT's."""
    folder = tmp_path / "instructions"
    (folder / "images").mkdir(parents=True)
    entries = []
    for number in range(2):
        shutil.copyfile(
            discs / "disc" / "train" / "good" / f"00{number}.png",
            folder / "images" / f"{number}.png",
        )
        turns = [
            {"from": "human", "value": "<image>\nWhat is it?"},
            {"from": "gpt", "value": f"It is part {number}."},
        ]
        entries.append({"image_name": f"{number}.png", "conversation": turns})
    path = folder / "pandagpt4_visual_instruction_data.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    return str(folder)


# --- what a run changes and writes -------------------------------------------------------------


def test_only_decoder_and_prompt_learner_learn(training_arguments, assistant_folder, discs) -> None:
    trainer = Trainer(training_arguments(max_steps=3))
    assert trainer.run()
    before = AnomalyGPT.from_pretrained(assistant_folder, device="cpu").state_dict()
    after = trainer.assistant.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[0] for name in changed} == {"decoder", "prompt_learner"}
    assert set(trainer.trainable) >= changed

    exported = AnomalyGPT.from_pretrained(trainer.output / "assistant", device="cpu")
    assert_equal(exported.state_dict(), after)
    photo, reference = (
        discs / "disc" / "test" / name for name in ("stain/000.png", "good/000.png")
    )
    for references in ([], [reference]):
        said = [model.inspect(photo, references) for model in (exported, trainer.assistant)]
        assert said[0].answer == said[1].answer
        assert said[0].anomaly_probability == said[1].anomaly_probability
        assert (said[0].anomaly_map == said[1].anomaly_map).all()


def test_logs_validates_saves_and_keeps_what_it_should(training_arguments, monkeypatch) -> None:
    """The held-out loss is told, so that the best step is known: the fourth."""
    told = iter([9.0, 5.0, 3.0, 4.0, 3.5])
    monkeypatch.setattr(
        "anomalygpt.training.trainer.Validation.run", lambda *_: {"loss": next(told)}
    )
    saved: list[int] = []
    most: list[int] = []
    usual = Trainer._save

    def save(self: Trainer) -> None:
        usual(self)
        saved.append(self.step)
        most.append(len(checkpoints.existing(self.output)))

    monkeypatch.setattr(Trainer, "_save", save)
    arguments = training_arguments(
        epochs=5, max_steps=7, validate_every=2, save_every=3, log_every=5
    )
    trainer = Trainer(arguments)
    assert trainer.run()
    assert steps(trainer.output) == [0, 2, 4, 5, 6, 7]
    validated = [int(r["step"]) for r in log_rows(trainer.output) if r["validation_loss"]]
    assert validated == [0, 2, 4, 6, 7]
    assert sorted(set(saved)) == [2, 3, 4, 6, 7]
    assert max(most) == 2
    assert kept(trainer.output) == [4, 7]
    assert trainer.best == {"step": 4, "loss": 3.0}
    best, last = checkpoints.existing(trainer.output)
    assert_equal({n: w.detach() for n, w in trainer.trainable.items()}, checkpoints.load(best)[0])
    assert json.loads((last / "arguments.json").read_text()) == json.loads(
        (best / "arguments.json").read_text()
    )
    assert json.loads((last / "arguments.json").read_text())["max_steps"] == 7
    assert (trainer.output / "curves.png").read_bytes().startswith(b"\x89PNG")
    hidden = [path for path in trainer.output.rglob("*") if path.name.startswith(".")]
    assert not hidden


@pytest.mark.parametrize(
    ("ablation", "parts"),
    [
        ("no-decoder", {"decoder", "prompt_learner"}),
        ("no-prompt-learner", {"decoder"}),
        ("lora", {"decoder", "language_model"}),
        ("decoder-only", {"decoder"}),
    ],
)
def test_ablations_train_their_parts(training_arguments, ablation, parts) -> None:
    trainer = Trainer(training_arguments(ablation=ablation, max_steps=2, validation_rows=2))
    before = {name: value.detach().clone() for name, value in trainer.trainable.items()}
    assert {name.split(".")[0] for name in before} == parts
    assert trainer.run()
    changed = {
        n.split(".")[0] for n, v in trainer.trainable.items() if not torch.equal(v, before[n])
    }
    assert changed == parts
    exported = AnomalyGPT.from_pretrained(trainer.output / "assistant", device="cpu")
    assert (exported.language_model is None) == (ablation == "decoder-only")
    assert (exported.prompt_learner is None) == (ablation != "no-decoder")
    assert_equal(exported.state_dict(), trainer.assistant.state_dict())


def test_bf16_trains_weights_that_stay_float32(training_arguments) -> None:
    trainer = Trainer(training_arguments(mixed_precision="bf16", max_steps=2))
    assert trainer.run()
    weights = last_weights(trainer.output)
    assert {value.dtype for value in weights.values()} == {torch.float32}
    assert all(value.isfinite().all() for value in weights.values())


def test_fp16_needs_a_gpu(training_arguments) -> None:
    with pytest.raises(ConfigError, match="fp16 needs a GPU; bf16"):
        Trainer(training_arguments(mixed_precision="fp16"))


@pytest.mark.parametrize("ablation", ["none", "lora"])
def test_gradient_checkpointing_computes_twice_and_gives_the_same_gradients(
    training_arguments, tmp_path, ablation
) -> None:
    calls: dict[bool, int] = {}
    gradients: dict[bool, dict[str, Tensor]] = {}
    for saving in (False, True):
        arguments = training_arguments(
            output=str(tmp_path / f"{saving}"),
            ablation=ablation,
            gradient_checkpointing=saving,
            max_steps=1,
            validation_rows=0,
        )
        trainer = Trainer(arguments)
        modules = trainer.assistant.language_model.model.named_modules()
        layer = next(module for name, module in modules if name.endswith("layers.0.mlp"))
        counted: list[int] = []
        layer.register_forward_pre_hook(lambda *_, counted=counted: counted.append(1))
        assert trainer.run()
        calls[saving] = len(counted)
        gradients[saving] = {n: p.grad.clone() for n, p in trainer.trainable.items()}
    assert calls == {False: 1, True: 2}
    assert max(float(g.abs().max()) for g in gradients[False].values()) > 0
    assert_close(gradients[False], gradients[True], 1e-7)


@pytest.mark.parametrize("total", [1, 2, 7, 10, 1000])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5, 1.0])
def test_the_rate_rises_linearly_and_falls_as_a_cosine(
    training_arguments, total: int, warmup: float
) -> None:
    arguments = training_arguments(learning_rate=0.5, warmup=warmup)
    rates = [learning_rate(arguments, step, total) for step in range(total)]
    rising = math.ceil(warmup * total)
    assert all(0 < rate <= 0.5 for rate in rates)
    assert rates[:rising] == pytest.approx([0.5 * (s + 1) / rising for s in range(rising)])
    falling = rates[rising:]
    assert falling == sorted(falling, reverse=True)
    # A half cosine: as far above the middle before it as below after it.
    mirrored = [x + y for x, y in zip(falling[1:], falling[:0:-1], strict=True)]
    assert mirrored == pytest.approx([0.5] * len(mirrored))
    if len(falling) >= 500:
        assert falling[-1] < 1e-5


# --- what it remembers -------------------------------------------------------------------------


def remembered(output: str | Path) -> list[str]:
    text = (Path(output) / "assistant" / "training_photos.txt").read_text(encoding="utf-8")
    heading, *hashes = text.splitlines()
    assert heading.startswith("# SHA-256 of each photo")
    assert hashes == sorted(set(hashes))
    return hashes


def hashed(*folders: Path) -> set[str]:
    return {hash_file(photo) for folder in folders for photo in folder.iterdir()}


def test_an_assistant_remembers_its_photos_and_those_of_the_assistant_it_began_as(
    training_arguments, make_discs_in, discs, instructions, tmp_path
) -> None:
    """Good ones, held out or not, of all data sets, real defects, pictures of dialogues."""
    plates = make_discs_in(tmp_path / "plates", "plate", 3, (44, 44)) / "plate"
    pictures = Path(instructions) / "images"
    for number, picture in enumerate(sorted(pictures.iterdir())):
        Image.new("RGB", (20, 20), (number, 0, 0)).save(picture)
    once = training_arguments(
        also=(str(plates.parent),), supervised=True, instructions=instructions, max_steps=1,
        validation_rows=2,
    )  # fmt: skip
    trainer = Trainer(once)
    assert trainer.run()
    good = discs / "disc" / "train" / "good", plates / "train" / "good"
    defects = discs / "disc" / "test" / "stain", plates / "test" / "stain"
    first = hashed(*good, *defects, pictures)
    assert len(first) >= 10 + 3 + 2 + 2
    assert set(remembered(once.output)) == first == trainer.assistant.training_photos
    assert not first & hashed(discs / "disc" / "test" / "good", plates / "test" / "good")

    rods = make_discs_in(tmp_path / "rods", "rod", 3, (36, 40))
    again = training_arguments(
        model=f"{once.output}/assistant", output=str(tmp_path / "again"), data=str(rods),
        max_steps=1, validation_rows=0,
    )  # fmt: skip
    assert Trainer(again).run()
    added = hashed(rods / "rod" / "train" / "good")
    assert not added & first
    assert set(remembered(again.output)) == first | added


def test_a_stopped_run_remembers_what_one_that_was_not_does(
    training_arguments, make_discs_in, tmp_path, monkeypatch
) -> None:
    """Even a photo that was moved to the test photos in between."""
    photos = make_discs_in(tmp_path / "discs") / "disc" / "train" / "good"
    settings: dict[str, Any] = {
        "data": str(photos.parents[2]), "max_steps": 2, "epochs": 2, "validation_rows": 0,
    }  # fmt: skip
    whole = training_arguments(output=str(tmp_path / "whole"), **settings)
    assert Trainer(whole).run()
    assert set(remembered(whole.output)) == hashed(photos)
    stopped = training_arguments(output=str(tmp_path / "stopped"), **settings)
    before_step(monkeypatch, 1, ctrl_c)
    assert not Trainer(stopped).run()
    (photos / "003.png").rename(photos.parents[1] / "test" / "good" / "moved.png")
    assert Trainer(stopped, resume=True).run()
    assert remembered(stopped.output) == remembered(whole.output)


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


# --- other processes ---------------------------------------------------------------------------


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
