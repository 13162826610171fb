"""What a stream has done, on the disk: results, and those that somebody has not received yet."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from anomalygpt.bulk.sources import Found
from anomalygpt.bulk.table import Row
from anomalygpt.errors import OutputError
from anomalygpt.files import reason_of, shown

_TABLES = """
CREATE TABLE IF NOT EXISTS results (
    id TEXT PRIMARY KEY, image TEXT NOT NULL, version TEXT NOT NULL, size INTEGER NOT NULL,
    row TEXT NOT NULL, settled INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS waiting (
    number INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, id TEXT NOT NULL,
    UNIQUE (sink, id)
);
"""


@dataclass(frozen=True)
class Waiting:
    """A result that a sink has not received.

    Attributes:
        number: in the order in which they came.
        message: the row, and an "id" that is the same when it comes twice.
    """

    number: int
    message: Row


class Spool:
    """Results of a stream in one SQLite file; several threads may use it.

    A result and all that is to be told about it are kept in one step, so that a process which is
    killed has either both or neither.
    """

    def __init__(self, path: Path) -> None:
        """
        Raises:
            OutputError: the file cannot be written, is damaged, or another process works with it.
        """
        self.path = path
        self._lock = threading.Lock()
        try:
            self._file = sqlite3.connect(path, timeout=2, check_same_thread=False)
            # Held until this process ends: two that watch one folder would do everything twice.
            self._file.execute("PRAGMA locking_mode=EXCLUSIVE")
            with self._file:
                self._file.execute("BEGIN EXCLUSIVE")
                for statement in _TABLES.split(";"):
                    self._file.execute(statement)
        except sqlite3.Error as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Let others have the file."""
        with self._lock:
            self._file.close()

    def knows(self, found: Found) -> bool:
        """Whether a photo was inspected in this version."""
        return self._one("SELECT 1 FROM results WHERE id = ?", mark_of(found)) is not None

    def keep(self, found: Found, row: Row, sinks: Sequence[str], *, settled: bool = True) -> None:
        """Keep a result, to be told to sinks; twice makes no difference.

        Args:
            found, row: the photo, and what was found.
            sinks: names of those who are told.
            settled: False where the photo has to be put elsewhere.

        Raises:
            OutputError: the disk is full.
        """
        mark = mark_of(found)
        values = (mark, found.image, found.version, found.size, json.dumps(row), settled)
        with self._changing() as file:
            done = file.execute("INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?, ?, ?)", values)
            if done.rowcount:
                file.executemany(
                    "INSERT INTO waiting (sink, id) VALUES (?, ?)", [(sink, mark) for sink in sinks]
                )

    def settle(self, found: Found) -> None:
        """The photo lies where it belongs."""
        with self._changing() as file:
            file.execute("UPDATE results SET settled = 1 WHERE id = ?", (mark_of(found),))

    def unsettled(self, found: Found) -> Row | None:
        """The row of a photo that was inspected in this version and not put where it belongs."""
        told = self._one("SELECT row FROM results WHERE id = ? AND NOT settled", mark_of(found))
        return None if told is None else json.loads(told[0])

    def waiting(self, sink: str, after: int = 0, most: int = 100) -> list[Waiting]:
        """What a sink has not received, the oldest first.

        Args:
            sink: its name.
            after: the number of the last one that was tried.
            most: so many of them.
        """
        with self._lock:
            lines = self._file.execute(
                "SELECT number, id, row FROM waiting JOIN results USING (id) "
                "WHERE sink = ? AND number > ? ORDER BY number LIMIT ?",
                (sink, after, most),
            ).fetchall()
        return [Waiting(number, {"id": mark, **json.loads(row)}) for number, mark, row in lines]

    def delivered(self, waiting: Waiting) -> None:
        """It need not be told again."""
        with self._changing() as file:
            file.execute("DELETE FROM waiting WHERE number = ?", (waiting.number,))

    def left(self, sink: str) -> int:
        """How many results a sink has not received."""
        found = self._one("SELECT COUNT(*) FROM waiting WHERE sink = ?", sink)
        return int(found[0]) if found else 0

    @property
    def done(self) -> int:
        """How many photos were inspected, ever."""
        with self._lock:
            return int(self._file.execute("SELECT COUNT(*) FROM results").fetchone()[0])

    def _one(self, question: str, value: str) -> tuple | None:
        with self._lock:
            found: tuple | None = self._file.execute(question, (value,)).fetchone()
            return found

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock, self._file:
                yield self._file
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: sqlite3.Error) -> OutputError:
        name = shown(self.path)
        if "locked" in str(error):
            return OutputError(
                f"another process works with {name}; end it, or give another --state"
            )
        return OutputError(
            f"{name} cannot be used: {reason_of(error)}; free some space, or give another --state"
        )


def mark_of(found: Found) -> str:
    """32 hexadecimal digits, the same for the same photo in the same version."""
    text = "\n".join((found.image, found.version, str(found.size)))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
