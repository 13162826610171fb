"""What the README shows is run as it stands; other pages' commands as far as their options."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from anomalygpt.cli import main
from anomalygpt.cli.main import build_parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, kind: str) -> list[str]:
    """The code blocks of one kind, such as "python"."""
    pattern = rf"^```{kind}\n(.*?)^```$"
    return re.findall(pattern, page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Every `anomalygpt …` line of the pages, continuation lines joined."""
    lines = [
        line
        for page in PAGES
        for block in blocks(page, "bash")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return [line for line in lines if line.startswith("anomalygpt ")]


def fetched(cache: Path, name: str, weights: Path | None = None) -> None:
    """Put an encoder into a cache of the hub, as if it had been fetched; random by default."""
    folder = cache / f"models--{timm.get_pretrained_cfg(name).hf_hub_id.replace('/', '--')}"
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0" * 40)
    if weights is not None:
        shutil.copy(weights, snapshot / "model.safetensors")
        return
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(timm.create_model(name).state_dict(), snapshot / "model.safetensors")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, which nothing leaves."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return folder


def test_the_readme_snippets_run(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In order, with random weights for the encoder that is fetched."""
    fetched(cache, "mobilenetv2_100")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    talk, maps = blocks(ROOT / "README.md", "python")
    names: dict[str, Any] = {}
    exec(compile(talk, "README.md", "exec"), names)
    assert names["inspection"].answer.startswith("Yes")
    assert capsys.readouterr().out.strip()
    exec(compile(maps, "README.md", "exec"), names)
    assert names["heat"].shape == (420, 560)
    score = float(capsys.readouterr().out.split()[0])
    assert 0 < score < 1


# --- its commands, in a fresh shell ------------------------------------------------------------

# What no test can run, by a word of the block, and why.
NOT_RUN = {
    "demo.sh": "installs packages from a registry",
    "--index-url": "installs torch from a registry of its own",
    "convert": "needs the published weights, 30 GB that have licences of their own",
    "train_mvtec.sh": "needs the model of the block before",
    "evaluate": "needs the model of an earlier block",
}
SHELL_BLOCKS = blocks(ROOT / "README.md", "bash")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository as `demo.sh` leaves it, and a data set in the folder DATA."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "examples", folder / "examples")
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "activate").write_text(f'PATH="{programs}:$PATH"\n')
    program = programs / "anomalygpt"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m anomalygpt "$@"\n')
    program.chmod(0o755)
    fetched(folder / "hub" / "hub", "vit_tiny_patch16_224")
    good = folder / "DATA" / "plate" / "train" / "good"
    good.mkdir(parents=True)
    for photo in (ROOT / "examples" / "plate").glob("good_*.jpg"):
        shutil.copy(photo, good)
    return folder


def _in_shell(script: str, folder: Path) -> subprocess.Popen[str]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "HF_HOME": str(folder / "hub"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.Popen(
        ["bash", "-euc", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.skipif(os.name == "nt", reason="these are commands for a shell")
@pytest.mark.parametrize("number", range(len(SHELL_BLOCKS)))
def test_a_block_of_commands_runs_as_it_stands(checkout: Path, number: int) -> None:
    """Without a network, after the block that enters the environment."""
    block = SHELL_BLOCKS[number]
    for word, reason in NOT_RUN.items():
        if word in block:
            pytest.skip(reason)
    entered = "source .venv/bin/activate"
    earlier = [entered for block in SHELL_BLOCKS[:number] if entered in block]
    if "anomalygpt demo" in block:
        _serves(block.replace("anomalygpt demo", "anomalygpt demo --port 0"), checkout)
        return
    out, err = (run := _in_shell("\n".join([*earlier[:1], block]), checkout)).communicate(
        timeout=300
    )
    assert run.returncode == 0, err
    assert out
    assert "Traceback" not in err


def _serves(script: str, folder: Path) -> None:
    """The page opens, and Ctrl-C closes it."""
    run = _in_shell(script, folder)
    assert run.stdout is not None
    try:
        line = ""
        while not line.startswith("Open http://127.0.0.1:"):
            line = run.stdout.readline()
            assert line, run.communicate()
        os.killpg(run.pid, signal.SIGINT)
        run.communicate(timeout=60)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)


def test_every_reason_for_not_running_a_block_is_used() -> None:
    skipped = [block for block in SHELL_BLOCKS if any(word in block for word in NOT_RUN)]
    assert len(skipped) == len(NOT_RUN) < len(SHELL_BLOCKS)
    assert all(any(word in block for block in skipped) for word in NOT_RUN)


def test_the_readme_shows_what_its_command_prints(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the weights that the README's picture was made with."""
    weights = ROOT.parent / "shared" / "teachers" / "vit_tiny_patch16_224.safetensors"
    if not weights.exists():
        pytest.skip("vit_tiny_patch16_224.safetensors is not part of the project")
    fetched(cache, weights.stem, weights)
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```\n(examples/\S+ score.*?)\n```$", page, re.MULTILINE)
    begins = "anomalygpt inspect examples/"
    (command,) = {line for line in commands() if line.startswith(begins) and weights.stem in line}
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)[1:]) == 0
    printed = capsys.readouterr().out.strip()
    words = r"score ([\d.]+)"
    assert re.sub(words, "", printed) == re.sub(words, "", shown)
    scores = [float(re.findall(words, text)[0]) for text in (printed, shown)]
    # Other versions of Pillow and OpenCV resize and turn photos a little differently.
    assert scores[0] == pytest.approx(scores[1], abs=0.01)


def test_the_pages_show_commands() -> None:
    """Guards the next test against a pattern that finds nothing."""
    assert len(commands()) >= 5


@pytest.mark.parametrize("command", commands())
def test_commands_on_the_pages_have_known_options(command: str) -> None:
    build_parser().parse_args(shlex.split(command)[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_example_photos_are_what_their_script_makes(tmp_path: Path) -> None:
    """The committed photos can be made again by anyone."""
    import importlib.util

    import cv2
    import numpy as np

    spec = importlib.util.spec_from_file_location(
        "make_examples", ROOT / "scripts/make_examples.py"
    )
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    committed = cv2.imread(str(ROOT / "examples" / "plate" / "scratched.jpg"))
    rendered = cv2.cvtColor(script.render(3, True), cv2.COLOR_RGB2BGR)
    # JPEG, and details of other OpenCV versions, move values a little.
    assert np.abs(committed.astype(int) - rendered.astype(int)).mean() < 4
