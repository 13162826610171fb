"""The tables of the database. Whoever changes one writes a migration beside it, see
`docs/architecture.md`; a test compares the two."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {dict[str, Any]: JSON}  # noqa: RUF012 (as SQLAlchemy wants it)


class ProductRow(Base):
    """A product: one name for references, settings and what was promised about it.

    Times are UTC in ISO 8601, as text, so that they are the same in every database.
    """

    __tablename__ = "products"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    # The name in small letters: two names differ by more than capitals.
    key: Mapped[str] = mapped_column(String(128), unique=True)
    description: Mapped[str | None] = mapped_column(Text)
    settings: Mapped[dict[str, Any]]
    # Every change makes it one more.
    version: Mapped[int]
    # `decoder.limits.Limit` as a mapping.
    limit: Mapped[dict[str, Any] | None]
    # A mask of places that do not count, as PNG.
    ignored: Mapped[bytes | None] = mapped_column(LargeBinary)
    created: Mapped[str] = mapped_column(String(32))
    changed: Mapped[str] = mapped_column(String(32))
    photos: Mapped[list[ProductPhotoRow]] = relationship(
        cascade="all, delete-orphan", order_by="ProductPhotoRow.id"
    )


class ProductPhotoRow(Base):
    """A photo of a good part: a reference, or one that the limit is measured on."""

    __tablename__ = "product_photos"
    __table_args__ = (UniqueConstraint("product_id", "photo"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    product_id: Mapped[str] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(String(16))
    photo: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(Text)
    added: Mapped[str] = mapped_column(String(32))


class InspectionRow(Base):
    """What was found in one photo, to be looked up; the log has it too, and cannot be changed."""

    __tablename__ = "inspections"
    __table_args__ = (Index("inspections_of_product", "product_id", "id"),)

    # Sorts by when it was made.
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    event: Mapped[int] = mapped_column(unique=True)
    at: Mapped[str] = mapped_column(String(32), index=True)
    who: Mapped[str] = mapped_column(String(64))
    product_id: Mapped[str | None] = mapped_column(String(32))
    product: Mapped[str | None] = mapped_column(String(64))
    product_version: Mapped[int | None]
    photo: Mapped[str] = mapped_column(String(64), index=True)
    photo_name: Mapped[str] = mapped_column(Text)
    # False where the photo was not kept, or was deleted by its age.
    photo_kept: Mapped[bool]
    map: Mapped[str | None] = mapped_column(String(64))
    is_anomalous: Mapped[bool | None]
    anomaly_probability: Mapped[float | None]
    anomaly_score: Mapped[float]
    # `Inspection.to_dict` without its map.
    result: Mapped[dict[str, Any]]
    # What somebody said of it: "good", "damaged", or None.
    feedback: Mapped[str | None] = mapped_column(String(16))


class FeedbackRow(Base):
    """What somebody said of an inspection, and what was changed because of it."""

    __tablename__ = "feedback"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    inspection: Mapped[str] = mapped_column(ForeignKey("inspections.id"), index=True)
    product_id: Mapped[str | None] = mapped_column(String(32), index=True)
    at: Mapped[str] = mapped_column(String(32))
    who: Mapped[str] = mapped_column(String(64))
    # "proposed", "applied" or "undone".
    state: Mapped[str] = mapped_column(String(16))
    said: Mapped[dict[str, Any]]
    # What the product was before and after, to undo it.
    change: Mapped[dict[str, Any] | None]


class EventRow(Base):
    """One line of the log; each holds the hash of the one before."""

    __tablename__ = "events"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[str] = mapped_column(String(32), index=True)
    kind: Mapped[str] = mapped_column(String(32), index=True)
    who: Mapped[str] = mapped_column(String(64))
    # The inspection's or product's identity.
    subject: Mapped[str] = mapped_column(String(64), index=True)
    # Canonical JSON, byte by byte as it was hashed.
    payload: Mapped[str] = mapped_column(Text)
    before: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64), unique=True)


class KeyRow(Base):
    """A key to the service, of which only the hash is kept."""

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    # "read", "inspect", "manage", with commas.
    scopes: Mapped[str] = mapped_column(String(64))
    created: Mapped[str] = mapped_column(String(32))
    revoked: Mapped[str | None] = mapped_column(String(32))


class AnswerRow(Base):
    """An answer that is given again to whoever repeats a request with the same mark."""

    __tablename__ = "answers"

    # SHA-256 of the caller's key and mark.
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    request: Mapped[str] = mapped_column(String(64))
    at: Mapped[str] = mapped_column(String(32), index=True)
    status: Mapped[int | None]
    body: Mapped[str | None] = mapped_column(Text)


class JobRow(Base):
    """A folder that is being inspected."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[str] = mapped_column(String(32))
    who: Mapped[str] = mapped_column(String(64))
    # "waiting", "running", "done", "failed" or "stopped".
    state: Mapped[str] = mapped_column(String(16), index=True)
    wanted: Mapped[dict[str, Any]]
    progress: Mapped[dict[str, Any]]
