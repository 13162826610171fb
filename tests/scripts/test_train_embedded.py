"""The embedded model's training script, and the stages as a command; nothing is trained.

The shell script runs with a stand-in for `python` that writes down how it was called.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import train_embedded
from embedded.records import RECORD

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "train_embedded.sh"
STAGES = ["encoder", "language", "evidence", "prompts", "heads", "ship"]
TALK_STAGES = ["talk", "evidence", "talk_prompts", "ship_talk"]
RESULTS = {
    "encoder": "encoder/encoder.safetensors",
    "language": "language/language_model/model.safetensors",
    "prompts": "prompts/assistant/config.json",
    "heads": "heads/assistant/config.json",
}
GIVEN = ["--photos", "my photos", "other/b", "--teachers", "t", "--text", "x", "--work", "w"]

Script = Callable[..., Any]


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_it_explains_itself(script: Script, option: str) -> None:
    ran = script(*GIVEN[:3], option)
    assert (ran.status, ran.err, ran.calls) == (0, "", [])
    explained = [line.split()[0] for line in ran.out.splitlines() if line.startswith("  ")]
    talk = ["talk", "talk_evidence", "talk_prompts", "ship_talk"]
    assert [name for name in explained if name in STAGES + talk] == STAGES + talk
    assert max(map(len, ran.out.splitlines())) <= 100


@pytest.mark.parametrize("given", [[], GIVEN[:-2], GIVEN[3:], ["--photos", *GIVEN[3:]]])
def test_without_all_folders_it_explains_and_fails(script: Script, given: list[str]) -> None:
    ran = script(*given)
    assert (ran.status, ran.out, ran.calls) == (2, "", [])
    assert ran.err.startswith("bash scripts/train_embedded.sh --photos")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--steps", "3"], "unknown option --steps"),
        ([*GIVEN, "more"], "unknown option more"),
        (["--work"], "--work needs a folder"),
        ([*GIVEN, "--talk", "--ship", "mine"], "--talk sees with the weights of the package"),
    ],
)
def test_what_it_does_not_know_is_said(script: Script, given: list[str], says: str) -> None:
    ran = script(*given)
    assert (ran.status, ran.out, ran.calls) == (2, "", [])
    assert ran.err.startswith(f"error: {says}")
    assert len(ran.err.splitlines()) == 1


def test_stages_run_in_order_and_take_each_others_results(script: Script, here: Path) -> None:
    ran = script(*GIVEN)
    assert (ran.status, ran.err) == (0, "")
    assert ran.stages == STAGES
    assert ran.out.splitlines() == [f"== {stage}" for stage in STAGES]
    work, photos = str(here / "w"), [str(here / "my photos"), str(here / "other/b")]
    given = {call[2]: call[3:] for call in ran.calls}
    assert {call[0] for call in ran.calls} == {str(ROOT)}
    for stage in ("encoder", "evidence", "heads", "ship"):
        start = given[stage].index("--photos") + 1
        assert given[stage][start : start + 2] == photos
    for stage in STAGES[:-1]:
        assert given[stage][-2:] == ["--output", f"{work}/{stage}"]
    assert given["ship"][-4:] == ["--work", work, "--output", "anomalygpt/weights/embedded"]
    encoder = ["--encoder", f"{work}/{RESULTS['encoder']}"]
    language = ["--language-model", f"{work}/language/language_model"]
    for stage, options in (("evidence", encoder), ("prompts", encoder + language)):
        assert all(option in given[stage] for option in options)
    assert f"{work}/heads/assistant" in given["ship"]


def test_a_folder_to_ship_into_is_meant_from_here(script: Script, here: Path) -> None:
    ran = script(*GIVEN, "--ship", "mine")
    assert ran.calls[-1][-2:] == ["--output", str(here / "mine")]


def test_what_is_finished_is_not_done_again(script: Script, here: Path) -> None:
    for done, result in RESULTS.items():
        path = here / "w" / result
        path.parent.mkdir(parents=True)
        path.touch()
        assert done not in script(*GIVEN).stages
    assert script(*GIVEN).stages == ["evidence", "ship"]


def test_the_preset_talk_comes_after_the_embedded_model(script: Script, here: Path) -> None:
    ran = script(*GIVEN, "--talk")
    assert (ran.status, ran.err) == (0, "")
    assert ran.stages == STAGES + TALK_STAGES
    work = str(here / "w")
    talk, evidence, prompts, shipped = (call[3:] for call in ran.calls[len(STAGES) :])
    assert talk == ["--text", str(here / "x"), "--output", f"{work}/talk"]
    assert evidence == [
        "--photos", str(here / "my photos"), str(here / "other/b"),
        "--encoder", "anomalygpt/weights/embedded/encoder.safetensors",
        "--output", f"{work}/talk_evidence",
    ]  # fmt: skip
    assert prompts == [
        "--talk", f"{work}/talk", "--evidence", f"{work}/talk_evidence",
        "--output", f"{work}/talk_prompts",
    ]  # fmt: skip
    assert shipped == [
        "--assistant", f"{work}/talk_prompts/assistant", "--work", work,
        "--output", "anomalygpt/weights/talk",
    ]  # fmt: skip


def test_finished_stages_of_talk_are_not_done_again(script: Script, here: Path) -> None:
    for result in ("talk/words.safetensors", "talk_prompts/assistant/config.json"):
        path = here / "w" / result
        path.parent.mkdir(parents=True)
        path.touch()
    assert script(*GIVEN, "--talk").stages == [*STAGES, "evidence", "ship_talk"]


def test_a_missing_language_model_is_said_before_anything_runs(script: Script) -> None:
    ran = script(*GIVEN, "--talk", CHECK_STATUS="1")
    assert (ran.status, ran.calls) == (2, [])
    assert script(*GIVEN).status == 0


def test_the_stages_take_the_options_they_are_given(
    script: Script,
) -> None:
    """Every command line of the script is one that its stage reads."""
    ran = script(*GIVEN, "--talk")
    for _, _, stage, *given in ran.calls:
        parser = argparse.ArgumentParser()
        importlib.import_module(f"embedded.{stage}").add_arguments(parser)
        parser.parse_args(given)
    assert {call[2] for call in ran.calls} <= set(train_embedded.STAGES)


@pytest.mark.parametrize(
    ("stage", "status"), [("ENCODER", "130"), ("EVIDENCE", "2"), ("TALK", "130")]
)
def test_a_stage_that_fails_ends_it(script: Script, stage: str, status: str) -> None:
    ran = script(*GIVEN, "--talk", **{f"{stage}_STATUS": status})
    assert ran.status == int(status)
    assert ran.stages[-1] == stage.lower()


def test_bash_can_read_it() -> None:
    done = subprocess.run(["bash", "-n", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The stages as a command, in this process."""

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["train_embedded.py", *map(str, arguments)])
        return train_embedded.main()

    return run


