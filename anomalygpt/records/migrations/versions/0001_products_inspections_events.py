"""Products, inspections, the log, keys, answers and jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    _make_products()
    _make_inspections()
    _make_service()


def _make_products() -> None:
    op.create_table(
        "products",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("key", sa.String(128), nullable=False, unique=True),
        sa.Column("description", sa.Text()),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("limit", sa.JSON()),
        sa.Column("ignored", sa.LargeBinary()),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("changed", sa.String(32), nullable=False),
    )
    op.create_table(
        "product_photos",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column(
            "product_id",
            sa.String(32),
            sa.ForeignKey("products.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("photo", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("added", sa.String(32), nullable=False),
        sa.UniqueConstraint("product_id", "photo"),
    )


def _make_inspections() -> None:
    op.create_table(
        "inspections",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("event", sa.Integer(), nullable=False, unique=True),
        sa.Column("at", sa.String(32), nullable=False, index=True),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("product_id", sa.String(32)),
        sa.Column("product", sa.String(64)),
        sa.Column("product_version", sa.Integer()),
        sa.Column("photo", sa.String(64), nullable=False, index=True),
        sa.Column("photo_name", sa.Text(), nullable=False),
        sa.Column("photo_kept", sa.Boolean(), nullable=False),
        sa.Column("map", sa.String(64)),
        sa.Column("is_anomalous", sa.Boolean()),
        sa.Column("anomaly_probability", sa.Double()),
        sa.Column("anomaly_score", sa.Double(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("feedback", sa.String(16)),
    )
    op.create_index("inspections_of_product", "inspections", ["product_id", "id"])
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column(
            "inspection",
            sa.String(32),
            sa.ForeignKey("inspections.id"),
            nullable=False,
            index=True,
        ),
        sa.Column("product_id", sa.String(32), index=True),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("said", sa.JSON(), nullable=False),
        sa.Column("change", sa.JSON()),
    )
    op.create_table(
        "events",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(32), nullable=False, index=True),
        sa.Column("kind", sa.String(32), nullable=False, index=True),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False, index=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("before", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
    )


def _make_service() -> None:
    op.create_table(
        "keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("scopes", sa.String(64), nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("revoked", sa.String(32)),
    )
    op.create_table(
        "answers",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("at", sa.String(32), nullable=False, index=True),
        sa.Column("status", sa.Integer()),
        sa.Column("body", sa.Text()),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("wanted", sa.JSON(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
    )


def downgrade() -> None:
    """Delete all tables."""
    for name in ("jobs", "answers", "keys", "events", "feedback", "inspections", "product_photos"):
        op.drop_table(name)
    op.drop_table("products")
