"""Which photos are trained on, and what the assistant is before the first step."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch

from anomalygpt import AnomalyGPT
from anomalygpt.data import Sample
from anomalygpt.errors import CheckpointError, ConfigError, DataError, SourceError
from anomalygpt.files import hash_file
from anomalygpt.language.language_model import LanguageModel
from anomalygpt.training.start import (
    TrainingData,
    check_weights,
    hash_photos,
    starting_assistant,
    trainable_parameters,
    training_data,
)
from tests.gguf_files import WIDTH, tiny_model, write_gguf

CPU = torch.device("cpu")
ARCHITECTURE = "vit_tiny_patch16_224"
SMALL = {"embed_dim": 32, "depth": 4, "num_heads": 2}


@pytest.fixture
def new_assistant(training_arguments, encoder_file, tiny_llama_folder):
    """Settings that build an assistant from an encoder and a language model."""

    def make(**changes):
        words = {} if changes.get("ablation") == "decoder-only" else {
            "language_model": str(tiny_llama_folder)
        }  # fmt: skip
        return training_arguments(
            encoder=ARCHITECTURE,
            encoder_weights=str(encoder_file),
            encoder_options={"input_size": 64, **SMALL},
            text_width=24,
            prompt_channels=(2, 4, 8, 16, 32),
            **words,
            **changes,
        )

    return make


@pytest.mark.parametrize(
    ("good", "share", "held_out"),
    [
        *[(10, 0.2, 2), (10, 0.0, 0), (10, 0.01, 1), (10, 0.99, 9)],
        *[(2, 0.1, 1), (2, 0.9, 1), (1, 0.5, 0)],
    ],
)
def test_the_share_that_is_held_out(
    training_arguments, make_discs_in, tmp_path, good, share, held_out
):
    data = make_discs_in(tmp_path / "data", good=good)
    chosen = training_data(training_arguments(data=str(data), validation_share=share))
    assert len(chosen.held_out) == held_out
    trained = [sample.image for sample in chosen.samples]
    kept = [sample.image for sample in chosen.held_out]
    assert sorted(trained + kept) == sorted((data / "disc" / "train" / "good").iterdir())
    assert chosen.normal_photos == {"disc": trained}


def test_chance_decides_what_is_held_out(training_arguments):
    chosen = [training_data(training_arguments(seed=seed)) for seed in (0, 0, 1, 2, 3)]
    kept = [tuple(sample.image for sample in data.held_out) for data in chosen]
    assert kept[0] == kept[1]
    assert len(set(kept)) > 1


def test_every_category_takes_part(training_arguments, make_discs_in, tmp_path):
    root = tmp_path / "data"
    for category, good in (("disc", 9), ("plate", 2), ("ring", 1), ("rod", 30)):
        make_discs_in(root, category, good)
    chosen = training_data(training_arguments(data=str(root), validation_share=0.05))
    assert {sample.category for sample in chosen.samples} == {"disc", "plate", "ring", "rod"}
    # A single photo is trained on, not held out.
    assert {sample.category for sample in chosen.held_out} == {"disc", "plate", "rod"}
    assert set(chosen.normal_photos) == {"disc", "plate", "ring", "rod"}
    only = training_data(training_arguments(data=str(root), categories=("rod",)))
    assert {sample.category for sample in [*only.samples, *only.held_out]} == {"rod"}


def test_without_normal_photos_there_is_nothing_to_train_on(
    training_arguments, make_discs_in, tmp_path
):
    data = make_discs_in(tmp_path / "data", good=0)
    with pytest.raises(DataError, match="train/good"):
        training_data(training_arguments(data=str(data)))


def test_test_photos_are_not_looked_at(training_arguments, discs):
    chosen = training_data(training_arguments())
    photos = [sample.image for sample in (*chosen.samples, *chosen.held_out)]
    assert all((discs / "disc" / "train") in path.parents for path in photos)


def test_supervised_adds_defects_with_masks_alone(training_arguments, discs, tmp_path):
    data = Path(shutil.copytree(discs, tmp_path / "data"))
    (data / "disc" / "ground_truth" / "stain" / "001_mask.png").unlink()
    plain = training_data(training_arguments(data=str(data)))
    supervised = training_data(training_arguments(data=str(data), supervised=True))
    added = supervised.samples[len(plain.samples) :]
    assert list(supervised.samples[: len(plain.samples)]) == list(plain.samples)
    assert [sample.image for sample in added] == [data / "disc" / "test" / "stain" / "000.png"]
    assert supervised.held_out == plain.held_out
    assert supervised.normal_photos == plain.normal_photos


def test_supervised_needs_a_mask(training_arguments, discs, tmp_path):
    data = Path(shutil.copytree(discs, tmp_path / "data"))
    shutil.rmtree(data / "disc" / "ground_truth")
    with pytest.raises(DataError, match="--supervised"):
        training_data(training_arguments(data=str(data), supervised=True))


def test_supervised_takes_defects_of_products_without_good_photos(
    training_arguments, make_discs_in, tmp_path
):
    """As all photos of CrackForest are."""
    make_discs_in(tmp_path, "road", good=0)
    found = training_data(training_arguments(data=str(tmp_path), supervised=True))
    assert found.samples
    assert all(sample.is_anomalous and sample.masks for sample in found.samples)
    assert not found.normal_photos
    assert not found.held_out


def test_further_data_sets_are_added(training_arguments, make_discs_in, tmp_path):
    make_discs_in(tmp_path / "one", "disc")
    make_discs_in(tmp_path / "two", "plate")
    alone = training_data(training_arguments(data=str(tmp_path / "one")))
    both = training_data(
        training_arguments(data=str(tmp_path / "one"), also=[str(tmp_path / "two")])
    )
    assert set(both.normal_photos) == {"disc", "plate"}
    assert list(both.samples[: len(alone.samples)]) == list(alone.samples)
    assert len(both.held_out) > len(alone.held_out)


def test_the_photos_of_a_run_are_trained_on_held_out_or_drawn_as_references(tmp_path):
    trained, held_out, good = (tmp_path / f"{name}.png" for name in ("trained", "held", "good"))
    pair = Sample(trained, "disc", "test", True, reference=good)
    data = TrainingData([pair, pair], [Sample(held_out, "disc", "train", False)], {})
    assert data.photos == {trained, held_out, good}


def test_photos_are_hashed_as_everywhere_and_unreadable_ones_left_out(tmp_path):
    (tmp_path / "one.png").write_bytes(b"one")
    (tmp_path / "copy.png").write_bytes(b"one")
    (tmp_path / "folder.png").mkdir()
    assert hash_photos(set(tmp_path.iterdir()) | {tmp_path / "gone.png"}) == {
        hash_file(tmp_path / "one.png")
    }


def _trained_parts(assistant: AnomalyGPT) -> set[str]:
    return {name.split(".")[0] for name in trainable_parameters(assistant)}


@pytest.mark.parametrize("kind", ["model", "encoder"])
@pytest.mark.parametrize(
    ("ablation", "parts"),
    [
        ("none", {"decoder", "prompt_learner"}),
        ("no-decoder", {"decoder", "prompt_learner"}),
        ("no-prompt-learner", {"decoder"}),
        ("lora", {"decoder", "language_model"}),
        ("decoder-only", {"decoder"}),
    ],
)
def test_ablations(training_arguments, new_assistant, kind, ablation, parts):
    arguments = (training_arguments if kind == "model" else new_assistant)(ablation=ablation)
    assistant = starting_assistant(arguments, CPU)
    assert assistant.decoder.has_text_side
    assert assistant.config.decoder == assistant.decoder.config
    assert not assistant.training
    trained = trainable_parameters(assistant)
    assert _trained_parts(assistant) == parts
    assert all(weight.dtype == torch.float32 for weight in trained.values())
    # All else is frozen, and nothing that is trained is.
    everything = dict(assistant.named_parameters())
    if assistant.language_model is not None:
        everything |= {
            f"language_model.{name}": weight
            for name, weight in assistant.language_model.model.named_parameters()
        }
    assert {name for name, weight in everything.items() if weight.requires_grad} == set(trained)
    assert all(everything[name] is weight for name, weight in trained.items())

    learner = assistant.prompt_learner
    assert (assistant.language_model is None) == (ablation == "decoder-only")
    assert (learner is not None) == (ablation in ("none", "no-decoder"))
    assert assistant.config.prompt_learner == (None if learner is None else learner.config)
    if learner is not None:
        maps = torch.rand(2, 224, 224, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            one, other = learner(maps)
        assert torch.equal(one, other) == (ablation == "no-decoder")
    if ablation == "lora":
        names = {name for name in trained if name.startswith("language_model.")}
        assert names
        assert all("lora_" in name for name in names)


@pytest.mark.parametrize("ablation", ["none", "no-decoder", "no-prompt-learner", "decoder-only"])
def test_what_was_built_can_be_saved_and_read(new_assistant, tmp_path, ablation):
    assistant = starting_assistant(new_assistant(ablation=ablation), CPU)
    assistant.save_pretrained(tmp_path / "saved")
    again = AnomalyGPT.from_pretrained(tmp_path / "saved", device="cpu")
    expected = assistant.state_dict()
    assert again.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in again.state_dict().items())
    assert again.config.prompt_learner == assistant.config.prompt_learner


@pytest.mark.parametrize("ablation", ["none", "lora", "decoder-only"])
def test_the_same_seed_gives_the_same_new_parts(new_assistant, ablation):
    def weights(seed: int) -> dict[str, torch.Tensor]:
        # Whatever chance was used before does not matter.
        torch.rand(seed + 3)
        assistant = starting_assistant(new_assistant(ablation=ablation, seed=seed), CPU)
        return {name: w.detach().clone() for name, w in trainable_parameters(assistant).items()}

    first, again, other = weights(0), weights(0), weights(1)
    assert first.keys() == again.keys() == other.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_trained_parts_of_a_model_are_gone_on_with(training_arguments, assistant):
    again = starting_assistant(training_arguments(), CPU)
    expected = assistant.state_dict()
    for name, weight in trainable_parameters(again).items():
        assert torch.equal(weight, expected[name])


def test_an_assistant_without_text_side_gets_one(training_arguments, encoder_file, tmp_path):
    options = {"input_size": 64, **SMALL}
    bare = AnomalyGPT.from_encoder(ARCHITECTURE, encoder_file, options=options, device="cpu")
    bare.save_pretrained(tmp_path / "bare")
    arguments = training_arguments(
        model=str(tmp_path / "bare"), ablation="decoder-only", text_width=20
    )
    assistant = starting_assistant(arguments, CPU)
    assert not bare.decoder.has_text_side
    assert assistant.decoder.has_text_side
    assert assistant.decoder.config.text_width == 20
    assert assistant.decoder.config.learned_states
    assert assistant.decoder.config.stage_widths == bare.decoder.config.stage_widths
    assert set(trainable_parameters(assistant)) == {
        f"decoder.{name}" for name, _ in assistant.decoder.named_parameters()
    }
    with pytest.raises(ConfigError, match="decoder-only"):
        starting_assistant(training_arguments(model=str(tmp_path / "bare")), CPU)


def test_a_text_tower_gives_the_states(training_arguments, build_assistant, monkeypatch):
    """With a text tower the decoder compares with words, as published."""
    assistant = build_assistant(words=False)
    assistant.decoder.fc = torch.nn.ModuleList()
    monkeypatch.setattr(type(assistant.encoder), "text_width", 12, raising=False)
    monkeypatch.setattr(
        type(assistant.encoder),
        "encode_text",
        lambda _, texts: torch.rand(len(texts), 12),
        raising=False,
    )
    monkeypatch.setattr(AnomalyGPT, "from_pretrained", lambda *_, **__: assistant)
    started = starting_assistant(training_arguments(ablation="decoder-only"), CPU)
    assert started.decoder.config.text_width == 12
    assert not started.decoder.config.learned_states
    assert all(name.startswith("decoder.fc.") for name in trainable_parameters(started))


def test_the_map_network_fits_the_language_model(new_assistant, monkeypatch):
    small = starting_assistant(new_assistant(), CPU)
    assert small.config.prompt_learner.channels == (2, 4, 8, 16, 32)
    monkeypatch.setattr("anomalygpt.training.start.LARGE_WIDTH", small.language_model.width)
    large = starting_assistant(new_assistant(), CPU)
    assert large.config.prompt_learner.channels == (4, 16, 64, 256, 1024)


def test_an_adapter_that_came_along_is_trained_with_lora_alone(
    training_arguments, build_assistant, tmp_path
):
    build_assistant(lora=True).save_pretrained(tmp_path / "adapted")
    for ablation, trained in (("none", False), ("lora", True)):
        arguments = training_arguments(model=str(tmp_path / "adapted"), ablation=ablation)
        assistant = starting_assistant(arguments, CPU)
        assert assistant.language_model.has_adapter
        assert ("language_model" in _trained_parts(assistant)) == trained


def test_weights_are_looked_for_without_reading_a_language_model(
    training_arguments, new_assistant, tmp_path, monkeypatch
):
    def refuse(*_, **__):
        raise AssertionError("weights were read")

    monkeypatch.setattr(LanguageModel, "from_pretrained", refuse)
    assert training_arguments().model in check_weights(training_arguments())
    new = new_assistant()
    assert new.encoder_weights in check_weights(new)
    assert new.language_model in check_weights(new)
    for wrong in (
        training_arguments(model=str(tmp_path / "none")),
        training_arguments(
            encoder=ARCHITECTURE,
            encoder_weights=str(tmp_path / "none.pth"),
            language_model=new.language_model,
        ),
        training_arguments(
            encoder=ARCHITECTURE,
            encoder_weights=new.encoder_weights,
            language_model=str(tmp_path / "none"),
        ),
    ):
        with pytest.raises(SourceError, match="none"):
            check_weights(wrong)
    foreign = dataclasses.replace(new, encoder="resnet18", encoder_options={})
    with pytest.raises(CheckpointError, match="missing"):
        check_weights(foreign)


def test_a_language_model_may_be_a_gguf_file(new_assistant, tmp_path):
    pytest.importorskip("gguf", reason="the package gguf writes the file of this test")
    file = write_gguf(tmp_path / "tiny.gguf", tiny_model())
    arguments = dataclasses.replace(new_assistant(), language_model=str(file), template="chat")
    assert str(file) in check_weights(arguments)
    assistant = starting_assistant(arguments, CPU)
    assert assistant.config.prompt_learner.width == assistant.language_model.width == WIDTH
    with pytest.raises(SourceError, match=r"none\.gguf"):
        check_weights(dataclasses.replace(arguments, language_model=str(tmp_path / "none.gguf")))
