"""The state of a category on the disk."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anomalygpt.errors import OutputError
from anomalygpt.evaluation.figures.pixel_counts import PixelCounts
from anomalygpt.evaluation.state import CategoryState

finite = st.floats(allow_nan=False, allow_infinity=False)
values = st.none() | st.booleans() | finite | st.text(max_size=8) | st.lists(st.text(), max_size=2)
records = st.lists(st.dictionaries(st.text(max_size=6), values, max_size=4), max_size=4)


def counts(seed: int) -> PixelCounts:
    chance = np.random.default_rng(seed)
    found = PixelCounts()
    for _ in range(seed % 3):
        found.add(chance.random((9, 7), dtype=np.float32), chance.random((9, 7)) > 0.7)
    return found


states = st.builds(
    CategoryState,
    done=st.integers(0, 10**6),
    records=records,
    pixels=st.dictionaries(st.text(max_size=6), st.integers(0, 50).map(counts), max_size=3),
    references=st.lists(st.lists(st.text(max_size=9), max_size=3), max_size=3),
    thresholds=st.dictionaries(st.text(max_size=6), st.none() | finite, max_size=3),
    skipped=st.dictionaries(st.text(max_size=6), st.text(max_size=9), max_size=3),
    seconds=st.dictionaries(
        st.text(max_size=6), st.lists(st.tuples(st.integers(1, 99), finite), max_size=3), max_size=3
    ),
    examples=st.none() | records,
)


def told(state: CategoryState) -> dict:
    pixels = {
        key: {name: array.tolist() for name, array in each.to_arrays().items()}
        for key, each in state.pixels.items()
    }
    return {**vars(state), "pixels": pixels}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "progress" / "disc.npz"


def saved(path: Path) -> CategoryState:
    state = CategoryState(
        done=4,
        records=[{"image": "a.png", "score": 0.1, "said": None}],
        pixels={"0.normalised": counts(5)},
        references=[["r.png"]],
        thresholds={"0.normalised": 0.5},
        seconds={"read": [(4, 0.25)]},
    )
    state.save(path)
    return state


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(state=states)
def test_what_is_read_is_what_was_written(path: Path, state: CategoryState) -> None:
    state.save(path)
    assert told(CategoryState.load(path)) == told(state)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_without_a_file_nothing_is_known(path: Path) -> None:
    assert CategoryState.load(path) == CategoryState()


def test_a_file_that_is_cut_short_anywhere_is_an_error(path: Path) -> None:
    saved(path)
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(OutputError, match="remove it") as caught:
            CategoryState.load(path)
        assert len(str(caught.value).splitlines()) == 1
        assert path.name in str(caught.value)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(where=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_a_byte_that_differs_never_passes_for_other_numbers(
    path: Path, where: float, change: int
) -> None:
    state = saved(path)
    damaged = bytearray(path.read_bytes())
    damaged[int(where * len(damaged))] ^= change
    path.write_bytes(damaged)
    try:
        found = CategoryState.load(path)
    except OutputError:
        return
    assert told(found) == told(state)  # dates of the archive do not matter


def foreign(*arrays: np.ndarray, **named: np.ndarray) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, **named) if named else np.save(packed, *arrays)
    return packed.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"words",
        foreign(np.zeros(3)),
        foreign(other=np.zeros(3)),
        foreign(text=np.frombuffer(b"[1]", np.uint8)),
        foreign(text=np.frombuffer(b'{"pixels": ["0"]}', np.uint8)),
        foreign(text=np.frombuffer(b'{"pixels": [], "seconds": {}, "moon": 1}', np.uint8)),
        foreign(text=np.array([None], dtype=object)),
    ],
)
def test_files_of_others(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(OutputError, match="cannot be read"):
        CategoryState.load(path)


def test_a_full_disk_leaves_the_file_before_it(path: Path, monkeypatch) -> None:
    state = saved(path)

    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="no space left"):
        CategoryState(done=9).save(path)
    monkeypatch.undo()
    assert told(CategoryState.load(path)) == told(state)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
