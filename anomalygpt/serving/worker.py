"""One worker that gives every job a turn.

A job is a generator whose steps are short: reading a reference, one token of an answer. The worker
goes round the jobs, one step each, so that a long answer does not keep others waiting, and drops a
job as soon as nobody waits for it.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from anomalygpt.errors import BusyError

Step = Iterator[Any]
Request = TypeVar("Request")


class Ticket(Generic[Request]):
    """A visitor's end of a job: read what comes, or give up.

    Attributes:
        steps: what the worker goes through.
        request: what was asked for; None where nobody else needs to know it.
        made: what a step left for later ones, perhaps that of another job.
    """

    def __init__(self, steps: Step, request: Request | None = None) -> None:
        self.steps = steps
        self.request = request
        self.made: Any = None
        self.given_up = threading.Event()
        self._results: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()

    def put(self, kind: str, value: Any = None) -> None:
        """The worker's end."""
        self._results.put((kind, value))

    def __iter__(self) -> Iterator[Any]:
        """What the job yields, until it ends; its error is raised here."""
        try:
            while True:
                kind, value = self._results.get()
                if kind == "end":
                    return
                if kind == "error":
                    raise value
                yield value
        finally:
            self.given_up.set()


class Worker(Generic[Request]):
    """A queue of jobs, and the thread that does them."""

    def __init__(self, most: int) -> None:
        """
        Args:
            most: jobs that may wait or run.
        """
        self._most = most
        self._jobs: deque[Ticket[Request]] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="anomalygpt-engine", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Jobs that wait or run."""
        return len(self._jobs)

    def submit(self, steps: Step, request: Request | None = None) -> Ticket[Request]:
        """Let a job be done.

        Raises:
            BusyError: too many wait, or the worker was closed.
        """
        ticket = Ticket(steps, request)
        with self._wake:
            if self._closed:
                raise BusyError("the server is shutting down")
            if len(self._jobs) >= self._most:
                raise BusyError(
                    f"{len(self._jobs)} requests are waiting, more than this server takes; "
                    "try again in a moment"
                )
            self._jobs.append(ticket)
            self._wake.notify()
        return ticket

    def waiting(self) -> list[Ticket[Request]]:
        """The jobs that wait or run, the one that runs first."""
        with self._wake:
            return list(self._jobs)

    def close(self) -> None:
        """End the thread; whoever waits is told."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(timeout=10)

    def _work(self) -> None:
        while True:
            with self._wake:
                while not (self._jobs or self._closed):
                    self._wake.wait()
                if self._closed:
                    break
                ticket = self._jobs[0]
            goes_on = self.step(ticket)
            with self._wake:
                self._jobs.popleft()
                if goes_on:
                    self._jobs.append(ticket)
        for ticket in self._jobs:
            ticket.put("error", BusyError("the server is shutting down"))

    def step(self, ticket: Ticket[Request]) -> bool:
        """One step of a job, in the worker's thread; whether there are more."""
        if ticket.given_up.is_set():
            ticket.steps.close()  # type: ignore[attr-defined]
            return False
        try:
            ticket.put("piece", next(ticket.steps))
        except StopIteration:
            ticket.put("end")
            return False
        except Exception as error:
            ticket.put("error", error)
            return False
        return True
