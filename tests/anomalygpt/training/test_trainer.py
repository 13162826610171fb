"""Runs: what they change, write and keep, and which photos they remember."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from anomalygpt import AnomalyGPT
from anomalygpt.errors import ConfigError
from anomalygpt.files import hash_file
from anomalygpt.training import checkpoints
from anomalygpt.training.trainer import Trainer, learning_rate
from tests.training_runs import (
    assert_close,
    assert_equal,
    before_step,
    ctrl_c,
    kept,
    last_weights,
    log_rows,
    remembered,
    steps,
)

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
    save, prune = checkpoints.save, checkpoints.prune

    def saving(output: Path, step: int, *rest: Any) -> Path:
        saved.append(step)
        return save(output, step, *rest)

    def pruning(output: Path, keep: set[int]) -> None:
        prune(output, keep)
        most.append(len(checkpoints.existing(output)))

    monkeypatch.setattr(checkpoints, "save", saving)
    monkeypatch.setattr(checkpoints, "prune", pruning)
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
