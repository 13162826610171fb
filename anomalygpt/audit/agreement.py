"""Whether the table of inspections says the same as the log, which nobody can change unseen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from anomalygpt.audit.chain import Verified, verify
from anomalygpt.records.database import Database
from anomalygpt.records.tables import EventRow, InspectionRow

_STEP = 500


@dataclass(frozen=True)
class Checked:
    """What `check` found.

    Attributes:
        log: what is wrong with the log, see `Verified`.
        inspections: so many were compared with it.
        differing: identity of the first inspection that is not what the log says; None for none.
        reason: in which way.
    """

    log: Verified
    inspections: int = 0
    differing: str | None = None
    reason: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return self.log.broken is None and self.differing is None


def check(database: Database, known: tuple[int, str] | None = None) -> Checked:
    """Verify the log, and compare the table of inspections with it: what is listed and shown comes
    from there. An inspection without its line shows that the log was cut at its end.

    Args:
        database, known: see `verify`.

    Raises:
        RecordsError: the database cannot be read.
    """
    log = verify(database, known)
    if log.broken is not None:
        return Checked(log)
    count = 0
    with database.reading() as session:
        wanted = (
            select(InspectionRow, EventRow.payload)
            .outerjoin(EventRow, EventRow.number == InspectionRow.event)
            .order_by(InspectionRow.event)
        )
        for row, payload in session.execute(wanted.execution_options(yield_per=_STEP)):
            count += 1
            if payload is None:
                reason = "its line is missing in the log, whose end was cut off"
            else:
                reason = _difference(row, json.loads(payload))
            if reason:
                return Checked(log, count, row.id, reason)
        missing = _unlisted(session)
    return Checked(log, count, missing, "the log tells of it, the table does not" * bool(missing))


def _difference(row: InspectionRow, told: Mapping[str, Any]) -> str:
    """What is another in the table than in the log; "" for nothing."""
    product = told.get("product") or [None, None, None]
    result = told.get("result") or {}
    pairs = {
        "identity": (row.id, told.get("inspection")),
        "photo": (row.photo, told.get("photo")),
        "name of the photo": (row.photo_name, told.get("photo_name")),
        "map": (row.map or told.get("map"), told.get("map")),  # deleted by its age perhaps
        "product": ([row.product_id, row.product, row.product_version], list(product)),
        "verdict": (row.is_anomalous, result.get("is_anomalous")),
        "probability": (row.anomaly_probability, result.get("anomaly_probability")),
        "score": (row.anomaly_score, result.get("anomaly_score")),
        "result": (row.result, result),
    }
    found = [name for name, (listed, logged) in pairs.items() if listed != logged]
    return f"its {found[0]} is another than in the log" if found else ""


def _unlisted(session: Session) -> str | None:
    """An inspection of which only the log tells."""
    return session.scalars(
        select(EventRow.subject)
        .outerjoin(InspectionRow, InspectionRow.event == EventRow.number)
        .where(EventRow.kind == "inspection")
        .where(InspectionRow.id.is_(None))
        .limit(1)
    ).first()
