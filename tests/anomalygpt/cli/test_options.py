"""Options that do not fit together, and models and devices that are not there."""

from __future__ import annotations

import pytest

from anomalygpt import pretrained
from anomalygpt.cli.shared import parse_options
from anomalygpt.errors import ConfigError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--encoder", "resnet18"], "add --map-only"),
        (["--encoder-weights", "x.pth"], "need --encoder NAME"),
        (["--encoder-option", "input_size=64"], "need --encoder NAME"),
        (["--model", "no/such/folder"], "no/such/folder does not exist"),
        (["--map-only", "--encoder", "resnet18x", "--encoder-weights", "x"], "resnet18"),
        (["--map-only", "--encoder", "resnet18", "--encoder-weights", "x"], "x does not exist"),
        (["--map-only", "--encoder", "imagebind_huge"], "--encoder-weights FILE"),
    ],
)
def test_models_that_cannot_be_used(anomalygpt, parts, arguments, message, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ran = anomalygpt("inspect", parts / "good.png", "-r", parts / "other.png", *arguments)
    assert ran.status == 2
    assert message in ran.error
    assert not ran.out


def test_a_model_that_is_missing_from_the_installation(anomalygpt, parts, monkeypatch) -> None:
    monkeypatch.setitem(pretrained.PRESETS, "embedded", parts / "nothing")
    ran = anomalygpt("inspect", parts / "good.png", "-r", parts / "other.png")
    assert ran.status == 2
    assert "'embedded' is missing from this installation" in ran.error


def test_chat_needs_words(anomalygpt, parts) -> None:
    ran = anomalygpt("chat", parts / "good.png", "--encoder", "resnet18")
    assert ran.status == 2
    assert "cannot answer in words" in ran.error


@pytest.mark.parametrize("device", ["tpu9", "cuda:99", "meta"])
def test_a_device_that_is_not_there(anomalygpt, parts, encoder_options, device) -> None:
    ran = anomalygpt(
        "inspect", parts / "good.png", "-r", parts, *encoder_options, "--device", device
    )
    assert ran.status == 2
    assert device in ran.error


def test_a_number_format_that_is_none(anomalygpt, parts, assistant_folder) -> None:
    ran = anomalygpt("inspect", parts, "--model", assistant_folder, "--dtype", "int3")
    assert ran.status == 2
    assert "int3" in ran.error


@pytest.mark.parametrize(
    "option",
    [
        "nothing",
        "input_size=abc",
        "input_size=64.5",
        "input_size=true",
        "input_size=65",
        "input_size=0",
        "input_size=64,64",
        "mean=a,b,c",
        "mean=0.5,0.5",
        "std=a",
        "std=0,0,0",
        "stages=x",
        "stages=1.5",
        "stages=99",
        "resize=round",
        "legs=3",
        "embed_dim=abc",
        "num_heads=5",
    ],
)
def test_encoder_options_that_cannot_be(anomalygpt, parts, encoder_options, option) -> None:
    ran = anomalygpt("inspect", parts / "good.png", "-r", parts, *encoder_options, option)
    assert ran.status == 2
    assert ran.error


def test_options_are_numbers_lists_and_words() -> None:
    assert parse_options(["a=1", "b=0.5,1", "c=true", "d=same", "e=__import__('os')"]) == {
        "a": 1,
        "b": (0.5, 1),
        "c": True,
        "d": "same",
        "e": "__import__('os')",
    }
    for wrong in ("a", "=1", "a b=1"):
        with pytest.raises(ConfigError, match="KEY=VALUE"):
            parse_options([wrong])
