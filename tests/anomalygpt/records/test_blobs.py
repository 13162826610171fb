"""Files under their hash."""

from __future__ import annotations

import errno
import hashlib
import threading
from pathlib import Path

import pytest

from anomalygpt.errors import OutputError, RecordsError
from anomalygpt.records.blobs import Blobs


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "photos")


def test_bytes_come_back_under_their_hash(blobs: Blobs) -> None:
    for content in (b"", b"a photo", bytes(range(256)) * 100):
        name = blobs.put(content)
        assert name == hashlib.sha256(content).hexdigest() == Blobs.name_of(content)
        assert blobs.get(name) == content
        assert blobs.has(name)


def test_the_same_is_kept_once(blobs: Blobs) -> None:
    first = blobs.path(blobs.put(b"a photo"))
    before = first.stat().st_mtime_ns
    assert blobs.path(blobs.put(b"a photo")) == first
    assert first.stat().st_mtime_ns == before
    assert [path for path in first.parents[1].rglob("*") if path.is_file()] == [first]


def test_what_is_deleted_is_told(blobs: Blobs) -> None:
    name = blobs.put(b"a photo")
    assert blobs.delete(name)
    assert not blobs.delete(name)
    assert not blobs.has(name)
    with pytest.raises(RecordsError, match="is not kept any more"):
        blobs.get(name)


@pytest.mark.parametrize("damage", [b"", b"a phot0", b"a photo "])
def test_damage_is_told(blobs: Blobs, damage: bytes) -> None:
    name = blobs.put(b"a photo")
    blobs.path(name).write_bytes(damage)
    with pytest.raises(RecordsError, match="is damaged"):
        blobs.get(name)


@pytest.mark.parametrize(
    "name",
    ["", "../../etc/passwd", "a" * 63, "A" * 64, "g" * 64, "a" * 64 + "/..", "a" * 64 + "\n"],
)
def test_no_other_name_leads_to_a_file(blobs: Blobs, name: str) -> None:
    for call in (blobs.path, blobs.get, blobs.has, blobs.delete):
        with pytest.raises(RecordsError, match="is no SHA-256"):
            call(name)


def test_a_full_disk_leaves_nothing_half(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        with pytest.raises(OutputError, match="no space left"):
            blobs.put(b"a photo")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert blobs.get(blobs.put(b"a photo")) == b"a photo"


def test_many_writers_share_a_folder(blobs: Blobs) -> None:
    contents = [bytes([number]) * 1000 for number in range(20)]
    threads = [
        threading.Thread(target=lambda: [blobs.put(content) for content in contents])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [blobs.get(Blobs.name_of(content)) for content in contents] == contents
