"""A run over many photos: it may end anywhere, and goes on without doing anything twice."""

from __future__ import annotations

import contextlib
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anomalygpt.bulk.manifest import Manifest, cut, difference
from anomalygpt.bulk.run import (
    MANIFEST,
    Batch,
    How,
    Work,
    carry_out,
    check_output,
    in_this_process,
    inspect_photos,
    noted,
    opened_work,
    parts_folder,
)
from anomalygpt.bulk.sources import Found, find_photos
from anomalygpt.bulk.table import Row, read_table, row_of
from anomalygpt.errors import ImageError, OutputError, WorkerError

SETTINGS = {"category": "nut", "map_only": True}


class Counting:
    """Does batches without any model, and counts which photos it did."""

    def __init__(self, dies_after: int | None = None, backwards: bool = False) -> None:
        self.done: Counter[str] = Counter()
        self.left, self.backwards = dies_after, backwards

    def __call__(self, batches: Sequence[Batch]) -> Iterator[tuple[int, list[Row]]]:
        for number, photos in reversed(batches) if self.backwards else batches:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left = None if self.left is None else self.left - 1
            self.done.update(found.image for found in photos)
            rows = [row_of(found, ImageError(f"{found.version} is bad"), 0.0) for found in photos]
            yield number, rows[::-1] if self.backwards else rows


def some(count: int, version: str = "1") -> list[Found]:
    return [
        Found(f"{number:03}.png", f"/{number:03}.png", 1000, version) for number in range(count)
    ]


def go(output: Path, execute: Counting, found: Sequence[Found], most: int = 3) -> list[Row]:
    """One command from its begin to its end."""
    with opened_work(output, SETTINGS, found, most, {}) as work:
        list(carry_out(work, execute, lambda: False))
        rows = work.finish()
    work.tidy()
    return rows


def broken_off(output: Path, execute: Counting, found: Sequence[Found]) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(output, execute, found)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 14), ends=st.lists(st.integers(0, 3), max_size=4), back=st.booleans())
def test_a_run_that_ends_anywhere_gives_what_an_uninterrupted_one_does(
    tmp_path: Path, count: int, ends: list[int], back: bool
) -> None:
    whole = tmp_path / "whole.jsonl"
    output = tmp_path / "results.jsonl"
    expected = go(whole, Counting(), some(count))
    done: Counter[str] = Counter()
    for end in ends:
        execute = Counting(end, back)
        with (
            opened_work(output, SETTINGS, some(count), 3, {}) as work,
            contextlib.suppress(KeyboardInterrupt),
        ):
            list(carry_out(work, execute, lambda: False))
        done += execute.done
    last = Counting(backwards=back)
    assert go(output, last, some(count)) == expected
    assert set((done + last.done).values()) == {1}
    assert output.read_bytes() == whole.read_bytes()
    assert not parts_folder(output).exists()


def test_the_same_command_may_have_another_batch_size(tmp_path: Path) -> None:
    output = tmp_path / "r.jsonl"
    first, second = Counting(2), Counting()
    broken_off(output, first, some(10))
    assert len(go(output, second, some(10), most=7)) == 10
    assert set((first.done + second.done).values()) == {1}


def test_photos_that_changed_or_came_are_done_and_those_that_went_stay(tmp_path: Path) -> None:
    output = tmp_path / "r.jsonl"
    broken_off(output, Counting(2), some(9))
    now = some(9)[1:]
    now[0] = some(9, version="2")[1]
    now.append(Found("new.png", "/new.png", 1, "1"))
    execute = Counting()
    rows = {row["image"]: row["error"] for row in go(output, execute, now)}
    assert set(execute.done) == {"001.png", "006.png", "007.png", "008.png", "new.png"}
    assert rows["001.png"] == "2 is bad"
    assert rows["000.png"] == "1 is bad"
    assert len(rows) == 10


def test_other_settings_are_refused_and_named(tmp_path: Path) -> None:
    output = tmp_path / "r.jsonl"
    broken_off(output, Counting(1), some(9))
    others = {"category": "bolt", "map_only": True}
    refused = r"other settings: category \(nut, now bolt\)"
    with pytest.raises(OutputError, match=refused), opened_work(output, others, [], 3, {}):
        pass
    assert difference({"a": 1, "b": None}, {"a": 1, "c": [2]}) == "c (none, now [2])"


