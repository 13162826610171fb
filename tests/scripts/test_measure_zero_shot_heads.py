"""The script that measures heads without a reference: a small run, and its table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import measure_zero_shot_heads as script
from tests.small_evaluations import make_category

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def typed(tmp_path: Path) -> list[str]:
    make_category(tmp_path / "data" / "disc", masks=True, seed=3, train=1, each=2)
    make_category(tmp_path / "data" / "ring", masks=False, seed=9, train=1, each=2)
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(40):
        blotches = np.random.default_rng(number).integers(0, 256, (9, 11, 3), dtype=np.uint8)
        Image.fromarray(blotches).resize((96, 80), Image.Resampling.BICUBIC).save(
            photos / f"{number:02d}.bmp"
        )
    given = [str(tmp_path / "data"), "--categories", "disc", "ring", "--photos", str(photos)]
    small = ["--pairs", "2", "--held-pairs", "2", "--seeds", "0"]
    return [*given, "--cache", str(tmp_path / "cache"), *small]


def test_a_table_of_all_ways(
    typed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main([*typed, "--labelled"]) == 0
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if " | " in line]
    ways = [line[0].removeprefix("| ") for line in lines[1:]]
    assert ways == ["text side", "heads, photos alone", "heads, and the other sets"]
    for line in lines[1:]:
        assert "/" in line[1]
        assert "/" not in line[2]  # a set without masks has no pixel AUROC
        means = [float(cell.removesuffix(" |")) for cell in line[3:]]
        disc = [float(number) for number in line[1].split(" / ")]
        assert means[0] == pytest.approx((disc[0] + float(line[2])) / 2, abs=0.11)
        assert means[1] == disc[1]
    assert len(list((tmp_path / "cache").glob("*.pt"))) == 4
    # What the encoder saw is kept: the photos are not needed again.
    for file in (tmp_path / "photos").iterdir():
        file.unlink()
    assert script.main(typed) == 0
    again = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if " | " in line]
    assert again == lines[:3]


def test_the_spread_over_seeds() -> None:
    found = np.array([[[0.8, 0.9]], [[0.9, 0.9]], [[1.0, 0.9]]])
    lines = list(script.table({"heads": found}, ["disc"]))
    assert lines[-1] == "| heads | 90.0 / 90.0 | 90.0 ± 10.0 | 90.0 ± 0.0 |"


def test_what_is_not_there_is_one_line(
    typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main([*typed, "--categories", "none"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
