"""What the measuring of many photos counts as a fault."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import measure_bulk

GOOD = Path(__file__).parents[2] / "examples" / "plate" / "good_1.jpg"


def row(image: str, score: float = 0.5) -> dict:
    return dict.fromkeys(measure_bulk.SAME) | {"image": image, "score": score}


def test_photos_that_are_missing_or_there_twice_are_found() -> None:
    rows = [row("a"), row("b"), row("b")]
    assert sorted(measure_bulk.odd(rows, ["a", "b", "c"])) == ["b: 2 times", "c: 0 times"]
    assert measure_bulk.odd(rows[:2], ["a", "b"]) == []
    assert measure_bulk.unlike([row("a"), row("b", 0.6)], rows[:2]) == ["b: other values"]


def test_copies_have_names_of_their_own(tmp_path: Path) -> None:
    names = measure_bulk.copies([GOOD], 5, tmp_path / "night")
    assert len(set(names)) == 5
    assert {(tmp_path / "night" / name).read_bytes() for name in names} == {GOOD.read_bytes()}


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc")
def test_processes_of_others_are_no_workers() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert list(measure_bulk.workers_of(process.pid)) == []
    process.communicate(b"\n")
