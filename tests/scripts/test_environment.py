"""`scripts/environment.sh`: which torch is asked for, what is said before and while installing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def sourced(script: str, *, text: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs functions of the file in a shell of its own, without a package registry."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    environment.pop("PIP_FIND_LINKS", None)
    return subprocess.run(
        ["bash", "-c", f"set -euo pipefail; source {ROOT}/scripts/environment.sh; {script}"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
        env=environment | variables,
    )


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A folder that offers a torch without CUDA, as some registries do."""
    name = "torch-2.14.1+cpu"
    with zipfile.ZipFile(tmp_path / f"{name}-py3-none-any.whl", "w") as wheel:
        folder = f"{name}.dist-info"
        metadata = "Metadata-Version: 2.1\nName: torch\nVersion: 2.14.1+cpu\n"
        wheel.writestr(f"{folder}/METADATA", metadata)
        wheel.writestr(f"{folder}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{folder}/RECORD", "")
    (tmp_path / "pinned.txt").write_text("timm==1.0.31\ntorch==2.14.1\ntorchvision==0.29.1\n")
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch comes without CUDA")
def test_a_torch_without_cuda_is_taken_where_it_is_offered(registry: Path) -> None:
    ask = f"has_gpu() {{ false; }}; constraints={registry}/pinned.txt; cpu_torch"
    assert sourced(ask, PIP_FIND_LINKS=str(registry)).stdout == "torch==2.14.1+cpu"
    assert sourced(ask).stdout == ""
    with_gpu = ask.replace("false", "true")
    assert sourced(with_gpu, PIP_FIND_LINKS=str(registry)).stdout == ""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch comes without CUDA")
def test_how_much_is_fetched_and_written_is_said_before(tmp_path: Path) -> None:
    without_torch = tmp_path / "python"
    without_torch.write_text("#!/bin/sh\nexit 1\n")
    without_torch.chmod(0o755)
    say = (
        f"PATH={tmp_path}:$PATH; environment={tmp_path}; extras=; require_space() {{ :; }}; "
        "has_gpu() { false; }; torch=$1; announce"
    )
    large = sourced(f"set -- ''; {say}").stdout
    assert "3.3 GB are fetched and 6.7 GB written" in large
    assert "README" in large
    small = sourced(f"set -- torch==2.14.1+cpu; {say}").stdout
    assert "0.5 GB are fetched and 2.0 GB written" in small
    assert "README" not in small


def test_hundreds_of_lines_of_pip_become_few() -> None:
    lines = [f"Collecting package{i}\n  Using cached package{i}.whl (1 kB)\n" for i in range(300)]
    shown = sourced("show_progress", text="".join(lines)).stdout.splitlines()
    assert len(shown) <= 3  # one every ten seconds
    said = sourced("SECONDS=60; show_progress", text="Collecting torch\n").stdout
    assert said == "package 1: Collecting torch\n"


def test_what_is_installed_already_is_not_looked_at_again(tmp_path: Path) -> None:
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.py"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    environment = tmp_path / ".venv"
    (environment / "bin").mkdir(parents=True)
    calls = tmp_path / "calls.txt"
    for name in ("pip", "python"):
        (environment / "bin" / name).write_text(
            f'#!/bin/sh\necho "$@" >>{calls}\ncase $1 in -V) echo Python 3.11.7;; esac\n'
        )
        (environment / "bin" / name).chmod(0o755)
    prepare = f"source {tmp_path}/scripts/environment.sh; prepare_environment"
    installed = "-m pip install"
    sourced(prepare, VIRTUAL_ENV="", CONDA_PREFIX="")
    assert calls.read_text().count(installed) >= 1
    assert "requirements/pinned.txt" in calls.read_text()
    calls.unlink()
    assert sourced(prepare, VIRTUAL_ENV="", CONDA_PREFIX="").stdout == ""
    assert installed not in calls.read_text()
    (tmp_path / "requirements" / "pinned.txt").write_text("timm==1.0.31\n")
    sourced(prepare, VIRTUAL_ENV="", CONDA_PREFIX="")
    assert installed in calls.read_text()
