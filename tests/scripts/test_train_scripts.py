"""The training scripts: what they explain, check and start; nothing is installed or trained.

They run in an environment made of stand-ins that write down how they were called.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ("train_mvtec.sh", "train_visa.sh", "train_supervised.sh")
LAYOUTS = {"train_mvtec.sh": "mvtec", "train_visa.sh": "visa", "train_supervised.sh": "auto"}

STAND_IN = """#!{python}
import json, os, sys

name, *given = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
if name == "python" and given[0] == "-V":
    sys.exit(print("Python 3.12"))
if name == "python" and given[0] == "-c" and "version_info" in given[1]:
    sys.exit(0)
if name == "python" and given[0] == "-c" and "device_count" in given[1]:
    sys.exit(print(os.environ.get("GPUS", "1")))
with open({calls!r}, "a") as file:
    file.write(json.dumps([os.getcwd(), name, *given]) + "\\n")
if os.environ.get("REAL") and given[:2] != ["-m", "pip"]:
    command = given if name == "python" else ["-m", "anomalygpt", *given]
    os.execv({python!r}, [{python!r}, *command])
kind = "data" if given[:2] == ["data", "check"] else "check" if "--check" in given else "train"
sys.exit(int(os.environ.get(kind.upper() + "_STATUS", "0")))
"""


@dataclass(frozen=True)
class Ran:
    """What a script said, and the commands that it called: folder, name, arguments."""

    status: int
    out: str
    err: str
    calls: list[list[str]]


Script = Callable[..., Ran]


@pytest.fixture
def script(tmp_path: Path, as_installed: Callable[[Path], None]) -> Script:
    """Runs a script in a folder with a space in its name."""
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    calls = tmp_path / "calls"
    for name in ("python", "anomalygpt"):
        stand_in = environment / "bin" / name
        stand_in.write_text(STAND_IN.format(python=sys.executable, calls=str(calls)))
        stand_in.chmod(0o755)
    as_installed(environment)
    here = tmp_path / "my work"
    here.mkdir()

    def run(name: str, *arguments: str, **variables: str) -> Ran:
        calls.write_text("")
        kept = {key: value for key, value in os.environ.items() if key != "PROCESSES"}
        done = subprocess.run(
            ["bash", str(ROOT / "scripts" / name), *arguments],
            cwd=here,
            env={**kept, "VIRTUAL_ENV": str(environment), **variables},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        made = [json.loads(line) for line in calls.read_text().splitlines()]
        return Ran(done.returncode, done.stdout, done.stderr, made)

    return run


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_they_explain_themselves(script: Script, name: str, arguments: list[str]) -> None:
    ran = script(name, *arguments)
    assert (ran.status, ran.err, ran.calls) == (0, "", [])
    assert f"bash scripts/{name} DATA OUTPUT" in ran.out
    assert "--resume goes on" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 100


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize(
    "arguments", [["data"], ["--model", "x", "data", "out"], ["data", "--cpu"]]
)
def test_without_both_folders_they_explain_and_fail(
    script: Script, name: str, arguments: list[str]
) -> None:
    ran = script(name, *arguments)
    assert (ran.status, ran.out, ran.calls) == (2, "", [])
    assert f"bash scripts/{name} DATA OUTPUT" in ran.err


@pytest.mark.parametrize("name", SCRIPTS)
def test_they_check_and_then_train(script: Script, name: str, tmp_path: Path) -> None:
    """Paths are meant from where the user is, and may have spaces in them."""
    layout = LAYOUTS[name]
    given = ["my data", "out dir", "--model", "a  b", "--categories", "x", "y z"]
    ran = script(name, *given)
    assert (ran.status, ran.err) == (0, "")
    end = [*given[2:], "--supervised"] if name == "train_supervised.sh" else given[2:]
    train = ["train", "my data", "out dir", "--layout", layout, *end]
    assert {folder for folder, *_ in ran.calls} == {str(tmp_path / "my work")}
    assert [command for _, *command in ran.calls] == [
        ["anomalygpt", "data", "check", "my data", "--dataset", layout],
        ["anomalygpt", *train, "--check"],
        ["python", "-m", "anomalygpt", *train],
    ]


@pytest.mark.parametrize("variables", [{"PROCESSES": "2"}, {"GPUS": "2"}])
def test_several_processes_are_launched(script: Script, variables: dict[str, str]) -> None:
    ran = script("train_mvtec.sh", "data", "out", "--cpu", **variables)
    assert (ran.status, ran.err) == (0, "")
    launch = ran.calls[2]
    assert launch[1:3] == ["python", "-c"]
    assert "--multi_gpu" in launch
    assert launch[launch.index("--num_processes") + 1] == "2"
    assert launch[launch.index("-m") :] == [
        "-m", "anomalygpt", "train", "data", "out", "--layout", "mvtec", "--cpu",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("statuses", "status", "commands"),
    [
        ({"DATA_STATUS": "1"}, 1, 1),
        ({"DATA_STATUS": "2"}, 2, 1),
        ({"CHECK_STATUS": "2"}, 2, 2),
        ({"TRAIN_STATUS": "130"}, 130, 3),
        ({"TRAIN_STATUS": "2", "PROCESSES": "2"}, 2, 3),
    ],
)
def test_what_fails_ends_it_with_its_status(
    script: Script, statuses: dict[str, str], status: int, commands: int
) -> None:
    ran = script("train_mvtec.sh", "data", "out", **statuses)
    assert ran.status == status
    assert len(ran.calls) == commands


@pytest.mark.parametrize("processes", ["two", "0", "-1", "1.5"])
def test_processes_that_are_no_number(script: Script, processes: str) -> None:
    ran = script("train_mvtec.sh", "data", "out", PROCESSES=processes)
    assert ran.status == 1
    assert ran.err == f"anomalygpt: PROCESSES is a number from 1 on, got '{processes}'\n"


def test_missing_data_is_one_line_and_nothing_starts(script: Script) -> None:
    ran = script("train_mvtec.sh", "no data", "out", "--model", "x", REAL="1")
    assert ran.status == 2
    (line,) = ran.err.splitlines()
    assert line.startswith("anomalygpt: error: ")
    assert "no data" in line
    assert [call[2:4] for call in ran.calls] == [["data", "check"]]


@pytest.mark.parametrize("status", [0, 130])
def test_the_status_of_processes_comes_through_without_a_stack_trace(
    script: Script, tmp_path: Path, status: int
) -> None:
    """The real launcher, and in place of AnomalyGPT a package that only ends."""
    package = tmp_path / "stand_in" / "anomalygpt"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import os, sys\n"
        "if sys.argv[1] == 'train' and '--check' not in sys.argv and os.environ['RANK'] == '0':\n"
        "    print('one line', file=sys.stderr)\n"
        f"    sys.exit({status})\n"
    )
    ran = script(
        "train_mvtec.sh", "data", "out", PROCESSES="2", REAL="1", PYTHONPATH=str(package.parent)
    )
    assert ran.status == status
    assert ran.err == "one line\n"


@pytest.mark.parametrize("name", [*SCRIPTS, "training.sh"])
def test_bash_can_read_them(name: str) -> None:
    done = subprocess.run(
        ["bash", "-n", str(ROOT / "scripts" / name)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_prompts_explain_themselves(script: Script) -> None:
    ran = script("train_zero_shot.sh")
    assert (ran.status, ran.err, ran.calls) == (0, "", [])
    assert "bash scripts/train_zero_shot.sh DATA OUTPUT --clip" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 100
    lacking = script("train_zero_shot.sh", "data")
    assert (lacking.status, lacking.out, lacking.calls) == (2, "", [])


def test_prompts_check_the_data_and_then_train(script: Script, tmp_path: Path) -> None:
    given = ["my data", "out dir", "--clip", "a  b.pt", "--epochs", "3"]
    ran = script("train_zero_shot.sh", *given)
    assert (ran.status, ran.err) == (0, "")
    assert {folder for folder, *_ in ran.calls} == {str(tmp_path / "my work")}
    assert [command for _, *command in ran.calls] == [
        ["anomalygpt", "data", "check", "my data"],
        ["python", str(ROOT / "scripts" / "train_zero_shot.py"), *given],
    ]
    broken = script("train_zero_shot.sh", *given, DATA_STATUS="1")
    assert broken.status == 1
    assert "repair the data set" in broken.err
    assert len(broken.calls) == 1
