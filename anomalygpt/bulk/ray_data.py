"""Batches on Ray Data: workers that hold the model, on one machine or a cluster.

Ray does the batch of a worker that dies again, on a new one. The process that began the run keeps
what comes out, so workers need the photos, and nothing of where results are written.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomalygpt.bulk.run import Batch, Execute, How, inspect_photos
from anomalygpt.bulk.sources import Found
from anomalygpt.bulk.table import Row
from anomalygpt.errors import ConfigError, MissingExtraError, WorkerError

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT
    from decoder import MemoryBank

HERE = "local"
# A batch whose workers die so often is at fault itself.
MOST_RETRIES = 3
# Of each worker, over the whole run.
MOST_RESTARTS = 20

CONNECT_SECONDS = 10.0

_ADDRESS = re.compile(r"local|auto|(?P<host>[\w.:\[\]-]+):(?P<port>\d+)")
_LONGEST_REASON = 300


class Worker:
    """What a worker holds: the model and the memory bank."""

    def __init__(self, opened: Callable[[], AnomalyGPT], bank: bytes, how: How) -> None:
        """
        Args:
            opened: loads the model, in the worker.
            bank: what `packed` made of the memory bank.
            how: how photos are inspected.
        """
        self._assistant, self._how = opened(), how
        self._bank = unpacked(bank, self._assistant)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Rows of batches: {"number": …, "photos": JSON} to {"number": …, "rows": JSON}."""
        told = []
        for photos in batch["photos"]:
            found = [Found(**values) for values in json.loads(str(photos))]
            told.append(json.dumps(inspect_photos(self._assistant, self._bank, found, self._how)))
        return {"number": list(batch["number"]), "rows": told}


def packed(bank: MemoryBank) -> bytes:
    """A memory bank as bytes, which a machine with other devices can read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bank.safetensors")
        bank.save(path)
        return path.read_bytes()


def unpacked(content: bytes, assistant: AnomalyGPT) -> MemoryBank:
    """What `packed` made, where the assistant is."""
    from decoder import MemoryBank

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bank.safetensors")
        path.write_bytes(content)
        return MemoryBank.load(path, assistant.device)


def check_address(address: str) -> None:
    """
    Raises:
        ConfigError: Ray would not know what is meant.
        MissingExtraError: Ray is not installed.
    """
    if not _ADDRESS.fullmatch(address):
        raise ConfigError(
            "--ray takes nothing, auto, or the address of a cluster that this machine is part of, "
            f"such as head:6379; got {address!r}; photos come before it"
        )
    _ray()


@contextmanager
def on_ray(
    opened: Callable[[], AnomalyGPT],
    bank: MemoryBank,
    how: How,
    *,
    address: str = HERE,
    workers: int = 2,
    gpu: bool = False,
) -> Iterator[Execute]:
    """Ray as long as the block lasts.

    Args:
        opened: loads the model; it is called in every worker, and must be picklable.
        bank: that photos are compared with.
        how: how they are inspected.
        address: "local" starts Ray on this machine, "auto" finds one that runs here, "HOST:PORT" is
            the head of a cluster that this machine is part of; all of it has this program and
            sees the same photos.
        workers: that hold the model.
        gpu: True gives each a GPU, or an equal share where there are fewer.

    Raises:
        ConfigError: see `check_address`.
        MissingExtraError: Ray is not installed.
        WorkerError: Ray cannot be started or reached, or a batch cannot be done.
    """
    check_address(address)
    ray = _ray()
    options: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "error"}
    if address == HERE:
        cores = max(workers, os.cpu_count() or 1)
        options |= {"num_cpus": cores, "include_dashboard": False}
    try:
        _reach(address)
        with _silent():
            ray.init(**options)
    except Exception as error:  # Ray raises nearly anything
        raise WorkerError(
            f"Ray at {address} cannot be used: {_short(error.__cause__ or error)}; is it running, "
            "and of the same version?"
        ) from error
    try:
        gpus = ray.cluster_resources().get("GPU", 0.0) if gpu else 0.0
        share = 1.0 if gpus >= workers else gpus / workers
        content = packed(bank)
        yield lambda batches: _executed(batches, (opened, content, how), workers, share)
    finally:
        ray.shutdown()


def _executed(
    batches: Sequence[Batch], parts: tuple[Any, ...], workers: int, gpus: float
) -> Iterator[tuple[int, list[Row]]]:
    """Each batch once, in the order in which they are done."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = False
    items = [
        {"number": number, "photos": json.dumps([vars(found) for found in photos])}
        for number, photos in batches
    ]
    dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        Worker,
        fn_constructor_args=parts,
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=2),
        num_cpus=1,
        num_gpus=gpus,
        max_restarts=MOST_RESTARTS,
        max_task_retries=MOST_RETRIES,
    )
    seen = set()
    try:
        for row in dataset.iter_rows():
            number = int(row["number"])
            if number not in seen:
                seen.add(number)
                yield number, json.loads(row["rows"])
    except ray.exceptions.RayError as error:
        raise WorkerError(
            f"a batch could not be done: {_short(error)}; what is done is kept, and the same "
            "command goes on"
        ) from error


def _reach(address: str) -> None:
    """Ray itself would try for minutes, and then end the process.

    Raises:
        OSError: nobody answers there.
    """
    found = _ADDRESS.fullmatch(address)
    if found is not None and found["host"]:
        place = (found["host"].strip("[]"), int(found["port"]))
        socket.create_connection(place, CONNECT_SECONDS).close()


@contextmanager
def _silent() -> Iterator[None]:
    """Ray's own core writes to the file behind stderr; what matters comes as an exception."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _short(error: BaseException) -> str:
    """The last line of an error that may hold the trace of another process."""
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[-1].split())[:_LONGEST_REASON]


def _ray() -> Any:
    # It tells its maker about every start, unless somebody has decided otherwise.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what matters comes as an exception
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtraError(
            '--ray needs the package ray; pip install "anomalygpt[scale]" brings it'
        ) from None
    return ray
