"""`anomalygpt watch`: what a person types and sees."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.processes import Started


@pytest.fixture
def folder(parts: Path, tmp_path: Path) -> Path:
    made = tmp_path / "arrivals"
    made.mkdir()
    shutil.copyfile(parts / "other.png", made / "a.png")
    return made


def test_what_lies_there_is_inspected_once(
    anomalygpt, folder, parts, assistant_folder, tmp_path
) -> None:
    arguments = (
        *("watch", folder, "-r", parts / "good.png", "--model", assistant_folder),
        *("--device", "cpu", "--once", "--poll", "--json", "--csv", tmp_path / "r.csv"),
        *("--move-to", tmp_path / "sorted"),
    )
    ran = anomalygpt(*arguments)
    assert ran.status == 0
    (row,) = (json.loads(line) for line in ran.out.splitlines())
    assert row["image"] == "a.png"
    assert row["verdict"] in ("good", "damaged")
    assert (tmp_path / "sorted" / row["verdict"] / "a.png").is_file()
    assert "1 photos inspected, 0 of them could not be" in ran.err
    again = anomalygpt(*arguments)
    assert (again.out, again.status) == ("", 0)
    assert "1 photos were inspected before" in again.err
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        assert [line["image"] for line in csv.DictReader(file)] == ["a.png"]


def test_it_runs_until_it_is_ended(folder, parts, encoder_options) -> None:
    pytest.importorskip("watchdog")
    started = Started("watch", folder, "-r", parts / "good.png", *encoder_options)
    shutil.copyfile(parts / "stained.png", folder / "b.png")
    state = folder / ".anomalygpt-watch.sqlite3"
    end = time.monotonic() + 60
    out = started.output
    while out().count(b"\n") < 2:
        assert time.monotonic() < end
        assert started.poll() is None
        time.sleep(0.05)
    os.kill(started.pid, signal.SIGTERM)
    written, err = started.communicate()
    assert started.returncode == 0
    assert sorted(line.partition(b":")[0] for line in written.splitlines()) == [b"a.png", b"b.png"]
    assert b"2 photos inspected" in err
    assert state.is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--move-to", "x", "--copy-to", "y"], "exclude each other"),
        (["--move-to", "x"], "--map-only has none"),
        (["--webhook", "host"], "--webhook is a web address"),
        (["--state", "missing/state"], "cannot be used"),
    ],
)
def test_what_does_not_go_together(
    anomalygpt, folder, parts, encoder_options, options, message, without_socks
) -> None:
    ran = anomalygpt("watch", folder, "-r", parts / "good.png", *encoder_options, *options)
    assert ran.status == 2
    assert message in ran.error


def test_a_folder_that_is_none(anomalygpt, tmp_path) -> None:
    ran = anomalygpt("watch", tmp_path / "missing")
    assert (ran.status, "is no folder; make it" in ran.error) == (2, True)
