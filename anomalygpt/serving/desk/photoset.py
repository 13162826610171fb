"""A visitor's photos for the page "Data": copies on the desk, what is found in them, and a drawing.

Nothing is deleted or changed for what is found; it is shown, for a person to decide.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from anomalygpt.data.tools.canvases import MASK_FOLDER, Canvas
from anomalygpt.data.tools.cleaning import Limits, Measured, Proposal, measure, propose
from anomalygpt.data.tools.drawing import Drawing
from anomalygpt.data.tools.looking import Outlier, Seen, gathered, outliers, plane
from anomalygpt.errors import DataError, ImageError
from anomalygpt.images.reading import load_image
from anomalygpt.serving.drawing.routes import Drawings
from anomalygpt.serving.engine import Engine

MOST_PHOTOS = 100
# Fewer tell nothing about which of them is unlike the others.
FEWEST_TO_COMPARE = 4
COLUMNS = ("photo", "finding", "rank", "value", "detail", "copy of")


@dataclass
class Findings:
    """What was found in photos.

    Attributes:
        measured: what each is like.
        proposals: photos to look at, by fault and rank.
        outliers: all that could be read, the most unlike first; none where there are too few.
        seen: the same with their features; None where there are too few.
        places: (N, 2), those of `seen` on a plane.
        explained: shares of the variance along its two axes.
    """

    measured: list[Measured] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    outliers: list[Outlier] = field(default_factory=list)
    seen: Seen | None = None
    places: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    explained: tuple[float, float] = (0.0, 0.0)


class PhotoSet:
    """Photos in a folder of the desk, which goes with it.

    Attributes:
        paths: the photos, in the order in which they came.
        left_out: how many more were given than are taken.
        findings: of the last look; None before.
        word: by which the drawing is found; "" before there is one.
    """

    def __init__(
        self,
        folder: Path,
        uploads: Sequence[str | Path],
        drawings: Drawings,
        touched: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            folder: a new one for them.
            uploads: files; copies are made, at most `MOST_PHOTOS`.
            drawings: where the drawing is opened.
            touched: called whenever somebody draws.
        """
        self.folder, self._drawings, self._touched = folder, drawings, touched
        self.given = tuple(map(str, uploads))
        self.left_out = max(0, len(uploads) - MOST_PHOTOS)
        self.paths: list[Path] = []
        self.findings: Findings | None = None
        self.word = ""
        folder.mkdir(parents=True)
        self._taken: set[str] = set()
        self._copies: dict[str, Path] = {}
        for upload in self.given[:MOST_PHOTOS]:
            self._lay(upload, Path(upload))

    def take_over(self, before: PhotoSet) -> None:
        """Masks and drafts of the photos that lay there before; with them their photos, where they
        are not among these."""
        for upload, path in before._copies.items():
            old = Canvas(path, "", before.folder / MASK_FOLDER)
            drawn = old.draft.exists(), bool(old.masks())
            if not any(drawn):
                continue
            if upload not in self._copies:
                self._lay(upload, path)
            new = Canvas(self._copies[upload], "", self.folder / MASK_FOLDER)
            targets = (new.draft, new.root / new.name)
            sources = (old.draft, *old.masks()[:1]) if drawn[1] else (old.draft,)
            for source, target in zip(sources, targets, strict=False):
                if source.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, target)

    def _lay(self, upload: str, source: Path) -> None:
        path = self.folder / _free_name(Path(upload).name, self._taken)
        shutil.copyfile(source, path)
        self._copies[upload] = path
        self.paths.append(path)

    def look(self, engine: Engine, model: str) -> Iterator[float]:
        """Measure the photos and compare their features; the share that is done, up to 1.

        Raises:
            AnomalyGPTError: the queue is full, or the model cannot be used.
        """
        found = Findings()
        read: list[Path] = []
        rows: list[np.ndarray] = []
        for number, path in enumerate(self.paths):
            yield number / len(self.paths)
            found.measured.append(measure(path))
            if found.measured[-1].size is not None:
                try:
                    rows.append(engine.features(model, load_image(path)))
                    read.append(path)
                except ImageError:  # changed since it was measured
                    continue
        found.proposals = propose(found.measured, Limits())
        if len(read) >= FEWEST_TO_COMPARE:
            found.seen = gathered(read, rows)
            found.outliers = outliers(found.seen)
            found.places, found.explained = plane(found.seen)
        self.findings = found
        yield 1.0

    def draw(self) -> str:
        """Open the photos for drawing; the word of the drawing.

        Raises:
            DataError: none of them is a photo.
        """
        if not self.word:
            self.word = self._drawings.add(Drawing(self.folder), self._touched)
        return self.word

    def drawn(self) -> int:
        """How many photos have a mask or a draft of one."""
        drawing = self._drawings.of(self.word)
        return sum(state != "empty" for state in drawing.states()) if drawing else 0

    def close(self) -> None:
        """Delete the copies, the masks and the drafts."""
        self._drawings.remove(self.word)
        shutil.rmtree(self.folder, ignore_errors=True)

    def table(self) -> bytes:
        """What was found as CSV, UTF-8 with the mark that spreadsheet programs look for.

        Raises:
            DataError: nobody has looked yet.
        """
        if self.findings is None:
            raise DataError("the photos were not looked at yet; press Check first")
        file = io.StringIO()
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for each in self.findings.proposals:
            twin = each.twin.name if each.twin else ""
            value = f"{each.value:.4f}"
            row = (each.path.name, each.fault, str(each.rank), value, each.detail, twin)
            writer.writerow(map(_plain, row))
        for rank, other in enumerate(self.findings.outliers, 1):
            if other.is_proposed:
                told = (other.path.name, "unlike the others", str(rank), f"{other.score:.4f}")
                writer.writerow(map(_plain, (*told, "", "")))
        return file.getvalue().encode("utf-8-sig")


def _plain(value: str) -> str:
    """A value that no table program takes for a formula."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _free_name(name: str, taken: set[str]) -> str:
    """A name for a file: no path, no letters that mean something to a shell or a page, and no stem
    that another has, because masks go by it."""
    clean = re.sub(r"[^\w. ()-]", "_", name).lstrip(".")[-100:] or "photo"
    path = Path(clean)
    stem, number = path.stem, 1
    while stem.casefold() in taken:
        number += 1
        stem = f"{path.stem}-{number}"
    taken.add(stem.casefold())
    return f"{stem}{path.suffix}"
