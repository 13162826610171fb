"""A tiny whole assistant, photos for it, and the command line, for tests of several modules."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import nn

from anomalygpt import AnomalyGPT, GenerationOptions
from anomalygpt.cli import main
from anomalygpt.config import AnomalyGPTConfig, EncoderConfig, LanguageModelConfig
from anomalygpt.encoders import build_encoder
from anomalygpt.language.language_model import LanguageModel
from anomalygpt.language.lora import load_lora_state
from decoder import DecoderConfig, ImageDecoder, MemoryBank
from prompt_learner import PromptLearner, PromptLearnerConfig

ARCHITECTURE = "vit_tiny_patch16_224"
SMALL = {"embed_dim": 32, "depth": 4, "num_heads": 2}
STAGES = (1, 2)

AssistantBuilder = Callable[..., AnomalyGPT]

# A comparison that fails there shows what differs, as one in a test does.
pytest.register_assert_rewrite("tests.inspections")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads cost tiny models more than they give, four times as much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _liven(module: nn.Module) -> None:
    """Weights so large that different photos give clearly different values."""
    for weight in module.parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, std=0.25)


def _add_lora(language_model: LanguageModel) -> None:
    language_model.add_lora(r=4, alpha=8)
    named = language_model.model.named_parameters()
    load_lora_state(
        language_model.model,
        {name: torch.randn_like(weight) for name, weight in named if "lora_" in name},
    )


@pytest.fixture(scope="session")
def build_assistant(tiny_llama_folder: Path) -> AssistantBuilder:
    """Makes a new tiny assistant, always with the same weights; for tests that change it.

    It has a timm transformer (64 pixels, 32 wide), a decoder with learned states, a prompt
    learner, a projection and a random 2-layer LLaMA; `lora=True` puts a LoRA beside its weights.
    """

    def build(*, lora: bool = False, words: bool = True) -> AnomalyGPT:
        encoder_config = EncoderConfig(
            "timm", ARCHITECTURE, input_size=64, stages=STAGES, options=SMALL
        )
        decoder_config = DecoderConfig((32, 32), text_width=24, learned_states=True)
        learner_config = PromptLearnerConfig(32, channels=(2, 4, 8, 16, 32))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            encoder = build_encoder(encoder_config)
            _liven(encoder)
            decoder = ImageDecoder(decoder_config)
            if not words:
                return AnomalyGPT(
                    AnomalyGPTConfig(encoder_config, decoder_config), encoder, decoder
                )
            learner = PromptLearner(learner_config)
            _liven(learner)
            projection = nn.Linear(32, 32)
            language_model = LanguageModel.from_pretrained(tiny_llama_folder, device="cpu")
            if lora:
                _add_lora(language_model)
        return AnomalyGPT(
            AnomalyGPTConfig(
                encoder_config, decoder_config, learner_config, LanguageModelConfig(adapter=lora)
            ),
            encoder,
            decoder,
            prompt_learner=learner,
            projection=projection,
            language_model=language_model,
            name="tiny",
        )

    return build


@pytest.fixture(scope="session")
def assistant(build_assistant: AssistantBuilder) -> AnomalyGPT:
    """A tiny assistant that all tests share; do not change it."""
    return build_assistant()


@pytest.fixture(scope="session")
def assistant_folder(assistant: AnomalyGPT, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared assistant as a folder for `--model`; do not write into it."""
    folder = tmp_path_factory.mktemp("assistant") / "tiny"
    assistant.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bank(assistant: AnomalyGPT, parts: Path) -> MemoryBank:
    """What the shared assistant remembers of good.png; do not change it."""
    return assistant.remember([parts / "good.png"])


@pytest.fixture(scope="session")
def encoder_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weight file for `encoder_options`."""
    path = tmp_path_factory.mktemp("encoder") / "vit.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model(ARCHITECTURE, pretrained=False, **SMALL)
        _liven(network)
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def encoder_options(encoder_file: Path) -> list[str]:
    """Command line options that draw maps with a tiny encoder alone."""
    settings = [f"{key}={value}" for key, value in SMALL.items()]
    return [
        *("--map-only", "--encoder", ARCHITECTURE, "--encoder-weights", str(encoder_file)),
        *("--encoder-option", "input_size=64", *settings),
    ]


def part_pixels(seed: int, damaged: bool = False) -> np.ndarray:
    """(80, 96, 3) uint8: a bright disc on a dark ground with noise, with a stain if damaged."""
    rows, columns = np.mgrid[:80, :96]
    disc = (rows - 40) ** 2 + (columns - 48) ** 2 < 30**2
    pixels = np.where(disc, 170.0, 60.0)[..., None] + np.array([0.0, 10.0, 20.0])
    if damaged:
        pixels[20:36, 56:72] = (230.0, 30.0, 20.0)
    noise = np.random.default_rng(seed).normal(0, 6, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos good.png, other.png, stained.png and plain.jpg; do not write into the folder."""
    folder = tmp_path_factory.mktemp("parts")
    for name, seed, damaged in (
        ("good.png", 1, False),
        ("other.png", 2, False),
        ("stained.png", 3, True),
        ("plain.jpg", 4, False),
    ):
        Image.fromarray(part_pixels(seed, damaged)).save(folder / name)
    return folder


@pytest.fixture
def short_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """In their own words random models talk on until they are cut; a few words are enough."""
    short = GenerationOptions(max_new_tokens=10)
    monkeypatch.setattr("anomalygpt.evaluation.measuring.VERDICT_OPTIONS", short)


@pytest.fixture
def without_socks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy is set, and the package for SOCKS proxies is missing, as after an installation."""
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    monkeypatch.setitem(sys.modules, "socksio", None)


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line on stderr; anything else there fails the test."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("anomalygpt: ")
        assert "Traceback" not in lines[0]
        return lines[0]


@pytest.fixture
def anomalygpt(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs the command line in this process."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Ran(status, *capsys.readouterr())

    return run


@pytest.fixture
def inspect(anomalygpt, parts, encoder_options) -> Callable[..., Ran]:
    """`anomalygpt inspect … --reference good.png` with a tiny encoder."""

    def run(*arguments: object):
        return anomalygpt("inspect", *arguments, "-r", parts / "good.png", *encoder_options)

    return run


@pytest.fixture
def encoded(assistant: AnomalyGPT) -> Iterator[list[int]]:
    """The size of every batch that the image encoder sees during the test."""
    sizes: list[int] = []
    handle = assistant.encoder.register_forward_hook(
        lambda module, inputs, output: sizes.append(len(inputs[0]))
    )
    yield sizes
    handle.remove()
