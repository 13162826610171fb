"""Several photos at once: every photo has its row, and the files say the same as the table."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.results.cautions import AMONG_REFERENCES
from anomalygpt.serving.desk import batch, rows
from anomalygpt.serving.desk.rows import Batch, Row
from anomalygpt.serving.desk.sessions import Desk
from anomalygpt.serving.desk.shown import request_of
from anomalygpt.serving.desk.visits import Given
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.settings import ServerSettings


@pytest.fixture
def engine(served: AnomalyGPT) -> Iterator[Engine]:
    made = Engine(ServerSettings(), lambda _: served)
    yield made
    made.close()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "desk")


def photos(folder: Path, *names: str) -> list[str]:
    for seed, name in enumerate(names):
        pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return [str(folder / name) for name in names]


def inspected(engine: Engine, desk: Desk, files: list[str], stop_after: int = 99) -> Batch:
    good = photos(Path(files[0]).parent, "good.png")
    shared = Given(Path(files[0]), (Path(good[0]),))
    asked = iter(range(10_000))
    done: list[Batch] = []

    def going_on() -> bool:
        next(asked)
        return not done or len(done[-1].rows) < stop_after

    for made in batch.run(engine, desk, files, shared, going_on):
        done[:] = [made]
    return done[-1]


def test_every_photo_has_a_row_also_one_that_cannot_be_read(
    engine: Engine, desk: Desk, tmp_path: Path
) -> None:
    files = photos(tmp_path, "b.png", "a.png")
    wrong = tmp_path / "letter.png"
    wrong.write_text("Dear inspector", encoding="utf-8")
    made = inspected(engine, desk, [files[0], str(wrong), files[1]])
    assert [row.name for row in made.rows] == ["b.png", "letter.png", "a.png"]
    assert [row.found is None for row in made.rows] == [False, True, False]
    assert "text file" in made.rows[1].error
    assert str(tmp_path) not in made.rows[1].error
    page = batch.table(made)
    assert page.count("data-open=") == 2
    assert "1 could not be inspected" in page
    found = made.rows[0].inspection()
    assert found is not None
    assert found.small_map is not None
    assert found.references == ("good.png",)


def test_a_photo_that_is_its_own_reference_is_told(
    engine: Engine, desk: Desk, tmp_path: Path
) -> None:
    (good,) = photos(tmp_path, "good.png")
    made = inspected(engine, desk, [*photos(tmp_path, "a.png", "b.png")[1:], good])
    told = [row.inspection().cautions for row in made.rows]  # type: ignore[union-attr]
    assert [AMONG_REFERENCES in cautions for cautions in told] == [False, True]
    assert batch.table(made).count("read its caution") == 1
    assert AMONG_REFERENCES in batch.csv_file(made).decode()


def test_photos_of_12_bits_and_their_good_parts_are_read_alike(tmp_path: Path) -> None:
    """One hot pixel of the full 16 bits darkens neither."""
    pixels = np.random.default_rng(0).integers(0, 4096, (40, 50), dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / "good.png")
    pixels[3, 4] = 65535
    Image.fromarray(pixels).save(tmp_path / "part.png")
    asked = request_of(Given(tmp_path / "part.png", (tmp_path / "good.png",)))
    both = [np.asarray(each).astype(int) for each in (asked.photo, *asked.references)]
    assert both[1].mean() > 100
    assert np.median(np.abs(both[0] - both[1])) == 0


def test_it_stops_when_asked_and_says_so(engine: Engine, desk: Desk, tmp_path: Path) -> None:
    made = inspected(engine, desk, photos(tmp_path, *(f"{n}.png" for n in range(4))), stop_after=2)
    assert len(made.rows) == 2
    assert not made.running
    assert "stopped after 2 of 4" in batch.table(made)


def test_photos_over_the_limit_are_counted(
    engine: Engine, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MOST_PHOTOS", 2)
    made = inspected(engine, desk, photos(tmp_path, "a.png", "b.png", "c.png"))
    assert (made.total, made.left_out) == (2, 1)
    assert "1 more photos were left out" in batch.table(made)


def test_the_files_say_what_the_table_says(engine: Engine, desk: Desk, tmp_path: Path) -> None:
    made = inspected(engine, desk, photos(tmp_path, "a.png", "=SUM(A1).png"))
    rows = list(csv.DictReader(io.StringIO(batch.csv_file(made).decode("utf-8-sig"))))
    assert [row["image"] for row in rows] == ["a.png", "'=SUM(A1).png"]  # no formula
    for row, shown in zip(rows, made.rows, strict=True):
        assert shown.found is not None
        assert float(row["anomaly_probability"]) == pytest.approx(
            shown.found.anomaly_probability, abs=1e-4
        )
        assert int(row["regions"]) == len(shown.found.regions)
    archive = zipfile.ZipFile(io.BytesIO(batch.overlays_file(made)))
    assert len(archive.namelist()) == 2
    picture = Image.open(io.BytesIO(archive.read(archive.namelist()[0])))
    assert picture.size == (50, 40)


def test_the_estimate_goes_by_the_photos_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows.time, "monotonic", lambda: 30.0)
    made = Batch(10, begun=0.0)
    made.rows.append(Row(1, "a"))
    assert made.seconds_left is None
    made.rows += [Row(2, "b"), Row(3, "c")]
    assert made.seconds_left == pytest.approx(70.0)
    assert "3 of 10 inspected, about 1 min left" in batch.table(made)


def test_a_name_is_text(engine: Engine, desk: Desk) -> None:
    row = Row(1, "<script>${x}", error="<img src=x>")
    page = batch.table(Batch(1, rows=[row]))
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "${" not in page
