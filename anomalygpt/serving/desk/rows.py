"""Several photos that were handed in together: one row each."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from anomalygpt.results.inspection import Inspection
from anomalygpt.serving.desk.visits import Given


@dataclass(frozen=True)
class Row:
    """One photo of a batch.

    Attributes:
        number: from 1, in the order in which photos came.
        name: of the photo.
        given: what was handed in, in files of the desk's own; None for what cannot be read.
        finding: file of the inspection with its map; None where there is none.
        found: the inspection without its map.
        thumbnail: a small picture as part of a page; "" where there is none.
        error: why there is no finding.
    """

    number: int
    name: str
    given: Given | None = None
    finding: Path | None = None
    found: Inspection | None = None
    thumbnail: str = ""
    error: str = ""

    def inspection(self) -> Inspection | None:
        """The finding with its map."""
        if self.finding is None:
            return None
        return Inspection.from_json(self.finding.read_bytes())


@dataclass
class Batch:
    """Photos that are inspected one after the other.

    Attributes:
        total: how many photos were given.
        rows: of those that were looked at.
        left_out: photos beyond `MOST_PHOTOS`.
        running: whether more rows will come.
    """

    total: int
    left_out: int = 0
    rows: list[Row] = field(default_factory=list)
    running: bool = True
    begun: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the photos so far; None before the second one."""
        done = len(self.rows)
        if done < 2:
            return None
        return (time.monotonic() - self.begun) / done * (self.total - done)

    def row(self, number: int) -> Row | None:
        """A row by its number."""
        return next((row for row in self.rows if row.number == number), None)
