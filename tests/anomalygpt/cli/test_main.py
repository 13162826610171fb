"""The command line: help, warnings of libraries, how it ends, and letters that are not there."""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TextIO

import numpy as np
import pytest
import torch
from PIL import Image

from anomalygpt.cli import assistant as assistants
from anomalygpt.cli import main
from anomalygpt.errors import DeviceError
from tests import processes
from tests.inspections import inspections


def shell(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    """The command line as a shell starts it."""
    command = [sys.executable, "-m", "anomalygpt", *(str(argument) for argument in arguments)]
    settings = {"capture_output": True, "text": True, "timeout": 120, "check": False}
    return subprocess.run(command, **{**settings, **options})


# --- libraries that complain -------------------------------------------------------------------

COMPLAINING = """
import builtins, logging, warnings
load = builtins.__import__
def complain(name, *rest, **named):
    if name == "timm":
        warnings.warn("an argument goes soon", FutureWarning)
        logging.getLogger("transformers").warning("this is old")
    return load(name, *rest, **named)
builtins.__import__ = complain
"""


@pytest.mark.parametrize("debug", [False, True])
def test_only_who_asks_sees_warnings_of_libraries(
    assistant_folder: Path, parts: Path, tmp_path: Path, debug: bool
) -> None:
    (tmp_path / "sitecustomize.py").write_text(COMPLAINING)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    environment["ANOMALYGPT_DEBUG"] = str(int(debug))
    photos = (parts / "plain.jpg", "--reference", parts / "good.png")
    done = shell("inspect", *photos, "--model", assistant_folder, env=environment)
    assert done.returncode == 0, done.stderr
    if debug:
        assert "an argument goes soon" in done.stderr
        assert "this is old" in done.stderr
    else:
        assert done.stderr == ""


def test_what_the_command_changes_for_libraries_ends_with_it(anomalygpt, parts: Path) -> None:
    def state() -> tuple[object, ...]:
        disabled = logging.root.manager.disable
        return warnings.showwarning, disabled, dict(os.environ), gc.get_threshold()

    usual = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    try:
        before = state()
        assert anomalygpt("inspect", parts / "absent.png").status == 2
        assert state() == before
    finally:
        gc.set_threshold(*usual)


# --- help --------------------------------------------------------------------------------------


def test_help_is_quick() -> None:
    """The processor's time, because other tests run at the same time; the best of three."""
    seconds = []
    for _ in range(3):
        before = os.times()
        done = shell("--help")
        after = os.times()
        seconds.append(sum(after[2:4]) - sum(before[2:4]))  # user and system, of its children
        assert done.returncode == 0
        assert not done.stderr
        if seconds[-1] < 0.5:
            return
    pytest.fail(f"--help took {min(seconds):.2f} s")


@pytest.mark.parametrize(
    "command", [[], ["inspect"], ["chat"], ["convert"], ["knowledge", "search"], ["doctor"]]
)
def test_help_does_not_wait_for_torch(command: list[str]) -> None:
    """A command imports in its `run` what brings one of these."""
    script = (
        "import sys, anomalygpt.cli\n"
        "try: anomalygpt.cli.main([*sys.argv[1:], '--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'transformers', 'timm', 'numpy', 'cv2', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "usage: anomalygpt" in done.stdout


def test_version(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("anomalygpt ")


# --- how it ends -------------------------------------------------------------------------------


def _raising(error: BaseException):
    def fail(*arguments, **options):
        raise error

    return fail


def test_ctrl_c(anomalygpt, parts, encoder_options, monkeypatch) -> None:
    monkeypatch.setattr(assistants, "remember", _raising(KeyboardInterrupt()))
    ran = anomalygpt("inspect", parts, "-r", parts, *encoder_options)
    assert ran.status == 130
    assert "interrupted" in ran.error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB"),
    ],
)
def test_memory_that_runs_out(anomalygpt, parts, monkeypatch, error) -> None:
    monkeypatch.setattr(assistants, "assistant_of", _raising(error))
    ran = anomalygpt("inspect", parts)
    assert ran.status == 2
    assert "out of memory; use a smaller model" in ran.error


def test_an_error_of_several_lines_is_printed_in_one(anomalygpt, parts, monkeypatch) -> None:
    monkeypatch.setattr(assistants, "assistant_of", _raising(DeviceError("one\n  two\nthree")))
    assert anomalygpt("inspect", parts).error == "anomalygpt: error: one two three"


def test_a_fault_of_ours_is_not_hidden(parts, monkeypatch) -> None:
    """Only known errors become one line; a programming error keeps its traceback."""
    monkeypatch.setattr(assistants, "assistant_of", _raising(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        main(["inspect", str(parts)])


def test_a_real_run_prints_json_and_nothing_else(parts, tmp_path, encoder_options) -> None:
    done = processes.run(
        *("inspect", parts, "-r", parts / "good.png", *encoder_options, "--json"),
        *("--save-map", tmp_path / "maps"),
    )
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode()
    assert len(inspections(lines)) == 4
    assert json.loads(lines.splitlines()[0])["schema_version"] == 1
    with Image.open(tmp_path / "maps" / "stained.png") as picture:
        assert np.asarray(picture).max() > 0


# A command that only prints, so that these runs need not wait for torch.
PRINTING = (
    "import sys\n"
    "from anomalygpt.cli import inspect, main\n"
    "inspect.run = lambda options: print('line\\n' * 50000) or 0\n"
    "sys.exit(main(['inspect', 'photo.png']))\n"
)


def _print_into(stdout: TextIO) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PRINTING],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_pipe_that_closes_ends_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = _print_into(closed)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout() -> None:
    with Path("/dev/full").open("w") as full:
        done = _print_into(full)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "No space left" in done.stderr


# --- letters that the output lacks -------------------------------------------------------------

NAMES = ("부품.png", "Teil für Größe.png", "部品.png", "part😀.png", "not utf-8 \udcff.png")


@pytest.mark.parametrize("letters", ["cp1252", "ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_every_name_is_printed_to_any_output(letters: str, stream: str) -> None:
    """Whatever a command prints, on either stream, in whatever letters the terminal has."""
    script = (
        "import sys\n"
        "from anomalygpt.cli import inspect, main\n"
        f"show = lambda options: [print(n, file=sys.{stream}) for n in {NAMES!r}] and 0\n"
        "inspect.run = show\n"
        "sys.exit(main(['inspect', 'photo.png']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": letters, "PYTHONUTF8": "0"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = getattr(done, stream).decode(letters).splitlines()
    expected = [name.encode(letters, "backslashreplace").decode(letters) for name in NAMES]
    assert lines == expected


@pytest.mark.parametrize("command", ["inspect", "data", "simulate"])
def test_a_batch_goes_on_after_a_foreign_name(command, parts, tmp_path, encoder_options) -> None:
    folder = tmp_path / "사진"
    folder.mkdir()
    for name, source in (("부품.png", "good.png"), ("z.png", "other.png")):
        (folder / name).write_bytes((parts / source).read_bytes())
    (folder / "깨진.png").write_bytes(b"no photo")
    arguments = {
        "inspect": ["inspect", folder, "-r", parts / "good.png", *encoder_options],
        "data": ["data", "check", folder, "--dataset", "good"],
        "simulate": ["simulate", folder, "--count", 2, "--output", tmp_path / "out"],
    }[command]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = processes.run(*arguments, env=environment)
    assert b"Traceback" not in done.stderr
    assert done.returncode in (0, 1), done.stderr
    shown = "깨진.png".encode("cp1252", "backslashreplace")
    assert shown in done.stderr + done.stdout
