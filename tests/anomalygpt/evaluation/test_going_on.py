"""Runs that were stopped go on to the same results, and only in a folder of their own."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from anomalygpt.errors import OutputError
from anomalygpt.evaluation import run as running
from anomalygpt.evaluation.category import CategoryRun
from anomalygpt.evaluation.settings import EvaluationSettings
from tests.photos import break_photo

# What may differ between two runs of the same: when, how fast, and where its files lie.
CHANGING = ("date", "latency_ms", "peak_memory_mb")


def lasting(results: dict[str, Any]) -> dict[str, Any]:
    told = json.loads(json.dumps(results))
    return {name: value for name, value in told.items() if name not in CHANGING}


# --- going on ------------------------------------------------------------------------------------


class Killed(BaseException):
    """In place of a SIGKILL: nothing of ours may catch it."""


def after(batches: int, what: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lets something happen before a batch; the returned list grows by one for each batch."""
    measured: list[int] = []
    add = CategoryRun.add

    def counted(self: CategoryRun, batch: Any) -> None:
        if len(measured) == batches:
            what()
        add(self, batch)
        measured.append(batch.count)

    monkeypatch.setattr(CategoryRun, "add", counted)
    return measured


def kill() -> None:
    raise Killed


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


GOING_ON = {"shots": (0, 2), "seeds": (0,), "batch_size": 2, "examples": 1}


@pytest.fixture(scope="module")
def uninterrupted(mute, tree, tmp_path_factory) -> Path:
    """Results of `tree` in one go: two categories of four batches each."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    running.evaluate(mute, EvaluationSettings(str(tree), **GOING_ON), folder)
    return folder


@pytest.mark.parametrize(
    ("what", "error", "batches"),
    [
        (ctrl_c, KeyboardInterrupt, 1),
        (ctrl_c, KeyboardInterrupt, 3),
        (terminate, KeyboardInterrupt, 5),
        (kill, Killed, 2),
        (kill, Killed, 4),
    ],
)
def test_an_interrupted_run_goes_on_to_the_same_results(
    run, tree, uninterrupted, monkeypatch, tmp_path, what, error, batches
) -> None:
    """A killed run has saved after every batch."""
    monkeypatch.setattr(running, "SAVE_EVERY", -1.0)
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        after(batches, what, patch)
        with pytest.raises(error):
            run(tree, "stopped", **GOING_ON)
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert sorted(p.name for p in (tmp_path / "stopped").iterdir()) in (
        ["progress"], ["examples", "progress"],
    )  # fmt: skip
    rest = after(-1, kill, monkeypatch)
    results = run(tree, "stopped", **GOING_ON)
    assert len(rest) == 8 - batches - (error is KeyboardInterrupt)
    assert lasting(results) == lasting(json.loads((uninterrupted / "results.json").read_text()))
    for name in ("photos.csv", "results.csv"):
        assert (tmp_path / "stopped" / name).read_bytes() == (uninterrupted / name).read_bytes()
    assert not (tmp_path / "stopped" / "progress").exists()


def test_a_second_ctrl_c_ends_at_once(run, disc, monkeypatch) -> None:
    measured = after(1, lambda: (ctrl_c(), ctrl_c()), monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run(disc, batch_size=1)
    assert len(measured) == 1


def test_a_complete_run_is_not_measured_again(run, disc, monkeypatch, tmp_path) -> None:
    results = run(disc)
    after(0, kill, monkeypatch)
    before = (tmp_path / "results" / "results.json").stat().st_mtime_ns
    assert run(disc) == json.loads(json.dumps(results))
    assert (tmp_path / "results" / "results.json").stat().st_mtime_ns == before


def stopped(run, disc, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        after(1, ctrl_c, patch)
        with pytest.raises(KeyboardInterrupt):
            run(disc, batch_size=1)


def test_a_damaged_state_is_named(run, disc, monkeypatch, tmp_path) -> None:
    stopped(run, disc, monkeypatch)
    state = tmp_path / "results" / "progress" / "disc.npz"
    break_photo(state)
    with pytest.raises(OutputError, match=r"disc\.npz") as caught:
        run(disc, batch_size=1)
    assert len(str(caught.value).splitlines()) == 1
    state.unlink()
    assert run(disc, batch_size=1)["rows"] == run(disc, "other", batch_size=1)["rows"]


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("change", ["settings", "photo", "mask", "label", "weights"])
def test_another_run_does_not_go_on_here(
    run, disc, making, monkeypatch, build_assistant, finished, change
) -> None:
    if finished:
        run(disc, batch_size=1)
    else:
        stopped(run, disc, monkeypatch)
    other: dict[str, Any] = {"batch_size": 1}
    if change == "settings":
        other["shots"] = (2,)
    elif change == "photo":
        making.part(disc / "disc" / "test" / "good" / "000.png", 12345)
    elif change == "mask":
        making.mask(disc / "disc" / "ground_truth" / "stain" / "000_mask.png", making.stains[3])
    elif change == "label":
        (disc / "disc" / "test" / "stain").rename(disc / "disc" / "test" / "dent")
    else:
        other["assistant"] = build_assistant(words=False)
        other["assistant"].decoder.states.data[0, 0] += 1e-3
    with pytest.raises(OutputError, match="another"):
        run(disc, **other)


# --- where results go ----------------------------------------------------------------------------


def test_folders_that_cannot_take_results(run, disc, tmp_path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="is a file"):
        run(disc, "file")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        run(disc, "file/below")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    with pytest.raises(OutputError, match=r"not empty \(it holds thesis.tex\)"):
        run(disc, "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    for content in ("{", "[]"):
        (tmp_path / "mine" / "results.json").write_text(content)
        with pytest.raises(OutputError, match=r"results\.json"):
            run(disc, "mine")


@pytest.mark.parametrize(
    ("number", "message"), [(errno.ENOSPC, "no space left"), (errno.EROFS, "no permission")]
)
@pytest.mark.parametrize("writes", [0, 1, 3])
def test_a_disk_that_takes_no_more(
    run, disc, tmp_path, monkeypatch, number, message, writes
) -> None:
    """From the first file on, or once there are some; with room again, the run goes on."""
    replace, count = Path.replace, Counter()

    def fail(self: Path, target: Path) -> Path:
        count["written"] += 1
        if count["written"] > writes:
            raise OSError(number, os.strerror(number))
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        with pytest.raises(OutputError, match=message):
            run(disc)
    assert not list(tmp_path.rglob("*.partial"))
    assert not (tmp_path / "results" / "results.json").exists()
    assert lasting(run(disc)) == lasting(run(disc, "other"))
