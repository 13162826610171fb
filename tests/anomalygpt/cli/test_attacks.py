"""`anomalygpt evaluate --attack` and `inspect --alarm` as a user types them."""

from __future__ import annotations

import json
import sys

import pytest

from anomalygpt.cli.attacks import ATTACK_NAMES, EPSILONS
from anomalygpt.evaluation.robustness import attacks


def test_the_lists_are_those_of_the_room() -> None:
    assert ATTACK_NAMES == attacks.ATTACKS
    assert EPSILONS == attacks.EPSILONS


def test_a_tiny_data_set_is_attacked(anomalygpt, disc, assistant_folder, tmp_path) -> None:
    typed = [
        *("evaluate", disc, "--model", assistant_folder, "--output", tmp_path / "out"),
        *("--dataset", "mvtec", "--category", "disc", "--shots", 1, "--seeds", 0),
        *("--attack", "fgsm", "deepfool", "--epsilon", 0, 4, "--attack-photos", 2),
        *("--device", "cpu"),
    ]
    ran = anomalygpt(*typed)
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert lines[0].split()[:4] == ["product", "references", "attack", "epsilon"]
    assert [line.split()[2:4] for line in lines[1:6]] == [
        ["none", "0"],
        ["fgsm", "0"],
        ["fgsm", "4"],
        ["deepfool", "0"],
        ["deepfool", "4"],
    ]
    assert lines[-1] == f"report: {tmp_path / 'out' / 'attack.html'}"
    results = json.loads((tmp_path / "out" / "attack.json").read_text())
    assert results["command"].startswith("anomalygpt evaluate ")
    assert "| disc |" in (tmp_path / "out" / "attack.md").read_text("utf-8")
    again = anomalygpt(*typed)
    assert (again.status, again.out) == (0, ran.out)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--epsilon", 1], "--epsilon is for attacks"),
        (["--attack-photos", 1], "--attack-photos is for attacks"),
        (["--attack", "fgsm", "--epsilon", 65], "0 to 64"),
        (["--attack", "pgd", "--attack-steps", 0], "steps of attacks"),
        (["--attack", "pgd", "--dataset", "mmad"], "leave --attack out with questions"),
    ],
)
def test_what_does_not_go_together(anomalygpt, disc, tmp_path, more, words) -> None:
    ran = anomalygpt("evaluate", disc, "--output", tmp_path / "out", *more)
    assert ran.status == 2
    assert words in ran.error


def test_without_the_library(anomalygpt, disc, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "art.attacks", None)
    ran = anomalygpt("evaluate", disc, "--output", tmp_path / "out", "--attack", "fgsm")
    assert ran.status == 2
    assert 'pip install "anomalygpt[attacks]"' in ran.error


def test_the_alarm_is_told(anomalygpt, parts, assistant_folder) -> None:
    options = ["-r", parts / "good.png", "--model", assistant_folder, "--device", "cpu"]
    photo = parts / "stained.png"
    plain = json.loads(anomalygpt("inspect", photo, *options, "--json").out)
    ran = anomalygpt("inspect", photo, *options, "--json", "--alarm")
    found = json.loads(ran.out)
    assert (ran.status, plain["steadiness"], found["steadiness"]["looks"]) == (0, None, 6)
    assert found["anomaly_probability"] == plain["anomaly_probability"]
    unsteady = any("unsteady" in caution for caution in found["cautions"])
    assert unsteady is not found["steadiness"]["is_steady"]


@pytest.mark.parametrize("other", ["--map-only", "--mutual"])
def test_an_alarm_needs_a_verdict_to_watch(anomalygpt, parts, other) -> None:
    ran = anomalygpt("inspect", parts / "stained.png", "--alarm", other)
    assert ran.status == 2
    assert "--alarm watches" in ran.error
