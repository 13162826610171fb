"""The same on a PostgreSQL server, also where it is killed, and two programs use it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed (extra postgres)")

from anomalygpt.audit.chain import append, verify
from anomalygpt.errors import RecordsError
from anomalygpt.products.plant import Plant
from anomalygpt.products.store import Change
from anomalygpt.records.database import Database
from anomalygpt.records.places import Place
from tests.postgres_server import PostgresServer, postgres_server, programs

pytestmark = pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed here")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def plant(server: PostgresServer, tmp_path: Path) -> Iterator[Plant]:
    plant = Plant.open(Place.of(tmp_path, server.url))
    yield plant
    plant.close()


def test_products_are_kept(plant: Plant, server: PostgresServer, tmp_path: Path) -> None:
    plant.products.add("kept", description="here", who="me")
    other = Plant.open(Place.of(tmp_path, server.url))
    assert other.products.find("KEPT").description == "here"
    other.close()
    assert verify(plant.database).broken is None


def _write(folder: str, url: str, count: int) -> None:
    database = Database(Place.of(folder, url))
    for number in range(count):
        with database.writing() as session:
            append(session, "test", "me", "nothing", {"number": number})
    database.close()


def test_two_programs_write_one_log(plant: Plant, server: PostgresServer, tmp_path: Path) -> None:
    before = verify(plant.database).lines
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_write, args=(str(tmp_path), server.url, 20)) for _ in range(2)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    found = verify(plant.database)
    assert (found.lines, found.broken) == (before + 40, None)


def test_a_server_that_is_killed_loses_nothing(plant: Plant, server: PostgresServer) -> None:
    plant.products.add("before", who="me")
    server.kill()
    with pytest.raises(RecordsError, match="does not answer"):
        plant.products.add("meanwhile", who="me")
    assert not plant.database.is_alive()
    server.start()
    # The same program goes on, without being started anew.
    assert plant.products.find("before").version == 1
    assert plant.products.change("before", Change(description="still"), who="me").version == 2
    assert "meanwhile" not in plant.products.names()
    assert verify(plant.database).broken is None


def test_no_server_is_one_line_without_the_password(tmp_path: Path) -> None:
    url = "postgresql://me:secret-word@127.0.0.1:1/none"
    with pytest.raises(RecordsError) as told:
        Database(Place.of(tmp_path, url))
    assert "secret-word" not in str(told.value)
    assert "\n" not in str(told.value)
