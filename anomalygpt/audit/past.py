"""Lines of the log, found again, and products as they were."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select

from anomalygpt.audit.chain import Event, event_of
from anomalygpt.errors import RecordsError, SourceError
from anomalygpt.products.product import Product
from anomalygpt.records.blobs import Blobs
from anomalygpt.records.database import Database
from anomalygpt.records.tables import EventRow


def lines(database: Database, before: int | None = None, most: int = 100) -> list[Event]:
    """Lines of the log, the youngest first, some at a time.

    Args:
        database: that has it.
        before: number of the last one that is known; None begins.
        most: so many at most.
    """
    wanted = select(EventRow).order_by(EventRow.number.desc()).limit(most)
    if before is not None:
        wanted = wanted.where(EventRow.number < before)
    with database.reading() as session:
        return [event_of(row) for row in session.scalars(wanted)]


def line(database: Database, number: int) -> Event:
    """One line of the log.

    Raises:
        SourceError: there is no such line.
    """
    with database.reading() as session:
        row = session.get(EventRow, number)
        if row is None:
            raise SourceError(
                f"the log has no line {number}; `anomalygpt audit list --changes` shows its lines"
            )
        return event_of(row)


def product_at(database: Database, blobs: Blobs, identity: str, version: int) -> Product:
    """A product as it was.

    Args:
        database, blobs: that keep it.
        identity, version: of the product.

    Raises:
        RecordsError: the log does not tell of it, or its mask is not kept any more.
    """
    with database.reading() as session:
        texts = session.scalars(
            select(EventRow.payload)
            .where(EventRow.subject == identity)
            .where(EventRow.kind.startswith("product."))
            .order_by(EventRow.number)
        )
        found = (json.loads(text).get("product") for text in texts)
        values = next((each for each in found if each and each["version"] == version), None)
    if values is None:
        raise RecordsError(
            f"the log does not tell what version {version} of the product {identity} was; "
            "`anomalygpt audit verify` says whether lines are missing"
        )
    return product_from(values, blobs)


def product_from(values: dict[str, Any], blobs: Blobs) -> Product:
    """A product from what `Product.to_dict` gave.

    Raises:
        RecordsError: its mask is not kept any more.
        ConfigError: the values are no product.
    """
    name = values.get("ignored")
    if name is None and values.get("ignores_places"):
        raise RecordsError("this version ignored places, and its mask was not written down")
    return Product.from_dict(values, None if name is None else blobs.get(name))
