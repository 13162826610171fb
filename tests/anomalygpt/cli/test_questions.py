"""`anomalygpt evaluate --dataset mmad` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.chat_server import MODEL, Act, serving


@pytest.fixture
def options(assistant_folder: Path, tmp_path: Path) -> list[object]:
    return ["--model", assistant_folder, "--device", "cpu", "--output", tmp_path / "out"]


def test_mmad_is_measured_and_told(anomalygpt, mmad: Path, options, tmp_path: Path) -> None:
    ran = anomalygpt("evaluate", mmad, "--dataset", "mmad", *options)
    assert ran.status == 0, ran.err
    assert "Anomaly Detection (balanced)" in ran.out
    assert "guessing" in ran.out
    assert f"report: {tmp_path / 'out' / 'report.html'}" in ran.out
    assert "warning: masks that are folders (1)" in ran.err
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["settings"]["shots"] == [1]
    assert "--dataset mmad" in results["command"]
    again = anomalygpt("evaluate", mmad, *options, "--dataset", "mmad")
    assert (again.status, again.out) == (0, ran.out)


def test_mmad_is_found_by_its_file(anomalygpt, mmad: Path, options, tmp_path: Path) -> None:
    ran = anomalygpt("evaluate", mmad, *options, "--limit", 2, "--category", "bottle")
    assert ran.status == 0, ran.err
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (results["data"]["layout"], results["data"]["photos"]) == ("mmad", 2)


def test_mmad_photos_that_are_missing_give_status_1(anomalygpt, mmad: Path, options) -> None:
    (mmad / "DS-MVTec/bottle/image/good/000.png").unlink()
    ran = anomalygpt("evaluate", mmad, *options)
    assert ran.status == 1
    assert "skipped: DS-MVTec/bottle/image/good/000.png: the photo is not there" in ran.err


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--mask-size", 256], "--mask-size does not go with multiple-choice questions"),
        (["--verdict", "threshold"], "--verdict does not go with"),
        (["--seeds", 5], "--seeds does not go with"),
        (["--think"], "--think is for foreign models"),
        (["--protocol", "cumulative"], "--protocol is for foreign models"),
        (["--shots", 9], "shots is 0 to 8"),
        (["--knowledge", "gone.json"], "gone.json cannot be read"),
    ],
)
def test_options_that_do_not_go_with_mmad(anomalygpt, mmad: Path, options, given, told) -> None:
    ran = anomalygpt("evaluate", mmad, *options, *given)
    assert ran.status == 2
    assert told in ran.error


@pytest.mark.parametrize(
    "given",
    [("--shuffle-options", 1), ("--expert", "openai:m@http://localhost/v1"), ("--offline",)],
)
def test_options_of_mmad_do_not_go_with_other_data(anomalygpt, disc: Path, options, given) -> None:
    ran = anomalygpt("evaluate", disc, *options, *given)
    assert ran.status == 2
    assert f"{given[0]} belongs to multiple-choice benchmarks" in ran.error


def test_an_expert_answers_with_our_evidence(
    anomalygpt, mmad: Path, options, tmp_path: Path
) -> None:
    with serving(Act(("B",), likely={"B": 0.9, "A": 0.1})) as server:
        expert = ("--expert", f"openai:{MODEL}@{server.url}", "--offline")
        ran = anomalygpt("evaluate", mmad, *options, *expert, "--evidence", "bbox")
        assert ran.status in (0, 1), ran.error
        first = server.heard[0]
        assert first.body["logprobs"] is True
        assert first.pictures == 3  # a template, the photo, the evidence
        assert any("The measurement:" in text for text in first.texts)
        assert f"{MODEL}: {len(server.heard)} requests" in ran.err


def test_data_that_is_no_mmad(anomalygpt, disc: Path, options) -> None:
    ran = anomalygpt("evaluate", disc, "--dataset", "mmad", *options)
    assert ran.status == 2
    assert "not in the layout of MMAD: looked for mmad.json" in ran.error


def test_data_check_of_mmad(anomalygpt, mmad: Path) -> None:
    ran = anomalygpt("data", "check", mmad)
    assert ran.status == 0
    assert f"{mmad}: MMAD" in ran.out
    assert "warning: masks that are folders" in ran.out
    (mmad / "MVTec-AD/bottle/train/good/001.png").unlink()
    told = json.loads(anomalygpt("data", "check", mmad, "--dataset", "mmad", "--json").out)
    assert {each["problem"] for each in told["findings"]} == {
        *("masks that are folders", "templates that are not there"),
    }
