"""The chain of events: each line holds the hash of the one before.

Whoever changes or removes a line afterwards breaks the chain from there on. Somebody who can write
to the database can also write a whole new chain: so keep the last hash elsewhere from time to time
(`anomalygpt audit export` writes it), and `verify` compares.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from anomalygpt.records.database import Database, now
from anomalygpt.records.tables import EventRow

# What the first line has for the hash of the one before.
BEGINNING = "0" * 64
# Lines that are read at a time.
_STEP = 500


@dataclass(frozen=True)
class Event:
    """One line of the log.

    Attributes:
        number: from 1 on, without gaps.
        at: when, UTC by the clock of the machine that wrote it; clocks may go back, numbers not.
        kind: such as "inspection", "product.created", "feedback.applied".
        who: the person or key that did it.
        subject: the inspection's or product's identity.
        payload: what happened, plain JSON values.
        hash: of this line and, through it, of all before.
    """

    number: int
    at: str
    kind: str
    who: str
    subject: str
    payload: Mapping[str, Any]
    hash: str


@dataclass(frozen=True)
class Verified:
    """What `verify` found.

    Attributes:
        lines: so many were read.
        last: hash of the last one that is right; `BEGINNING` for an empty log.
        broken: number of the first line that is wrong or missing; None where all are right.
        reason: what is wrong with it.
    """

    lines: int
    last: str
    broken: int | None = None
    reason: str = ""


def append(
    session: Session, kind: str, who: str, subject: str, payload: Mapping[str, Any]
) -> Event:
    """Write a line, in the same transaction as what it tells of.

    Args:
        session: of `Database.writing`, so that nobody else writes the same line.
        kind, who, subject, payload: see `Event`; no NaN in the payload.
    """
    last = session.scalars(select(EventRow).order_by(EventRow.number.desc()).limit(1)).first()
    number, before = (1, BEGINNING) if last is None else (last.number + 1, last.hash)
    row = EventRow(
        number=number,
        at=now(),
        kind=kind,
        who=who[:64],
        subject=subject,
        payload=canonical(payload),
        before=before,
    )
    row.hash = hash_of(row)
    session.add(row)
    session.flush()
    return event_of(row)


def canonical(payload: Mapping[str, Any]) -> str:
    """The same text for the same values."""
    return json.dumps(payload, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hash_of(row: EventRow) -> str:
    """SHA-256 of everything that a line says, and of the hash before."""
    parts = [str(row.number), row.at, row.kind, row.who, row.subject, row.payload, row.before]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def event_of(row: EventRow) -> Event:
    """A line as others read it."""
    payload = json.loads(row.payload)
    return Event(row.number, row.at, row.kind, row.who, row.subject, payload, row.hash)


def verify(database: Database, known: tuple[int, str] | None = None) -> Verified:
    """Read the whole log and compute each hash again.

    Args:
        database: that has it.
        known: number and hash of a line that was written down elsewhere.

    Raises:
        RecordsError: the database cannot be read.
    """
    count, last = 0, BEGINNING
    with database.reading() as session:
        try:
            for row in _rows(session):
                count += 1
                reason = _fault(row, count, last, known)
                if reason:
                    return Verified(count - 1, last, count, reason)
                last = row.hash
        except DBAPIError as error:
            if "decode" not in str(error.orig):
                raise
            # Read one by one up to the line that is no text any more.
            return _verify_singly(session, known)
    return _ended(count, last, known)


def _rows(session: Session) -> Iterator[EventRow]:
    wanted = select(EventRow).order_by(EventRow.number)
    yield from session.scalars(wanted.execution_options(yield_per=_STEP))


def _fault(row: EventRow, number: int, last: str, known: tuple[int, str] | None) -> str:
    """What is wrong with a line that should have this number and follow this hash; "" for
    nothing."""
    if row.number != number:
        return "it is missing"
    if row.before != last:
        return "it does not follow the one before"
    if row.hash != hash_of(row):
        return "it was changed"
    if known is not None and known[0] == number and known[1] != row.hash:
        return "it is not the one that was written down"
    return ""


def _verify_singly(session: Session, known: tuple[int, str] | None) -> Verified:
    count, last = 0, BEGINNING
    while True:
        try:
            row = session.get(EventRow, count + 1)
        except DBAPIError:
            return Verified(count, last, count + 1, "it was changed, and is no text any more")
        if row is None:
            return Verified(count, last, count + 1, "it is missing")
        reason = _fault(row, count + 1, last, known)
        if reason:
            return Verified(count, last, count + 1, reason)
        count, last = count + 1, row.hash


def _ended(count: int, last: str, known: tuple[int, str] | None) -> Verified:
    if known is not None and known[0] > count:
        return Verified(count, last, count + 1, "it is missing, the log ends before it")
    return Verified(count, last)
