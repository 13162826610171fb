"""The tiny random LLaMA: loaded, told what to say, and in a folder that may be changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from anomalygpt.language.language_model import LanguageModel
from anomalygpt.language.templates import VICUNA_V0
from tests.tiny_llama import Scripted


@pytest.fixture(scope="module")
def lm(tiny_llama_folder: Path) -> LanguageModel:
    return LanguageModel.from_pretrained(tiny_llama_folder, device="cpu")


@pytest.fixture
def scripted(lm: LanguageModel) -> Scripted:
    return Scripted(lm.model, lm.tokenizer, VICUNA_V0)


@pytest.fixture
def folder(tiny_llama_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_llama_folder, tmp_path / "model")
