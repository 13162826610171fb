"""The tables as the code knows them are those that the migrations make."""

from __future__ import annotations

import re
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from anomalygpt.records import database as database_module
from anomalygpt.records.database import NEWEST, Database
from anomalygpt.records.places import Place
from anomalygpt.records.tables import Base


def test_a_new_database_has_the_tables_of_the_code(tmp_path: Path) -> None:
    database = Database(Place.of(tmp_path))
    try:
        with database.reading() as session:
            settings = {"compare_type": True, "target_metadata": Base.metadata}
            context = MigrationContext.configure(session.connection(), opts=settings)
            assert compare_metadata(context, Base.metadata) == []
    finally:
        database.close()


def test_the_newest_migration_is_the_one_that_is_named() -> None:
    folder = Path(database_module.__file__).with_name("migrations") / "versions"
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("[0-9]*.py")]
    revisions = {re.findall(r'^revision = "(\w+)"', text, re.MULTILINE)[0] for text in texts}
    before = {
        each for text in texts for each in re.findall(r'^down_revision = "(\w+)"', text, re.M)
    }
    assert revisions - before == {NEWEST}
