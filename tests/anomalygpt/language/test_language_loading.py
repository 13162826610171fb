"""Loading a language model: what is missing, damaged or does not fit is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from anomalygpt.errors import (
    CheckpointError,
    ConfigError,
    DeviceError,
    MissingExtraError,
    SourceError,
)
from anomalygpt.language import loading
from anomalygpt.language.speaking import open_dialogue
from tests.tiny_llama import QUESTION, load, picture


def test_missing_folder_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"config\.json.*tokenizer.*into the folder .*vicuna"):
        load(tmp_path / "vicuna")
    with pytest.raises(SourceError, match="into the folder"):
        load("./not/here")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.model", "model.safetensors"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(SourceError, match=rf"lacks .*{name}"):
        load(folder)


def test_hub_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_, **__):
        raise OSError("We couldn't connect")

    monkeypatch.setattr(loading.AutoTokenizer, "from_pretrained", offline)
    with pytest.raises(SourceError, match=r"hub.*offline.*into the folder someone/model"):
        load("someone/model")


UP = "model.layers.1.mlp.up_proj.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop(UP), f"missing: {UP}"),
        (lambda s: s.update({"model.extra": torch.zeros(2)}), r"unexpected: model\.extra"),
        (lambda s: s.update({UP: torch.zeros(3, 4)}), rf"another shape: {UP} \(3, 4\)"),
    ],
    ids=["missing", "unexpected", "another shape"],
)
def test_weights_that_do_not_fit_are_named(folder: Path, change, message: str) -> None:
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=message):
        load(folder)


def test_missing_shard_names_file_and_key(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {key: f"model-{1 + (key == UP)}-of-2.safetensors" for key in state}
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    first = {key: value for key, value in state.items() if key != UP}
    save_file(first, folder / "model-1-of-2.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=f"lacks model-2-of-2.safetensors, which holds {UP}"):
        load(folder)
    save_file({UP: state[UP]}, folder / "model-2-of-2.safetensors", {"format": "pt"})
    load(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.model", "config.json"])
def test_damaged_file_is_one_sentence(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"damaged " * 9)
    with pytest.raises(CheckpointError) as raised:
        load(folder)
    assert "\n" not in str(raised.value)
    assert str(folder) in str(raised.value)


def test_settings_that_do_not_exist(folder: Path) -> None:
    with pytest.raises(ConfigError, match="dtype"):
        load(folder, dtype="float7")
    with pytest.raises(ConfigError, match="template"):
        load(folder, template="vicuna_v9")
    with pytest.raises(ConfigError, match="quantization"):
        load(folder, quantization="2bit")
    with pytest.raises(DeviceError, match="abacus"):
        load(folder, device="abacus")


def test_cuda_without_cuda(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="0 CUDA devices"):
        load(folder, device="cuda")
    with pytest.raises(DeviceError, match="4bit weights need a CUDA device"):
        load(folder, device="auto", quantization="4bit")
    assert load(folder, device="auto").device.type == "cpu"


def test_quantization_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'anomalygpt\[gpu\]'"):
        loading.quantization_config("8bit", torch.device("cuda"), torch.float16)


def test_bfloat16_on_request(folder: Path) -> None:
    lm = load(folder, dtype="bfloat16")
    assert {weight.dtype for weight in lm.model.parameters()} == {torch.bfloat16}
    dialogue = open_dialogue(lm, *picture())
    dialogue.ask(QUESTION)
    assert dialogue.probabilities().anomaly.dtype == torch.float32


def test_a_tokenizer_that_splits_otherwise_is_noticed(
    tiny_llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As transformers before 5.3 did: every model then talked nonsense, without an error."""
    original = loading.AutoTokenizer

    class ByLetters:
        @staticmethod
        def from_pretrained(*names, **options):
            tokenizer = original.from_pretrained(*names, **options)
            monkeypatch.setattr(type(tokenizer), "tokenize", lambda _, text: list(text))
            return tokenizer

    monkeypatch.setattr(loading, "AutoTokenizer", ByLetters)
    with pytest.raises(CheckpointError, match=r"reads .*tokenizer.model wrongly; install"):
        loading.load_tokenizer(tiny_llama_folder)
