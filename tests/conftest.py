"""Fixtures that tests of several rooms share."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Before torch is imported, and for every process that a test starts: for models this small more
# threads only wait for each other, the more the more tests run at once.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest
import torch
from torch import Tensor

from anomalygpt.cli.main import SELDOM

# As the command line does: less looking for circles of objects, of which libraries make few.
gc.set_threshold(*SELDOM)

pytest_plugins = (
    "tests.small_trainings",
    "tests.small_evaluations",
    "tests.small_questionnaires",
)

# A test neither reads what the person at this machine has kept, nor leaves anything there.
os.environ["ANOMALYGPT_CACHE"] = "off"

# How long an example takes says how busy the machine is, and nothing about the code.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """A warning is an error where it points into our code; those of libraries are listed."""
    scripts = sorted(path.stem for path in (ROOT / "scripts").iterdir() if path.name[0] not in "._")
    ours = ("anomalygpt", "decoder", "prompt_learner", "simulation", "tests", *scripts)
    config.addinivalue_line("filterwarnings", rf"error:::({'|'.join(ours)})(\..*)?$")


_SENTENCES = (
    "Is there any anomaly in the image? Where is it?",
    "Yes, there is an anomaly in the image, at the top left of the image.",
    "No, there is no anomaly in the image.",
    "### Human: <Img></Img> What is in the image?\n### Assistant: It is a part.\n###",
    "yes no YES NO Yes No",
    "a photo of a bottle, cable, capsule; the part is broken at the bottom right",
)


@dataclass(frozen=True)
class Recorded:
    """Inputs, weights and outputs recorded from the published code."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name].float()

    def stages(self, pattern: str, count: int = 4) -> list[Tensor]:
        """The tensors whose names hold the number of a stage where the pattern has `{}`."""
        return [self[pattern.format(stage)] for stage in range(count)]

    def state(self) -> dict[str, Tensor]:
        """The recorded weights under the names that the module gives them."""
        names = [name for name in self.tensors if name.startswith("state.")]
        return {name.removeprefix("state."): self[name] for name in names}


@pytest.fixture(scope="session")
def tiny_llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random 2-layer LLaMA, 32 wide, 512 positions, and a SentencePiece tokenizer with bytes.

    Read it, do not write into it: every test of the session sees the same folder.
    """
    import sentencepiece
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny_llama")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_SENTENCES * 30),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=400,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        character_coverage=1.0,
        minloglevel=2,
    )
    (folder / "tokenizer.vocab").unlink()
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    settings = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        initializer_range=0.4,  # the usual 0.02 would make a model this small repeat itself
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def recorded() -> Callable[[str], Recorded]:
    """Reads a file of numbers recorded from the published code, by its name.

    Small ones lie in tests/fixtures; the others beside the repository, in ../shared/reference.
    A test that needs one which is in neither place is skipped.
    """
    from safetensors import safe_open

    here = Path(__file__).parent
    places = (here / "fixtures", here.parents[1] / "shared" / "reference")

    def read(name: str) -> Recorded:
        path = next((place / name for place in places if (place / name).is_file()), None)
        if path is None:
            pytest.skip(f"{name} is too large for the project and not in ../shared/reference")
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return Recorded(tensors, file.metadata() or {})

    return read
