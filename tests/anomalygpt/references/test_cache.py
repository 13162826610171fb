"""Encoded references on the disk: the same as fresh ones, and never in the way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from anomalygpt import AnomalyGPT
from anomalygpt.references.cache import VARIABLE, ReferenceCache, cache_folder
from anomalygpt.references.encoded import EncodedReference
from decoder import MemoryBank

CPU = torch.device("cpu")


def reference(seed: int, side: int = 4, closer: EncodedReference | None = None) -> EncodedReference:
    generator = torch.Generator().manual_seed(seed)
    stages = tuple(torch.randn(2, side**2, width, generator=generator) for width in (4, 6))
    varied = tuple(torch.randn(3, side**2, width, generator=generator) for width in (4, 6))
    embedding = torch.randn(8, generator=generator)
    return EncodedReference(stages, varied, embedding, (side, side), closer)


def assert_equal(one: EncodedReference, other: EncodedReference) -> None:
    assert one.grid == other.grid
    for tensor, same in zip(
        (*one.stages, *one.varied, one.embedding),
        (*other.stages, *other.varied, other.embedding),
        strict=True,
    ):
        assert torch.equal(tensor, same)
    assert (one.closer is None) == (other.closer is None)
    if one.closer and other.closer:
        assert_equal(one.closer, other.closer)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def cached(assistant: AnomalyGPT, tmp_path: Path) -> Iterator[AnomalyGPT]:
    before = assistant.library.cache
    assistant.library.cache = ReferenceCache(tmp_path / "cache")
    yield assistant
    assistant.library.cache = before


@pytest.fixture
def encoded(cached: AnomalyGPT, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool, bool]]:
    """Rotations, flips and pose of every reference that is encoded."""
    found = []
    encode = cached.library.encode

    def recorded(photo, rotations, flips, fixed_pose, *others):  # type: ignore[no-untyped-def]
        found.append((rotations, flips, fixed_pose))
        return encode(photo, rotations, flips, fixed_pose, *others)

    monkeypatch.setattr(cached.library, "encode", recorded)
    return found


def test_a_reference_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    cache = ReferenceCache(tmp_path)
    assert cache.get("a", CPU) is None
    kept = {"a": reference(0), "b": reference(1, closer=reference(2, side=7))}
    for key, each in kept.items():
        cache.put(key, each)
    for key, each in kept.items():
        found = ReferenceCache(tmp_path).get(key, CPU)
        assert found is not None
        assert_equal(found, each)


def test_the_second_run_encodes_nothing(cached, parts, encoded, tmp_path) -> None:
    """Also under another name; the map stays the same to the last bit."""
    photo = parts / "stained.png"
    first = cached.inspect(photo, [parts / "good.png"], map_only=True)
    assert len(encoded) == 1
    copy = tmp_path / "copy.png"
    copy.write_bytes((parts / "good.png").read_bytes())
    second = cached.inspect(photo, [copy], map_only=True)
    assert len(encoded) == 1
    assert (first.anomaly_map == second.anomaly_map).all()


def test_other_pictures_of_a_reference_are_encoded_anew(cached, parts, encoded) -> None:
    photo = parts / "good.png"
    asked = [{}, {"rotations": 2}, {"rotations": 2, "flips": True}, {"fixed_pose": True}]
    for settings in asked * 2:
        cached.remember([photo], **settings)
    assert encoded == [(12, False, False), (2, False, False), (2, True, False), (1, False, True)]


def test_what_is_in_memory_alone_is_not_kept(cached, parts, encoded, tmp_path) -> None:
    from anomalygpt.images.reading import load_image

    for _ in range(2):
        cached.remember([load_image(parts / "good.png")])
    with torch.autocast("cpu", torch.bfloat16):
        cached.remember([parts / "good.png"])
    assert len(encoded) == 3
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_file_is_encoded_again(cached, parts, encoded, tmp_path, damage) -> None:
    cached.remember([parts / "good.png"])
    (path,) = (tmp_path / "cache").rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
    bank = cached.remember([parts / "good.png"])
    assert isinstance(bank, MemoryBank)
    assert len(encoded) == 2
    cached.remember([parts / "good.png"])  # and the file is whole again
    assert len(encoded) == 2


def test_a_folder_that_cannot_be_written_stops_nothing(cached, parts, tmp_path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    cached.library.cache = ReferenceCache(tmp_path / "file")
    assert len(cached.remember([parts / "good.png"])) == 1


def test_the_longest_unused_are_removed(tmp_path: Path) -> None:
    ReferenceCache(tmp_path).put("0", reference(0))
    room = 3 * size_of(tmp_path) + 10
    cache = ReferenceCache(tmp_path, room)
    for number in range(1, 3):
        cache.put(str(number), reference(number))
    for age, key in enumerate("210"):
        os.utime(tmp_path / "references" / f"{key}.safetensors", (age, age))
    assert cache.get("2", CPU) is not None  # the oldest, but used now
    cache.put("3", reference(3))
    assert [cache.get(key, CPU) is not None for key in "0123"] == [True, False, True, True]
    assert size_of(tmp_path) <= room


def test_an_assistant_keeps_what_it_encodes_without_being_told(
    assistant_folder: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "kept"))
    AnomalyGPT.from_pretrained(assistant_folder, device="cpu").remember([parts / "good.png"])
    assert size_of(tmp_path / "kept") > 0


def test_the_folder_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for off in ("0", "off", "OFF", ""):
        monkeypatch.setenv(VARIABLE, off)
        assert cache_folder() is None
    monkeypatch.setenv(VARIABLE, str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "anomalygpt"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "anomalygpt"
