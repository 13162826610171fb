"""Vicuna v0 is told from the language models that have its shapes and not its words."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from anomalygpt.checkpoints.llama import LlamaFolder
from anomalygpt.checkpoints.vicuna import recognised


def folder(path: str, words: int, positions: int = 2048, name: str = "") -> LlamaFolder:
    config = {"vocab_size": words, "max_position_embeddings": positions, "_name_or_path": name}
    return LlamaFolder(Path(path), config, SimpleNamespace())  # type: ignore[arg-type]


LLAMA = folder("llama-7b", 32000)


@pytest.mark.parametrize(
    ("model", "base", "kind"),
    [
        (folder("vicuna", 32001), None, "Vicuna v0 by its size, 32,001 words"),
        (folder("vicuna-7b-v0", 32001), None, "Vicuna v0 by its name"),
        (
            folder("models/7b", 32001, name="lmsys/vicuna-7b-delta-v0"),
            None,
            "Vicuna v0 by its name",
        ),
        (folder("delta", 32001), LLAMA, "Vicuna v0 by its size, 32,001 words, LLaMA of 32,000"),
        (folder("my-vicuna_v2/words-33", 32001), LLAMA, "32,001 words"),
        (folder("tiny", 65), None, "a LLaMA of 65 words, which Vicuna nobody can tell"),
    ],
)
def test_what_may_be_vicuna_v0_is_named_and_no_more(model, base, kind) -> None:
    (line,) = recognised(model, base)
    assert kind in line


@pytest.mark.parametrize(
    ("model", "base", "kind", "reason"),
    [
        (folder("llama-7b", 32000), None, "LLaMA, or Vicuna v1.1 or later", "LLaMA's own 32,000"),
        (folder("vicuna-7b-v1.3", 32000), None, "Vicuna v1.3 by its name", "says Vicuna v1.3"),
        (folder("7b", 32000, 4096, "lmsys/vicuna-7b-v1.5"), None, "v1.5 by its", "LLaMA 2 does"),
        (folder("delta", 32000), LLAMA, "Vicuna v1.1 or later", "adds no word to the 32,000"),
        (folder("vicuna-7b-delta-v1.1", 32000), LLAMA, "Vicuna v1.1 by", "adds no word"),
        (folder("vicuna-7b-v0", 32000), None, "Vicuna v0 by its name", "LLaMA's own 32,000"),
        (folder("delta", 32001), folder("llama-2-7b", 32000, 4096), "32,001", "as LLaMA 2 does"),
        (
            folder("models--lmsys--vicuna-7b-v1.1/snapshots/0123", 32000), None,
            "Vicuna v1.1 by its name", "says Vicuna v1.1",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_vicuna_v0_is_warned_of(model, base, kind, reason) -> None:
    line, warning = recognised(model, base)
    assert kind in line
    assert warning.startswith("warning: this does not look like Vicuna v0")
    assert reason in warning
    assert "vicuna-7b-delta-v0" in warning
    assert "\n" not in warning
