"""`anomalygpt simulate`: what it draws and writes, and what it says about bad input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from anomalygpt.cli.main import build_parser
from simulation import DefectKind, find_defects


@pytest.fixture(scope="session")
def good_parts(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain folder of three photos of good parts; do not write into it."""
    folder = tmp_path_factory.mktemp("good")
    for name in ("good.png", "other.png", "plain.jpg"):
        shutil.copy(parts / name, folder)
    return folder


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_the_sheet_shows_three_pictures_and_text(
    anomalygpt: Callable, good_parts: Path, tmp_path: Path
) -> None:
    sheet = tmp_path / "new" / "sheet.png"
    ran = anomalygpt("simulate", good_parts, "--count", 5, "--preview", sheet)
    assert ran.status == 0
    assert not ran.err
    assert ran.out == f"written: {sheet}\n"
    drawn = pixels(sheet)
    # Four examples in the first row, one in the second.
    assert 1200 < drawn.shape[1] < 2000
    assert 300 < drawn.shape[0] < 1200
    assert (drawn[:, : drawn.shape[1] // 4] < 60).any()
    assert (drawn[-100:, -drawn.shape[1] // 4 :] == 255).all()


def test_the_same_seed_gives_the_same_bytes(
    anomalygpt: Callable, good_parts: Path, tmp_path: Path
) -> None:
    written = []
    for name, seed in (("one", 3), ("again", 3), ("other", 4)):
        sheet = tmp_path / f"{name}.png"
        anomalygpt("simulate", good_parts, "--count", 3, "--preview", sheet, "--seed", seed)
        written.append(sheet.read_bytes())
    assert written[0] == written[1]
    assert written[0] != written[2]


def test_files_and_lines_agree(anomalygpt: Callable, good_parts: Path, tmp_path: Path) -> None:
    ran = anomalygpt("simulate", good_parts, "--count", 4, "--output", tmp_path / "out")
    assert ran.status == 0
    text = (tmp_path / "out" / "examples.jsonl").read_text(encoding="utf-8")
    examples = [json.loads(line) for line in text.splitlines()]
    assert [example["index"] for example in examples] == [0, 1, 2, 3]
    assert len({example["photo"] for example in examples}) == 3
    for example in examples:
        image, simulated, mask = (
            pixels(tmp_path / "out" / example[name]) for name in ("image", "simulated", "mask")
        )
        assert image.shape == simulated.shape == (80, 96, 3)
        assert set(np.unique(mask)) == {0, 255}
        facts = example["facts"]
        defects = find_defects(mask > 0)
        assert len(facts["defects"]) == len(defects)
        assert [fact["box"] for fact in facts["defects"]] == [list(d.box) for d in defects]
        assert np.abs(simulated.astype(int) - image)[mask > 0].mean() > 5
        assert Path(example["source"]).parent == good_parts
        assert example["source"] != example["photo"]
        ((verdict),) = example["published"]
        assert verdict["question"] == "Is there any anomaly in the image?"
        assert verdict["answer"].startswith("Yes, there ")
        assert 1 <= len(example["dialogue"]) <= 3
        assert all(turn["question"] and turn["answer"] for turn in example["dialogue"])


def test_more_examples_begin_with_the_same_ones(
    anomalygpt: Callable, good_parts: Path, tmp_path: Path
) -> None:
    for count in (2, 4):
        anomalygpt("simulate", good_parts, "--count", count, "--output", tmp_path / str(count))
    few, many = (
        (tmp_path / name / "examples.jsonl").read_text(encoding="utf-8").splitlines()
        for name in ("2", "4")
    )
    assert many[:2] == few


def test_kinds_size_and_category(anomalygpt: Callable, good_parts: Path, tmp_path: Path) -> None:
    layout = tmp_path / "data" / "metal_nut"
    shutil.copytree(good_parts, layout / "train" / "good")
    shutil.copytree(good_parts, layout / "test" / "good")
    ran = anomalygpt(
        *("simulate", tmp_path / "data", "--category", "metal_nut", "--count", 3),
        *("--kinds", "missing-part", "hole", "--size", 48, "--output", tmp_path / "out"),
    )
    assert ran.status == 0
    text = (tmp_path / "out" / "examples.jsonl").read_text(encoding="utf-8")
    for example in map(json.loads, text.splitlines()):
        assert example["facts"]["image_size"] == [40, 48]
        assert {defect["kind"] for defect in example["facts"]["defects"]} <= {
            "missing part",
            "hole",
        }
        assert "metal nut" in example["published"][0]["question"]
        assert "/train/" in example["photo"]


def test_the_command_line_knows_every_kind() -> None:
    kinds = [kind.replace(" ", "-") for kind in get_args(DefectKind)]
    options = build_parser().parse_args(["simulate", "photos", "--kinds", *kinds])
    assert options.kinds == list(get_args(DefectKind))


def test_one_photo_is_its_own_source(
    anomalygpt: Callable, good_parts: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(good_parts / "good.png", folder)
    ran = anomalygpt("simulate", folder, "--count", 2, "--output", tmp_path / "out")
    assert ran.status == 0
    text = (tmp_path / "out" / "examples.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["source"] for line in text.splitlines()] == [None, None]


def test_an_unreadable_photo_is_named_and_another_takes_its_place(
    anomalygpt: Callable, good_parts: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "some"
    shutil.copytree(good_parts, folder)
    (folder / "broken.png").write_bytes(b"\x89PNG, but no more")
    ran = anomalygpt("simulate", folder, "--count", 6, "--output", tmp_path / "out")
    assert ran.status == 1
    assert "broken.png" in ran.error
    lines = (tmp_path / "out" / "examples.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 6


def test_no_readable_photo(anomalygpt: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "none"
    folder.mkdir()
    (folder / "broken.png").write_bytes(b"\x89PNG, but no more")
    ran = anomalygpt("simulate", folder, "--preview", tmp_path / "sheet.png")
    assert ran.status == 2
    skipped, error = ran.err.splitlines()
    assert "broken.png" in skipped
    assert "can be read" in error
    assert not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--count", "0"], "--count is a whole number from 1 to 200, got 0"),
        (["--count", "201"], "--count is a whole number from 1 to 200, got 201"),
        (["--size", "8"], "--size is a whole number from 16"),
        (["--seed", "-1"], "--seed is a whole number from 0"),
        (["--preview", "."], "is a folder; give --preview the name of a file"),
        (["--preview", "sheet.doc"], "saved as .png"),
        (["--output", "file.txt"], "is a file; give --output the name of a folder"),
        (["--output", "photos"], "holds the photos"),
        (["--preview", "photos/good.png"], "is one of the photos and would be overwritten"),
    ],
)
def test_bad_input_gives_one_line(
    anomalygpt: Callable,
    good_parts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(good_parts, "photos")
    Path("file.txt").touch()
    named = [] if arguments[0] in ("--preview", "--output") else ["--preview", "sheet.png"]
    ran = anomalygpt("simulate", "photos", "--size", "32", "--count", "1", *named, *arguments)
    assert ran.status == 2
    assert words in ran.error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.txt", "photos"]


def test_nothing_to_write_is_an_error(anomalygpt: Callable, good_parts: Path) -> None:
    ran = anomalygpt("simulate", good_parts)
    assert ran.status == 2
    assert "--preview" in ran.error
    assert "--output" in ran.error


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_without_photos(anomalygpt: Callable, tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "empty"
    if made:
        folder.mkdir()
    ran = anomalygpt("simulate", folder, "--preview", tmp_path / "sheet.png")
    assert ran.status == 2
    assert "empty" in ran.error


def test_small_and_thin_photos(anomalygpt: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (16, 600), np.uint8)
    Image.fromarray(noise).save(folder / "thin.png")
    Image.fromarray(noise[:, :16]).save(folder / "tiny.png")
    ran = anomalygpt("simulate", folder, "--count", 4, "--preview", tmp_path / "sheet.png")
    assert ran.status == 0
