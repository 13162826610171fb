"""Inspections on record: written with their line in the log, found again, counted."""

from __future__ import annotations

import platform
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from sqlalchemy import select
from sqlalchemy.orm import Session

from anomalygpt.audit.chain import append
from anomalygpt.errors import SourceError
from anomalygpt.files import shown
from anomalygpt.records.blobs import Blobs
from anomalygpt.records.database import Database
from anomalygpt.records.tables import InspectionRow
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.maps import png16
from anomalygpt.version import __version__

if TYPE_CHECKING:
    from anomalygpt.products.product import Product


@dataclass(frozen=True)
class Circumstances:
    """Under which a photo was inspected.

    Attributes:
        who: the person or key that asked.
        model: the preset, folder or name that it was opened by.
        weights: SHA-256 of its weights.
        product: which product it was compared with; None for references of its own.
        bank: key of the memory bank.
        references: SHA-256 of the photos of good parts, where there was no product.
        settings: how the photo was looked at, plain JSON values.
    """

    who: str
    model: str
    weights: str
    product: Product | None = None
    bank: str | None = None
    references: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """An inspection on record.

    Attributes:
        id: 32 hexadecimal digits.
        number: of its line in the log.
        at: when, UTC.
        who: asked for it.
        product, product_version: by name and number; None where there was none.
        product_id: its identity.
        photo: SHA-256 of the file; photo_name: what it was called; photo_kept: whether it is there.
        map: SHA-256 of the map as a 16-bit PNG; None where it is not kept.
        result: `Inspection.to_dict` without its map.
        feedback: "good", "damaged" or None.
    """

    id: str
    number: int
    at: str
    who: str
    product: str | None
    product_id: str | None
    product_version: int | None
    photo: str
    photo_name: str
    photo_kept: bool
    map: str | None
    result: Mapping[str, Any]
    feedback: str | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**self.__dict__, "result": dict(self.result)}


class Journal:
    """All inspections of a database."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self.database, self._blobs = database, blobs

    def write(
        self,
        inspection: Inspection,
        photo: bytes,
        circumstances: Circumstances,
        *,
        keeps_photo: bool = True,
    ) -> Entry:
        """Put an inspection on record; when this returns it is on the disk.

        Args:
            inspection: with its map.
            photo: the file's bytes.
            circumstances: under which it was made.
            keeps_photo: False keeps only the photo's hash; it cannot be inspected again then.

        Raises:
            OutputError, RecordsError, BusyError: it cannot be kept.
        """
        name = self._blobs.put(photo) if keeps_photo else self._blobs.name_of(photo)
        drawn = None if inspection.small_map is None else png16(inspection.small_map)
        kept_map = None if drawn is None else self._blobs.put(drawn)
        product = circumstances.product
        identity = f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
        payload = _payload(inspection, circumstances, identity, name, kept_map)
        with self.database.writing() as session:
            if keeps_photo:  # somebody may have deleted the same photo, an old one, meanwhile
                self._blobs.put(photo)
            if drawn is not None:
                self._blobs.put(drawn)
            event = append(session, "inspection", circumstances.who, identity, payload)
            row = InspectionRow(
                id=identity,
                event=event.number,
                at=event.at,
                who=event.who,
                product_id=product and product.id,
                product=product and product.name,
                product_version=product and product.version,
                photo=name,
                photo_name=payload["photo_name"],
                photo_kept=keeps_photo,
                map=kept_map,
                is_anomalous=inspection.is_anomalous,
                anomaly_probability=inspection.anomaly_probability,
                anomaly_score=inspection.anomaly_score,
                result=payload["result"],
                feedback=None,
            )
            session.add(row)
        return entry_of(row)

    def find(self, identity: str) -> Entry:
        """
        Raises:
            SourceError: there is no such inspection.
        """
        with self.database.reading() as session:
            return entry_of(row_of(session, identity))

    def all(
        self,
        *,
        product: str | None = None,
        before: int | None = None,
        since: str | None = None,
        is_anomalous: bool | None = None,
        most: int = 100,
    ) -> list[Entry]:
        """Inspections, the youngest first, some at a time.

        Args:
            product: identity of the only product that is wanted.
            before: number of the last one that is known; None begins.
            since: the beginning of a time in UTC, such as "2026-11-30"; earlier ones are left out.
            is_anomalous: the only verdict that is wanted.
            most: so many at most.
        """
        wanted = select(InspectionRow)
        if product is not None:
            wanted = wanted.where(InspectionRow.product_id == product)
        if before is not None:
            wanted = wanted.where(InspectionRow.event < before)
        if since is not None:
            wanted = wanted.where(InspectionRow.at >= since)
        if is_anomalous is not None:
            wanted = wanted.where(InspectionRow.is_anomalous.is_(is_anomalous))
        with self.database.reading() as session:
            rows = session.scalars(wanted.order_by(InspectionRow.event.desc()).limit(most))
            return [entry_of(row) for row in rows]


def _payload(
    inspection: Inspection, made: Circumstances, identity: str, photo: str, kept_map: str | None
) -> dict[str, Any]:
    """What the log says of an inspection."""
    product = made.product
    # File names may hold bytes that are no text, which no database takes.
    called = (inspection.image or "photo").encode("utf-8", "replace").decode().replace("\0", "?")
    return {
        "inspection": identity,
        "photo": photo,
        "photo_name": called,
        "map": kept_map,
        "product": None if product is None else [product.id, product.name, product.version],
        "bank": made.bank,
        "references": list(made.references),
        "model": made.model,
        "weights": made.weights,
        "settings": dict(made.settings),
        "made_with": made_with(),
        "result": inspection.to_dict(),
    }


def made_with() -> dict[str, str]:
    """What decides the last digits of a result besides model and photo."""
    return {
        "anomalygpt": __version__,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }


def row_of(session: Session, identity: str) -> InspectionRow:
    """
    Raises:
        SourceError: there is no such inspection.
    """
    row = session.get(InspectionRow, identity)
    if row is None:
        raise SourceError(
            f"there is no inspection {shown(identity[:80])}; `anomalygpt audit list` names them"
        )
    return row


def entry_of(row: InspectionRow) -> Entry:
    """A row as others read it."""
    return Entry(
        id=row.id,
        number=row.event,
        at=row.at,
        who=row.who,
        product=row.product,
        product_id=row.product_id,
        product_version=row.product_version,
        photo=row.photo,
        photo_name=row.photo_name,
        photo_kept=row.photo_kept,
        map=row.map,
        result=row.result,
        feedback=row.feedback,
    )
