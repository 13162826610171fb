"""All that the routes of the service share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Request

from anomalygpt.products.plant import Plant
from anomalygpt.records.answers import Answers
from anomalygpt.records.jobs import Jobs
from anomalygpt.records.keys import Keys
from anomalygpt.serving.api.conversations import Conversations
from anomalygpt.serving.api.folders import FolderWorker
from anomalygpt.serving.api.logs import Log
from anomalygpt.serving.api.metrics import Metrics
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.settings import ServerSettings, ServiceSettings

# Threads for what only looks into the database.
_QUICK = 8
Value = TypeVar("Value")


class Service:
    """What answers programs; `start` it before the first request, `close` it after the last.

    Attributes:
        engine, plant: that inspect, and keep what was found.
        settings, options: of the server and of the service.
        scratch: a folder for photos on their way in.
        keys, answers, jobs: what the database has of them.
        metrics, log, talks, folders: what was counted and said, who talks, what runs.
        is_stopping: no new work is taken.
        quick, slow: how many threads look things up, and wait for the model.
    """

    def __init__(
        self,
        engine: Engine,
        plant: Plant,
        settings: ServerSettings,
        options: ServiceSettings,
        scratch: Path,
        log: Log | None = None,
    ) -> None:
        self.engine, self.plant = engine, plant
        self.settings, self.options, self.scratch = settings, options, scratch
        self.keys, self.answers = Keys(plant.database), Answers(plant.database)
        self.jobs = Jobs(plant.database)
        self.log = log or Log()
        self.metrics = Metrics(plant, lambda: engine.pending)
        engine.observers.append(self.metrics)
        self.talks = Conversations(engine)
        self.folders = FolderWorker(engine, plant, self.jobs, options.jobs_root, self.log)
        self.is_stopping = False
        self.quick = CapacityLimiter(_QUICK)
        self.slow = CapacityLimiter(settings.queue_size)
        self._has_keys = False

    def start(self) -> None:
        """Free what a process before left unfinished, and go on with its jobs.

        Raises:
            RecordsError, BusyError: the database cannot be used.
        """
        self.answers.forget_unfinished()
        self.folders.start()

    def close(self) -> None:
        """End the jobs' thread after its current photo; they go on at the next start."""
        self.is_stopping = True
        self.folders.close()

    def needs_key(self) -> bool:
        """Whether nobody comes in without a key; a first key that is made holds at once."""
        self._has_keys = self._has_keys or self.keys.any()
        return self._has_keys


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    return request.app.state.service


async def in_thread(
    limiter: CapacityLimiter, function: Callable[..., Value], *arguments: object
) -> Value:
    """Call something that waits, beside the loop."""
    return await to_thread.run_sync(function, *arguments, limiter=limiter)
