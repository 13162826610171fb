"""Opening, versions, errors in our words, and that a full disk loses nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from anomalygpt.audit.agreement import check
from anomalygpt.audit.journal import Entry
from anomalygpt.errors import BusyError, ConfigError, OutputError, RecordsError
from anomalygpt.products.plant import Plant
from anomalygpt.records.database import NEWEST, Database, now
from anomalygpt.records.places import Place
from tests.kept import discs, open_plant, recorded


def place(folder: Path) -> Place:
    return Place(folder, f"sqlite:///{folder / 'anomalygpt.sqlite'}")


def tables(folder: Path) -> set[str]:
    with sqlite3.connect(folder / "anomalygpt.sqlite") as connection:
        found = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    return found


@pytest.mark.parametrize("content", [None, b""])
def test_a_database_without_tables_gets_them(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "anomalygpt.sqlite").write_bytes(content)
    database = Database(place(tmp_path))
    assert {"products", "inspections", "events", "feedback", "alembic_version"} <= tables(tmp_path)
    assert database.is_alive()
    database.close()


def test_a_database_is_opened_again_as_it_was(tmp_path: Path) -> None:
    plant = open_plant(tmp_path)
    product, entry = discs(plant), recorded(plant)
    plant.close()
    again = open_plant(tmp_path)
    assert again.products.find("disc") == product
    assert again.journal.find(entry.id) == entry
    again.close()


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    Database(place(tmp_path)).close()
    with sqlite3.connect(tmp_path / "anomalygpt.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = (tmp_path / "anomalygpt.sqlite").read_bytes()
    with pytest.raises(RecordsError, match="written by a newer anomalygpt"):
        Database(place(tmp_path))
    assert (tmp_path / "anomalygpt.sqlite").read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"no database at all" * 500, b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_damaged_database_is_told_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "anomalygpt.sqlite").write_bytes(content)
    with pytest.raises(RecordsError, match="is damaged"):
        Database(place(tmp_path))
    assert (tmp_path / "anomalygpt.sqlite").read_bytes() == content


def test_damage_that_comes_later_is_told(tmp_path: Path) -> None:
    plant = open_plant(tmp_path)
    for seed in range(20):
        recorded(plant, seed)
    plant.close()
    path = tmp_path / "anomalygpt.sqlite"
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
    path.write_bytes(content)
    with pytest.raises(RecordsError, match=r"damaged|cannot be used"):
        open_plant(tmp_path).journal.all()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        Database(place(tmp_path / "file" / "below"))


def test_a_block_that_fails_changes_nothing(plant: Plant) -> None:
    with suppress(RuntimeError), plant.database.writing() as session:
        session.execute(text("INSERT INTO keys VALUES ('1', 'a', 'b', 'read', 'now', NULL)"))
        raise RuntimeError
    with plant.database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM keys")).scalar() == 0


def test_what_breaks_a_rule_of_the_tables_is_told(plant: Plant) -> None:
    key = text("INSERT INTO keys VALUES ('1', 'a', 'b', 'read', 'now', NULL)")
    with plant.database.writing() as session:
        session.execute(key)
    with pytest.raises(RecordsError, match="UNIQUE"), plant.database.writing() as session:
        session.execute(key)


def test_a_writer_that_never_ends_is_told(tmp_path: Path) -> None:
    folder = tmp_path
    Database(place(folder)).close()
    impatient = Place(folder, f"sqlite:///{folder / 'anomalygpt.sqlite'}?timeout=0.05")
    other = sqlite3.connect(folder / "anomalygpt.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    database = Database(impatient)
    try:
        with pytest.raises(BusyError, match="another process"), database.writing():
            pytest.fail("two wrote at once")
    finally:
        other.execute("ROLLBACK")
        other.close()
        database.close()


@contextmanager
def full(pages: int) -> Iterator[None]:
    """Connections that are opened in the block find no room for more pages than there are."""

    def limit(connection: Any, record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(Engine, "connect", limit)
    try:
        yield
    finally:
        event.remove(Engine, "connect", limit)


def test_a_full_disk_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    with full(100):
        plant = open_plant(tmp_path)
        entries: list[Entry] = []

        def until_full() -> None:
            entries.extend(recorded(plant, seed) for seed in range(1000))

        with pytest.raises(OutputError, match="no space left for the database"):
            until_full()
        with pytest.raises(OutputError, match="no space left"):
            recorded(plant, 1000)
        assert [plant.journal.find(entry.id) for entry in entries] == entries
        plant.close()
    plant = open_plant(tmp_path)  # there is room again
    checked = check(plant.database)
    assert checked.is_whole
    assert checked.inspections == len(entries) > 0
    recorded(plant, 2000)
    assert check(plant.database).inspections == len(entries) + 1
    plant.close()


def test_a_disk_that_is_full_from_the_start_leaves_nothing_half(tmp_path: Path) -> None:
    with full(5), pytest.raises(OutputError, match="no space left for the database"):
        open_plant(tmp_path)
    plant = open_plant(tmp_path)
    assert check(plant.database).is_whole
    recorded(plant)
    plant.close()


def test_times_sort_like_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    times = []
    for moment in (0, 999, 10**9, 1_764_547_200_123_456_789):
        monkeypatch.setattr("time.time_ns", lambda moment=moment: moment)
        times.append(now())
    assert times == sorted(times)
    assert times[-1] == "2025-12-01T00:00:00.123456Z"
    assert now(days_ago=1) == "2025-11-30T00:00:00.123456Z"
    assert NEWEST


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("postgres://ann@db/plant", "postgresql+psycopg://ann@db/plant"),
        ("postgresql://ann@db/plant", "postgresql+psycopg://ann@db/plant"),
        ("postgresql+psycopg://ann@db/plant", "postgresql+psycopg://ann@db/plant"),
        ("sqlite:////srv/plant.sqlite", "sqlite:////srv/plant.sqlite"),
    ],
)
def test_databases_are_named_as_hosts_name_them(tmp_path: Path, url: str, kept: str) -> None:
    found = Place.of(tmp_path, url)
    assert found.url == kept
    assert found.is_sqlite == url.startswith("sqlite")


def test_options_come_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANOMALYGPT_DATABASE", raising=False)
    monkeypatch.setenv("ANOMALYGPT_DATA", str(tmp_path / "env"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    assert Place.of(tmp_path / "option").folder == tmp_path / "option"
    assert Place.of().folder == tmp_path / "env"
    assert Place.of().url == f"sqlite:///{tmp_path / 'env' / 'anomalygpt.sqlite'}"
    monkeypatch.setenv("ANOMALYGPT_DATABASE", "postgresql://db/plant")
    assert not Place.of().is_sqlite
    monkeypatch.delenv("ANOMALYGPT_DATA")
    assert Place.of().folder == tmp_path / "home" / "anomalygpt"


@pytest.mark.parametrize("url", ["mysql://db/plant", "plant.sqlite", "http://db"])
def test_databases_of_other_kinds_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="a database is sqlite"):
        Place.of(tmp_path, url)
