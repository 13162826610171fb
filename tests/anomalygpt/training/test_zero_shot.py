"""Prompts learned on labelled photos: the recorded losses and steps, and a whole small run."""

from __future__ import annotations

import csv
import signal
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anomalygpt import AnomalyGPT
from anomalygpt.checkpoints.anomalyclip import convert_anomalyclip
from anomalygpt.checkpoints.clip import ClipSizes
from anomalygpt.config import AnomalyGPTConfig
from anomalygpt.data import open_data
from anomalygpt.encoders import build_encoder, encoder_config
from anomalygpt.errors import CheckpointError, ConfigError, DataError
from anomalygpt.training.zero_shot import PromptObjective, PromptTrainer, new_assistant
from anomalygpt.training.zero_shot_batches import PromptBatch, batches, labelled_photos
from anomalygpt.training.zero_shot_settings import BETAS, PROMPT_PRESETS, ZeroShotSettings
from decoder import DecoderConfig, ImageDecoder, LearnedPromptsConfig
from tests.small_evaluations import make_category
from tests.tiny_clip import OPTIONS, tiny_clip, write_torchscript

QUICK = ZeroShotSettings(epochs=2, batch_size=3, learning_rate=1e-2)
AD_CLIP = replace(
    PROMPT_PRESETS["ad-clip"], epochs=3, batch_size=2, learning_rate=1e-2, validation_share=0.4
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    return write_torchscript(folder / "ViT.pt", tiny_clip().state_dict())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    make_category(folder / "disc", masks=True, seed=3, train=1, each=3)
    return folder


def fresh(clip: Path) -> AnomalyGPT:
    return new_assistant(clip, options=OPTIONS, device="cpu")


def trainer(clip: Path, data: Path, output: Path, **changes: Any) -> PromptTrainer:
    resume = changes.pop("resume", False)
    samples = labelled_photos(open_data(data))
    return PromptTrainer(fresh(clip), samples, replace(QUICK, **changes), output, resume=resume)


@pytest.mark.parametrize(("group", "stages"), [("train_last", (5,)), ("train_multi", (1, 2, 3, 5))])
def test_the_objective_is_the_recorded_one(
    recorded: Callable[[str], Any], group: str, stages: tuple[int, ...]
) -> None:
    """AnomalyCLIP's losses and two steps, through the assistant's own parts."""
    numbers = recorded("anomalyclip/anomalyclip_tiny.safetensors")
    sizes = asdict(ClipSizes(64, 6, 2, 8, 4, 32, 32, 2))
    options = {**sizes, "value_blocks": 4, "input_size": 48, "stages": stages}
    encoder: Any = build_encoder(encoder_config("value_attention/other", options))
    table = torch.zeros(49408, 32)
    table[numbers["token_embedding.ids"].long()] = numbers["token_embedding.rows"]
    state = {k.removeprefix("clip."): v for k, v in numbers.tensors.items() if k[:5] == "clip."}
    encoder.load_state_dict({**state, "token_embedding.weight": table})
    prompts = LearnedPromptsConfig(32)
    config = AnomalyGPTConfig(
        encoder.config,
        DecoderConfig((32,) * len(stages), 32, False, 1 / 0.07, 48, prompts=prompts),
    )
    objective = PromptObjective(AnomalyGPT(config, encoder, ImageDecoder(config.decoder)))
    own = objective.prompts
    own.load_state_dict({k: numbers[f"prompt_learner.{k}"] for k in own.state_dict()})
    mask = (numbers["input.mask"] > 0.5).float()
    batch = PromptBatch(numbers["input.pixels"], mask, numbers["input.label"])
    optimizer = torch.optim.Adam(own.parameters(), lr=ZeroShotSettings().learning_rate, betas=BETAS)
    for step in (1, 2):
        image, pixels = objective(batch)
        found = f"{group}.step{step}"
        torch.testing.assert_close(image[None], numbers[f"{found}.image_loss"])
        torch.testing.assert_close(pixels[None], numbers[f"{found}.pixel_loss_times4"])
        optimizer.zero_grad()
        (image + pixels).backward()
        optimizer.step()
        for name, value in own.named_parameters():
            expected = numbers[f"{found}.after.{name}"]
            torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)
    assert all(value.grad is None for value in encoder.parameters())


