"""A published AnomalyCLIP file at the command line: converted, then used like any model."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.small_evaluations import make_category
from tests.tiny_clip import (
    OPTIONS,
    SIZES,
    published_prompts,
    tiny_clip,
    tiny_prompts,
    write_prompts,
    write_torchscript,
)

SETTINGS = tuple(f"{key}={value}" for key, value in OPTIONS.items())


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("published")
    clip = tiny_clip()
    state = published_prompts(tiny_prompts(), clip.token_embedding.weight)
    prompts = write_prompts(folder / "epoch_15.pth", state)
    return prompts, write_torchscript(folder / "ViT.pt", clip.state_dict())


@pytest.fixture
def converted(anomalygpt, published: tuple[Path, Path], tmp_path: Path) -> Path:
    prompts, clip = published
    given = ("--anomalyclip", prompts, "--clip", clip, "--clip-option", *SETTINGS)
    ran = anomalygpt("convert", *given, "--output", tmp_path / "out")
    assert (ran.status, ran.err) == (0, "")
    assert "4 skipped: projections that the published code makes and never uses" in ran.out
    assert "4 skipped: embeddings of words, equal to those of the CLIP given" in ran.out
    assert "it needs no reference" in ran.out
    return tmp_path / "out"


def test_inspect_needs_no_reference(anomalygpt, parts: Path, converted: Path) -> None:
    typed = ("inspect", parts / "stained.png", "--map-only", "--json", "--model", converted)
    alone, compared = anomalygpt(*typed), anomalygpt(*typed, "-r", parts / "good.png")
    assert (alone.status, alone.err) == (0, "")
    assert (compared.status, compared.err) == (0, "")
    first, second = json.loads(alone.out), json.loads(compared.out)
    assert first["references"] == []
    assert len(second["references"]) == 1
    assert 0 < first["anomaly_score"] < 1
    assert first["anomaly_score"] != second["anomaly_score"]


def test_without_map_only_it_says_that_it_is_mute(anomalygpt, parts, converted: Path) -> None:
    ran = anomalygpt("inspect", parts / "stained.png", "--model", converted)
    assert ran.status == 2
    assert "language model" in ran.error


def test_evaluate_without_and_with_references(anomalygpt, converted: Path, tmp_path: Path) -> None:
    category = make_category(tmp_path / "data" / "disc", masks=True, seed=3, train=2, each=2)
    ran = anomalygpt(
        *("evaluate", category.parent, "--model", converted, "--shots", 0, 1, "--seeds", 3),
        *("--output", tmp_path / "results"),
    )
    assert ran.status == 0, ran.err
    results = json.loads((tmp_path / "results" / "results.json").read_text(encoding="utf-8"))
    assert {row["shots"] for row in results["summary"]} == {0, 1}


def test_train_does_not_take_it(anomalygpt, converted: Path, tmp_path: Path) -> None:
    category = make_category(tmp_path / "data" / "disc", masks=True, seed=3, train=2, each=2)
    given = ("--model", converted, "--ablation", "decoder-only")
    ran = anomalygpt("train", category.parent, tmp_path / "run", *given)
    assert ran.status == 2
    assert "learned prompts, which `train` does not train" in ran.error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--anomalyclip", "a.pth"], "give --clip FILE"),
        (["--clip", "a.pt"], "go with --anomalyclip"),
        (["--anomalyclip", "a.pth", "--clip", "b.pt", "--vicuna", "c"], "different models"),
        (["--anomalyclip", "a.pth", "--clip", "b.pt", "--merge-lora"], "--merge-lora"),
        (["--anomalyclip", "{}/none.pth", "--clip", "{}/b.pt"], "none.pth does not exist"),
        (["--anomalyclip", "a.pth", "--clip", "b.pt", "--gguf", "c"], "--gguf takes"),
        (["--anomalyclip", "a.pth", "--clip", "b.pt", "--dtype", "int3"], "int3"),
    ],
)
def test_options_that_do_not_fit(anomalygpt, tmp_path: Path, arguments, message: str) -> None:
    given = [argument.format(tmp_path) for argument in arguments]
    ran = anomalygpt("convert", *given, "--output", tmp_path / "out")
    assert ran.status == 2
    assert message in ran.error
    assert not (tmp_path / "out").exists()


def test_value_attention_alone_compares_with_references(
    anomalygpt, published: tuple[Path, Path], parts: Path
) -> None:
    sizes = tuple(f"{key}={value}" for key, value in asdict(SIZES).items())
    ran = anomalygpt(
        *("inspect", parts / "stained.png", "-r", parts / "good.png", "--map-only", "--json"),
        *("--encoder", "value_attention/other", "--encoder-weights", published[1]),
        *("--encoder-option", *sizes, *SETTINGS),
    )
    assert (ran.status, ran.err) == (0, "")
    assert 0 <= json.loads(ran.out)["anomaly_score"] <= 1
