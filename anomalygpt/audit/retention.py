"""Deleting photos by their age. The log stays whole: it names photos by their hash alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from anomalygpt.audit.chain import append
from anomalygpt.errors import ConfigError
from anomalygpt.records.blobs import Blobs
from anomalygpt.records.database import Database, now
from anomalygpt.records.tables import (
    EventRow,
    FeedbackRow,
    InspectionRow,
    ProductPhotoRow,
    ProductRow,
)

# What the log calls it.
DELETED = "photos.deleted"


@dataclass(frozen=True)
class Deleted:
    """What was deleted, or would be.

    Attributes:
        inspections: identities of those whose photo and map are not kept any more.
        files: SHA-256 of the photos, maps and references of their own.
        in_use: old inspections whose photo stays, because a product, a change that can be undone
            or a younger inspection needs it.
    """

    inspections: tuple[str, ...]
    files: tuple[str, ...]
    in_use: int


def delete_photos(
    database: Database, blobs: Blobs, days: float, *, who: str, dry_run: bool = False
) -> Deleted:
    """Delete photos and maps of inspections that are older than some days.

    What was found stays, in the table and in the log. A clock that went back makes nothing older:
    an inspection is as young as the latest time in the log up to its line, times that are still to
    come left aside. Files go before the change is written down, so that the log never says that
    something is deleted which is still there; whoever is interrupted calls it again.

    Args:
        database, blobs: that keep them.
        days: at least 0.
        who: is named in the log.
        dry_run: True only tells.

    Raises:
        ConfigError: a negative age.
        OutputError, RecordsError, BusyError: nothing can be written.
    """
    if not days >= 0:
        raise ConfigError(f"an age is 0 days or more, got {days:g}")
    cutoff, present = now(days), now()
    with database.writing() as session:
        last = _last_before(session, cutoff, present)
        old = list(session.scalars(_with_files().where(InspectionRow.event <= last)))
        young = list(session.scalars(_with_files().where(InspectionRow.event > last)))
        needed = {name for row in young for name in _files_of(session, row)}
        needed |= _of_products(session) | _of_versions(session, young) | _of_feedback(session)
        gone, files = [], set[str]()
        for row in old:
            mine = set(_files_of(session, row)) - needed
            files |= mine
            if row.photo not in needed:
                gone.append(row)
        found = Deleted(
            tuple(row.id for row in gone), tuple(sorted(files)), in_use=len(old) - len(gone)
        )
        if dry_run or not (gone or files):
            return found
        for name in found.files:
            blobs.delete(name)
        for row in old:
            row.photo_kept = row.photo_kept and row.photo not in files
            row.map = None if row.map in files else row.map
        payload = {
            "before": cutoff,
            "inspections": list(found.inspections),
            "files": list(found.files),
        }
        append(session, DELETED, who, "photos", payload)
    return found


def _with_files() -> Any:
    """Inspections of which something is kept besides what was found."""
    kept = InspectionRow.photo_kept | InspectionRow.map.is_not(None)
    return select(InspectionRow).where(kept).order_by(InspectionRow.event)


def _last_before(session: Session, cutoff: str, present: str) -> int:
    """The number of the last line that was surely written before `cutoff`; 0 for none.

    Numbers never go back, times may: from the first time after `cutoff` on, all lines are younger.
    """
    last = 0
    for number, at in session.execute(
        select(EventRow.number, EventRow.at).order_by(EventRow.number)
    ).yield_per(1000):
        if cutoff < at <= present:
            break
        last = number
    return last


def _files_of(session: Session, row: InspectionRow) -> Iterator[str]:
    """Its photo, its map, and references of its own."""
    if row.photo_kept:
        yield row.photo
    if row.map is not None:
        yield row.map
    if row.product_id is None:
        payload = session.scalars(select(EventRow.payload).filter_by(number=row.event)).first()
        yield from json.loads(payload or "{}").get("references", [])


def _of_products(session: Session) -> set[str]:
    """What products use now."""
    photos = set(session.scalars(select(ProductPhotoRow.photo)))
    masks = session.scalars(
        select(EventRow.payload)
        .join(ProductRow, EventRow.subject == ProductRow.id)
        .where(EventRow.kind.startswith("product."))
    )
    told = (json.loads(each).get("product") or {} for each in masks)
    return photos | {each["ignored"] for each in told if each.get("ignored")}


def _of_versions(session: Session, young: Iterable[InspectionRow]) -> set[str]:
    """What products used when photos were inspected that are kept."""
    wanted = {(row.product_id, row.product_version) for row in young if row.product_id}
    identities = {identity for identity, _ in wanted}
    found = set[str]()
    for text in session.scalars(
        select(EventRow.payload)
        .where(EventRow.subject.in_(identities))
        .where(EventRow.kind.startswith("product."))
    ):
        product = json.loads(text).get("product")
        if product and (product["id"], product["version"]) in wanted:
            found |= photos_of(product)
    return found


def _of_feedback(session: Session) -> set[str]:
    """What is needed to undo changes."""
    changes = session.scalars(select(FeedbackRow.change).filter_by(state="applied"))
    return {name for each in changes if each for side in _SIDES for name in photos_of(each[side])}


# Of a change that was applied, see `anomalygpt.feedback`.
_SIDES = ("before", "after")


def photos_of(product: Mapping[str, Any]) -> set[str]:
    """SHA-256 of the files that a product uses.

    Args:
        product: as `Product.to_dict` gives it.
    """
    photos = {each["photo"] for role in ("references", "good") for each in product[role]}
    return photos | ({product["ignored"]} if product.get("ignored") else set())
