"""LoRA: the published names, loading and merging, and what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from anomalygpt.errors import CheckpointError, ConfigError, MissingPartError, SourceError
from anomalygpt.language.language_model import LanguageModel
from anomalygpt.language.lora import load_lora_state
from anomalygpt.language.speaking import open_dialogue
from anomalygpt.language.templates import VICUNA_V0
from tests.tiny_llama import QUESTION, load, picture

FIXTURES = Path(__file__).parents[2] / "fixtures"


def filled(model: torch.nn.Module) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        name: torch.randn(weight.shape, generator=generator) * 0.1
        for name, weight in model.named_parameters()
        if "lora_" in name
    }


def logits_of(lm: LanguageModel) -> Tensor:
    dialogue = open_dialogue(lm, *picture())
    dialogue.ask(QUESTION)
    return dialogue._logits


def test_reference_pandagpt_lora_names_and_shapes(lm: LanguageModel) -> None:
    config = LlamaConfig(
        vocab_size=32001,
        hidden_size=4096,
        intermediate_size=11008,
        num_hidden_layers=32,
        num_attention_heads=32,
    )
    with torch.device("meta"):
        big = LanguageModel(LlamaForCausalLM(config), lm.tokenizer, VICUNA_V0)
        big.add_lora()
    published = json.loads((FIXTURES / "pandagpt_lora_7b.json").read_text(encoding="utf-8"))
    expected = {
        published["name"].format(layer=layer, part=part): tuple(shape)
        for layer in range(published["layers"])
        for part, shape in published["parts"].items()
    }
    ours = {name: tuple(w.shape) for name, w in big.model.named_parameters() if "lora_" in name}
    assert ours == expected


def test_lora_changes_the_model_and_merging_keeps_the_change(folder: Path) -> None:
    lm = load(folder)
    plain = logits_of(lm)
    lm.add_lora(r=4, alpha=8)
    torch.testing.assert_close(logits_of(lm), plain)
    load_lora_state(lm.model, filled(lm.model))
    changed = logits_of(lm)
    assert (changed - plain).abs().max() > 1e-2
    assert not any(weight.requires_grad for weight in lm.model.parameters())
    lm.merge_lora()
    torch.testing.assert_close(logits_of(lm), changed, atol=1e-4, rtol=1e-4)
    assert not any("lora" in name for name, _ in lm.model.named_parameters())


def test_adapter_folder_that_peft_saved(folder: Path, tmp_path: Path) -> None:
    lm = load(folder)
    lm.add_lora(r=4, alpha=8)
    load_lora_state(lm.model, filled(lm.model))
    lm.model.save_pretrained(tmp_path / "adapter")
    loaded = load(folder, adapter=tmp_path / "adapter")
    torch.testing.assert_close(logits_of(loaded), logits_of(lm))


def test_lora_weights_that_do_not_fit_are_named(folder: Path) -> None:
    lm = load(folder)
    with pytest.raises(MissingPartError, match="add_lora"):
        load_lora_state(lm.model, {})
    with pytest.raises(MissingPartError, match="add_lora"):
        lm.merge_lora()
    with pytest.raises(ConfigError, match="nothing_proj"):
        lm.add_lora(targets=("nothing_proj",))
    lm.add_lora(r=4)
    state = filled(lm.model)
    name = next(iter(state))
    with pytest.raises(CheckpointError, match=f"missing: {name}"):
        load_lora_state(lm.model, {key: value for key, value in state.items() if key != name})
    with pytest.raises(CheckpointError, match="unexpected: llama_proj"):
        load_lora_state(lm.model, {**state, "llama_proj.weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="of another shape"):
        load_lora_state(lm.model, {**state, name: torch.zeros(1)})
    with pytest.raises(ConfigError, match="already"):
        lm.add_lora(r=4)


def test_no_adapter_in_the_folder(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"adapter_config\.json"):
        load(folder, adapter=tmp_path)
