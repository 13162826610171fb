"""Batches: the same rows for any number of processes, from any step on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from anomalygpt.config import EncoderConfig
from anomalygpt.data import Instruction
from anomalygpt.errors import DataError
from anomalygpt.training.batches import Batch, StepBatches
from anomalygpt.training.rows import InspectionRows, InstructionRows, side_of_step
from anomalygpt.training.start import training_data

ENCODER = EncoderConfig("timm", "none", input_size=32)


@pytest.fixture
def step_batches(training_arguments, discs):
    """Makes batches of `discs`, of a process's share, with instructions about `pictures`."""

    def make(process=0, processes=1, pictures=(), **changes):
        arguments = training_arguments(**changes)
        data = training_data(arguments)
        items = [Instruction(path, ((f"What is {path.stem}?", "A disc."),)) for path in pictures]
        return StepBatches(
            arguments,
            InspectionRows(arguments, ENCODER, 32, data.samples, data.normal_photos),
            InstructionRows(arguments, ENCODER, items) if items else None,
            process,
            processes,
        )

    return make


@pytest.fixture
def pictures(discs) -> list[Path]:
    return sorted((discs / "disc" / "train" / "good").iterdir())[:3]


def rows_in(batch: Batch) -> list[tuple]:
    """Everything about each row, to compare."""
    masks = (
        [b""] * len(batch) if batch.masks is None else [m.numpy().tobytes() for m in batch.masks]
    )
    return [
        (pixels.numpy().tobytes(), mask, tuple(turns), references, places)
        for pixels, mask, turns, references, places in zip(
            batch.pixels, masks, batch.turns, batch.references, batch.places, strict=True
        )
    ]


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("size", [3, 7])
def test_processes_share_the_rows_of_a_step(step_batches, pictures, processes, size):
    whole = step_batches(batch_size=size, pictures=pictures, seed=1)
    shares = [
        step_batches(process, processes, batch_size=size, pictures=pictures, seed=1)
        for process in range(processes)
    ]
    assert {len(share) for share in shares} == {len(whole)}
    for step in (0, 1, 4, 5):
        parts = [rows_in(share[step]) for share in shares]
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert sorted(row for part in parts for row in part) == sorted(rows_in(whole[step]))


def test_the_steps_of_an_epoch_cover_it(step_batches):
    batches = step_batches(batch_size=4)
    samples = 8  # of 10 photos 2 are held out
    assert len(batches) == 2 * samples / 4
    seen = [row for step in range(len(batches)) for row in rows_in(batches[step])]
    assert len(set(seen)) == 2 * samples
    damaged = [bool(mask.any()) for step in range(4) for mask in batches[step].masks]
    assert damaged == [False, True] * samples


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({"epochs": 3, "batch_size": 5}, 10),
        ({"epochs": 0.01}, 1),
        ({"max_steps": 3}, 3),
        ({"max_steps": 300}, 4),
    ],
)
def test_the_number_of_steps(step_batches, pictures, changes, steps):
    assert len(step_batches(**changes)) == steps
    with_instructions = step_batches(pictures=pictures, **changes)
    assert len(with_instructions) == min(2 * steps, changes.get("max_steps", 2 * steps))


def test_simulated_and_instruction_steps_in_turn(step_batches, pictures):
    batches = step_batches(pictures=pictures, epochs=3, batch_size=3)
    alone = step_batches(epochs=3, batch_size=3)
    assert len(batches) == 2 * len(alone)
    for step in range(8):
        batch = batches[step]
        assert (batch.masks is None) == bool(step % 2)
        if batch.masks is None:
            # Three pictures and batches of three: each step has each of them once.
            assert {turns[0][0] for turns in batch.turns} == {
                f"What is {path.stem}?" for path in pictures
            }
            assert set(batch.references) == {()}
        else:
            assert rows_in(batch) == rows_in(alone[step // 2])


def test_the_side_differs_between_steps_and_not_within(step_batches):
    shares = [step_batches(process, 2, epochs=20) for process in range(2)]
    sides = []
    for step in range(12):
        found = {bool(refs) for share in shares for refs in share[step].references}
        assert len(found) == 1
        sides.append(found.pop())
    assert set(sides) == {True, False}
    assert sides == [side_of_step(shares[0]._arguments, step) for step in range(12)]


def test_a_split_keeps_every_row_in_order(step_batches, pictures):
    batches = step_batches(batch_size=7, pictures=pictures, reference_share=1.0)
    for step in (0, 1):
        batch = batches[step]
        for size in (1, 2, 7, 50):
            parts = list(batch.split(size))
            assert [row for part in parts for row in rows_in(part)] == rows_in(batch)
            assert [len(part) for part in parts[:-1]] == [min(size, 7)] * (len(parts) - 1)
            assert 0 < len(parts[-1]) <= size


def test_a_batch_names_what_was_skipped(step_batches):
    batches = step_batches()
    rows = [batches._inspections.row(number, False) for number in range(3)]
    named = [
        dataclasses.replace(row, skipped=reasons)
        for row, reasons in zip(rows, [("one",), (), ("two", "three")], strict=True)
    ]
    assert Batch.of(named).skipped == ("one", "two", "three")


def test_the_loader_begins_at_a_step(step_batches, pictures):
    batches = step_batches(pictures=pictures)
    loaded = list(batches.loader(3))
    assert len(loaded) == len(batches) - 3
    for step, batch in enumerate(loaded, 3):
        assert rows_in(batch) == rows_in(batches[step])
    assert list(batches.loader(len(batches))) == []


def test_a_worker_gives_the_same_and_tells_errors_in_one_line(step_batches, tmp_path):
    # The pictures of the instructions are gone, the photos are not.
    gone = [tmp_path / f"{number}.png" for number in range(2)]
    batches = step_batches(pictures=gone, workers=1, batch_size=2)
    loader = batches.loader(2)
    threads = torch.get_num_threads()
    assert rows_in(next(loader)) == rows_in(batches[2])
    with pytest.raises(DataError, match="no picture") as caught:
        next(loader)
    assert "\n" not in str(caught.value)
    assert torch.get_num_threads() == threads
