"""`anomalygpt data draw`: its address, its end, and the model's map."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.data.tools.drawing import Drawing, mask_of_runs
from anomalygpt.results.shapes import region_masks

Start = Callable[..., "Started"]


class Started:
    """The command in a process of its own."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "anomalygpt", "data", "draw", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.lines: list[str] = []
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.search(r"Open (\S+) in a browser", line):
                self.address = found[1]
                return
        raise AssertionError(self.process.communicate())

    def ask(self, path: str, body: bytes | None = None) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.address + path, body, timeout=60) as answer:
            return json.loads(answer.read())

    def end(self, number: int) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture
def start() -> Iterator[Start]:
    made: list[Started] = []

    def start(*arguments: object) -> Started:
        made.append(Started(*arguments))
        return made[-1]

    yield start
    for each in made:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


@pytest.fixture
def photos(tmp_path: Path, parts: Path) -> Path:
    """Photos alone."""
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(parts / "stained.png") as picture:
        picture.save(folder / "stained.png")
    return folder


def keep(started: Started, mask: np.ndarray) -> None:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.ravel().astype(int), [0]])))
    body = np.array([mask.shape[1], mask.shape[0], *edges], "<u4").tobytes()
    version = started.ask("photos/0/mask")["version"]
    started.ask(f"photos/0/draft?base={version}", body)


def test_drafts_outlive_a_server_that_is_killed(start: Start, photos: Path) -> None:
    mask = np.zeros((80, 96), bool)
    mask[20:30, 40:60] = True
    first = start(photos, "--port", 0)
    assert first.lines[0] == "1 photos, 0 with a mask, 0 with a draft\n"
    assert first.address.startswith("http://127.0.0.1:")
    keep(first, mask)
    assert first.end(signal.SIGKILL)[0] == -signal.SIGKILL
    second = start(photos, "--port", 0)
    assert second.lines[0] == "1 photos, 0 with a mask, 1 with a draft\n"
    assert second.address.split("/")[-2] != first.address.split("/")[-2]
    assert np.array_equal(Drawing(photos).opened(0).mask, mask)
    status, out, err = second.end(signal.SIGINT)
    assert (status, err) == (0, "")
    assert "1 drafts are not saved" in out


def test_the_models_regions_are_the_mask_to_begin_with(
    start: Start, photos: Path, parts: Path, assistant: AnomalyGPT, assistant_folder: Path
) -> None:
    good = parts / "good.png"
    started = start(
        *(photos, "--port", 0, "--from-map", "--model", assistant_folder, "--device", "cpu"),
        *("--reference", good),
    )
    told = started.ask("photos/0/mask")
    assert told["state"] == "proposed"
    found = assistant.inspect(photos / "stained.png", assistant.remember([good]), map_only=True)
    expected = np.zeros((80, 96), bool)
    for mask in region_masks(found, (80, 96)):
        expected |= mask
    assert expected.any()
    assert np.array_equal(mask_of_runs(base64.b64decode(told["runs"]), (80, 96)), expected)
    assert not list(photos.rglob("*mask.png"))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nowhere"], "is no folder"),
        ([".", "--reference", "good.png"], "--from-map"),
        ([".", "--port", "70000"], "--port"),
    ],
)
def test_what_cannot_be_started(
    anomalygpt: Callable[..., Any], arguments: list[str], why: str, tmp_path: Path
) -> None:
    ran = anomalygpt("data", "draw", *arguments)
    assert ran.status == 2
    assert why in ran.error
