"""The decoder benchmark at sizes that take no time."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "benchmark_decoder.py"
SMALL = ["--references", "3", "--patches", "16", "--width", "8", "--stages", "2", "--repeats", "2"]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    specification = importlib.util.spec_from_file_location("benchmark_decoder", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "benchmark_decoder", module)
    specification.loader.exec_module(module)
    return module


class Processes:
    """Stands in for the processes that measure: they are done at once, and found these distances.

    Attributes:
        ran: the methods that were measured.
    """

    def __init__(self, ours: float = 0.0, published: float = 0.0) -> None:
        self.ran: list[str] = []
        self._distances = {"ours": ours, "published": published}

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        worker = command.index("--worker")
        method, _size, result = command[worker + 1 :]
        self.ran.append(method)
        np.save(result, [self._distances[method]])
        found = {"seconds": 0.5, "build_seconds": 0.1, "peak_bytes": 2**20}
        return subprocess.CompletedProcess(command, 0, stdout=json.dumps(found))


def test_both_methods_run_and_agree() -> None:
    """One row for the size; the status is 0 because the results are the same."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *SMALL], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "16 patches, 8 wide, 2 stages" in done.stdout
    cells = [cell.strip() for cell in done.stdout.splitlines()[-1].strip("|").split("|")]
    assert cells[0] == "3"
    assert cells[4].endswith("x")
    assert float(cells[-1]) <= 1e-5


def test_what_does_not_fit_into_memory_is_not_run(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The published formulation at 64 references: its need is named, ours is measured."""
    processes = Processes()
    monkeypatch.setattr(subprocess, "run", processes.run)
    monkeypatch.setattr(script, "free_memory", lambda: 20 * 2**30)
    size = script.Size(64, patches=256, width=1280, stages=4, threads=0, repeats=1)
    with script.tqdm(disable=True) as progress:
        row, agrees = script.compare(size, tmp_path, progress)
    assert agrees
    assert processes.ran == ["ours"]
    assert "not run: needs about 64 GB" in row


def test_different_results_are_noticed(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(subprocess, "run", Processes(published=2e-5).run)
    size = script.Size(1, patches=4, width=4, stages=1, threads=0, repeats=1)
    with script.tqdm(disable=True) as progress:
        assert not script.compare(size, tmp_path, progress)[1]
