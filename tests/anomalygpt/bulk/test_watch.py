"""Photos that arrive: when they are complete, each once, and where they go."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from anomalygpt.bulk.arrivals import TELLS_CLOSED, Arrivals
from anomalygpt.bulk.placing import Placing
from anomalygpt.bulk.sinks import Delivery
from anomalygpt.bulk.sources import Found, read_photo
from anomalygpt.bulk.spool import Spool
from anomalygpt.bulk.table import Row, row_of
from anomalygpt.bulk.watch import Stream
from anomalygpt.errors import ImageError, MissingExtraError, OutputError, SourceError

SETTLED, PATIENCE = 0.15, 0.6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "arrivals"
    made.mkdir()
    return made


@pytest.fixture(params=["told", "polling"])
def arrivals(request, folder: Path, tmp_path: Path) -> Iterator[Arrivals]:
    if request.param == "told":
        pytest.importorskip("watchdog")
    made = opened(folder, polling=request.param == "polling", without=[folder / "sorted"])
    yield made
    made.close()


def opened(folder: Path, polling: bool = True, without: Sequence[Path] = ()) -> Arrivals:
    return Arrivals(folder, polling=polling, without=without, settled=SETTLED, patience=PATIENCE)


def names(arrivals: Arrivals, seconds: float = 1.6, count: int = 99) -> list[str]:
    """What is handed out within some seconds, or until there are so many."""
    found: list[str] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end and len(found) < count:
        found += [each.image for each in arrivals.complete(8)]
        time.sleep(0.02)
    return found


def test_what_lies_there_and_what_comes_is_handed_out_once(arrivals, folder, parts) -> None:
    shutil.copy2(parts / "good.png", folder)
    assert names(arrivals, 10, 1) == ["good.png"]
    (folder / "line 3").mkdir()
    (folder / "sorted").mkdir()
    for name in ("line 3/a.png", ".hidden.png", "notes.txt", "sorted/b.png"):
        shutil.copyfile(parts / "other.png", folder / name)
    shutil.copyfile(parts / "other.png", folder / ".coming")
    (folder / ".coming").rename(folder / "moved.png")
    assert sorted(names(arrivals, 3)) == ["line 3/a.png", "moved.png"]
    assert arrivals.waiting == 0


def test_a_changed_photo_is_handed_out_again(arrivals, folder, parts) -> None:
    shutil.copyfile(parts / "good.png", folder / "a.png")
    assert names(arrivals, 10, 1) == ["a.png"]
    time.sleep(0.02)
    shutil.copyfile(parts / "stained.png", folder / "a.png")
    assert names(arrivals, 10, 1) == ["a.png"]


def test_a_file_that_grows_is_waited_for(arrivals, folder, parts) -> None:
    content = (parts / "good.png").read_bytes()
    found: list[str] = []
    with (folder / "a.png").open("wb", buffering=0) as file:
        for start in range(0, len(content), len(content) // 6 + 1):
            file.write(content[start : start + len(content) // 6 + 1])
            found += names(arrivals, SETTLED / 2)
        assert found == []
    assert names(arrivals, 10, 1) == ["a.png"]


@pytest.mark.skipif(not TELLS_CLOSED, reason="the system does not tell that a file was closed")
def test_a_writer_that_pauses_is_waited_for(folder, parts) -> None:
    pytest.importorskip("watchdog")
    arrivals = opened(folder, polling=False)
    content = (parts / "good.png").read_bytes()
    with (folder / "a.png").open("wb", buffering=0) as file:
        file.write(content[:500])
        assert names(arrivals, 2 * SETTLED) == []
        file.write(content[500:])
    begun = time.monotonic()
    assert names(arrivals, 10, 1) == ["a.png"]
    assert time.monotonic() - begun < PATIENCE
    arrivals.close()


def test_places_that_cannot_be_watched(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(SourceError, match="is no folder"):
        opened(tmp_path / "missing")
    monkeypatch.setitem(__import__("sys").modules, "watchdog.events", None)
    with pytest.raises(MissingExtraError, match="--poll"):
        opened(tmp_path, polling=False)


# --- the stream ----------------------------------------------------------------------------------


class Inspector:
    """Good and damaged by name; what Pillow cannot read is an error."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, photos: Sequence[Found]) -> list[Row]:
        return [self._row(found) for found in photos]

    def _row(self, found: Found) -> Row:
        self.seen.append(found.image)
        try:
            read_photo(found.place)
        except ImageError as error:
            return row_of(found, error, 0.0)
        row = row_of(found, ImageError("-"), 0.0)
        return row | {"error": None, "verdict": "damaged" if "bad" in found.image else "good"}


def ran(
    folder: Path,
    inspector: Callable[[Sequence[Found]], list[Row]],
    *,
    placing: Placing | None = None,
    sinks: Sequence[str] = (),
    told: Callable[[Row], None] = lambda row: None,
) -> tuple[int, int]:
    """`watch --once`."""
    spool = Spool(folder / ".state.sqlite3")
    arrivals = opened(folder, without=[placing.folder] if placing else ())
    delivery = Delivery(spool, [], lambda line: None)
    stream = Stream(
        arrivals, spool, inspector, delivery=delivery, sinks=sinks, placing=placing, told=told
    )
    try:
        return stream.run(lambda: False, once=True)
    finally:
        delivery.close()
        arrivals.close()
        spool.close()