@pytest.mark.parametrize("arguments", [[], ["paint"], ["encoder"], ["ship", "--output", "x"]])
def test_a_stage_needs_its_name_and_options(
    command: Callable[..., int],
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        command(*arguments)
    assert stopped.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_help_names_all_stages(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        command("--help")
    assert stopped.value.code == 0
    said = capsys.readouterr().out.split()
    assert set(train_embedded.STAGES) <= set(said)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize("missing", ["no photos", "no teachers"])
def test_a_missing_folder_is_one_line(
    command: Callable[..., int],
    tmp_path: Path,
    missing: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(40):  # enough that some are held out
        colour = (number, 255 - number, 6 * number)
        Image.new("RGB", (20, 20), colour).save(photos / f"{number}.bmp")
    given = tmp_path / missing if missing == "no photos" else photos
    with torch.random.fork_rng():
        status = command(
            "encoder", "--photos", given, "--teachers", tmp_path / "no teachers",
            "--output", tmp_path / "out",
        )  # fmt: skip
    assert status == 2
    assert missing in one_line(capsys)
    assert not (tmp_path / "out" / RECORD).exists()


def test_a_missing_encoder_is_one_line(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = command(
        "evidence", "--photos", tmp_path, "--encoder", tmp_path / "none.safetensors",
        "--output", tmp_path / "out",
    )  # fmt: skip
    assert status == 2
    assert "none.safetensors does not exist" in one_line(capsys)


def test_ctrl_c_leaves_no_traceback(
    command: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from embedded import encoder

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(encoder, "split_photos", interrupted)
    given = ["--photos", tmp_path, "--teachers", tmp_path, "--output", tmp_path / "out"]
    assert command("encoder", *given) == 130
    assert capsys.readouterr().err == ""
    record = json.loads((tmp_path / "out" / RECORD).read_text())
    assert (record["stage"], record["result"], len(record["runs"])) == ("encoder", None, 1)
