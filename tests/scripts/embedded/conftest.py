"""Small photos, untrained teachers and a random language model for the stages."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from anomalygpt.checkpoints import save_module
from anomalygpt.encoders.compact import CompactEncoder, compact_config
from embedded import encoder, evidence
from embedded.notation import EXTRA_ROWS

SIDE, WIDTH = 64, 16
PHOTOS = 40

Stage = Callable[..., int]


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blotches of colour; bitmaps, whose bytes (and so the split) are the same everywhere."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(PHOTOS):
        blotches = np.random.default_rng(number).integers(0, 256, (9, 11, 3), dtype=np.uint8)
        picture = Image.fromarray(blotches).resize((96, 80), Image.Resampling.BICUBIC)
        picture.save(folder / f"{number:02d}.bmp")
    return folder


@pytest.fixture(scope="session")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files as those that the branches begin from, but random: the transformer is whole."""
    folder = tmp_path_factory.mktemp("teachers")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformer = timm.create_model("vit_tiny_patch16_224", pretrained=False)
        cnn = timm.create_model(
            "resnet18", pretrained=False, features_only=True, out_indices=(2, 3)
        )
        for module in cnn.modules():  # residual branches of an untrained network end in 0
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    for branch, network in (("transformer", transformer.half()), ("cnn", cnn)):
        state = {name: value.contiguous() for name, value in network.state_dict().items()}
        save_file(state, folder / encoder.TEACHERS[branch])
    return folder


@pytest.fixture(scope="session")
def encoder_file(teachers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder as the encoder stage would write it, untrained."""
    path = tmp_path_factory.mktemp("encoder") / "encoder.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        untrained = CompactEncoder(compact_config(options={"width": WIDTH}))
    encoder._begin_as_teachers(untrained, teachers)
    save_module(untrained, path)
    return path


@pytest.fixture(scope="session")
def language_folder(tiny_llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random language model with rows beyond the pieces, as the language stage leaves one."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("language") / "language_model"
    config = LlamaConfig.from_pretrained(tiny_llama_folder)
    config.vocab_size += EXTRA_ROWS
    config.tie_word_embeddings = True
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.model", "tokenizer_config.json"):
        shutil.copyfile(tiny_llama_folder / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def small_input() -> Iterator[None]:
    """The encoder looks at 64×64 pixels: a grid of 8×8."""
    small = partial(compact_config, input_size=SIDE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "compact_config", small)
        patch.setattr(evidence, "compact_config", small)
        yield


@pytest.fixture(scope="session")
def run_stage() -> Stage:
    """Runs a stage with options as they are typed."""

    def run(stage: ModuleType, **options: object) -> int:
        parser = argparse.ArgumentParser()
        stage.add_arguments(parser)
        typed = [
            text
            for name, value in options.items()
            for text in (f"--{name.replace('_', '-')}", str(value))
        ]
        return stage.run(parser.parse_args(typed))

    return run