def fill(folder: Path, parts: Path, *given: str) -> None:
    for name in given:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(parts / "good.png", folder / name)


def files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    )


def test_a_restart_does_nothing_twice(folder, parts) -> None:
    fill(folder, parts, "a.png", "b.png")
    inspector = Inspector()
    assert ran(folder, inspector) == (2, 0)
    fill(folder, parts, "c.png")
    assert ran(folder, inspector) == (1, 0)
    assert inspector.seen == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("moves", [True, False])
def test_photos_go_by_their_verdict(folder, parts, moves: bool) -> None:
    fill(folder, parts, "a.png", "line/bad.png")
    (folder / "broken.png").write_text("no photo")
    placing = Placing(folder / "sorted", moves=moves)
    assert ran(folder, Inspector(), placing=placing) == (3, 1)
    assert files(folder / "sorted") == [
        "damaged/line/bad.png", "good/a.png", "unreadable/broken.png",
    ]  # fmt: skip
    left = [] if moves else ["a.png", "broken.png", "line/bad.png"]
    assert [name for name in files(folder) if not name.startswith("sorted/")] == left
    assert (folder / "sorted/good/a.png").read_bytes() == (parts / "good.png").read_bytes()


def test_a_name_that_comes_again_overwrites_nothing(folder, parts) -> None:
    placing = Placing(folder / "sorted", moves=True)
    fill(folder, parts, "a.png")
    ran(folder, Inspector(), placing=placing)
    shutil.copyfile(parts / "other.png", folder / "a.png")
    ran(folder, Inspector(), placing=placing)
    assert files(folder / "sorted") == ["good/a-2.png", "good/a.png"]
    assert (folder / "sorted/good/a-2.png").read_bytes() == (parts / "other.png").read_bytes()


@pytest.mark.parametrize("moves", [True, False])
def test_what_was_kept_and_not_put_away_is_put_away_later(folder, parts, moves: bool) -> None:
    """As after a kill between the two."""
    fill(folder, parts, "a.png")
    placing = Placing(folder / "sorted", moves=moves)

    def killed(row: Row) -> None:
        raise KeyboardInterrupt

    inspector = Inspector()
    with pytest.raises(KeyboardInterrupt):
        ran(folder, inspector, placing=placing, told=killed, sinks=["csv"])
    assert files(folder) == ["a.png"]
    assert ran(folder, inspector, placing=placing, sinks=["csv"]) == (0, 0)
    assert files(folder / "sorted") == ["good/a.png"]
    assert inspector.seen == ["a.png"]
    spool = Spool(folder / ".state.sqlite3")
    assert spool.left("csv") == 1
    spool.close()


def test_half_a_photo_is_looked_at_again_before_it_is_called_unreadable(folder, parts) -> None:
    content = (parts / "good.png").read_bytes()
    (folder / "a.png").write_bytes(content[:500])
    inspector = Inspector()

    def rest(photos: Sequence[Found]) -> list[Row]:
        rows = inspector(photos)
        if len(inspector.seen) == 1:
            threading.Timer(0.3, (folder / "a.png").write_bytes, [content]).start()
        return rows

    rows: list[Row] = []
    assert ran(folder, rest, told=rows.append) == (1, 0)
    assert inspector.seen == ["a.png", "a.png"]
    assert rows[0]["bytes"] == len(content)


def test_a_photo_that_changes_while_it_is_read_is_read_again(folder, parts) -> None:
    fill(folder, parts, "a.png")
    inspector = Inspector()

    def changing(photos: Sequence[Found]) -> list[Row]:
        rows = inspector(photos)
        if len(inspector.seen) == 1:
            shutil.copyfile(parts / "other.png", folder / "a.png")
        return rows

    rows: list[Row] = []
    spool = Spool(folder / ".state.sqlite3")
    arrivals = opened(folder)
    delivery = Delivery(spool, [], lambda line: None)
    stream = Stream(arrivals, spool, changing, delivery=delivery, told=rows.append)
    stream.run(lambda: bool(rows))
    delivery.close()
    spool.close()
    assert [row["bytes"] for row in rows] == [(parts / "other.png").stat().st_size]


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root may write everywhere")
def test_a_place_that_cannot_be_written(folder, parts) -> None:
    fill(folder, parts, "a.png")
    (folder.parent / "locked").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="cannot be put into"):
        ran(folder, Inspector(), placing=Placing(folder.parent / "locked", moves=True))
    assert files(folder) == ["a.png"]


def test_a_place_that_is_a_file_is_told_and_the_photo_stays(folder, parts) -> None:
    fill(folder, parts, "a.png")
    (folder.parent / "taken").touch()
    with pytest.raises(OutputError, match="cannot be put into"):
        ran(folder, Inspector(), placing=Placing(folder.parent / "taken", moves=True))
    assert files(folder) == ["a.png"]
