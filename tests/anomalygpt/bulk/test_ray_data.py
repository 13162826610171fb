"""Batches on Ray: the same rows as the plain loop, also when a worker is killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from anomalygpt import AnomalyGPT
from anomalygpt.bulk.ray_data import check_address, on_ray, packed, unpacked
from anomalygpt.bulk.run import How, carry_out, in_this_process, opened_work
from anomalygpt.bulk.sources import find_photos
from anomalygpt.errors import ConfigError, WorkerError

pytest.importorskip("ray", reason="the extra scale is not installed")
# Ray's own code leaves files and sockets to the end of the process.
pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="processes are killed as POSIX does"),
    pytest.mark.filterwarnings("ignore"),
]
HOW = How(map_only=True)


@pytest.fixture(autouse=True)
def _ray_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Its files lie in a folder of their own, with a short name, for sockets have no long ones."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # else it writes a token to the home
        yield


@pytest.fixture
def night(parts: Path, tmp_path: Path) -> Path:
    """Twelve photos, one of them broken."""
    folder = tmp_path / "night"
    folder.mkdir()
    for number in range(11):
        name = ("good.png", "other.png", "stained.png")[number % 3]
        shutil.copyfile(parts / name, folder / f"{number:02}.png")
    (folder / "11.png").write_text("no photo")
    return folder


def once_killed(folder: Path, mark: Path) -> AnomalyGPT:
    """An assistant whose first process dies at its second batch, as if somebody had killed it."""
    assistant = AnomalyGPT.from_pretrained(folder, device="cpu", map_only=True)
    batches = 0

    def die(*_: object) -> None:
        nonlocal batches
        batches += 1
        if batches == 2 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    assistant.encoder.register_forward_pre_hook(die)
    return assistant


def refusing() -> AnomalyGPT:
    raise ConfigError("this machine has no model")


def test_a_killed_workers_photos_are_there_once(
    night, assistant_folder, assistant, bank, tmp_path
) -> None:
    found, _ = find_photos([str(night)])
    mark = tmp_path / "killed"
    tables = []
    opened = partial(once_killed, assistant_folder, mark)
    for name in ("plain", "ray"):
        with opened_work(tmp_path / f"{name}.jsonl", {}, found, 2, {}) as work:
            if name == "plain":
                rows = list(carry_out(work, in_this_process(assistant, bank, HOW), lambda: False))
            else:
                with on_ray(opened, bank, HOW, workers=2) as execute:
                    rows = list(carry_out(work, execute, lambda: False))
            assert sorted(row["image"] for row in rows) == [each.image for each in found]
            tables.append([{**row, "seconds": 0.0} for row in work.finish()])
    assert mark.exists()
    assert tables[0] == tables[1]
    assert "is a text file" in tables[1][11]["error"]


def test_a_worker_that_cannot_load_its_model_says_why(night, bank) -> None:
    found, _ = find_photos([str(night)])
    with (
        on_ray(refusing, bank, HOW, workers=1) as execute,
        pytest.raises(WorkerError, match="this machine has no model"),
    ):
        list(execute([(1, found)]))


@pytest.mark.parametrize("address", ["night", "./night", "http://head:1", "ray://head:10001", ""])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ConfigError, match="photos come before it"):
        check_address(address)


def test_a_cluster_that_is_not_there(bank) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nowhere = f"127.0.0.1:{server.getsockname()[1]}"
    with (
        pytest.raises(WorkerError, match=f"{nowhere} cannot be used"),
        on_ray(refusing, bank, HOW, address=nowhere),
    ):
        pass


def test_a_bank_arrives_as_it_left(assistant, bank, parts) -> None:
    other = unpacked(packed(bank), assistant)
    photo = parts / "stained.png"
    one, two = (assistant.inspect(photo, each, map_only=True) for each in (bank, other))
    assert one.anomaly_score == two.anomaly_score
    assert other.names == bank.names
