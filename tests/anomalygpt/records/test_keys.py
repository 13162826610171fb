"""Keys: shown once, kept as hashes, revoked at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from anomalygpt.errors import ConfigError, SourceError
from anomalygpt.records.database import Database
from anomalygpt.records.keys import Keys
from anomalygpt.records.places import Place


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(Place.of(tmp_path))
    yield made
    made.close()


def test_a_key_opens_what_it_was_made_for(database: Database) -> None:
    keys = Keys(database)
    assert not keys.any()
    secret = keys.add("line 4", ["manage", "read"])
    assert keys.any()
    found = keys.find(secret)
    assert found is not None
    assert (found.name, found.scopes) == ("line 4", ("read", "manage"))
    for wrong in ("", "agpt_", secret[:-1], secret + "A", secret.swapcase(), "\ud800"):
        assert keys.find(wrong) is None


def test_secrets_are_long_and_in_no_file(database: Database) -> None:
    keys = Keys(database)
    secrets = {keys.add(f"key {number}", ["read"]) for number in range(50)}
    assert len(secrets) == 50
    # 256 random bits are 43 letters of base64.
    assert min(len(each.removeprefix("agpt_")) for each in secrets) >= 43
    database.close()
    for path in database.place.folder.rglob("*"):
        content = path.read_bytes()
        assert not any(each.encode() in content for each in secrets)


def test_a_revoked_key_stays_listed(database: Database) -> None:
    keys = Keys(database)
    secret = keys.add("a", ["read"])
    assert keys.revoke("a").revoked
    assert keys.find(secret) is None
    assert [each.revoked is not None for each in keys.all()] == [True]
    assert keys.any()
    with pytest.raises(ConfigError, match="there is or was"):
        keys.add("a", ["read"])
    with pytest.raises(SourceError, match="there is a"):
        keys.revoke("b")


@pytest.mark.parametrize(
    ("name", "scopes"),
    [("", ["read"]), ("a" * 33, ["read"]), ("a\nb", ["read"]), ("a", []), ("a", ["all"])],
)
def test_what_is_no_key(database: Database, name: str, scopes: list[str]) -> None:
    with pytest.raises(ConfigError):
        Keys(database).add(name, scopes)