def test_two_commands_do_not_write_one_table(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    output = tmp_path / "r.jsonl"
    with opened_work(output, SETTINGS, some(3), 3, {}):
        refused = pytest.raises(OutputError, match="another run writes")
        with refused, opened_work(output, SETTINGS, some(3), 3, {}):
            pass


def test_notes_of_the_first_command_stay(tmp_path: Path) -> None:
    output = tmp_path / "r.jsonl"
    assert noted(output) is None
    with opened_work(output, SETTINGS, some(3), 3, {"bit_depth": 12}):
        pass
    with opened_work(output, SETTINGS, some(3), 3, {"bit_depth": 8}):
        pass
    assert noted(output) == {"bit_depth": 12}


def test_a_table_without_a_photo_is_not_written(tmp_path: Path) -> None:
    output = tmp_path / "r.jsonl"
    with opened_work(output, SETTINGS, some(7), 3, {}) as work:
        list(carry_out(work, Counting(), lambda: True))  # ends after the first batch
        with pytest.raises(WorkerError, match="4 photos have no result"):
            work.finish()
    assert not output.exists()


def test_a_batch_that_comes_twice_is_there_once(tmp_path: Path) -> None:
    with opened_work(tmp_path / "r.jsonl", SETTINGS, some(4), 3, {}) as work:
        for number, rows in [*Counting()(work.todo())] * 2:
            work.keep(number, rows)
        assert [row["image"] for row in work.finish()] == [each.image for each in some(4)]


def test_a_damaged_part_or_manifest_is_named(tmp_path: Path) -> None:
    output = tmp_path / "r.jsonl"
    broken_off(output, Counting(1), some(9))
    manifest = parts_folder(output) / MANIFEST
    (parts_folder(output) / "part-00001.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(OutputError, match=r"part-00001\.jsonl cannot be read"):
        Work(output, Manifest.load(manifest))
    manifest.write_text("{}", encoding="utf-8")
    with pytest.raises(OutputError, match=r"manifest\.jsonl cannot be read"):
        Manifest.load(manifest)


def test_places_that_cannot_be_written_are_refused_first(tmp_path: Path) -> None:
    for name, message in (
        ("r.txt", r"written as \.parquet, \.csv, \.jsonl"),
        ("missing/r.csv", "does not exist; make it"),
        ("folder.csv", "is a folder"),
        ("there.csv", r"there\.csv is there already"),
    ):
        (tmp_path / "folder.csv").mkdir(exist_ok=True)
        (tmp_path / "there.csv").touch()
        with pytest.raises(OutputError, match=message):
            check_output(tmp_path / name)
    (tmp_path / "page.html").touch()
    with pytest.raises(OutputError, match=r"page\.html is there already"):
        check_output(tmp_path / "r.csv", [tmp_path / "page.html"])


def test_batches_have_photos_or_bytes_as_allowed() -> None:
    sizes = [5, 5, 5, 20, 1, 1, 1, 1]
    photos = [Found(str(number), "", size, "") for number, size in enumerate(sizes)]
    found = [[each.size for each in batch] for batch in cut(photos, 3, 12)]
    assert found == [[5, 5], [5], [20], [1, 1, 1], [1]]


def test_rows_are_those_of_inspections(assistant, bank, parts, tmp_path) -> None:
    folder = shutil.copytree(parts, tmp_path / "night")
    (folder / "broken.png").write_bytes((folder / "good.png").read_bytes()[:300])
    found, note = find_photos([str(folder)])
    assert note == ""
    how = How(map_only=False)
    ((number, rows),) = in_this_process(assistant, bank, how)([(1, found)])
    assert (number, len(rows)) == (1, 5)
    assert "is damaged or cut short" in rows[0]["error"]
    whole = {row["image"]: row for row in rows[1:]}
    batch = [folder / name for name in whole]
    for path, expected in zip(batch, assistant.inspect_batch(batch, bank), strict=True):
        row = whole[path.name]
        assert row["score"] == expected.anomaly_score
        assert row["probability"] == expected.anomaly_probability
        assert row["verdict"] == ("damaged" if expected.is_anomalous else "good")
        assert (row["height"], row["width"]) == expected.image_size
        assert row["answer"] == expected.answer
    assert all(row["seconds"] >= 0 for row in rows)


def test_photos_that_all_are_bad_need_no_model(assistant, bank, tmp_path) -> None:
    (tmp_path / "a.png").write_text("no photo")
    found, _ = find_photos([str(tmp_path)])
    (row,) = inspect_photos(assistant, bank, found, How())
    assert "a.png is a text file" in row["error"]


def test_parts_hold_what_is_done(tmp_path: Path) -> None:
    output = tmp_path / "r.csv"
    broken_off(output, Counting(2), some(9))
    parts = sorted(parts_folder(output).glob("part-*.jsonl"))
    assert [len(read_table(part)) for part in parts] == [3, 3]
