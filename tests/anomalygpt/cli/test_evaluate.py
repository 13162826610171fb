"""`anomalygpt evaluate` as a user types it: what it prints and how it ends."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from anomalygpt import AnomalyGPT
from anomalygpt.cli import main

pytestmark = pytest.mark.usefixtures("short_verdicts")


@pytest.fixture
def options(encoder_options, tmp_path) -> list[object]:
    """A tiny encoder alone, results into `tmp_path / "out"`."""
    return [*encoder_options[1:], "--output", tmp_path / "out", "--seeds", 0, "--examples", 0]


def test_help_does_not_wait_for_torch() -> None:
    script = (
        "import sys, anomalygpt.cli\n"
        "try: anomalygpt.cli.main(['evaluate', '--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'transformers', 'timm', 'numpy', 'cv2', 'PIL', 'sklearn'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for option in ("--shots", "--leave-out-seen", "--mask-size", "--encoder"):
        assert option in done.stdout


def test_a_whole_assistant_is_measured(anomalygpt, disc, assistant_folder, tmp_path) -> None:
    typed = [
        *("evaluate", disc, "--model", assistant_folder, "--output", tmp_path / "my results"),
        *("--shots", 0, 1, "--seeds", 3, "--verdict", "language", "threshold", "--no-decoder"),
        *("--limit", 4, "--examples", 1, "--device", "cpu"),
    ]
    ran = anomalygpt(*typed)
    assert (ran.status, ran.err) == (0, "")
    assert f"report: {tmp_path / 'my results' / 'report.html'}" in ran.out
    results = json.loads((tmp_path / "my results" / "results.json").read_text())
    assert len(results["rows"]) == 2 * 3
    assert results["command"].startswith("anomalygpt evaluate ")
    assert f"--output '{tmp_path / 'my results'}'" in results["command"]
    assert "ONLY A PART OF THE DATA" in ran.out
    again = anomalygpt(*typed)
    assert (again.status, again.out) == (0, ran.out)


def test_a_threshold_needs_no_language_model(
    anomalygpt, disc, assistant_folder, tmp_path, monkeypatch
) -> None:
    loaded: list[bool] = []
    load = AnomalyGPT.from_pretrained.__func__

    def watched(cls, *arguments, map_only=False, **others):
        loaded.append(map_only)
        return load(cls, *arguments, map_only=map_only, **others)

    monkeypatch.setattr(AnomalyGPT, "from_pretrained", classmethod(watched))
    typed = ["evaluate", disc, "--model", assistant_folder, "--verdict", "threshold"]
    typed += ["--seeds", 0, "--limit", 2, "--examples", 0, "--output"]
    assert anomalygpt(*typed, tmp_path / "a").status == 0
    assert anomalygpt(*typed, tmp_path / "b", "--no-decoder").status == 0
    assert loaded == [True, False]


def test_a_broken_photo_ends_in_status_1(anomalygpt, disc, options) -> None:
    photo = disc / "disc" / "test" / "good" / "000.png"
    photo.write_bytes(photo.read_bytes()[:300])
    for _ in range(2):  # also when the results are there already
        ran = anomalygpt("evaluate", disc, *options)
        assert ran.status == 1
        assert str(photo) in ran.error


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["--shots", "0"], "no trained text side"),
        (["--shots", "-1"], "shots takes whole numbers from 0 on"),
        (["--limit", "0"], "limit takes whole numbers from 1 on"),
        (["--shots", "9"], "asks for 9 references"),
        (["--category", "disk"], "no category disk"),
        (["--dataset", "visa"], "not in the layout of VisA"),
        (["--no-decoder"], "no language model"),
        (["--verdict", "language"], "no language model"),
        (["--model", "x"], "--model does not go with --encoder"),
    ],
)
def test_what_cannot_be_measured(anomalygpt, disc, options, tmp_path, typed, message) -> None:
    ran = anomalygpt("evaluate", disc, *options, *typed)
    assert ran.status == 2
    assert message in ran.error
    assert not (tmp_path / "out").exists()


def test_data_or_output_that_is_not_there(anomalygpt, disc, options, tmp_path) -> None:
    ran = anomalygpt("evaluate", tmp_path / "none", *options)
    assert (ran.status, "does not exist" in ran.error) == (2, True)
    (tmp_path / "out").write_text("a file")
    ran = anomalygpt("evaluate", disc, *options)
    assert (ran.status, "is a file" in ran.error) == (2, True)


@pytest.mark.parametrize("typed", [["--dataset", "zoo"], ["--map", "raw"], ["--limit", "few"], []])
def test_arguments_that_make_no_command(typed, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "data", *typed])
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


# Says when a batch is measured, and gives others the time to interrupt.
SLOWLY = """
import sys, time
from anomalygpt import AnomalyGPT
from anomalygpt.cli import main
from anomalygpt.evaluation.category import CategoryRun
import torch
torch.set_num_threads(1)
add = CategoryRun.add
def slowly(self, batch):
    add(self, batch)
    print("batch", flush=True)
    time.sleep(0.3)
CategoryRun.add = slowly
sys.exit(main(sys.argv[1:]))
"""


def test_ctrl_c_keeps_what_was_measured(anomalygpt, disc, options, tmp_path) -> None:
    """Beside another process that measures the same into another folder."""
    typed = ["evaluate", disc, *options, "--shots", 1, 2, "--batch-size", 1]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOWLY, *map(str, typed)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        assert anomalygpt(*typed, "--output", tmp_path / "whole").status == 0
        assert process.stdout is not None
        assert process.stdout.readline() == "batch\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert err.splitlines() == [
        "anomalygpt: interrupted; what was measured is kept, the same command goes on"
    ]
    assert not (tmp_path / "out" / "results.json").exists()
    ran = anomalygpt(*typed)
    assert (ran.status, ran.err) == (0, "")
    for name in ("photos.csv", "results.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_without_a_results_folder_nothing_is_shared(anomalygpt, disc, options, tmp_path) -> None:
    """The command that the results name gives the same results, wherever they are copied to."""
    anomalygpt("evaluate", disc, *options)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    shutil.move(tmp_path / "out", tmp_path / "kept")
    assert anomalygpt(*shlex.split(results["command"])[1:]).status == 0
    again = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (again["rows"], again["mark"]) == (results["rows"], results["mark"])
    assert (
        Path(tmp_path / "kept" / "photos.csv").read_bytes()
        == (tmp_path / "out" / "photos.csv").read_bytes()
    )
