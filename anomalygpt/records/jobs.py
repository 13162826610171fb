"""Folders that are being inspected: what is wanted, and how far it is."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from anomalygpt.errors import SourceError
from anomalygpt.files import shown
from anomalygpt.records.database import Database, now
from anomalygpt.records.tables import JobRow

State = Literal["waiting", "running", "done", "failed", "stopped"]
_OPEN: tuple[State, ...] = ("waiting", "running")


@dataclass(frozen=True)
class Job:
    """A folder that is being inspected, or was.

    Attributes:
        id: 32 hexadecimal digits; later jobs sort later.
        at: when it was asked for, UTC; who: by whom.
        state: see `State`.
        wanted: what is inspected and how, plain JSON values.
        progress: how far it is, plain JSON values.
    """

    id: str
    at: str
    who: str
    state: State
    wanted: Mapping[str, Any]
    progress: Mapping[str, Any]


class Jobs:
    """All jobs of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, who: str, wanted: Mapping[str, Any]) -> Job:
        """Put a job at the end of the queue."""
        identity = f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
        row = JobRow(
            id=identity, at=now(), who=who, state="waiting", wanted=dict(wanted), progress={}
        )
        with self._database.writing() as session:
            session.add(row)
        return _job(row)

    def find(self, identity: str) -> Job:
        """
        Raises:
            SourceError: there is no such job.
        """
        with self._database.reading() as session:
            return _job(_row(session, identity))

    def all(self, *, before: str | None = None, most: int = 100) -> list[Job]:
        """Jobs, the youngest first, some at a time.

        Args:
            before: identity of the last one that is known; None begins.
            most: so many at most.
        """
        wanted = select(JobRow).order_by(JobRow.id.desc()).limit(most)
        if before is not None:
            wanted = wanted.where(JobRow.id < before)
        with self._database.reading() as session:
            return [_job(row) for row in session.scalars(wanted)]

    def next(self) -> Job | None:
        """The eldest that is not finished, also one that a process did not live to finish."""
        wanted = select(JobRow).where(JobRow.state.in_(_OPEN)).order_by(JobRow.id).limit(1)
        with self._database.reading() as session:
            row = session.scalars(wanted).first()
            return None if row is None else _job(row)

    def note(self, identity: str, state: State, progress: Mapping[str, Any]) -> bool:
        """Write down how far a job is; False where it was stopped meanwhile, and stays so."""
        with self._database.writing() as session:
            wanted = update(JobRow).where(JobRow.id == identity, JobRow.state.in_(_OPEN))
            changed = session.execute(wanted.values(state=state, progress=dict(progress)))
            return bool(changed.rowcount)  # type: ignore[attr-defined]

    def stop(self, identity: str) -> Job:
        """Let a job end after its current photo; one that has ended stays as it is.

        Raises:
            SourceError: there is no such job.
        """
        with self._database.writing() as session:
            row = _row(session, identity)
            if row.state in _OPEN:
                row.state = "stopped"
            return _job(row)


def _row(session: Session, identity: str) -> JobRow:
    row = session.get(JobRow, identity)
    if row is None:
        raise SourceError(f"there is no job {shown(identity[:80])}")
    return row


def _job(row: JobRow) -> Job:
    return Job(row.id, row.at, row.who, row.state, row.wanted, row.progress)  # type: ignore[arg-type]
