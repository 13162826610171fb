"""Batches of a step, the same for any number of processes.

Simulated anomalies and instructions come in turn, as published. Step s always has the same rows;
process p of n takes every n-th of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from anomalygpt.errors import AnomalyGPTError
from anomalygpt.training.arguments import TrainingArguments
from anomalygpt.training.rows import InspectionRows, InstructionRows, Row, Turns, side_of_step
from anomalygpt.training.workers import prepared


@dataclass(frozen=True)
class Batch:
    """Rows of one kind.

    Attributes:
        pixels: (B, 3, S, S).
        masks: (B, M, M) bool; None for instructions.
        turns: the dialogue of each row.
        references: photos of good parts for each row; () in all of them on the text side.
        skipped: why photos were replaced by others.
        places: cells of the 3×3 grid over the photo where the defects of each row are.
        photos: of each row, to be looked at closely; None where it is not.
    """

    pixels: Tensor
    masks: Tensor | None
    turns: Sequence[Turns]
    references: Sequence[tuple[str, ...]]
    skipped: tuple[str, ...] = ()
    places: Sequence[tuple[str, ...]] = ()
    photos: Sequence[np.ndarray | None] = ()

    def __len__(self) -> int:
        return len(self.pixels)

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Batch:
        masks = [row.mask for row in rows if row.mask is not None]
        return cls(
            torch.stack([row.pixels for row in rows]),
            torch.stack(masks) if masks else None,
            [row.turns for row in rows],
            [row.references for row in rows],
            tuple(reason for row in rows for reason in row.skipped),
            [row.places for row in rows],
            [row.photo for row in rows],
        )

    def split(self, size: int) -> Iterator[Batch]:
        """Parts of at most `size` rows; `skipped` stays with the whole."""
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            masks = None if self.masks is None else self.masks[rows]
            yield Batch(
                self.pixels[rows],
                masks,
                self.turns[rows],
                self.references[rows],
                places=self.places[rows],
                photos=self.photos[rows],
            )


class StepBatches:
    """One process's share of every step."""

    def __init__(
        self,
        arguments: TrainingArguments,
        inspections: InspectionRows,
        instructions: InstructionRows | None,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        self._arguments = arguments
        self._inspections = inspections
        self._instructions = instructions
        self._process = process
        self._processes = processes

    def __len__(self) -> int:
        """Steps of the whole run."""
        return min(self.full_length, self._arguments.max_steps or self.full_length)

    @property
    def full_length(self) -> int:
        """Steps of all epochs, were there no limit."""
        rows = self._arguments.epochs * len(self._inspections)
        steps = math.ceil(rows / self._arguments.batch_size)
        return steps * (1 if self._instructions is None else 2)

    def __getitem__(self, step: int) -> Batch:
        size = self._arguments.batch_size
        places = range(self._process, size, self._processes)
        turn = step
        if self._instructions is not None:
            turn, instructing = divmod(step, 2)
            if instructing:
                return Batch.of([self._instructions.row(turn * size + place) for place in places])
        side = side_of_step(self._arguments, turn)
        return Batch.of([self._inspections.row(turn * size + place, side) for place in places])

    def loader(self, start: int, stopping: Callable[[], bool] = lambda: False) -> Iterator[Batch]:
        """Batches from step `start` on, prepared ahead by worker processes.

        Args:
            start: the first step.
            stopping: asked while a batch is waited for; True ends the iteration.

        Raises:
            DataError: one photo after the other cannot be used.
            WorkerError: a worker was killed.
        """
        steps = range(start, len(self))
        found = prepared(_BatchesOrErrors(self), steps, self._arguments.workers, stopping)
        with closing(found):  # type: ignore[type-var]
            for batch in found:
                if isinstance(batch, AnomalyGPTError):
                    raise batch
                yield batch


class _BatchesOrErrors:
    """Errors as items: what a worker raises comes out with its traceback in the message."""

    def __init__(self, batches: StepBatches) -> None:
        self._batches = batches

    def __getitem__(self, step: int) -> Batch | AnomalyGPTError:
        try:
            return self._batches[step]
        except AnomalyGPTError as error:
            return error
