"""The script that learns prompts: a small run, and what it refuses in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

import train_zero_shot
from anomalygpt import AnomalyGPT
from tests.small_evaluations import make_category
from tests.tiny_clip import OPTIONS, tiny_clip, write_torchscript

SETTINGS = tuple(f"{key}={value}" for key, value in OPTIONS.items())


@pytest.fixture
def typed(tmp_path: Path) -> list[str]:
    """DATA, OUTPUT and where the prompts begin."""
    make_category(tmp_path / "data" / "disc", masks=True, seed=3, train=1, each=2)
    clip = write_torchscript(tmp_path / "ViT.pt", tiny_clip().state_dict())
    given = [str(tmp_path / "data"), str(tmp_path / "out"), "--device", "cpu"]
    return [*given, "--clip", str(clip), "--clip-option", *SETTINGS]


def test_prompts_are_learned_and_learned_on(
    typed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_zero_shot.main([*typed, "--epochs", "1"]) == 0
    out = capsys.readouterr().out
    assert "4 photos, 2 of them damaged" in out
    assert "epoch 1: loss" in out
    folder = tmp_path / "out" / "assistant"
    assert AnomalyGPT.from_pretrained(folder, device="cpu").decoder.prompts is not None
    on = [typed[0], str(tmp_path / "more"), "--model", str(folder), "--epochs", "1"]
    assert train_zero_shot.main([*on, "--device", "cpu"]) == 0
    assert (tmp_path / "more" / "epoch_1.pth").is_file()


def test_ad_clip_measures_each_epoch(
    typed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_zero_shot.main([*typed, "--preset", "ad-clip", "--epochs", "2"]) == 0
    out = capsys.readouterr().out
    assert "4 photos, 2 of them damaged, 2 of them held out" in out
    assert "contrastive" in out
    assert "is the best by 2 held-out photos" in out
    assert (tmp_path / "out" / "log.csv").read_text().count("\n") == 3
    assert (tmp_path / "out" / "curves.png").is_file()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--dpam", "10"], "--dpam goes with --clip and --preset ad-clip"),
        (["--validation-share", "2"], "validation_share must be at least 0 and below 1"),
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--categories", "none"], "has no category none"),
        (["--clip", "none.pt"], "none.pt"),
    ],
)
def test_what_cannot_be_is_one_line(
    typed: list[str], capsys: pytest.CaptureFixture[str], changed: list[str], message: str
) -> None:
    assert train_zero_shot.main([*typed, *changed]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
