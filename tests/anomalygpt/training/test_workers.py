"""Processes that prepare items ahead: in order, whole, and nobody waits for one that is gone."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from anomalygpt.errors import WorkerError
from anomalygpt.training.workers import AHEAD, prepared

# What comes through the pipe in several pieces, so that a worker can die in the middle of it.
LARGE = 5_000_000


def _processes() -> list[int]:
    return [child.pid for child in multiprocessing.active_children() if child.pid]


def _wait_until_full() -> None:
    """Until the workers wait with an item that does not fit into their pipe."""
    time.sleep(0.5)


# Each worker takes some seconds to load torch.
@pytest.mark.parametrize(("workers", "count"), [(0, 0), (0, 3), (1, 0), (1, 2), (2, 1), (2, 7)])
def test_items_come_in_order(workers: int, count: int) -> None:
    source = {number: (number, torch.full((2,), float(number))) for number in range(20)}
    numbers = range(3, 3 + count)
    found = list(prepared(source, numbers, workers))
    assert [number for number, _ in found] == list(numbers)
    assert [tensor.tolist() for _, tensor in found] == [[float(n)] * 2 for n in numbers]
    assert not _processes()


def test_nothing_is_made_far_ahead() -> None:
    """A worker stops at an item that is missing here, unless nobody asks for it."""
    source = dict.fromkeys(range(AHEAD + 1), "made")
    found = prepared(source, range(10), 1)
    assert next(found) == "made"
    found.close()
    assert not _processes()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_fault_in_making_an_item_is_told(workers: int) -> None:
    found = prepared({0: "made"}, range(2), workers)
    assert next(found) == "made"
    with pytest.raises(RuntimeError if workers else KeyError, match="1" if not workers else "KeyE"):
        next(found)


@pytest.mark.parametrize(
    ("how", "size", "workers"), [(signal.SIGKILL, LARGE, 2), (signal.SIGBUS, 1, 1)]
)
def test_a_worker_that_dies_ends_the_waiting(how: int, size: int, workers: int) -> None:
    """Also while it sends: what has arrived of the item is no item."""
    found = prepared(dict.fromkeys(range(50), b"x" * size), range(50), workers)
    next(found)
    _wait_until_full()
    os.kill(_processes()[0], how)
    begun = time.monotonic()
    with pytest.raises(WorkerError, match=signal.Signals(how).name) as caught:
        list(found)
    assert time.monotonic() - begun < 30
    assert "fewer --workers or a smaller --batch-size" in str(caught.value)
    assert not _processes()


def test_waiting_for_a_worker_that_hangs_can_be_stopped() -> None:
    asked: list[str] = []
    threads = threading.active_count()
    found = prepared(dict.fromkeys(range(50), b"x" * LARGE), range(50), 1, lambda: bool(asked))
    next(found)
    (process,) = _processes()
    os.kill(process, signal.SIGSTOP)  # perhaps in the middle of an item
    asked.append("to stop")
    assert len(list(found)) <= AHEAD
    assert not _processes()
    assert threading.active_count() <= threads  # others may have ended meanwhile


def test_workers_end_with_the_training_process() -> None:
    """However it ends: they notice that their pipe has no other end."""
    script = (
        "import multiprocessing, os, signal\n"
        "from anomalygpt.training.workers import prepared\n"
        "if __name__ == '__main__':\n"
        "    found = prepared(dict.fromkeys(range(50), b'x'), range(50), 2)\n"
        "    next(found)\n"
        "    print(*[child.pid for child in multiprocessing.active_children()], flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    pids = [int(word) for word in done.stdout.split()]
    assert len(pids) == 2, done.stderr
    end = time.monotonic() + 30
    while any(_is_alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(_is_alive(pid) for pid in pids)


def _is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


# Shared memory of one page: less than a semaphore or a tensor needs.
NO_SHARED_MEMORY = 'mount -t tmpfs -o size=4k tmpfs /dev/shm && exec "$0" "$@"'


def _can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-m", "bash", "-c", NO_SHARED_MEMORY, "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_unshare(), reason="needs the right to mount in a name space")
def test_no_shared_memory_is_needed(discs, assistant_folder, tmp_path) -> None:
    done = subprocess.run(
        [
            *("unshare", "-m", "bash", "-c", NO_SHARED_MEMORY, sys.executable, "-m", "anomalygpt"),
            *("train", discs, tmp_path / "run", "--model", assistant_folder, "--cpu"),
            *("--max-steps", "3", "--batch-size", "16", "--workers", "2"),
            *("--validation-rows", "0"),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "trained: " in done.stdout
