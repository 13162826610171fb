"""Run by Alembic, with the connection that `anomalygpt.records.database` opened."""

from __future__ import annotations

from alembic import context

from anomalygpt.records.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
