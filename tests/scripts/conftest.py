"""Small made photos and a small random encoder for the comparison of methods."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from anomalygpt import AnomalyGPT, AnomalyGPTConfig
from anomalygpt.config import EncoderConfig, LanguageModelConfig
from anomalygpt.encoders import build_encoder
from anomalygpt.language.language_model import LanguageModel
from decoder import DecoderConfig, ImageDecoder
from peers.readings import open_photo
from prompt_learner import PromptLearner, PromptLearnerConfig

STAND_IN = """#!{python}
import json, os, sys

if sys.argv[1] == "-V":
    sys.exit(print("Python 3.12"))
if sys.argv[1] == "-c":
    sys.exit("check_gguf" in sys.argv[2] and int(os.environ.get("CHECK_STATUS", "0")))
with open({calls!r}, "a") as file:
    file.write(json.dumps([os.environ["PYTHONPATH"], *sys.argv[1:]]) + "\\n")
sys.exit(int(os.environ.get(sys.argv[2].upper() + "_STATUS", "0")))
"""

ENCODER = "test_resnet"  # timm's own network for tests, 0.5 M
SIDE = 64


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """The comparison sets numbers of threads; other tests keep theirs."""
    before, of_torch = cv2.getNumThreads(), torch.get_num_threads()
    torch.set_num_threads(1)  # for photos this small more only wait for each other
    yield
    cv2.setNumThreads(before)
    torch.set_num_threads(of_torch)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model(ENCODER, pretrained=False)
        for module in network.modules():  # residual branches of an untrained network end in 0
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    path = tmp_path_factory.mktemp("weights") / "encoder.safetensors"
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    return path


@pytest.fixture(scope="module")
def assistant(weights: Path) -> AnomalyGPT:
    return AnomalyGPT.from_encoder(ENCODER, weights, options={"input_size": SIDE}, device="cpu")


def made_part(seed: int, *, damaged: bool = False) -> np.ndarray:
    """(96, 80, 3): the same stripes for every seed, some noise, and a dark square if damaged."""
    rng = np.random.default_rng(seed)
    rows = 128 + 60 * np.sin(np.arange(96) / 5)[:, None, None]
    photo = rows + rng.normal(0, 4, (96, 80, 3))
    if damaged:
        photo[56:80, 8:32] = 10
    return photo.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two categories: `plate` with masks, `toy` without."""
    root = tmp_path_factory.mktemp("data")
    mask = np.zeros((96, 80), np.uint8)
    mask[56:80, 8:32] = 255
    for shift, category in ((0, "plate"), (100, "toy")):
        for number in range(5):
            save(root / category / "train" / "good" / f"{number}.png", made_part(shift + number))
        for number in range(3):
            good, bad = made_part(shift + 20 + number), made_part(shift + 30 + number, damaged=True)
            save(root / category / "test" / "good" / f"{number}.png", good)
            save(root / category / "test" / "dent" / f"{number}.png", bad)
            if category == "plate":
                save(root / category / "ground_truth" / "dent" / f"{number}_mask.png", mask)
    return root


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def part() -> Callable[..., np.ndarray]:
    return made_part


@pytest.fixture
def pixels_of(assistant: AnomalyGPT) -> Callable[..., Tensor]:
    """Photos as the encoder's pixels, (k, 3, S, S)."""

    def opened(*photos: np.ndarray) -> Tensor:
        return torch.cat([open_photo(assistant, Image.fromarray(p))[0] for p in photos])

    return opened


@pytest.fixture
def anomalib() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(
            "anomalib.models.image",
            reason="anomalib is not installed (extra peers)",
            exc_type=ImportError,
        )


@pytest.fixture(scope="session")
def talker(tiny_llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny whole assistant."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        small = {"embed_dim": 32, "depth": 4, "num_heads": 2}
        settings = EncoderConfig(
            "timm", "vit_tiny_patch16_224", input_size=64, stages=(1, 2), options=small
        )
        of_decoder = DecoderConfig((32, 32), text_width=24, learned_states=True)
        of_learner = PromptLearnerConfig(32, channels=(2, 4, 8, 16, 32))
        made = AnomalyGPT(
            AnomalyGPTConfig(settings, of_decoder, of_learner, LanguageModelConfig()),
            build_encoder(settings),
            ImageDecoder(of_decoder),
            prompt_learner=PromptLearner(of_learner),
            projection=nn.Linear(32, 32),
            language_model=LanguageModel.from_pretrained(tiny_llama_folder, device="cpu"),
        )
    folder = tmp_path_factory.mktemp("talker") / "tiny"
    made.save_pretrained(folder)
    return folder


@pytest.fixture
def as_installed() -> Callable[[Path], None]:
    """Makes scripts believe that a stand-in for an environment, with Python 3.12, is complete."""

    def mark(environment: Path) -> None:
        root = Path(__file__).resolve().parents[2]
        lists = [root / "pyproject.toml", root / "requirements" / "pinned.txt"]
        needed = b"".join(path.read_bytes() for path in lists)
        summed = subprocess.run(["cksum"], input=needed, capture_output=True, check=True)
        stamp = f"{root} Python 3.12 {summed.stdout.decode().strip()}"
        (environment / ".anomalygpt-test").write_text(stamp)

    return mark


@dataclass(frozen=True)
class Ran:
    """What `train_embedded.sh` said, and the stages it started: PYTHONPATH, script, stage, options.

    Attributes: status, out and err of the script; calls of the stand-in for `python`.
    """

    status: int
    out: str
    err: str
    calls: list[list[str]]

    @property
    def stages(self) -> list[str]:
        """Names of the stages in order."""
        return [call[2] for call in self.calls]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "my work"
    folder.mkdir()
    return folder


@pytest.fixture
def script(tmp_path: Path, here: Path, as_installed: Callable[[Path], None]) -> Callable[..., Ran]:
    """Runs `train_embedded.sh` from a folder with a space in its name; no stage is run."""
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    calls = tmp_path / "calls"
    stand_in = environment / "bin" / "python"
    stand_in.write_text(STAND_IN.format(python=sys.executable, calls=str(calls)))
    stand_in.chmod(0o755)
    as_installed(environment)
    path = Path(__file__).parents[2] / "scripts" / "train_embedded.sh"

    def run(*arguments: str, **variables: str) -> Ran:
        calls.write_text("")
        done = subprocess.run(
            ["bash", str(path), *arguments],
            cwd=here,
            env={**os.environ, "VIRTUAL_ENV": str(environment), **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        made = [json.loads(line) for line in calls.read_text().splitlines()]
        return Ran(done.returncode, done.stdout, done.stderr, made)

    return run
