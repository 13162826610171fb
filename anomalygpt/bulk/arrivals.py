"""Which photos have come into a folder, and are complete."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomalygpt.bulk.sources import Found, found_file
from anomalygpt.errors import MissingExtraError, SourceError
from anomalygpt.files import reason_of, shown
from anomalygpt.images.listing import files_below, is_photo, is_result

# A file whose size has stayed for so many seconds counts as complete.
SETTLED = 1.0
# One that somebody has begun to write and not closed is waited for, so many seconds.
PATIENCE = 30.0
# Between two looks through the whole folder, where the system does not tell what comes.
EVERY = 1.0
# Whether the system tells that a file was closed.
TELLS_CLOSED = sys.platform == "linux"


@dataclass
class _Seen:
    """A file that may grow: what it was like, since when, whether somebody writes it, and its size
    when it was closed last."""

    state: tuple[int, int]
    since: float
    written: bool = False
    closed: int | None = None


class Arrivals:
    """Photos of a folder and its subfolders, hidden ones excepted.

    The system tells what comes (watchdog); beside that, or with polling alone, the folder is
    looked through. On network disks only polling sees what other machines write.
    """

    def __init__(
        self,
        folder: Path,
        *,
        polling: bool = False,
        without: Sequence[Path] = (),
        settled: float = SETTLED,
        patience: float = PATIENCE,
    ) -> None:
        """
        Args:
            folder: that is watched.
            polling: look through it every second, and ask the system for nothing.
            without: folders within it that do not count.
            settled, patience: seconds, see `SETTLED` and `PATIENCE`.

        Raises:
            SourceError: this is no folder, or it cannot be watched.
            MissingExtraError: watchdog is not installed, and polling not asked for.
        """
        if not folder.is_dir():
            raise SourceError(f"{shown(folder)} is no folder; make it, or name another")
        self._folder, self._settled, self._patience = folder, settled, patience
        self._without = [each.resolve() for each in without]
        self._seen: dict[Path, _Seen] = {}
        self._given: dict[Path, tuple[int, int]] = {}
        self._twice: set[Path] = set()
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._every = EVERY if polling else 30 * EVERY
        self._observer = None if polling else _observed(folder, self._note)

    def close(self) -> None:
        """Watch no longer."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(5)

    def complete(self, most: int) -> list[Found]:
        """Photos that are complete and were not handed out in this state, the oldest first."""
        now = time.monotonic()
        if now - self._looked >= self._every:
            self._looked = now
            there = list(files_below(self._folder))
            for path in there:
                self._note(path)
            with self._lock:
                self._given = {each: self._given[each] for each in there if each in self._given}
                self._twice &= self._given.keys()
        ready: list[tuple[int, Found]] = []
        with self._lock:
            for path, seen in list(self._seen.items()):
                state = _state(path)
                if state is None:
                    del self._seen[path]
                elif state != seen.state:
                    seen.state, seen.since = state, now
                elif now - seen.since >= (self._patience if seen.written else self._settled):
                    ready.append((state[1], found_file(path, self._folder)))
            ready.sort(key=lambda each: (each[0], each[1].image))
            chosen = [found for _, found in ready[:most]]
            for found in chosen:
                path = self._folder / Path(found.place).relative_to(self._folder.absolute())
                self._given[path] = self._seen.pop(path).state
        return chosen

    @property
    def waiting(self) -> int:
        """Files that are not handed out yet."""
        with self._lock:
            return len(self._seen)

    def put_back(self, found: Found) -> bool:
        """A photo that could not be read may not be complete: wait for it once more, longer.

        Returns:
            False where it was waited for already.
        """
        path = self._folder / Path(found.place).relative_to(self._folder.absolute())
        with self._lock:
            state = self._given.pop(path, None)
            if path in self._twice or state is None:
                return False
            self._twice.add(path)
            self._seen[path] = _Seen(state, time.monotonic(), written=True)
            return True

    def _note(self, path: Path, kind: str = "there") -> None:
        """A file that is there, or what the system told of it."""
        state = _state(path)
        if state is None or not self._counts(path):
            return
        with self._lock:
            if self._given.get(path) == state:
                return
            seen = self._seen.setdefault(path, _Seen(state, time.monotonic()))
            if kind in ("closed", "moved"):
                seen.written, seen.closed = False, state[0]
            elif kind == "modified" and TELLS_CLOSED:
                # Its times and rights may be set after it was closed.
                seen.written = state[0] != seen.closed

    def _counts(self, path: Path) -> bool:
        inner = path.relative_to(self._folder)
        if any(part.startswith(".") for part in inner.parts):
            return False
        if any(each in path.resolve().parents for each in self._without):
            return False
        return is_photo(path) and not is_result(path)


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _observed(folder: Path, note: Callable[[Path, str], None]) -> Any:
    try:
        from watchdog.events import FileSystemEvent, FileSystemEventHandler
        from watchdog.observers import Observer
    except ImportError:
        raise MissingExtraError(
            'watching a folder needs the package watchdog; pip install "anomalygpt[watch]" brings '
            "it, or add --poll"
        ) from None

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            kind = str(event.event_type)
            if event.is_directory or kind not in ("created", "modified", "closed", "moved"):
                return
            note(Path(str(event.dest_path if kind == "moved" else event.src_path)), kind)

    logging.getLogger("watchdog").setLevel(logging.CRITICAL)  # it calls its own end an error
    observer = Observer()
    observer.schedule(Handler(), str(folder), recursive=True)
    try:
        observer.start()
    except OSError as error:
        raise SourceError(
            f"{shown(folder)} cannot be watched: {reason_of(error)}; add --poll"
        ) from error
    return observer