def test_photos_are_the_labelled_test_photos(data: Path) -> None:
    photos = labelled_photos(open_data(data))
    assert len(photos) == 6
    assert sum(photo.is_anomalous for photo in photos) == 3
    assert all(photo.split == "test" for photo in photos)


def test_both_sorts_are_needed(tmp_path: Path) -> None:
    make_category(tmp_path / "disc", masks=False, seed=3, train=1, each=1)
    with pytest.raises(DataError, match="no damaged test photos with masks"):
        labelled_photos(open_data(tmp_path))


def test_each_photo_comes_once_with_its_mask(clip: Path, data: Path) -> None:
    samples = labelled_photos(open_data(data))
    seen = list(batches(samples, fresh(clip), 4, np.random.default_rng(0)))
    assert [len(batch.labels) for batch in seen] == [4, 2]
    labels = torch.cat([batch.labels for batch in seen])
    masks = torch.cat([batch.masks for batch in seen])
    assert masks.shape == (6, 48, 48)
    assert torch.equal(labels.bool(), masks.flatten(1).any(dim=1))


def test_a_run_learns_and_serves(clip: Path, data: Path, tmp_path: Path) -> None:
    run = trainer(clip, data, tmp_path / "run", epochs=6)
    lines: list[str] = []
    before = {k: v.clone() for k, v in run.objective.prompts.state_dict().items()}
    assert run.run(lines.append)
    assert len(lines) == len(run.losses) == 6
    assert sum(run.losses[-1]) < sum(run.losses[0])
    served = AnomalyGPT.from_pretrained(tmp_path / "run" / "assistant", device="cpu")
    assert len(served.training_photos) == 6
    prompts = served.decoder.prompts
    assert prompts is not None
    assert not torch.equal(prompts.ctx_neg, before["ctx_neg"])
    # The last epoch in the published form gives the same assistant.
    convert_anomalyclip(tmp_path / "run" / "epoch_6.pth", clip, tmp_path / "again", options=OPTIONS)
    again = AnomalyGPT.from_pretrained(tmp_path / "again", device="cpu")
    photo = labelled_photos(open_data(data))[-1].image
    maps = [each.inspect(photo, map_only=True).small_map for each in (served, again)]
    assert torch.equal(*map(torch.from_numpy, maps))
    assert again.config == served.config


def test_a_run_that_was_stopped_goes_on(clip: Path, data: Path, tmp_path: Path) -> None:
    whole = trainer(clip, data, tmp_path / "whole")
    whole.run(lambda line: None)
    first = trainer(clip, data, tmp_path / "parts")
    assert not first.run(lambda line: signal.raise_signal(signal.SIGINT))
    assert first.epoch == 1
    assert not (tmp_path / "parts" / "assistant").exists()
    second = trainer(clip, data, tmp_path / "parts", resume=True)
    assert second.epoch == 1
    assert second.run(lambda line: None)
    assert second.losses == whole.losses
    for name, value in whole.objective.prompts.state_dict().items():
        assert torch.equal(value, second.objective.prompts.state_dict()[name]), name


def test_another_run_is_not_overwritten(clip: Path, data: Path, tmp_path: Path) -> None:
    trainer(clip, data, tmp_path, epochs=1).run(lambda line: None)
    with pytest.raises(ConfigError, match="holds a run already"):
        trainer(clip, data, tmp_path, epochs=1)
    with pytest.raises(ConfigError, match="began with other learning_rate"):
        trainer(clip, data, tmp_path, epochs=1, learning_rate=1e-4, resume=True)
    torch.save({"epoch": 1}, tmp_path / "last.pt")
    with pytest.raises(CheckpointError, match=r"last\.pt is damaged"):
        trainer(clip, data, tmp_path, epochs=1, resume=True)


