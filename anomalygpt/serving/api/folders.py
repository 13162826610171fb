"""Folders inspected in the background, photo by photo through the queue that all share."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from anomalygpt.audit.looking import last_number, was_inspected
from anomalygpt.errors import AnomalyGPTError, BusyError, SourceError
from anomalygpt.files import shown
from anomalygpt.images.listing import find_images
from anomalygpt.images.pages import split_page
from anomalygpt.images.reading import load_image
from anomalygpt.products.plant import Plant
from anomalygpt.records.jobs import Job, Jobs
from anomalygpt.serving.api.depths import depth_of
from anomalygpt.serving.api.logs import Log
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.requests import Request

# Photos of a job that could not be inspected and are named.
_MOST_NAMED = 20
# What `_inspected` says where the server is stopped first.
_STOPPED = "stopped"
# Seconds before a busy queue is asked again, and between looks for a new job.
_PAUSE = 1.0


class FolderWorker:
    """The thread that does jobs, one after another."""

    def __init__(
        self, engine: Engine, plant: Plant, jobs: Jobs, root: Path | None, log: Log
    ) -> None:
        self._engine, self._plant, self._jobs = engine, plant, jobs
        self._root = None if root is None else root.resolve()
        self._log = log
        self._wake, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="anomalygpt-jobs", daemon=True)

    def start(self) -> None:
        """Begin, with jobs that a process before did not finish; nothing without a root."""
        if self._root is not None:
            self._thread.start()

    def wake(self) -> None:
        """There is a new job."""
        self._wake.set()

    def close(self) -> None:
        """End after the current photo."""
        self._closed.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def folder(self, name: str) -> Path:
        """The folder of a name below the root.

        Raises:
            SourceError: there is none, or it lies elsewhere.
        """
        parts = PurePosixPath(name.replace("\\", "/"))
        if self._root is None:
            raise SourceError(
                "folders are not inspected here; begin the server with --jobs-root DIR"
            )
        if "\0" in name or parts.is_absolute() or ".." in parts.parts or ":" in name:
            raise SourceError(f"{shown(name[:200])} is no folder below the server's --jobs-root")
        found = (self._root / parts).resolve()
        if not self._is_below(found) or not found.is_dir():
            raise SourceError(f"there is no folder {shown(name[:200])} below the --jobs-root")
        return found

    def _is_below(self, path: Path) -> bool:
        return self._root is not None and path.is_relative_to(self._root)

    def _work(self) -> None:
        while not self._closed.is_set():
            try:
                job = self._jobs.next()
                if job is not None:
                    self._do(job)
                    continue
            except AnomalyGPTError as error:  # of the database: it may come back
                self._log.write("jobs", problem=str(error))
                self._closed.wait(5 * _PAUSE)
                continue
            self._wake.wait(60 * _PAUSE)
            self._wake.clear()

    def _do(self, job: Job) -> None:
        """Go through a job, from where a process before came to.

        Raises:
            AnomalyGPTError: the database cannot be used.
        """
        progress: dict[str, Any] = {"done": 0, "failed": 0, "errors": [], **job.progress}
        progress.setdefault("first", last_number(self._plant.database))
        try:
            self._plant.products.find(str(job.wanted["product"]))
            photos = list(self._photos(job))
        except SourceError as error:
            self._jobs.note(job.id, "failed", {**progress, "errors": [str(error)]})
            return
        progress["total"] = len(photos)
        self._log.write("job", job=job.id, state="running", photos=len(photos))
        for number in range(int(progress["done"]), len(photos)):
            progress["done"] = number
            if self._closed.is_set() or not self._jobs.note(job.id, "running", progress):
                return
            problem = self._inspected(job, photos[number], int(progress["first"]))
            if problem == _STOPPED:
                return
            if problem is not None:
                progress["failed"] += 1
                progress["errors"] = [*progress["errors"], problem][:_MOST_NAMED]
        self._jobs.note(job.id, "done", {**progress, "done": len(photos)})
        self._log.write("job", job=job.id, state="done", photos=len(photos))

    def _photos(self, job: Job) -> Iterator[Path]:
        """Photos in their order; links that lead out of the root are left out."""
        for path in find_images(self.folder(str(job.wanted["folder"]))).photos:
            if self._is_below(split_page(path)[0].resolve()):
                yield path

    def _inspected(self, job: Job, path: Path, first: int) -> str | None:
        """What was wrong with a photo; None where it is on record now."""
        who = asker_of(job.id)
        name = path.relative_to(self.folder(str(job.wanted["folder"]))).as_posix()
        file, page = split_page(path)
        try:
            content = None if page else file.read_bytes()
        except OSError as error:
            return f"{shown(name)} cannot be read: {error.strerror}"
        known = "" if content is None else hashlib.sha256(content).hexdigest()
        if was_inspected(self._plant.database, who, known, first):
            return None  # a process before did not live to write that down
        while not self._closed.is_set():
            try:
                product = self._plant.products.find(str(job.wanted["product"]))
                photo = load_image(path, depth_of(self._plant, product))
                request = Request(photo, name, product=product.id, content=content, who=who)
                for _ in self._engine.inspect(request):
                    pass
            except BusyError:
                self._closed.wait(_PAUSE)
                continue
            except AnomalyGPTError as error:
                return str(error).replace(str(path), shown(name))
            return None
        return _STOPPED


def asker_of(job: str) -> str:
    """Who the log names for inspections of a job."""
    return f"job {job}"


def job_told(job: Job) -> dict[str, Any]:
    """A job as the service tells it."""
    shown_progress = {name: job.progress.get(name, 0) for name in ("total", "done", "failed")}
    return {
        "id": job.id,
        "at": job.at,
        "who": job.who,
        "state": job.state,
        "folder": job.wanted["folder"],
        "product": job.wanted["product"],
        **shown_progress,
        "errors": list(job.progress.get("errors", [])),
    }
