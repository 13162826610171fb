"""A run over many photos: what it keeps on the disk, and the loop in this process.

Beside results.parquet lies the folder results.parquet.parts while the run lasts, with the manifest
and a part for each batch that is done. A run that was killed has lost the batch in hand; the same
command goes on with those that have no part.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from anomalygpt.bulk.manifest import Manifest, cut, difference
from anomalygpt.bulk.sources import Found, read_photo
from anomalygpt.bulk.table import Row, check_format, read_table, row_of, write_table
from anomalygpt.errors import ImageError, OutputError, WorkerError
from anomalygpt.files import reason_of, shown

if TYPE_CHECKING:
    from PIL import Image

    from anomalygpt.model import AnomalyGPT
    from anomalygpt.results.inspection import Inspection
    from decoder import MemoryBank
    from decoder.config import Formulation

MANIFEST = "manifest.jsonl"
BEGIN_AGAIN = "give the same settings to go on, or another --output"

# The number of a batch, and photos of it that have to be done.
Batch: TypeAlias = "tuple[int, Sequence[Found]]"
# Does batches in any order, and hands each back with its rows, one for each photo.
Execute: TypeAlias = "Callable[[Sequence[Batch]], Iterable[tuple[int, list[Row]]]]"

# Puts what was found in the photo of a place on record.
Record: TypeAlias = "Callable[[str, Inspection], None]"


@dataclass(frozen=True)
class How:
    """How photos are inspected; the arguments of `AnomalyGPT.inspect_batch`."""

    description: str | None = None
    category: str | None = None
    map_only: bool = False
    bit_depth: int | None = None
    formulation: Formulation | None = None


def inspect_photos(
    assistant: AnomalyGPT,
    bank: MemoryBank,
    photos: Sequence[Found],
    how: How,
    record: Record | None = None,
) -> list[Row]:
    """The rows of a few photos, which are read and encoded together; those that cannot be used
    have the error in theirs.

    Args:
        assistant, bank, how: what inspects them.
        photos: as they were found.
        record: is told of each finding before the rows come.

    Raises:
        MissingPartError: see `AnomalyGPT.inspect`.
    """
    begun = time.perf_counter()
    loaded = [_try_read(found.place, how.bit_depth) for found in photos]
    good = [photo for photo in loaded if not isinstance(photo, ImageError)]
    results = iter(
        assistant.inspect_batch(good, bank, batch_size=max(1, len(good)), **vars(how))
        if good
        else ()
    )
    found = [each if isinstance(each, ImageError) else next(results) for each in loaded]
    for photo, each in zip(photos, found, strict=True):
        if record is not None and not isinstance(each, ImageError):
            record(photo.place, each)
    seconds = (time.perf_counter() - begun) / max(1, len(photos))
    return [row_of(*pair, seconds) for pair in zip(photos, found, strict=True)]


def _try_read(place: str, bit_depth: int | None) -> Image.Image | ImageError:
    try:
        return read_photo(place, bit_depth)
    except ImageError as error:
        return error


def in_this_process(
    assistant: AnomalyGPT, bank: MemoryBank, how: How, record: Record | None = None
) -> Execute:
    """The plain loop: one batch after the other."""

    def execute(batches: Sequence[Batch]) -> Iterator[tuple[int, list[Row]]]:
        for number, photos in batches:
            yield number, inspect_photos(assistant, bank, photos, how, record)

    return execute


class Work:
    """What a run keeps on the disk.

    Attributes:
        output: the table that it becomes.
        manifest: what is to do.
    """

    def __init__(self, output: Path, manifest: Manifest) -> None:
        """Use `opened_work`, which sees to it that nobody else writes there."""
        self.output, self.manifest = output, manifest
        self._rows: dict[int, dict[str, Row]] = {}
        for number, batch in enumerate(manifest.batches, start=1):
            path = self._part(number)
            known = {each.image: each.version for each in batch}
            rows = read_table(path) if path.is_file() else []
            self._rows[number] = {
                row["image"]: row for row in rows if known.get(row["image"]) == row["version"]
            }

    def todo(self) -> list[Batch]:
        """Batches with the photos that are not done, or have changed since."""
        left: list[Batch] = []
        for number, batch in enumerate(self.manifest.batches, start=1):
            photos = [each for each in batch if each.image not in self._rows[number]]
            if photos:
                left.append((number, photos))
        return left

    @property
    def done(self) -> int:
        """Photos that need not be done again."""
        return sum(map(len, self._rows.values()))

    def keep(self, number: int, rows: Sequence[Row]) -> None:
        """Write what was found on a batch, or a part of it; twice makes no difference.

        Raises:
            OutputError: no space or no permission; nothing half-written stays.
        """
        known = {**self._rows[number], **{row["image"]: row for row in rows}}
        order = [
            known[each.image] for each in self.manifest.batches[number - 1] if each.image in known
        ]
        try:
            write_table(self._part(number), order)
        except OutputError as error:
            raise OutputError(f"{error}; the same command goes on after that") from error
        self._rows[number] = known

    def finish(self) -> list[Row]:
        """Write the table, its rows ordered by photo; the parts stay until `tidy`.

        Raises:
            WorkerError: a photo has no row.
            OutputError: no space or no permission.
        """
        if left := sum(len(photos) for _, photos in self.todo()):
            raise WorkerError(f"{left} photos have no result; the same command does them")
        rows = [row for batch in self._rows.values() for row in batch.values()]
        rows.sort(key=lambda row: row["image"])
        write_table(self.output, rows)
        return rows

    def tidy(self) -> None:
        """Remove the parts, of which the table has everything."""
        shutil.rmtree(parts_folder(self.output), ignore_errors=True)

    def _part(self, number: int) -> Path:
        suffix = ".parquet" if self.output.suffix.lower() == ".parquet" else ".jsonl"
        return parts_folder(self.output) / f"part-{number:05d}{suffix}"


def parts_folder(output: Path) -> Path:
    """Where parts lie while a run lasts."""
    return output.with_name(f"{output.name}.parts")


def check_output(output: Path, others: Sequence[Path] = ()) -> None:
    """Refuse, before any work is done, what could not be written at its end.

    Args:
        output: the table.
        others: files that are written beside it.

    Raises:
        OutputError: no folder to write into, or a result of another run is there.
        MissingExtraError: see `check_format`.
    """
    check_format(output)
    if not output.parent.is_dir():
        raise OutputError(
            f"the folder of {shown(output)} does not exist; make it, or name another place"
        )
    if output.is_dir():
        raise OutputError(f"{shown(output)} is a folder; give the name of a file")
    if (parts_folder(output) / MANIFEST).is_file():
        return
    for path in (output, *others):
        if path.exists():
            raise OutputError(
                f"{shown(path)} is there already, from a run that is complete; remove it, or give "
                "another --output"
            )


def noted(output: Path) -> Mapping[str, Any] | None:
    """What a run that is to go on has found out; None where none was begun.

    Raises:
        OutputError: its manifest is damaged.
    """
    path = parts_folder(output) / MANIFEST
    return Manifest.load(path).notes if path.is_file() else None


@contextmanager
def opened_work(
    output: Path,
    settings: Mapping[str, Any],
    found: Sequence[Found],
    most: int,
    notes: Mapping[str, Any],
) -> Iterator[Work]:
    """Begin a run, or go on with one.

    Args:
        output: the table, see `check_output`.
        settings: what decides over results.
        found: photos that are there now.
        most: photos of a batch, at least 1; a run that goes on keeps its batches.
        notes: what is to be kept for a later go, see `noted`; of a new run alone.

    Raises:
        OutputError: it was begun with other settings, runs already, or cannot be written.
    """
    folder = parts_folder(output)
    try:
        folder.mkdir(exist_ok=True)
        lock = (folder / ".lock").open("a")
    except OSError as error:
        raise OutputError(
            f"{shown(folder)} cannot be written: {reason_of(error)}; choose another place"
        ) from error
    with lock:
        _take(lock, output)
        path = folder / MANIFEST
        if path.is_file():
            then = Manifest.load(path)
            if told := difference(then.settings, settings):
                raise OutputError(
                    f"{shown(output)} was begun with other settings: {told}; {BEGIN_AGAIN}"
                )
            manifest = then.with_photos(found, most)
        else:
            then, manifest = None, Manifest(dict(settings), cut(found, most), dict(notes))
        if manifest != then:
            manifest.save(path)
        yield Work(output, manifest)


def _take(lock: IO[str], output: Path) -> None:
    """Hold the folder as long as this process lives; not on Windows, which has no such locks."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(
            f"another run writes {shown(output)} just now; wait for it, or give another --output"
        ) from None
    except OSError:  # some network disks know no locks
        return


def carry_out(work: Work, execute: Execute, stopped: Callable[[], bool]) -> Iterator[Row]:
    """Do what is left, batch by batch; what comes out is on the disk already.

    Args:
        work: from `opened_work`.
        execute: does batches.
        stopped: asked after each batch; True ends.

    Raises:
        OutputError: a part cannot be written.
    """
    batches = work.todo()
    if not batches:
        return
    for number, rows in execute(batches):
        work.keep(number, rows)
        yield from rows
        if stopped():
            return