def test_an_assistant_without_prompts_is_refused(assistant: AnomalyGPT) -> None:
    with pytest.raises(ConfigError, match="no learned prompts"):
        PromptObjective(assistant)


def ad_clip(clip: Path, data: Path, output: Path, resume: bool = False) -> PromptTrainer:
    samples = labelled_photos(open_data(data))
    return PromptTrainer(fresh(clip), samples, AD_CLIP, output, resume=resume)


def test_ad_clip_keeps_its_best_epoch(clip: Path, data: Path, tmp_path: Path) -> None:
    run = ad_clip(clip, data, tmp_path / "run")
    assert [len(run.samples), len(run.measured)] == [4, 2]
    lines: list[str] = []
    assert run.run(lines.append)
    assert lines[-1] == f"epoch {run.best} is the best by 2 held-out photos"
    ranks = [(each["image_auroc"], each["pixel_auroc"]) for each in run.figures]
    assert run.best == 1 + ranks.index(max(ranks))
    with (tmp_path / "run" / "log.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(ranks) == 3
    for row, losses in zip(rows, run.losses, strict=True):
        assert [float(row[name]) for name in ("photos", "pixels", "contrastive")] == pytest.approx(
            losses, rel=1e-4
        )
        assert all(0 <= float(row[name]) <= 1 for name in ("precision", "recall", "map", "f1"))
    assert (tmp_path / "run" / "curves.png").read_bytes()[:4] == b"\x89PNG"
    served = AnomalyGPT.from_pretrained(tmp_path / "run" / "assistant", device="cpu")
    assert len(served.training_photos) == 6
    prompts = served.decoder.prompts
    assert prompts is not None
    best = torch.load(tmp_path / "run" / f"epoch_{run.best}.pth", weights_only=True)
    for name, value in prompts.state_dict().items():
        assert torch.equal(value, best["prompt_learner"][name]), name


def test_ad_clip_goes_on_after_a_kill(clip: Path, data: Path, tmp_path: Path) -> None:
    """Whatever ends the process between two epochs, the same files come of it."""
    whole = ad_clip(clip, data, tmp_path / "whole")
    whole.run(lambda line: None)

    class Killed(BaseException):
        pass

    def killed(line: str) -> None:
        raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            ad_clip(clip, data, tmp_path / "parts", resume=True).run(killed)
    last = ad_clip(clip, data, tmp_path / "parts", resume=True)
    assert last.epoch == 2
    assert last.run(lambda line: None)
    assert (last.losses, last.figures, last.best) == (whole.losses, whole.figures, whole.best)
    for name in ("log.csv", "curves.png", "assistant/decoder.safetensors"):
        parts, uncut = (tmp_path / run / name for run in ("parts", "whole"))
        assert parts.read_bytes() == uncut.read_bytes(), name


def test_the_best_epoch_must_be_there(clip: Path, data: Path, tmp_path: Path) -> None:
    run = ad_clip(clip, data, tmp_path)
    torch.save({"prompt_learner": {}}, tmp_path / "spoilt.pth")

    def spoil(line: str) -> None:
        for file in tmp_path.glob("epoch_*.pth"):
            file.write_bytes((tmp_path / "spoilt.pth").read_bytes())

    with pytest.raises(CheckpointError, match=r"epoch_\d\.pth is damaged"):
        run.run(spoil)


def test_dpam_or_value_blocks(clip: Path) -> None:
    with pytest.raises(ConfigError, match="give one of them"):
        new_assistant(clip, options=OPTIONS, dpam=10, device="cpu")
    with pytest.raises(ConfigError, match="this one has 4"):
        new_assistant(clip, options={"input_size": 48}, dpam=10, device="cpu")
    given = new_assistant(clip, options=OPTIONS, dpam=0, device="cpu")
    assert given.config.encoder.options["value_blocks"] == OPTIONS["value_blocks"]
