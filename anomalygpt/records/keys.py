"""Keys to the service: random, shown once, kept as hashes."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args
from uuid import uuid4

from sqlalchemy import select

from anomalygpt.errors import ConfigError, SourceError
from anomalygpt.files import shown
from anomalygpt.records.database import Database, now
from anomalygpt.records.tables import KeyRow

Scope = Literal["read", "inspect", "manage"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
# What every key begins with, so that one that was published by mistake is recognised.
_BEGINNING = "agpt_"
_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.@-]{0,31}")


@dataclass(frozen=True)
class Key:
    """A key, without its secret.

    Attributes:
        name: what the log calls whoever uses it.
        scopes: what it opens, in the order of `SCOPES`.
        created: when, UTC; revoked: when it was taken back, None while it holds.
    """

    name: str
    scopes: tuple[Scope, ...]
    created: str
    revoked: str | None


class Keys:
    """All keys of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, scopes: Iterable[str]) -> str:
        """Make a key; what is returned is shown once and kept nowhere.

        Args:
            name: 1 to 32 letters, digits, spaces and "_.@-"; no other key had it.
            scopes: at least one of `SCOPES`.

        Raises:
            ConfigError: a name or scope that is none, or the name is taken.
        """
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{shown(name[:64])} is no name for a key: 1 to 32 letters, digits, spaces and "
                '"_.@-", a letter or digit first'
            )
        given = set(scopes)
        if not given or given - set(SCOPES):
            raise ConfigError(
                f"a key has one or more of the scopes {', '.join(SCOPES)}, got "
                f"{', '.join(sorted(given)) or 'none'}"
            )
        secret = _BEGINNING + secrets.token_urlsafe(_BYTES)
        with self._database.writing() as session:
            if session.scalars(select(KeyRow).filter_by(name=name)).first():
                raise ConfigError(
                    f"there is or was a key {name!r}; name another, so that the log stays clear"
                )
            session.add(
                KeyRow(
                    id=uuid4().hex,
                    name=name,
                    hash=_hash(secret),
                    scopes=",".join(scope for scope in SCOPES if scope in given),
                    created=now(),
                    revoked=None,
                )
            )
        return secret

    def find(self, secret: str) -> Key | None:
        """The key that a secret opens; None where there is none or it was revoked."""
        with self._database.reading() as session:
            row = session.scalars(select(KeyRow).filter_by(hash=_hash(secret))).first()
            return None if row is None or row.revoked is not None else _key(row)

    def all(self) -> list[Key]:
        """All keys, revoked ones too, the eldest first."""
        with self._database.reading() as session:
            return [_key(row) for row in session.scalars(select(KeyRow).order_by(KeyRow.created))]

    def any(self) -> bool:
        """Whether there was ever one: from then on nobody comes in without."""
        with self._database.reading() as session:
            return session.scalars(select(KeyRow.id).limit(1)).first() is not None

    def revoke(self, name: str) -> Key:
        """Let a key open nothing any more, from the next request on.

        Raises:
            SourceError: there is none of this name.
        """
        with self._database.writing() as session:
            row = session.scalars(select(KeyRow).filter_by(name=name)).first()
            if row is None:
                names = ", ".join(session.scalars(select(KeyRow.name))) or "none"
                raise SourceError(f"there is no key {shown(name[:64])}; there is {names}")
            row.revoked = row.revoked or now()
            return _key(row)


def _hash(secret: str) -> str:
    # No salt and no slow hash: 256 random bits cannot be guessed.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: KeyRow) -> Key:
    scopes = tuple(scope for scope in SCOPES if scope in row.scopes.split(","))
    return Key(row.name, scopes, row.created, row.revoked)
