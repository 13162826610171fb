"""What the README shows is run: its Python as it stands, its commands as far as their options."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from anomalygpt.cli import build_parser, main

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


def test_the_readme_snippet_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With random weights, since no trained ones belong to the project yet."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = timm.create_model("mobilenetv2_100").state_dict()
    save_file(state, tmp_path / "mobilenetv2_100.safetensors")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    (snippet,) = blocks(ROOT / "README.md", "python")
    names: dict[str, object] = {}
    exec(compile(snippet, "README.md", "exec"), names)
    assert names["heat"].shape == (420, 560)  # type: ignore[attr-defined]
    score = float(capsys.readouterr().out.split()[0])
    assert 0 < score < 1


def test_the_readme_shows_what_its_command_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the weights that the README's picture was made with."""
    weights = ROOT.parent / "shared" / "teachers" / "vit_tiny_patch16_224.safetensors"
    if not weights.exists():
        pytest.skip("vit_tiny_patch16_224.safetensors is not part of the project")
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```\n(examples/.*?)\n```$", page, re.MULTILINE)
    begins = "anomalygpt inspect examples/"
    (command,) = {line for line in commands() if line.startswith(begins) and weights.name in line}
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copy(weights, tmp_path)
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
