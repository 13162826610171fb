"""`anomalygpt inspect --output`: what a person types and sees."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from anomalygpt.bulk.run import parts_folder
from anomalygpt.bulk.table import read_table
from tests.processes import Started


@pytest.fixture
def night(parts: Path, tmp_path: Path) -> Path:
    """Three photos that can be read, and one that cannot."""
    folder = tmp_path / "night"
    folder.mkdir()
    for number, name in enumerate(("good.png", "stained.png", "other.png")):
        shutil.copyfile(parts / name, folder / f"{number}.png")
    (folder / "3.png").write_text("no photo")
    return folder


def plain(rows: list[dict]) -> list[dict]:
    return [{**row, "seconds": 0.0} for row in rows]


def test_a_folder_becomes_a_table_and_a_page(inspect, night, tmp_path) -> None:
    output = tmp_path / "results.jsonl"
    ran = inspect(night, "--output", output, "--worst", 2)
    assert ran.status == 1
    assert ran.out == ""
    page = tmp_path / "results.html"
    assert ran.error.endswith(
        f"{output}: 4 photos, 3 without a verdict, 1 could not be inspected; the worst first in "
        f"{page}"
    )
    rows = read_table(output)
    assert [row["image"] for row in rows] == ["0.png", "1.png", "2.png", "3.png"]
    text = page.read_text("utf-8")
    assert text.count("data:image/jpeg;base64,") == 2
    shown = re.findall(r'alt="(\d\.png) with its map"', text)
    worst = sorted(rows[:3], key=lambda row: -row["score"])
    assert shown == [row["image"] for row in worst[:2]]
    assert "3.png is a text file" in text
    assert not parts_folder(output).exists()
    again = inspect(night, "--output", output)
    assert (again.status, "is there already" in again.error) == (2, True)


def test_a_whole_assistant_judges(anomalygpt, night, parts, assistant_folder, tmp_path) -> None:
    (night / "3.png").unlink()
    output = tmp_path / "results.csv"
    ran = anomalygpt(
        *("inspect", night, "--output", output, "--model", assistant_folder),
        *("-r", parts / "good.png", "--device", "cpu"),
    )
    assert ran.status == 0
    header, *lines = output.read_text("utf-8").splitlines()
    assert header.startswith("image,verdict,probability,score,")
    assert {line.split(",")[1] for line in lines} <= {"good", "damaged"}


def test_a_killed_run_goes_on(inspect, night, parts, encoder_options, tmp_path) -> None:
    for number in range(4, 30):
        shutil.copyfile(parts / "other.png", night / f"{number}.png")
    whole, output = tmp_path / "whole.jsonl", tmp_path / "results.jsonl"
    options = ["--batch-size", 1, "--worst", 1]
    inspect(night, "--output", whole, *options)
    started = Started(
        *("inspect", night, "-r", parts / "good.png", *encoder_options),
        *("--output", output, *options),
    )
    while not list(parts_folder(output).glob("part-*")):
        assert started.poll() is None, started.communicate()
        time.sleep(0.01)
    os.kill(started.pid, signal.SIGKILL)
    started.communicate()
    assert not output.exists()
    done = {path.name: path.read_bytes() for path in parts_folder(output).glob("part-*.jsonl")}
    ran = inspect(night, "--output", output, *options)
    assert f"{len(done)} of 30 photos are done already" in ran.err
    assert plain(read_table(output)) == plain(read_table(whole))
    kept = {json.loads(part)["image"]: json.loads(part) for part in done.values()}
    rows = {row["image"]: row for row in read_table(output)}
    assert all(rows[name] == row for name, row in kept.items())


def test_other_settings_do_not_go_on(inspect, night, parts, encoder_options, tmp_path) -> None:
    output = tmp_path / "results.jsonl"
    started = Started(
        *("inspect", night, "-r", parts / "good.png", *encoder_options),
        *("--output", output, "--batch-size", 1),
    )
    while not list(parts_folder(output).glob("part-*")):
        assert started.poll() is None, started.communicate()
        time.sleep(0.01)
    os.kill(started.pid, signal.SIGTERM)
    _, err = started.communicate()
    if started.returncode == 130:
        assert b"photos are done; the same command goes on" in err
        ran = inspect(night, "--output", output, "--category", "nut")
        assert ran.status == 2
        assert "begun with other settings: category (none, now nut)" in ran.error
        assert inspect(night, "--output", output).status == 1
    else:  # it was faster
        assert output.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ray"], "--ray needs --output FILE"),
        (["--worst", "3"], "--worst needs --output FILE"),
        (["--output", "r.csv", "--workers", "3"], "--workers needs --ray"),
        (["--output", "r.csv", "--json"], "--json does not go with --output"),
        (["--output", "r.csv", "--mutual"], "--mutual does not go with --output"),
        (["--output", "r.csv", "--ray", "night"], "photos come before it"),
        (["--output", "r.xls"], "results are written as"),
        (["--output", "no/r.csv"], "does not exist; make it"),
    ],
)
def test_what_does_not_go_together(inspect, night, options, message, monkeypatch) -> None:
    if "night" in options:
        pytest.importorskip("ray")
    monkeypatch.chdir(night.parent)
    ran = inspect(night, *options)
    assert ran.status == 2
    assert message in ran.error
    assert sorted(path.name for path in night.parent.iterdir()) == ["night"]


def test_an_empty_folder(inspect, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    ran = inspect(tmp_path / "empty", "--output", tmp_path / "r.csv")
    assert (ran.status, "holds no photo" in ran.error) == (2, True)
    assert not parts_folder(tmp_path / "r.csv").exists()


def test_most_are_good_holds_for_the_whole_run(inspect, parts, tmp_path) -> None:
    night = tmp_path / "night"
    night.mkdir()
    for number in range(21):
        shutil.copyfile(parts / "other.png", night / f"{number:02}.png")
    output = tmp_path / "r.jsonl"
    ran = inspect(night, "--output", output, "--most-are-good")
    if ran.status == 2:  # random weights may contradict the reference
        assert "most of these photos" in ran.error or "differ less" in ran.error
    else:
        assert len(read_table(output)) == 21
