"""What is known of a category so far, on the disk, so that an interrupted run can go on."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from anomalygpt.errors import OutputError
from anomalygpt.evaluation.figures.pixel_counts import PixelCounts
from anomalygpt.files import write_atomically

Record = dict[str, Any]

_TEXT = "text"


@dataclass
class CategoryState:
    """Everything measured of one category; always whole batches of photos.

    Attributes:
        done: photos that were measured, from the first of the plan on.
        records: one per photo, trial, map and verdict.
        pixels: by trial and map.
        references: files that each trial really used.
        thresholds: of each trial and map, where one threshold holds for all photos.
        skipped: what could not be read, with the reason.
        seconds: per stage of the work, one pair (photos, seconds) for each batch.
        examples: what the report shows; None until the category is complete.
    """

    done: int = 0
    records: list[Record] = field(default_factory=list)
    pixels: dict[str, PixelCounts] = field(default_factory=dict)
    references: list[list[str]] = field(default_factory=list)
    thresholds: dict[str, float | None] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    examples: list[Record] | None = None

    def save(self, path: Path) -> None:
        """Write it, whole or not at all.

        Raises:
            OutputError: the disk is full or cannot be written; the file before it stays.
        """
        told = {
            name: getattr(self, name)
            for name in ("done", "records", "references", "thresholds", "skipped", "seconds")
        }
        told |= {"examples": self.examples, "pixels": list(self.pixels)}
        arrays = {
            f"{number}.{name}": values
            for number, counts in enumerate(self.pixels.values())
            for name, values in counts.to_arrays().items()
        }
        text = np.frombuffer(json.dumps(told).encode(), dtype=np.uint8)
        packed = io.BytesIO()
        np.savez(packed, **{_TEXT: text}, **arrays)  # type: ignore[arg-type]
        write_atomically(path, lambda file: file.write(packed.getbuffer()))

    @classmethod
    def load(cls, path: Path) -> CategoryState:
        """Read what `save` wrote; a new state where there is no file.

        Raises:
            OutputError: the file is damaged.
        """
        if not path.is_file():
            return cls()
        try:
            # NumPy leaves a file open that it was given by name and cannot read.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                told = json.loads(arrays[_TEXT].tobytes())
                keys = told.pop("pixels")
                told["pixels"] = {
                    key: PixelCounts.from_arrays(_numbered(arrays, number))
                    for number, key in enumerate(keys)
                }
            told["seconds"] = {
                stage: [(int(count), float(value)) for count, value in pairs]
                for stage, pairs in told["seconds"].items()
            }
            return cls(**told)
        except Exception as error:  # readers raise nearly anything on damaged files
            raise OutputError(
                f"{path} cannot be read ({' '.join(str(error).split())}); remove it to measure "
                "this category again"
            ) from error


def _numbered(arrays: Any, number: int) -> dict[str, np.ndarray]:
    prefix = f"{number}."
    return {
        name.removeprefix(prefix): arrays[name] for name in arrays.files if name.startswith(prefix)
    }
