"""Tables of a training: a line for each step, and none of steps that a resumed run does again."""

from __future__ import annotations

import csv
from pathlib import Path


def note(path: Path, step: int, values: dict[str, float]) -> None:
    """Append a line to a table, with a head if it is new."""
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["step", *values])
        writer.writerow([step, *(f"{value:.5g}" for value in values.values())])


def forget(path: Path, step: int) -> None:
    """Drop the lines of steps after the one that a run goes on from."""
    if not path.exists():
        return
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if int(line.split(",")[0]) <= step]
    path.write_text("\n".join([head, *kept]) + "\n", encoding="utf-8")
