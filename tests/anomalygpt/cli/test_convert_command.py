"""The command that converts published files: sources that are missing, sizes that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from anomalygpt import AnomalyGPT
from anomalygpt.cli import main
from tests.gguf_files import tiny_model, write_gguf


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--imagebind", "{}/none.pth"], r"none.pth does not exist"),
        (["--imagebind", "{}/none.pth", "--llama", "x"], "--vicuna-delta is missing"),
        (["--imagebind", "{}/none.pth", "--pandagpt", "x"], "--pandagpt continues"),
        (["--imagebind", "{}/none.pth", "--dtype", "int3"], "int3"),
        (["--imagebind", "{}"], "is a folder"),
        (["--imagebind", "{}/none.pth", "--imagebind-option", "heads"], "KEY=VALUE"),
        (["--imagebind", "{}/none.pth", "--imagebind-option", "a=b"], "whole numbers"),
    ],
)
def test_sources_that_are_not_there(anomalygpt, tmp_path, arguments, message) -> None:
    given = [argument.format(tmp_path) for argument in arguments]
    ran = anomalygpt("convert", *given, "--output", tmp_path / "out")
    assert ran.status == 2
    assert message in ran.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", ["2", "GB", "xGB", ""])
def test_shard_sizes_that_are_none(size: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["convert", "--imagebind", "a", "--output", "b", "--max-shard-size", size])
    assert ended.value.code == 2
    assert "such as 2GB" in capsys.readouterr().err


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("gguf", reason="the package gguf writes the file of this test")
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", tiny_model())


def test_a_gguf_file_becomes_an_assistant(
    anomalygpt, assistant_folder: Path, gguf: Path, parts: Path, tmp_path: Path
) -> None:
    given = ("--gguf", gguf, "--model", assistant_folder, "--dtype", "float32")
    ran = anomalygpt("convert", *given, "--output", tmp_path / "out")
    assert (ran.status, ran.err) == (0, "")
    assert "cannot read a map before it was trained" in ran.out
    model = AnomalyGPT.from_pretrained(tmp_path / "out", device="cpu")
    assert model.prompt_learner is None
    assert model.language_model is not None
    assert model.language_model.template.answer_end == "<|im_end|>"
    ids = torch.tensor([model.language_model.encode("A part.")])
    with torch.no_grad():
        torch.testing.assert_close(
            model.language_model.model(ids).logits, tiny_model()(ids).logits, rtol=1e-4, atol=1e-4
        )
    # It has not learned to look: every photo is the same to it.
    bank = model.remember([parts / "good.png"])
    seen = {
        model.inspect(parts / name, bank).anomaly_probability for name in ("good.png", "plain.jpg")
    }
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gguf", "{}/none.gguf"], "no file"),
        (["--gguf", "{}/none.gguf", "--imagebind", "x"], "not --imagebind"),
        (["--gguf", "{}/none.gguf", "--vicuna-delta", "x"], "not --vicuna-delta"),
        (["--gguf", "{}/none.gguf", "--merge-lora"], "--merge-lora is about the published"),
        (["--gguf", "{}/none.gguf", "--lora-alpha", "0"], "--lora-alpha is about"),
        (["--gguf", "{}/none.gguf", "--allow-unknown"], "--allow-unknown is about"),
        (["--gguf", "{}/none.gguf", "--max-shard-size", "2GB"], "--max-shard-size is about"),
        (["--gguf", "{}/none.gguf", "--imagebind-option", "a=1"], "--imagebind-option is about"),
        (["--gguf", "{}/none.gguf", "--dtype", "int3"], "int3"),
        (["--model", "embedded"], "go with --gguf"),
        (["--template", "chat", "--imagebind", "x"], "go with --gguf"),
        ([], "--imagebind imagebind_huge.pth"),
    ],
)
def test_options_that_do_not_go_together(anomalygpt, tmp_path, arguments, message) -> None:
    given = [argument.format(tmp_path) for argument in arguments]
    ran = anomalygpt("convert", *given, "--output", tmp_path / "out")
    assert ran.status == 2
    assert message in ran.error
    assert not (tmp_path / "out").exists()
