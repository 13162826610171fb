"""`anomalygpt key`: shown once, listed without its secret, revoked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anomalygpt.records.database import Database
from anomalygpt.records.keys import Keys
from anomalygpt.records.places import Place


def test_a_key_is_made_listed_and_revoked(anomalygpt: Callable[..., Any], tmp_path: Path) -> None:
    data = ("--data", tmp_path)
    made = anomalygpt("key", "add", "line 4", "--scope", "read", "manage", *data)
    assert made.status == 0
    secret, note = made.out.splitlines()
    assert "shown once" in note
    database = Database(Place.of(tmp_path))
    found = Keys(database).find(secret)
    database.close()
    assert found is not None
    assert found.scopes == ("read", "manage")
    listed = anomalygpt("key", "list", *data).out
    assert "line 4: read, manage" in listed
    assert "holds" in listed
    assert secret not in listed
    assert anomalygpt("key", "revoke", "line 4", *data).status == 0
    assert "revoked 2" in anomalygpt("key", "list", *data).out


def test_what_cannot_be_done_is_one_line(anomalygpt: Callable[..., Any], tmp_path: Path) -> None:
    data = ("--data", tmp_path)
    assert "no key b; there is none" in anomalygpt("key", "revoke", "b", *data).error
    anomalygpt("key", "add", "a", *data)
    again = anomalygpt("key", "add", "a", *data)
    assert again.status == 2
    assert "there is or was a key 'a'" in again.error
    with pytest.raises(SystemExit):
        anomalygpt("key", "add", "c", "--scope", "everything", *data)
