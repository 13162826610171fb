"""Who marks what, counted with a tiny assistant whose words are nonsense."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import measure_highlights
from anomalygpt import Inspection
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.results.regions import find_regions

pytestmark = pytest.mark.usefixtures("one_thread")


def rows(shown: str) -> dict[tuple[str, str], list[str]]:
    found = {}
    for line in shown.splitlines()[2:]:
        name, references, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        found[name, references] = cells
    return found


def test_the_table(
    data: Path, talker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "table.md"
    arguments = [str(data), "--category", "plate", "toy", "--model", str(talker), "--limit", "4"]
    arguments += ["--shots", "1", "2", "--output", str(output)]
    assert measure_highlights.main(arguments) == 0
    shown = capsys.readouterr().out
    assert output.read_text(encoding="utf-8") == shown
    found = rows(shown)
    assert set(found) == {(name, n) for name in ("plate", "toy", "all") for n in ("1", "2")}
    for (name, _), cells in found.items():
        assert cells[:2] == (["4", "4"] if name == "all" else ["2", "2"])
        assert all(re.fullmatch(r"\d+", cell) and int(cell) <= 100 for cell in cells[2:])
    for column in range(2, 8):
        each = [int(found[name, "1"][column]) for name in ("plate", "toy")]
        assert int(found["all", "1"][column]) == pytest.approx(sum(each) / 2, abs=0.5)


def spot(peak: float, side: int = 120) -> tuple[Image.Image, Inspection]:
    """A bright part with a spot of some height in its middle."""
    rows, columns = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    away = rows**2 + columns**2
    noise = np.random.default_rng(0).integers(0, 20, (side, side))
    part = (np.where(np.maximum(abs(rows), abs(columns)) < 0.3, 180, 30) + noise).astype(np.uint8)
    values = (peak * np.exp(-away / 0.01)).astype(np.float32)
    geometry = ImageGeometry.fit((side, side), side, "square")
    inspection = Inspection(
        geometry=geometry,
        anomaly_score=peak,
        small_map=values,
        regions=find_regions(values, geometry),
    )
    return Image.fromarray(np.dstack([part] * 3)), inspection


def test_ours_marks_what_exceeds_the_level_and_the_published_rules_mark_anything() -> None:
    everybody = {"ours": True, "PatchCore": True, "AnomalyCLIP": True}
    assert measure_highlights.marks(*spot(0.9)) == everybody
    assert measure_highlights.marks(*spot(0.2)) == {**everybody, "ours": False}
    assert not any(measure_highlights.marks(*spot(0.0)).values())


def test_photos_larger_than_the_published_side_are_compared_with_their_own_copy() -> None:
    photo, inspection = spot(0.0, side=700)
    assert not any(measure_highlights.marks(photo, inspection).values())


def test_counts_without_damaged_photos() -> None:
    counts = measure_highlights.Counts()
    counts.add({"ours": False, "PatchCore": True, "AnomalyCLIP": True}, bad=False)
    counts.add({"ours": True, "PatchCore": True, "AnomalyCLIP": True}, bad=False)
    assert counts.cells() == ["2", "0", "50", "–", "100", "–", "100", "–"]


def test_the_picture(talker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "sheet.jpg"
    assert measure_highlights.main(["--model", str(talker), "--picture", str(target)]) == 0
    assert str(target) in capsys.readouterr().out
    with Image.open(target) as made:
        pixels = np.asarray(made.convert("L")).astype(int)
    wide, high = measure_highlights.PANEL
    assert pixels.shape[1] == 5 * (wide + measure_highlights.MARGIN) - measure_highlights.MARGIN
    assert pixels.shape[0] > 4 * high
    assert pixels.std() > 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give DATA and --category"),
        (["{data}", "--category", "plate", "--shots", "0"], "from 1 on"),
        (["{data}", "--category", "nothing"], "no category nothing"),
        (["{data}", "--category", "plate", "--shots", "9"], "asks for 9"),
        (["--picture", "{data}/sheet.nothing", "--model", "{talker}"], "sheet.nothing|extension"),
    ],
)
def test_mistakes_are_said_in_one_line(
    arguments: list[str],
    message: str,
    data: Path,
    talker: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [each.format(data=data, talker=talker) for each in arguments]
    assert measure_highlights.main(given) == 2
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert error.splitlines()[-1].startswith("error: ")
