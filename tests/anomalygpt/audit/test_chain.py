"""The chain: every change of any line is found, and several writers make one log."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from anomalygpt.audit.chain import BEGINNING, append, verify
from anomalygpt.products.plant import Plant
from anomalygpt.records.database import Database

LINES = 4
COLUMNS = ("number", "at", "kind", "who", "subject", "payload", "before", "hash")


@pytest.fixture
def log(plant: Plant) -> Database:
    for number in range(LINES):
        with plant.database.writing() as session:
            append(session, "inspection", "ann", f"part {number}", {"score": number / 7, "ü": "ß"})
    return plant.database


@contextmanager
def tampered(log: Database) -> Iterator[sqlite3.Connection]:
    """The file as somebody with a database tool sees it; put back at the end."""
    path = log.place.folder / "anomalygpt.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    rows = connection.execute("SELECT * FROM events ORDER BY number").fetchall()
    try:
        yield connection
    finally:
        connection.execute("DELETE FROM events")
        connection.executemany(f"INSERT INTO events VALUES ({','.join('?' * len(COLUMNS))})", rows)
        connection.close()


def value(connection: sqlite3.Connection, number: int, column: str) -> bytes:
    query = f"SELECT CAST({column} AS BLOB) FROM events WHERE number = ?"
    return bytes(connection.execute(query, (number,)).fetchone()[0])


def test_an_untouched_log_is_whole(log: Database) -> None:
    found = verify(log)
    assert (found.lines, found.broken) == (LINES, None)
    assert verify(log, (LINES, found.last)).broken is None


def test_an_empty_log_is_whole(plant: Plant) -> None:
    assert verify(plant.database) == verify(plant.database, None)
    assert verify(plant.database).last == BEGINNING


@pytest.mark.parametrize("column", [name for name in COLUMNS if name != "number"])
def test_every_single_bit_of_a_line_counts(log: Database, column: str) -> None:
    """Also those that leave no text."""
    with tampered(log) as connection:
        before = value(connection, 2, column)
        change = f"UPDATE events SET {column} = CAST(? AS TEXT) WHERE number = 2"
        for bit in range(8 * len(before)):
            flipped = bytearray(before)
            flipped[bit // 8] ^= 1 << bit % 8
            connection.execute(change, (bytes(flipped),))
            found = verify(log)
            assert found.broken == 2, f"bit {bit} of {column}: {bytes(flipped)!r}"
            assert found.lines == 1
        connection.execute(change, (before,))
        assert verify(log).broken is None


@pytest.mark.parametrize("bit", range(16))
def test_every_bit_of_a_number_counts(log: Database, bit: int) -> None:
    with tampered(log) as connection:
        taken = 3 ^ (1 << bit)
        connection.execute("DELETE FROM events WHERE number = ?", (taken,))
        connection.execute("UPDATE events SET number = ? WHERE number = 3", (taken,))
        # A line with a smaller number stands in another place, so that one is wrong.
        assert verify(log).broken in {min(taken, 3), 1}


@pytest.mark.parametrize("number", range(1, LINES))
def test_a_line_that_is_removed_is_named(log: Database, number: int) -> None:
    with tampered(log) as connection:
        connection.execute("DELETE FROM events WHERE number = ?", (number,))
        assert verify(log).broken == number
        assert verify(log).reason == "it is missing"
        connection.execute("UPDATE events SET number = number - 1 WHERE number > ?", (number,))
        assert verify(log).broken == number


def test_an_end_that_is_cut_off_is_seen_by_whoever_wrote_it_down(log: Database) -> None:
    last = verify(log).last
    with tampered(log) as connection:
        connection.execute("DELETE FROM events WHERE number = ?", (LINES,))
        assert verify(log).broken is None
        assert verify(log, (LINES, last)).broken == LINES


@pytest.mark.parametrize(("one", "other"), [(1, 2), (2, 3), (1, 4)])
def test_lines_that_change_places_are_seen(log: Database, one: int, other: int) -> None:
    with tampered(log) as connection:
        for before, after in ((one, -1), (other, one), (-1, other)):
            connection.execute("UPDATE events SET number = ? WHERE number = ?", (after, before))
        assert verify(log).broken == one


@pytest.mark.parametrize("number", range(1, LINES + 2))
def test_a_line_that_is_put_in_is_seen(log: Database, number: int) -> None:
    with tampered(log) as connection:
        connection.execute("UPDATE events SET number = -number WHERE number >= ?", (number,))
        connection.execute("UPDATE events SET number = 1 - number WHERE number < 0")
        before = BEGINNING if number == 1 else value(connection, number - 1, "hash").decode()
        made = (number, "2026-01-01", "inspection", "eve", "x", "{}", before, "f" * 64)
        connection.execute(f"INSERT INTO events VALUES ({','.join('?' * 8)})", made)
        assert verify(log).broken == number


def test_a_whole_new_chain_is_seen_by_whoever_wrote_a_hash_down(log: Database) -> None:
    known = LINES, verify(log).last
    with tampered(log) as connection:
        connection.execute("DELETE FROM events")
        for number in range(LINES + 1):
            with log.writing() as session:
                append(session, "inspection", "eve", f"part {number}", {"score": 0.0})
        assert verify(log).broken is None
        assert verify(log, known).broken == LINES


WRITER = """
import sys
from anomalygpt.audit.chain import append
from anomalygpt.records.database import Database
from anomalygpt.records.places import Place
database = Database(Place.of(sys.argv[1], sys.argv[2]))
for number in range(25):
    with database.writing() as session:
        append(session, "inspection", sys.argv[3], str(number), {"number": number})
"""


def test_two_processes_write_one_log(plant: Plant, tmp_path: Path) -> None:
    place = plant.database.place
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(place.folder), place.url, who])
        for who in ("ann", "bob")
    ]
    assert [each.wait(120) for each in running] == [0, 0]
    assert verify(plant.database).lines == 50
    assert verify(plant.database).broken is None


def test_a_clock_that_goes_back_breaks_nothing(
    log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[Any] = []
    for seconds in (4_000_000_000, 1_000_000_000, 0):
        monkeypatch.setattr("time.time_ns", lambda seconds=seconds: seconds * 10**9)
        with log.writing() as session:
            times.append(append(session, "inspection", "ann", "x", {}))
    assert [each.number for each in times] == [LINES + 1, LINES + 2, LINES + 3]
    assert [each.at for each in times] == sorted((each.at for each in times), reverse=True)
    assert verify(log).broken is None
