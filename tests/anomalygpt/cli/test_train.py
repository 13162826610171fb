"""`anomalygpt train`: its options, what --check says, and errors in one line."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from anomalygpt.cli import main
from anomalygpt.cli import train as command
from anomalygpt.cli.main import build_parser
from anomalygpt.training import TrainingArguments

ENCODER = ["--encoder", "vit_tiny_patch16_224", "--ablation", "decoder-only"]
OPTIONS = ["embed_dim=32", "depth=4", "num_heads=2", "input_size=64", "stages=1,2"]


@pytest.fixture(autouse=True)
def _own_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command takes Ctrl-C for itself; nothing is fetched from anywhere."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    former = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, former)


def tree(folder: Path) -> dict[str, bytes | None]:
    found = sorted(folder.rglob("*"))
    return {str(path): path.read_bytes() if path.is_file() else None for path in found}


def parsed(*options: str) -> TrainingArguments:
    return command.training_arguments(build_parser().parse_args(["train", *options]))


def other_than(default: Any) -> Any:
    if isinstance(default, tuple):
        return ("some", "more of it")
    return not default if isinstance(default, bool) else 2 * default + 1


# --- options -----------------------------------------------------------------------------------


def test_help_does_not_wait_for_torch() -> None:
    script = (
        "import sys, anomalygpt.cli\n"
        "try: anomalygpt.cli.main(['train', '--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'transformers', 'accelerate', 'timm', 'numpy', 'cv2', 'PIL'}\n"
        "assert not heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "accelerate launch" in done.stdout


def test_every_setting_can_be_given(assistant_folder, tmp_path, as_options) -> None:
    """Each field with a value that is not its default comes through the command line."""
    chosen: dict[str, Any] = {
        "data": "d", "output": "o", "layout": "visa",
        "instructions": "i", "model": str(assistant_folder), "template": "chat",
        "prompt_channels": (1, 2, 3, 4, 5), "ablation": "lora", "shots": (1, 4),
        "dialogues": "rich", "mixed_precision": "bf16", "max_steps": 7, "warmup": 0.25,
        "reference_share": 0.75, "validation_share": 0.5, "rotations": 3, "bit_depth": 12,
        "detail": 2,
    }  # fmt: skip
    beside = {"encoder", "encoder_weights", "encoder_options", "language_model"}
    for field in dataclasses.fields(TrainingArguments):
        if field.name not in chosen and field.name not in beside:
            chosen[field.name] = other_than(field.default)
    arguments = TrainingArguments(**chosen)
    assert parsed(*as_options(arguments)[1:]) == arguments
    start = {"encoder": "e", "encoder_weights": "w", "language_model": "l"}
    new = TrainingArguments("d", "o", **start, encoder_options={"a": 1, "b": "c"})
    assert parsed(*as_options(new)[1:]) == new


def test_what_is_not_given_keeps_its_default(assistant_folder) -> None:
    expected = TrainingArguments("d", "o", model=str(assistant_folder))
    assert parsed("d", "o", "--model", str(assistant_folder)) == expected


def test_a_full_size_assistant_is_trained_as_it_fits_on_a_gpu(monkeypatch) -> None:
    big = ["d", "o", "--encoder", "imagebind_huge", "--language-model", "vicuna"]
    small = ["d", "o", "--encoder", "resnet18", "--language-model", "small"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    arguments = dataclasses.asdict(parsed(*big))
    assert {name: arguments[name] for name in command.FULL_SIZE} == command.FULL_SIZE
    assert arguments["batch_size"] == 16
    # What is given counts.
    assert parsed(*big, "--micro-batch-size", "2").micro_batch_size == 2
    assert parsed(*small).mixed_precision == "no"
    assert parsed(*big, "--cpu").mixed_precision == "no"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert parsed(*big).mixed_precision == "no"


# --- check -------------------------------------------------------------------------------------


def test_check_says_what_would_be_done_and_does_nothing(
    anomalygpt, discs, assistant_folder, tmp_path
) -> None:
    before = [tree(folder) for folder in (discs, assistant_folder, tmp_path)]
    ran = anomalygpt("train", discs, tmp_path / "run", "--model", assistant_folder, "--check")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        f"start: {assistant_folder}",
        "photos: 9 good and 0 with real defects to train on, 1 held out, in 1 category",
        "ready to train: yes",
    ]
    alone = anomalygpt(
        *("train", discs, tmp_path / "run", "--model", assistant_folder),
        *("--check", "--validation-share", "0"),
    )
    assert "no validation, the last weights are kept" in alone.out
    supervised = anomalygpt(
        *("train", discs, tmp_path / "run", "--model", assistant_folder),
        *("--check", "--supervised", "--validation-share", "0.5"),
    )
    assert "5 good and 2 with real defects to train on, 5 held out" in supervised.out
    assert [tree(folder) for folder in (discs, assistant_folder, tmp_path)] == before


def test_a_run_from_the_command_line(anomalygpt, discs, assistant_folder, tmp_path) -> None:
    run = tmp_path / "run"
    given = ["train", discs, run, "--model", assistant_folder, "--cpu", "--workers", 0]
    ran = anomalygpt(*given, "--max-steps", 2, "--batch-size", 2, "--validation-rows", 0)
    assert ran.status == 0
    assert ran.out == f"trained: {run / 'assistant'}; use it with --model\n"
    (line,) = ran.err.splitlines()
    assert line.startswith("step 2/2  loss ")
    resumed = anomalygpt(
        *given, "--max-steps", 2, "--batch-size", 2, "--validation-rows", 0, "--resume"
    )
    assert resumed.err == "going on from step 2 of 2\n"
    again = anomalygpt(*given, "--max-steps", 2, "--batch-size", 2, "--validation-rows", 0)
    assert again.status == 2
    assert "saved up to step 2; add --resume to go on with it" in again.error


# --- what is wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("checking", [True, False])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give one of them"),
        (["--model", "{model}", *ENCODER], "give one of them"),
        (["--model", "{tmp}/none"], "none does not exist"),
        (["--model", "{tmp}"], "{tmp}"),
        (["--encoder", "resnet18"], "--language-model FOLDER"),
        ([*ENCODER, "--encoder-weights", "{tmp}/none.pth"], "none.pth does not exist"),
        (
            [
                *(*ENCODER[:2], "--encoder-weights", "{encoder}", "--encoder-option", *OPTIONS),
                *("--language-model", "{tmp}/no"),
            ],
            "no folder {tmp}/no",
        ),
        (["--model", "{model}", "--categories", "discs"], "discs"),
        (["--model", "{model}", "--layout", "mvtek"], "mvtek"),
        (["--model", "{model}", "--ablation", "no_decoder"], "ablation is one of"),
        (["--model", "{model}", "--epochs", "0"], "epochs must be above 0"),
        ([*ENCODER, "--encoder-weights", "{encoder}", "--encoder-option", "size"], "KEY=VALUE"),
    ],
)
def test_wrong_options_are_one_line(
    anomalygpt, discs, assistant_folder, encoder_file, tmp_path, options, message, checking
) -> None:
    names = {"model": assistant_folder, "tmp": tmp_path, "encoder": encoder_file}
    given = [option.format(**names) for option in options] + (["--check"] if checking else [])
    ran = anomalygpt("train", discs, tmp_path / "run", "--workers", 0, *given)
    assert ran.status == 2
    assert message.format(**names) in ran.error
    assert not ran.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["input_sise=64", "input_size=abc", "stages=9", "legs=3"])
def test_encoder_options_that_cannot_be(anomalygpt, discs, encoder_file, tmp_path, option) -> None:
    options = ["--encoder-weights", encoder_file, "--encoder-option", *OPTIONS, option]
    ran = anomalygpt("train", discs, tmp_path / "run", *ENCODER, *options, "--workers", 0)
    assert ran.status == 2
    assert ran.error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("checking", [True, False])
def test_places_that_cannot_be(anomalygpt, discs, assistant_folder, tmp_path, checking) -> None:
    options = ["--model", assistant_folder, "--workers", 0, *(["--check"] if checking else [])]
    missing = anomalygpt("train", tmp_path / "none", tmp_path / "run", *options)
    assert missing.status == 2
    assert f"{tmp_path / 'none'}" in missing.error
    empty = tmp_path / "empty"
    empty.mkdir()
    assert anomalygpt("train", empty, tmp_path / "run", *options).status == 2
    taken = tmp_path / "file"
    taken.write_text("mine")
    ran = anomalygpt("train", discs, taken, *options)
    assert ran.status == 2
    assert f"{taken} is a file; name a folder" in ran.error
    assert taken.read_text() == "mine"


@pytest.mark.parametrize(
    "arguments", [["d"], ["d", "o", "--epochs", "many"], ["d", "o", "--batchsize", "4"]]
)
def test_arguments_that_make_no_command(arguments: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", *arguments])
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
