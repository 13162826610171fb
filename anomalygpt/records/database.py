"""The database: opened, brought up to date, read and written, its errors in our words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from anomalygpt.errors import (
    AnomalyGPTError,
    BusyError,
    MissingExtraError,
    OutputError,
    RecordsError,
)
from anomalygpt.files import reason_of
from anomalygpt.records.places import Place

# The newest migration; a test compares it with the files.
NEWEST = "0001"
# Seconds that a writer waits for another.
_PATIENCE = 30
_DAY = 86_400 * 10**9
# Locks in PostgreSQL are numbers: one for migrations, one for the end of the log.
_MIGRATION_LOCK, _LOG_LOCK = 823_741_001, 823_741_002


class Database:
    """One database; several threads and processes may use it.

    Attributes:
        place: where it is.
    """

    def __init__(self, place: Place) -> None:
        """Open it, make it where it is not there, and bring it up to date.

        Raises:
            RecordsError: it is damaged, of a newer version, or no server answers.
            OutputError: it cannot be written.
        """
        self.place = place
        self._engine = _engine(place)
        try:
            with _told(place):
                self._bring_up_to_date()
        except AnomalyGPTError:
            self._engine.dispose()
            raise

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A look at the database as it is at one moment.

        Raises:
            RecordsError, BusyError: it cannot be read.
        """
        with _told(self.place), Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A change, done as a whole when the block ends well, else not at all. One at a time, so
        that what was read in it still holds when it is written.

        Raises:
            OutputError: no space, or no permission.
            RecordsError, BusyError: it cannot be written.
        """
        with _told(self.place), Session(self._engine, expire_on_commit=False) as session:
            if self.place.is_sqlite:
                session.connection(execution_options={"immediate": True})
            else:
                session.execute(text(f"SELECT pg_advisory_xact_lock({_LOG_LOCK})"))
            yield session
            session.commit()

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    def is_alive(self) -> bool:
        """Whether it answers."""
        try:
            with self.reading() as session:
                session.execute(text("SELECT 1"))
        except AnomalyGPTError:
            return False
        return True

    def _bring_up_to_date(self) -> None:
        if _version(self._engine) == NEWEST:
            return
        with self._engine.connect() as connection:
            if self.place.is_sqlite:
                connection = connection.execution_options(immediate=True)
            connection.begin()
            if not self.place.is_sqlite:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            _migrate(connection)
            connection.commit()


def _engine(place: Place) -> Engine:
    """
    Raises:
        OutputError: the folder cannot be made.
        MissingExtraError: there is no driver for PostgreSQL.
    """
    try:
        place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise OutputError(
            f"{place.folder} cannot be made: {error.strerror}; name another folder with --data"
        ) from error
    if not place.is_sqlite:
        try:
            return create_engine(place.url, pool_pre_ping=True, pool_recycle=1800)
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "PostgreSQL needs its driver; install anomalygpt[postgres]"
            ) from error
    engine = create_engine(place.url, connect_args={"timeout": _PATIENCE})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, record: Any) -> None:
    # Python's own transactions begin too late: somebody may write after our first look.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "foreign_keys = ON", "synchronous = FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _version(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(connection: Connection) -> None:
    """Through all migrations that it lacks, in one transaction.

    Raises:
        RecordsError: it is of a newer version.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise RecordsError(
            f"the database was written by a newer anomalygpt ({reason_of(error)}); update this "
            "one, or name another folder with --data"
        ) from error


@contextmanager
def _told(place: Place) -> Iterator[None]:
    """Errors of the database in our words; they name no password."""
    try:
        yield
    except DBAPIError as error:
        raise _meant(place, error) from error
    except SQLAlchemyError as error:
        raise RecordsError(f"the database cannot be used: {type(error).__name__}") from error


def _meant(place: Place, error: DBAPIError) -> AnomalyGPTError:
    told = reason_of(error.orig) if isinstance(error.orig, Exception) else type(error).__name__
    where = str(place.folder) if place.is_sqlite else "the database server"
    if "disk is full" in told or "No space left" in told or "disk I/O error" in told:
        return OutputError(f"{where} has no space left for the database; free some")
    if "readonly" in told or "unable to open" in told:
        return OutputError(f"{where}: the database cannot be written ({told}); check permissions")
    if "locked" in told:
        return BusyError("another process is writing to the database; try again in a moment")
    if "malformed" in told or "not a database" in told:
        return RecordsError(
            f"the database in {where} is damaged ({told}); put back a copy, or name another folder "
            "with --data"
        )
    if place.is_sqlite:
        return RecordsError(f"the database in {where} cannot be used: {told}")
    return RecordsError(
        f"the database server does not answer as it should ({told[:200]}); nothing was changed, "
        "try again once it runs"
    )


def now(days_ago: float = 0) -> str:
    """The time in UTC, ISO 8601 with microseconds; such texts sort like the times.

    Args:
        days_ago: so long before.
    """
    whole, part = divmod((time.time_ns() - int(days_ago * _DAY)) // 1000, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{part:06d}Z"
