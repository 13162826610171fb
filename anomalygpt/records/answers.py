"""Answers that are given again to whoever repeats a request with the same mark."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from sqlalchemy import delete

from anomalygpt.records.database import Database, now
from anomalygpt.records.tables import AnswerRow

# Seconds for which an answer is kept.
KEPT_SECONDS = 24 * 3600
# Marks after which old answers are looked for.
_SWEEP_EVERY = 200


@dataclass(frozen=True)
class Answer:
    """What became of a request that had a mark.

    Attributes:
        is_same: False where the mark was used for another request.
        status, body: what was answered; None while the first request is being worked on.
    """

    is_same: bool
    status: int | None
    body: str | None


class Answers:
    """All answers of a database. The process that answers calls `forget_unfinished` first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._begun = 0

    def begin(self, who: str, mark: str, request: str) -> Answer | None:
        """Take a mark for a request, unless it is taken.

        Args:
            who: asks; others may have the same marks.
            mark: as the caller chose it.
            request: SHA-256 of what is asked for.

        Returns:
            None: the mark is taken now, go on and `finish` or `give_up`. Else what is known of the
            request that has it.
        """
        identity = _identity(who, mark)
        self._begun += 1
        with self._database.writing() as session:
            if self._begun % _SWEEP_EVERY == 1:
                session.execute(delete(AnswerRow).where(AnswerRow.at < _before(KEPT_SECONDS)))
            row = session.get(AnswerRow, identity)
            if row is not None and row.at >= _before(KEPT_SECONDS):
                return Answer(row.request == request, row.status, row.body)
            if row is not None:
                session.delete(row)
                session.flush()
            session.add(AnswerRow(id=identity, request=request, at=now(), status=None, body=None))
        return None

    def finish(self, who: str, mark: str, status: int, body: str) -> None:
        """Keep the answer for whoever asks again."""
        with self._database.writing() as session:
            row = session.get(AnswerRow, _identity(who, mark))
            if row is not None:
                row.status, row.body = status, body

    def give_up(self, who: str, mark: str) -> None:
        """Free a mark: nothing was done, so the same request may be tried again."""
        with self._database.writing() as session:
            row = session.get(AnswerRow, _identity(who, mark))
            if row is not None and row.status is None:
                session.delete(row)

    def forget_unfinished(self) -> None:
        """Free the marks of requests that a process did not live to answer."""
        with self._database.writing() as session:
            session.execute(delete(AnswerRow).where(AnswerRow.status.is_(None)))


def _identity(who: str, mark: str) -> str:
    return hashlib.sha256(f"{len(who)} {who} {mark}".encode()).hexdigest()


def _before(seconds: float) -> str:
    """A time so long ago, written as `now` does, without parts of a second."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - seconds))
