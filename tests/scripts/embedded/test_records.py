"""What a stage writes down about its runs: hashes, and none of a run that changed nothing."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anomalygpt.errors import DataError
from anomalygpt.files import hash_file
from embedded.records import RECORD, hash_of, read_record, recorded

Stage = Callable[[argparse.Namespace], int]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("words")
    return path


@pytest.fixture
def run(tmp_path: Path, text: Path) -> Callable[..., int]:
    """A stage "encoder" into `tmp_path / "out"`."""

    def run(stage: Stage, steps: int = 3) -> int:
        options = argparse.Namespace(
            stage="encoder", run=stage, output=tmp_path / "out", text=text, steps=steps
        )
        return recorded("encoder", options, stage)

    return run


def writing(content: str) -> Stage:
    def stage(options: argparse.Namespace) -> int:
        options.output.mkdir(exist_ok=True)
        (options.output / "encoder.safetensors").write_text(content)
        return 0

    return stage


def stopping(options: argparse.Namespace) -> int:
    (options.output / "state.pt").write_text("half")
    return 130


def refusing(options: argparse.Namespace) -> int:
    raise DataError("begun with other steps")


def nothing(options: argparse.Namespace) -> int:
    return 0


def record(tmp_path: Path) -> dict[str, Any]:
    found = read_record(tmp_path / "out")
    assert found is not None
    return found


def steps(tmp_path: Path) -> list[int | None]:
    return [run and run["arguments"]["steps"] for run in record(tmp_path)["runs"]]


def test_arguments_and_results_are_told_by_hashes(
    run: Callable[..., int], tmp_path: Path, text: Path
) -> None:
    assert run(writing("weights")) == 0
    found = record(tmp_path)
    (made,) = found["runs"]
    assert found["stage"] == "encoder"
    assert found["result"] == hash_file(tmp_path / "out" / "encoder.safetensors")
    assert made["arguments"] == {"text": hash_file(text), "steps": 3}
    assert len(made["code"]) == 64
    assert set(made["versions"]) == {"anomalygpt", "torch"}
    assert str(tmp_path) not in (tmp_path / "out" / RECORD).read_text()


def test_runs_that_were_interrupted_are_kept(run: Callable[..., int], tmp_path: Path) -> None:
    assert run(stopping) == 130
    assert record(tmp_path)["result"] is None
    assert run(stopping) == 130
    assert steps(tmp_path) == [3]
    assert run(writing("weights"), steps=4) == 0
    assert steps(tmp_path) == [3, 4]


def test_a_run_is_known_however_it_ends(run: Callable[..., int], tmp_path: Path) -> None:
    def killed(options: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(killed)
    assert steps(tmp_path) == [3]


def test_runs_that_changed_nothing_are_not_kept(run: Callable[..., int], tmp_path: Path) -> None:
    run(writing("weights"))
    before = record(tmp_path)
    assert run(nothing, steps=4) == 0
    assert run(writing("weights"), steps=5) == 0
    with pytest.raises(DataError):
        run(refusing, steps=6)
    assert record(tmp_path) == before
    assert run(writing("others"), steps=7) == 0
    assert steps(tmp_path) == [3, 7]


def killed(options: argparse.Namespace) -> int:
    raise KeyboardInterrupt


def test_a_rerun_that_is_stopped_keeps_the_record_of_what_lies_there(
    run: Callable[..., int], tmp_path: Path
) -> None:
    run(writing("weights"))
    before = record(tmp_path)
    assert run(stopping, steps=4) == 130
    assert record(tmp_path) == before
    with pytest.raises(KeyboardInterrupt):
        run(killed, steps=5)
    assert record(tmp_path) == before


@pytest.mark.parametrize("error", [DataError, KeyboardInterrupt])
def test_a_late_error_leaves_no_record_of_another_result(
    run: Callable[..., int], tmp_path: Path, error: type[BaseException]
) -> None:
    def late(options: argparse.Namespace) -> int:
        assert record(tmp_path)["runs"][-1]["arguments"]["steps"] == 4  # known before it ran
        writing("others")(options)
        raise error("too late")

    run(writing("weights"))
    with pytest.raises(error):
        run(late, steps=4)
    assert steps(tmp_path) == [3, 4]
    assert record(tmp_path)["result"] is None


def test_a_late_error_of_a_first_run_is_known(run: Callable[..., int], tmp_path: Path) -> None:
    def late(options: argparse.Namespace) -> int:
        writing("half")(options)
        raise DataError("too late")

    with pytest.raises(DataError):
        run(late)
    assert steps(tmp_path) == [3]
    assert record(tmp_path)["result"] is None


def test_a_stage_that_refuses_at_once_leaves_no_record(
    run: Callable[..., int], tmp_path: Path
) -> None:
    with pytest.raises(DataError):
        run(refusing)
    assert read_record(tmp_path / "out") is None


def test_what_lay_there_without_a_record_is_not_claimed(
    run: Callable[..., int], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "state.pt").write_text("of an older version")
    assert run(writing("weights")) == 0
    assert steps(tmp_path) == [None, 3]


def test_a_damaged_record_is_said(run: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / RECORD).write_text("{")
    with pytest.raises(DataError, match=r"stage\.json cannot be read"):
        run(nothing)


def test_names_and_bytes_of_a_folder_count(tmp_path: Path) -> None:
    seen = [hash_of(tmp_path / "none")]
    assert seen == [None]
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    for name, content in (("a", "1"), ("a", "2"), ("inner/a", "1"), ("b", "1")):
        (folder / name).write_text(content)
        seen.append(hash_of(folder))
    assert len(set(seen)) == 5
    (folder / RECORD).write_text("{}")
    (folder / "log.csv").write_text("step")
    assert hash_of(folder) == seen[-1]
