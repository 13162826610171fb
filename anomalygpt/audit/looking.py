"""Looking inspections up: those of one who asked, and scores over time."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from anomalygpt.audit.journal import Entry, entry_of
from anomalygpt.records.database import Database
from anomalygpt.records.tables import InspectionRow


def entries_of(
    database: Database,
    who: str,
    *,
    first: int = 0,
    before: int | None = None,
    most: int = 100,
) -> list[Entry]:
    """Inspections that somebody asked for, the youngest first, some at a time.

    Args:
        database: that has them.
        who: asked.
        first: number of a line in the log before which there are none.
        before: number of the last one that is known; None begins.
        most: so many at most.
    """
    wanted = select(InspectionRow).where(InspectionRow.who == who, InspectionRow.event > first)
    if before is not None:
        wanted = wanted.where(InspectionRow.event < before)
    with database.reading() as session:
        rows = session.scalars(wanted.order_by(InspectionRow.event.desc()).limit(most))
        return [entry_of(row) for row in rows]


def last_number(database: Database) -> int:
    """Number of the youngest inspection's line in the log; 0 where there is none."""
    with database.reading() as session:
        return session.scalar(select(func.max(InspectionRow.event))) or 0


def was_inspected(database: Database, who: str, photo: str, first: int = 0) -> bool:
    """Whether somebody had a photo inspected after a line of the log.

    Args:
        database: that has the inspections.
        who: asked.
        photo: SHA-256 of the file.
        first: number of the line.
    """
    wanted = select(InspectionRow.id).filter_by(photo=photo, who=who)
    with database.reading() as session:
        row = session.scalars(wanted.where(InspectionRow.event > first).limit(1)).first()
        return row is not None


def scores_since(
    database: Database, product: str, since: str, *, most: int, youngest: bool
) -> Sequence[float]:
    """Scores of a product's inspections, in [0, 1].

    Args:
        database: that has them.
        product: its identity.
        since: a time, UTC; earlier ones are left out.
        most: so many at most.
        youngest: the last ones, and not the first.
    """
    order = InspectionRow.id.desc() if youngest else InspectionRow.id
    wanted = (
        select(InspectionRow.anomaly_score)
        .where(InspectionRow.product_id == product, InspectionRow.at >= since)
        .order_by(order)
        .limit(most)
    )
    with database.reading() as session:
        return list(session.scalars(wanted))
