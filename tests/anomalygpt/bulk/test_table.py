"""Tables of results: the same rows in every format, and what the columns are."""

from __future__ import annotations

import csv
import errno
import re
import sys
from pathlib import Path

import pytest

from anomalygpt.bulk.sources import Found
from anomalygpt.bulk.table import COLUMNS, check_format, read_table, row_of, write_table
from anomalygpt.errors import ImageError, MissingExtraError, OutputError

PAGE = Path(__file__).parents[3] / "docs" / "plant.md"


@pytest.fixture
def rows(assistant, bank, parts) -> list:
    found = [Found(name, str(parts / name), 10, "1") for name in ("good.png", "stained.png")]
    results = [*assistant.inspect_batch([each.place for each in found], bank)]
    bad = Found('a,"b".png', "/b.png", 0, "missing")
    return [
        *(row_of(each, result, 0.5) for each, result in zip(found, results, strict=True)),
        row_of(bad, ImageError("two\nlines"), 0.25),
    ]


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_what_is_written_is_read(tmp_path: Path, rows: list, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    assert read_table(write_table(tmp_path / f"r{suffix}", rows)) == rows


def test_csv_has_the_same_values(tmp_path: Path, rows: list) -> None:
    with write_table(tmp_path / "r.csv", rows).open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert [list(row) for row in found] == [list(COLUMNS)] * 3
    for row, expected in zip(found, rows, strict=True):
        assert row == {k: "" if v is None else str(v) for k, v in expected.items()}
    assert found[2]["error"] == "two lines"


def test_rows_have_the_columns_and_their_types(rows: list) -> None:
    for row in rows:
        assert list(row) == list(COLUMNS)
        assert all(value is None or type(value) is COLUMNS[name] for name, value in row.items())


def test_the_page_describes_every_column() -> None:
    text = PAGE.read_text("utf-8")
    table = text[text.index("| column |") :]
    named = re.findall(r"^\| `(\w+)` \|", table[: table.index("\n\n")], re.MULTILINE)
    assert named == list(COLUMNS)


def test_parquet_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"anomalygpt\[scale\]"):
        check_format(Path("r.parquet"))
    check_format(Path("r.csv"))


def test_a_full_disk_leaves_the_table_before_it(
    tmp_path: Path, rows: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_table(tmp_path / "r.jsonl", rows)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="no space left"):
        write_table(path, rows[:1])
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["r.jsonl"]
