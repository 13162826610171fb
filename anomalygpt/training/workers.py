"""Processes that prepare batches ahead of the training process.

Each has a pipe of its own, through which its batches come whole: no shared memory, which
containers have little of, and no queue that a process can leave locked. A worker that dies ends
its pipe, so nobody waits for it.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Protocol, TypeVar

import cv2
import torch

from anomalygpt.errors import WorkerError
from anomalygpt.interruptions import blocked

Item = TypeVar("Item", covariant=True)

# Items that a worker makes before the first of them is asked for.
AHEAD = 2
# Seconds after which whoever waits looks whether the run is to stop.
PATIENCE = 0.2
# A process forked from this one would hang on the thread pools that OpenCV and torch hold here. On
# Linux all come from one that has imported what they need and done nothing else: torch is loaded
# once instead of once for each.
_NEEDED = ["anomalygpt.training.rows"]


class Source(Protocol[Item]):
    """Makes items by number; it is copied into every worker."""

    def __getitem__(self, number: int) -> Item: ...


def prepared(
    source: Source[Item],
    numbers: Sequence[int],
    workers: int,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[Item]:
    """The items in order, made ahead by worker processes.

    Args:
        source: must go through pickle, its items as well.
        numbers: of the items.
        workers: processes; 0 makes each item here when it is asked for.
        stopping: asked while waiting; True ends the iteration early.

    Raises:
        WorkerError: a worker was killed.
        RuntimeError: making an item failed; with the worker's traceback.
    """
    if not workers:
        yield from (source[number] for number in numbers)
        return
    pool = [_Worker(source) for _ in range(min(workers, len(numbers)))]
    try:
        for place, number in enumerate(numbers[: AHEAD * len(pool)]):
            pool[place % len(pool)].ask(number)
        for place in range(len(numbers)):
            worker = pool[place % len(pool)]
            while not worker.is_ready():
                if stopping():
                    return
            item = worker.take()
            later = place + AHEAD * len(pool)
            if later < len(numbers):
                worker.ask(numbers[later])
            yield item
    finally:
        for worker in pool:
            worker.end()


class _Worker:
    """One process and our end of its pipe."""

    def __init__(self, source: Source[Any]) -> None:
        if sys.platform == "linux":
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(_NEEDED)
        else:
            context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, source), daemon=True)
        # Started later, the tracker would unblock the signals again.
        resource_tracker.ensure_running()
        # Workers outlive a signal to the whole group: what is blocked here stays blocked in them,
        # and in the process that they are forked from.
        with blocked(signal.SIGINT, signal.SIGTERM):
            self._process.start()
        # Ours alone is left: the pipe ends with the process.
        theirs.close()
        # Read in a thread: whoever waits for the rest of an item cannot look at anything else.
        self._arrived: SimpleQueue[bytes | None] = SimpleQueue()
        self._reader = Thread(target=_read, args=(self._pipe, self._arrived), daemon=True)
        self._reader.start()
        self._next: bytes | None = None

    def ask(self, number: int) -> None:
        with suppress(OSError):  # it has died: `take` says so
            self._pipe.send(number)

    def is_ready(self) -> bool:
        """Wait a moment for an item, or for the end of the process."""
        try:
            self._next = self._arrived.get(timeout=PATIENCE)
        except Empty:
            return False
        return True

    def take(self) -> Any:
        """The item that `is_ready` has found."""
        if self._next is None:
            raise WorkerError(self._last_words())
        found = pickle.loads(self._next)  # from our own process
        if isinstance(found, _Failure):
            raise RuntimeError(f"a worker failed:\n{found.traceback}")
        return found

    def end(self) -> None:
        self._process.kill()  # Ctrl-C and SIGTERM are blocked in it
        self._process.join()
        self._reader.join()
        self._pipe.close()

    def _last_words(self) -> str:
        self._process.join(5)
        code = self._process.exitcode or 0
        how = f"ended with status {code}"
        if code < 0:
            with suppress(ValueError):
                how = f"was killed by {signal.Signals(-code).name}"
        return (
            f"a process that prepares photos {how}, as happens when memory runs out; give fewer "
            "--workers or a smaller --batch-size"
        )


def _read(pipe: Connection, arrived: SimpleQueue[bytes | None]) -> None:
    """Items as they come, each whole; None at the end of the process."""
    with suppress(EOFError, OSError):
        while True:
            arrived.put(pipe.recv_bytes())
    arrived.put(None)


class _Failure:
    def __init__(self, told: str) -> None:
        self.traceback = told


def _work(pipe: Connection, source: Source[Any]) -> None:
    """What a worker does: numbers in, items out, until the training process closes the pipe."""
    # Ctrl-C reaches the whole group; the training process ends its workers itself, after saving.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with suppress(EOFError, OSError):
        while True:
            number = pipe.recv()
            try:
                item: Any = source[number]
            except Exception:
                item = _Failure(traceback.format_exc())
            # Plain pickle: the one of multiprocessing would put tensors into shared memory.
            pipe.send_bytes(pickle.dumps(item, pickle.HIGHEST_PROTOCOL))
