"""Migrations make the tables that the code has."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from anomalygpt.products.plant import Plant
from anomalygpt.records import database, migrations
from anomalygpt.records.tables import Base


def test_a_migrated_database_has_the_tables_of_the_code(plant: Plant) -> None:
    engine = create_engine(plant.database.place.url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    engine.dispose()
    assert version == database.NEWEST


def test_the_newest_migration_is_the_one_that_is_named() -> None:
    folder = Path(migrations.__file__).with_name("versions")
    numbers = sorted(path.name.partition("_")[0] for path in folder.glob("[0-9]*.py"))
    assert numbers[-1] == database.NEWEST
    assert len(set(numbers)) == len(numbers)
