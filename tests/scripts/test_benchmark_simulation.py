"""The simulation benchmark at sizes that take no time."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

SCRIPT = Path(__file__).parents[2] / "scripts" / "benchmark_simulation.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--side", "48", "--count", "2", "--repeats", "1"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)


def test_every_family_has_a_row_and_cut_paste_is_the_measure() -> None:
    done = run()
    assert done.returncode == 0, done.stderr
    rows = [line.strip("|").split("|") for line in done.stdout.splitlines() if "x |" in line]
    assert len(rows) == 10
    assert [cell.strip() for cell in rows[0]][::2] == ["cut-paste", "1.00x"]
    assert all(float(row[1]) > 0 for row in rows)


def test_own_photos_and_an_empty_folder(tmp_path: Path) -> None:
    empty = run("--images", str(tmp_path))
    assert empty.returncode == 1
    assert "holds no images" in empty.stderr
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "photo.png"), pixels)
    assert "1 photos of 48×48" in run("--images", str(tmp_path)).stdout
