"""Small files with the published names, in the published formats."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

FIXTURES = Path(__file__).parents[2] / "fixtures"
VISION, TEXT, OUTPUT, WIDTH = 16, 8, 12, 48
VISION_BLOCKS, TEXT_BLOCKS, LAYERS = 4, 2, 2
HEADS = {"vision_heads": 4, "text_heads": 2}

State = dict[str, Tensor]


def published(name: str) -> dict:
    return json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


def _small(shape: list[int], sizes: dict[int, int]) -> list[int]:
    return [sizes.get(size, size) for size in shape]


def imagebind_state() -> State:
    """All 1,311 names but those of the later blocks, with small shapes."""
    state = {}
    blocks = {"vision": VISION_BLOCKS, "text": TEXT_BLOCKS}
    for name, shape in published("imagebind_huge_keys").items():
        tower = name.split(".")[1]
        block = re.search(r"blocks\.(\d+)\.", name)
        if block and int(block[1]) >= blocks.get(tower, 1):
            continue
        if tower == "vision":
            sizes = {1280: VISION, 3840: 3 * VISION, 5120: 4 * VISION, 1024: OUTPUT}
        elif tower == "text":
            sizes = {1024: TEXT, 3072: 3 * TEXT, 4096: 4 * TEXT}
        else:
            sizes = dict.fromkeys(range(3, 9999), 2)
        small = _small(shape, sizes)
        if name == "modality_heads.text.proj.1.weight":
            small[0] = OUTPUT
        state[name] = torch.randn(small)
    mask = torch.full((77, 77), float("-inf")).triu(1)
    return state | {"modality_preprocessors.text.mask": mask}


def anomalygpt_state() -> State:
    sizes = {1280: VISION, 4096: WIDTH, 256: 6, 64: 5}
    state = {}
    for name, shape in published("delta_checkpoint_keys")["anomalygpt_delta"].items():
        channels = {1024: OUTPUT if name.startswith("image_decoder") else 7}
        state[name] = torch.randn(_small(shape, sizes | channels))
    return state


def pandagpt_state(rank: int = 32) -> State:
    state = {}
    for name, shape in published("delta_checkpoint_keys")["pandagpt_delta_7b"].items():
        layer = re.search(r"layers\.(\d+)\.", name)
        if not layer or int(layer[1]) < LAYERS:
            small = _small(shape, {4096: WIDTH, 1024: OUTPUT, 32: rank})
            state[name] = 0.1 * torch.randn(small)
    return state


def llama(vocabulary: int = 65, **options: int):
    """A random tiny LLaMA of transformers; its delta is `delta_of` two such."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=WIDTH,
        intermediate_size=40,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        vocab_size=vocabulary,
        max_position_embeddings=32,
        **options,
    )
    return LlamaForCausalLM(config).float().eval()


def write_llama(
    folder: Path, config: dict, state: State, layout: str = "safetensors", tokenizer: bool = True
) -> Path:
    """A folder in one of the four layouts that are found in the wild."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if tokenizer:
        (folder / "tokenizer.model").write_bytes(b"words of " + folder.name.encode())
        (folder / "generation_config.json").write_text("{}", encoding="utf-8")
    if layout == "safetensors":
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    elif layout == "bin":
        torch.save(state, folder / "pytorch_model.bin")
    else:
        names = list(state)
        stem, ending = {
            "safetensors shards": ("model", "safetensors"),
            "bin shards": ("pytorch_model", "bin"),
        }[layout]
        weight_map = {}
        for number in (1, 2):
            part = {name: state[name] for name in names[number - 1 :: 2]}
            file = f"{stem}-0000{number}-of-00002.{ending}"
            if ending == "bin":
                torch.save(part, folder / file)
            else:
                save_file(part, folder / file, metadata={"format": "pt"})
            weight_map |= dict.fromkeys(part, file)
        index = {"metadata": {}, "weight_map": weight_map}
        (folder / f"{stem}.{ending}.index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def llama_state(model: torch.nn.Module) -> State:
    return {name: value.clone() for name, value in model.state_dict().items()}


@dataclass
class Files:
    """Paths of a full set of small sources, and what they were made from."""

    imagebind: Path
    anomalygpt: Path
    pandagpt: Path
    vicuna: Path
    model: torch.nn.Module
    lora: State


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    model, lora = llama(), pandagpt_state()
    torch.save(imagebind_state(), tmp_path / "imagebind.pth")
    torch.save(anomalygpt_state(), tmp_path / "anomalygpt.pt")
    torch.save(lora, tmp_path / "pandagpt.pt")
    vicuna = write_llama(tmp_path / "vicuna", model.config.to_dict(), llama_state(model))
    return Files(
        imagebind=tmp_path / "imagebind.pth",
        anomalygpt=tmp_path / "anomalygpt.pt",
        pandagpt=tmp_path / "pandagpt.pt",
        vicuna=vicuna,
        model=model,
        lora=lora,
    )


@pytest.fixture
def make() -> SimpleNamespace:
    """The builders above, for tests that need one file to be different."""
    return SimpleNamespace(
        published=published,
        imagebind_state=imagebind_state,
        anomalygpt_state=anomalygpt_state,
        pandagpt_state=pandagpt_state,
        llama=llama,
        llama_state=llama_state,
        write_llama=write_llama,
        heads=HEADS,
    )
