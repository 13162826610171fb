"""What each visitor has on the desk, and for how long it is kept.

Photos lie in one folder for each visitor, on the disk; in memory are only the findings and the
last conversation. A desk that nobody has used for a while is cleared, and so is the oldest one when
there are too many.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from anomalygpt.chat import Chat
from anomalygpt.image_io import load_image
from anomalygpt.results import Inspection

MOST_DESKS = 200
MOST_VISITS = 12
LONGEST_SIDE = 2048
IDLE_SECONDS = 45 * 60.0


@dataclass
class Visit:
    """One inspected photo.

    Attributes:
        number: counted from 1 on a desk.
        name: the photo's, as the visitor calls it.
        path: a copy of the photo, scaled down to `LONGEST_SIDE`.
        references: names of the photos of good parts.
        inspection: what was found.
        chat: the conversation as far as the language model knows it; only the last visit has one.
        turns: (question, answer) of the conversation.
    """

    number: int
    name: str
    path: Path
    references: tuple[str, ...]
    inspection: Inspection
    chat: Chat | None
    turns: list[tuple[str, str]] = field(default_factory=list)

    def copy(self) -> Image.Image:
        """The photo as it is kept, RGB."""
        return load_image(self.path)

    def photo(self) -> Image.Image:
        """The photo in its own number of pixels, RGB."""
        height, width = self.inspection.image_size
        copy = self.copy()
        return copy if copy.size == (width, height) else copy.resize((width, height))


class Desk:
    """One visitor's photos, findings and conversations, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.visits: list[Visit] = []
        self.current: Visit | None = None
        self.used = time.monotonic()
        self._count = 0
        self._lock = threading.Lock()
        folder.mkdir(parents=True)

    def add(self, name: str, photo: Image.Image, references: tuple[str, ...], chat: Chat) -> Visit:
        """A new visit, which is the current one; the conversation before it comes to its end.

        Args:
            name: of the photo; no file is called so.
            photo: upright, RGB.
            references: names of the photos of good parts.
            chat: with its `inspection`.
        """
        with self._lock:
            self._count += 1
            path = self.folder / f"{self._count}.jpg"
            small = photo.copy()
            small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            small.save(path, quality=93)
            for old in self.visits[-1:]:
                old.chat = None
            visit = Visit(
                self._count, name, path, references, chat.inspection, chat, list(chat.history)
            )
            self.visits.append(visit)
            for old in self.visits[:-MOST_VISITS]:
                old.path.unlink(missing_ok=True)
            del self.visits[:-MOST_VISITS]
            self.current = visit
        return visit

    def open(self, number: int) -> Visit | None:
        """Make an earlier visit the current one; None where it is no longer kept."""
        with self._lock:
            found = next((visit for visit in self.visits if visit.number == number), None)
            self.current = found or self.current
        return found

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            for visit in self.visits:
                visit.path.unlink(missing_ok=True)
            self.visits.clear()
            self.current = None


class Desks:
    """All desks, by the visitor's mark."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        most: int = MOST_DESKS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.folder = Path(folder or tempfile.mkdtemp(prefix="anomalygpt-desks-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._most, self._idle = most, idle_seconds
        self._desks: OrderedDict[str, Desk] = OrderedDict()
        self._opened = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._desks)

    def of(self, mark: str) -> Desk:
        """The visitor's desk, a new one at first."""
        with self._lock:
            desk = self._desks.get(mark)
            if desk is None:
                self._opened += 1
                desk = self._desks[mark] = Desk(self.folder / f"desk-{self._opened}")
            desk.used = time.monotonic()
            self._desks.move_to_end(mark)
            gone = self._outdated()
        for each in gone:
            shutil.rmtree(each.folder, ignore_errors=True)
        return desk

    def leave(self, mark: str) -> None:
        """The visitor has closed the page."""
        with self._lock:
            desk = self._desks.pop(mark, None)
        if desk is not None:
            shutil.rmtree(desk.folder, ignore_errors=True)

    def close(self) -> None:
        """Delete everything."""
        with self._lock:
            self._desks.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _outdated(self) -> list[Desk]:
        """Take away desks that are idle or too many, the longest unused first."""
        now, gone = time.monotonic(), []
        for mark, desk in list(self._desks.items()):
            if now - desk.used > self._idle or len(self._desks) > self._most:
                gone.append(self._desks.pop(mark))
        return gone
