"""The comparison of methods as a command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anomalygpt
import compare_peers
from anomalygpt import AnomalyGPT
from peers import trials
from peers.recipes import RECIPES

pytestmark = pytest.mark.usefixtures("one_thread")

ENCODER = "test_resnet"
SIDE = 64


def command(data: Path, weights: Path, *more: str) -> list[str]:
    given = [str(data), "--encoder", ENCODER, "--encoder-weights", str(weights)]
    return [*given, "--encoder-option", f"input_size={SIDE}", *more]


def test_references_are_those_of_evaluate(
    data: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All methods get them, drawn from the good training photos in the order of their names."""
    got: list[tuple[str, list[Path]]] = []

    def noted(method: Any, assistant: AnomalyGPT, references: Sequence[Path], _: bool) -> Any:
        got.append((method.name, list(references)))
        return trials.Tally(trials.Outcome(failure="not fitted"))

    monkeypatch.setattr(trials, "fitted", noted)
    shots = ["--shots", "1", "3", "--seeds", "0", "2"]
    arguments = command(data, weights, "--peers", "none", *shots, "--categories", "plate")
    assert compare_peers.main(arguments) == 0
    good = sorted((data / "plate" / "train" / "good").iterdir())
    expected = []
    for count in (1, 3):
        for seed in (0, 2):
            drawn = [good[i] for i in np.random.default_rng(seed).permutation(len(good))[:count]]
            expected += [drawn] * 4
    assert [references for _, references in got] == expected
    assert [name for name, _ in got[:4]] == [
        *("ours, normalised", "ours, published", "PatchCore-style", "SPADE-style")
    ]


def test_the_whole_without_anomalib(
    data: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.md"
    more = ["--peers", "none", "--shots", "1", "2", "--seeds", "0", "1", "--limit", "4"]
    assert compare_peers.main(command(data, weights, *more, "--output", str(report))) == 0
    text = report.read_text(encoding="utf-8")
    assert capsys.readouterr().out == text
    assert "Test photos: plate 4, toy 4." in text
    assert "--peers none --shots 1 2 --seeds 0 1 --limit 4" in text
    assert "## 1 reference\n" in text
    assert "## 2 references\n" in text
    ours = next(row for row in text.splitlines() if row.startswith("| ours, normalised"))
    assert ours.split(" | ")[7] == "1.00"
    assert "failed" not in text
    pooled = next(row for row in text.splitlines() if "pooled" in row)
    assert "masks at the photos' own pixels" in pooled


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--categories", "lamp"], "lamp"),
        (["--shots", "0"], "--shots counts from 1"),
        (["--shots", "6"], "6 references"),
        (["--peers", "none", "PaDiM"], "--peers none goes with no other name"),
        (["--peers", "PaDiM", "all"], "--peers all goes with no other name"),
        (["--limit", "0"], "limit"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    data: Path, weights: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert compare_peers.main(command(data, weights, "--peers", "none", *more)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert error.count("\n") == 1


def test_data_that_is_not_there(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare_peers.main(command(Path("nowhere"), weights)) == 2
    assert "nowhere does not exist" in capsys.readouterr().err


def test_without_anomalib_the_extra_is_named(
    data: Path,
    weights: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "anomalib", None)
    assert compare_peers.main(command(data, weights)) == 2
    assert "pip install 'anomalygpt[peers]', or add --peers none" in capsys.readouterr().err


def test_ctrl_c_ends_without_a_report(
    data: Path,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trials, "read_one", interrupted)
    report = tmp_path / "report.md"
    arguments = command(data, weights, "--peers", "none", "--output", str(report))
    assert compare_peers.main(arguments) == 130
    assert "stopped" in capsys.readouterr().err
    assert not report.exists()


@pytest.mark.filterwarnings("ignore")
def test_all_of_anomalibs_models_have_their_say(
    anomalib: Any, data: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """PaDiM has no covariance of a single photo, CFA no place for this network."""
    more = ["--shots", "1", "3", "--seeds", "0", "--categories", "plate"]
    assert compare_peers.main(command(data, weights, *more)) == 0
    text = capsys.readouterr().out
    assert "CFA not run: reads levels 1 to 3 of resnet18" in text
    assert "newer than this script" not in text
    one, three = text.split("## 3 references")
    for name in ("PatchCore", "MH-PatchCore"):
        assert f"anomalib {name} failed" not in text
    for name in ("PaDiM", "DFM"):
        assert f"anomalib {name} failed" in one
        assert f"anomalib {name} failed" not in three
    assert "anomalib DFKDE failed: needs at least 16 references" in three


def test_all_peers_are_the_default() -> None:
    given = compare_peers.parser().parse_args(["data", "--encoder", "resnet18"])
    assert compare_peers.chosen(given.peers) == list(RECIPES)
    assert compare_peers.chosen(["PaDiM", "CFA", "PaDiM"]) == ["PaDiM", "CFA"]


def test_the_bar_says_how_long_it_takes(
    data: Path,
    weights: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also over methods that fail; it ends at 100 %."""
    monkeypatch.setattr(trials, "BAR_DELAY", 0)
    monkeypatch.setattr(trials, "read_one", lambda *_: 1 / 0)
    assert compare_peers.main(command(data, weights, "--peers", "none", "--shots", "1")) == 0
    last = capsys.readouterr().err.rstrip().splitlines()[-1]
    assert "100%" in last
    assert "toy, shots 1, seed 2" in last
    assert "about 00:00 left" in last


def test_it_runs_from_any_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, compare_peers.__file__, "nowhere", "--encoder", ENCODER],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(anomalygpt.__file__).parents[1])},
    )
    assert done.returncode == 2
    assert "nowhere does not exist" in done.stderr


def test_photos_that_may_be_references_are_not_measured(
    data: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a plain folder good photos serve as both."""
    for kind, name in (("good", "train/good"), ("dent", "test/dent")):
        shutil.copytree(data / "toy" / name, tmp_path / "toy" / kind)
    seen: list[tuple[set[Path], set[Path]]] = []

    def noted(methods: Any, assistant: Any, samples: Any, references: Any, bar: Any) -> Any:
        seen.append(({sample.image for sample in samples}, set(references)))
        return {}

    monkeypatch.setattr(trials, "run_trial", noted)
    arguments = command(tmp_path / "toy", weights, "--peers", "none", "--shots", "1", "2")
    assert compare_peers.main(arguments) == 0
    assert len(seen) == 6
    assert not any(photos & references for photos, references in seen)
