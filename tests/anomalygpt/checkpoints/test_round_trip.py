"""Published files, `anomalygpt convert`, `from_pretrained`: the answers are those of the parts.

The assistant to compare with is put together here from the original tensors alone: Vicuna is
base + delta, and the LoRA is added by the published formula.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, LlamaForCausalLM

from anomalygpt import AnomalyGPT, GenerationOptions
from anomalygpt.cli import main
from anomalygpt.config import AnomalyGPTConfig, EncoderConfig, LanguageModelConfig
from anomalygpt.encoders import build_encoder
from anomalygpt.language.language_model import LanguageModel
from anomalygpt.language.templates import VICUNA_V0
from decoder import DecoderConfig, ImageDecoder
from prompt_learner import PromptLearner, PromptLearnerConfig

State = dict[str, Tensor]
# The tokenizer of the tiny LLaMA; the delta adds the last word, as Vicuna v0's adds [PAD].
WORDS = 400
LAYERS = 2
SHORT = GenerationOptions(max_new_tokens=12)


@dataclass(frozen=True)
class Published:
    """The published files, and the tensors that they were made from."""

    folder: Path
    eyes: State
    vicuna: State
    pandagpt: State
    anomalygpt: State
    language_config: object

    def arguments(self, without: Sequence[str] = ()) -> list[str]:
        """Options of `convert`, without the output and the sources named."""
        names = {
            "imagebind": "imagebind_huge.pth",
            "llama": "llama-7b",
            "vicuna-delta": "vicuna-7b-delta-v0",
            "pandagpt": "pandagpt.pt",
            "anomalygpt": "anomalygpt.pt",
        }
        given = [
            text
            for o, name in names.items()
            if o not in without
            for text in (f"--{o}", str(self.folder / name))
        ]
        return [*given, "--imagebind-option", "vision_heads=4", "text_heads=2"]


def _llama(make, words: int) -> LlamaForCausalLM:
    model = make.llama(words)
    model.config.max_position_embeddings = 512
    for weight in model.parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, std=0.3)
    return model


def _calmed(state: State) -> State:
    """Sizes as trained weights have them, so that attention and softmax are not saturated."""
    return {n: v if v.isinf().any() or not v.dim() else 0.3 * v for n, v in state.items()}


@pytest.fixture
def published(make, tiny_llama_folder: Path, tmp_path: Path) -> Published:
    folder = tmp_path / "published"
    folder.mkdir()
    eyes, delta = _calmed(make.imagebind_state()), _calmed(make.anomalygpt_state())
    panda = make.pandagpt_state()
    base, vicuna = _llama(make, WORDS - 1), _llama(make, WORDS)
    whole, start = make.llama_state(vicuna), make.llama_state(base)
    difference = {name: value.clone() for name, value in whole.items()}
    for name, value in start.items():
        difference[name][: value.shape[0]] -= value
    torch.save(eyes, folder / "imagebind_huge.pth")
    torch.save(panda, folder / "pandagpt.pt")
    # Published from a distributed run: every name has this prefix.
    torch.save({f"module.{n}": v for n, v in delta.items()}, folder / "anomalygpt.pt")
    make.write_llama(folder / "llama-7b", base.config.to_dict(), start, "bin shards")
    added = make.write_llama(
        folder / "vicuna-7b-delta-v0", vicuna.config.to_dict(), difference, "bin shards"
    )
    for name in ("tokenizer.model", "tokenizer_config.json"):
        shutil.copyfile(tiny_llama_folder / name, added / name)
    return Published(folder, eyes, whole, panda, delta, vicuna.config)


def _with_lora(state: State, panda: State) -> State:
    """W + alpha / rank · B @ A with alpha = rank = 32, as PandaGPT trained it."""
    summed = {name: value.clone() for name, value in state.items()}
    for layer in range(LAYERS):
        for target in ("q_proj", "k_proj", "v_proj", "o_proj"):
            stem = f"model.layers.{layer}.self_attn.{target}"
            prefix = f"llama_model.base_model.model.{stem}.lora_"
            a, b = (panda[f"{prefix}{side}.default.weight"] for side in "AB")
            summed[f"{stem}.weight"] += 32 / 32 * b @ a
    return summed


def _part(state: State, prefix: str) -> State:
    return {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}


def by_hand(published: Published, tokenizer_folder: Path) -> AnomalyGPT:
    """The assistant from the original tensors, past all of our readers and writers."""
    sizes = {
        "vision_width": 16,
        "vision_blocks": 4,
        "vision_heads": 4,
        "text_width": 8,
        "text_blocks": 2,
        "text_heads": 2,
        "output_width": 12,
        "patch_size": 14,
    }
    encoder_config = EncoderConfig("imagebind", "small", stages=(0, 1, 2, 3), options=sizes)
    encoder = build_encoder(encoder_config)
    senses = re.compile(r"modality_\w+\.(vision|text)\.")
    encoder.load_state_dict({n: v for n, v in published.eyes.items() if senses.match(n)})
    decoder = ImageDecoder(DecoderConfig((16,) * 4, text_width=12, formulation="published"))
    decoder.load_state_dict(_part(published.anomalygpt, "image_decoder."))
    learner = PromptLearner(PromptLearnerConfig(48, channels=(4, 16, 5, 6, 7)))
    learner.load_state_dict(_part(published.anomalygpt, "prompt_learner."))
    projection = nn.Linear(12, 48)
    projection.load_state_dict(_part(published.pandagpt, "llama_proj."))
    llama = LlamaForCausalLM(published.language_config)
    llama.load_state_dict(_with_lora(published.vicuna, published.pandagpt))
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    return AnomalyGPT(
        AnomalyGPTConfig(encoder_config, decoder.config, learner.config, LanguageModelConfig()),
        encoder,
        decoder,
        prompt_learner=learner,
        projection=projection,
        language_model=LanguageModel(llama, tokenizer, VICUNA_V0),
    )


@pytest.fixture
def converted(published: Published, tmp_path: Path, capsys) -> Callable[..., AnomalyGPT]:
    """Runs `anomalygpt convert` and loads what it wrote."""

    def convert(*options: str, without: Sequence[str] = ()) -> AnomalyGPT:
        output = tmp_path / "-".join(["assistant", *options])
        sources = published.arguments(without)
        arguments = ["convert", *sources, "--output", str(output), *options]
        assert main(arguments) == 0, capsys.readouterr().err
        assert str(output) in capsys.readouterr().out
        return AnomalyGPT.from_pretrained(output, device="cpu")

    return convert


@pytest.mark.parametrize("merge", [False, True], ids=["LoRA beside", "LoRA merged"])
def test_conversion_changes_no_answer(
    published, converted, tiny_llama_folder, parts, merge: bool
) -> None:
    ours = converted("--dtype", "float32", *(["--merge-lora"] if merge else []))
    assert ours.language_model.has_adapter is not merge
    original = by_hand(published, tiny_llama_folder)
    for references in ([], [parts / "good.png"]):
        found, expected = (
            assistant.inspect(
                parts / "stained.png",
                references,
                description="This is a photo of a disc.",
                category="disc",
            )
            for assistant in (ours, original)
        )
        # The same float32 sums, but base + delta is rounded once more on its way.
        assert np.array_equal(found.anomaly_map, expected.anomaly_map)
        assert np.ptp(found.anomaly_map) > 1e-3
        assert found.answer == expected.answer
        assert found.anomaly_probability == pytest.approx(expected.anomaly_probability, abs=1e-4)
        assert found.regions == expected.regions
        chats = [a.chat(parts / "stained.png", references) for a in (ours, original)]
        for question in ("Is there any anomaly in the image?", "Where is it?"):
            assert chats[0].ask(question, SHORT) == chats[1].ask(question, SHORT)


def test_the_lora_matters(published, converted, parts) -> None:
    """Without the LoRA the numbers differ, so that the test above would see it missing."""
    ours = converted("--dtype", "float32")
    with_lora = ours.inspect(parts / "stained.png").anomaly_probability
    with ours.language_model.model.disable_adapter():
        without = ours.inspect(parts / "stained.png").anomaly_probability
    assert abs(with_lora - without) > 1e-3


def test_half_precision_is_close(published, converted, tiny_llama_folder, parts) -> None:
    """The default number format rounds the weights; the map hardly moves."""
    found = converted().inspect(parts / "stained.png", [parts / "good.png"])
    original = by_hand(published, tiny_llama_folder)
    expected = original.inspect(parts / "stained.png", [parts / "good.png"])
    np.testing.assert_allclose(found.anomaly_map, expected.anomaly_map, atol=5e-3)


def test_a_converted_assistant_is_saved_and_loaded_again(converted, parts, tmp_path) -> None:
    first = converted("--dtype", "float32")
    first.save_pretrained(tmp_path / "again")
    second = AnomalyGPT.from_pretrained(tmp_path / "again", device="cpu")
    found, again = (a.inspect(parts / "stained.png") for a in (first, second))
    assert found.answer == again.answer
    # Older torch adds up in another order when weights lie elsewhere in memory.
    assert found.anomaly_probability == pytest.approx(again.anomaly_probability, abs=1e-6)
    assert np.array_equal(found.anomaly_map, again.anomaly_map)


def test_pandagpt_without_anomalygpt_talks_and_sees_no_map(converted, parts) -> None:
    ours = converted("--dtype", "float32", without=["anomalygpt"])
    assert ours.prompt_learner is None
    found = ours.inspect(parts / "stained.png", [parts / "good.png"])
    assert found.is_anomalous is (found.anomaly_probability > 0.5)
    assert found.answer.lower().startswith("yes" if found.is_anomalous else "no")


def test_eyes_alone_draw_maps_against_references(published, converted, parts, tmp_path) -> None:
    ours = converted(
        "--dtype", "float32", without=["anomalygpt", "pandagpt", "llama", "vicuna-delta"]
    )
    whole = converted("--dtype", "float32", "--merge-lora")
    found, expected = (
        a.inspect(parts / "stained.png", [parts / "good.png"], map_only=True) for a in (ours, whole)
    )
    assert np.array_equal(found.anomaly_map, expected.anomaly_map)
