"""What each visitor has on the desk, and for how long it is kept.

Photos lie in one folder for each visitor, on the disk; in memory are only the findings and the
last chat. A desk that nobody has used for a while is cleared, and so is the oldest one when
there are too many. A page that is read again within `GRACE_SECONDS` finds its desk as it was.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from anomalygpt.chat import Talk
from anomalygpt.files import hash_file
from anomalygpt.results.inspection import Inspection
from anomalygpt.serving.desk.photoset import PhotoSet
from anomalygpt.serving.desk.rows import Batch
from anomalygpt.serving.desk.visits import Given, Visit
from anomalygpt.serving.drawing.routes import Drawings

MOST_DESKS = 200
MOST_VISITS = 12
LONGEST_SIDE = 2048
IDLE_SECONDS = 45 * 60.0
# A page that is closed may be one that is read again.
GRACE_SECONDS = 120.0
# What a page may call itself: long enough that nobody guesses it.
_TAB = re.compile(r"[0-9a-f-]{32,64}")


class Desk:
    """One visitor's photos, findings and chats, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.visits: list[Visit] = []
        self.current: Visit | None = None
        self.inspector = ""
        self.used = time.monotonic()
        self.batch: Batch | None = None
        self.data: PhotoSet | None = None
        self.pending = ""  # a question that found no room in the chat
        self._also_kept: set[Path] = set()
        self._stops = 0
        self._count = self._files = 0
        self._lock = threading.Lock()
        folder.mkdir(parents=True)

    def stop(self) -> None:
        """End what the visitor waits for, at its next step."""
        self._stops += 1

    def until_stopped(self) -> Callable[[], bool]:
        """Whether nobody has called `stop` since."""
        # Gradio's own way, `cancels`, leaves the page thinking that the event still runs, and
        # then it begins no other one.
        before = self._stops
        return lambda: self._stops == before

    def keep(self, given: Given) -> Given:
        """The same in files of the desk's own, which outlive the uploads until `forget`."""
        with self._lock:
            kept = self._keep(given)
            self._also_kept |= {kept.photo, *kept.references}
        return kept

    def forget(self) -> None:
        """Delete what `keep` kept and no visit needs."""
        with self._lock:
            self._also_kept.clear()
            self._sweep()

    def _keep(self, given: Given) -> Given:
        return replace(
            given,
            photo=self._kept(given.photo),
            references=tuple(self._kept(path) for path in given.references),
        )

    def add(
        self,
        name: str,
        photo: Image.Image,
        references: tuple[str, ...],
        chat: Talk | None,
        given: Given | None = None,
        inspection: Inspection | None = None,
    ) -> Visit:
        """A new visit, which is the current one; the chat before it comes to its end.

        The same photo once more, such as with another reference, takes the place of the visit
        before unless that was talked about.

        Args:
            name: of the photo; no file is called so.
            photo: upright, RGB.
            references: names of the photos of good parts.
            chat: with its `inspection`, or None for one that is only looked at.
            given: what was handed in; it is kept as long as the visit.
            inspection: the finding where there is no chat.
        """
        found = chat.inspection if chat else inspection
        assert found is not None
        with self._lock:
            for old in self.visits:
                old.chat = None
            given = given and self._keep(given)
            number = self._give_up(given)
            self._files += 1
            path = self.folder / f"{self._files}.jpg"
            small = photo.copy()
            small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            small.save(path, quality=93)
            turns = list(chat.history) if chat else []
            visit = Visit(number, name, path, references, found, chat, turns, given)
            visit.sheet.inspector = self.inspector
            self.visits.append(visit)
            for old in self.visits[:-MOST_VISITS]:
                old.path.unlink(missing_ok=True)
            del self.visits[:-MOST_VISITS]
            self.current = visit
            self._sweep()
        return visit

    def open(self, number: int) -> Visit | None:
        """Make an earlier visit the current one; None where it is no longer kept."""
        with self._lock:
            found = next((visit for visit in self.visits if visit.number == number), None)
            self.current = found or self.current
        return found

    def talk(self, visit: Visit, chat: Talk) -> None:
        """Let a visit be talked about; a chat about another one comes to its end."""
        with self._lock:
            for old in self.visits:
                old.chat = None
            visit.chat = chat

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            for visit in self.visits:
                visit.path.unlink(missing_ok=True)
            self.visits.clear()
            self._also_kept.clear()
            self.current = self.batch = None
            self._count, self.inspector, self.pending = 0, "", ""
            self._sweep()
            self._close_data()

    def lay_out(self, uploads: Sequence[str], drawings: Drawings) -> PhotoSet:
        """Photos for the page "Data". Those that lay there are put away, unless they are the same
        or somebody has drawn on them.

        Args:
            uploads: files, in order.
            drawings: where they can be drawn on.
        """
        with self._lock:
            if self.data is None or self.data.given != tuple(uploads):
                self._files += 1
                folder = self.folder / f"data-{self._files}"
                laid = PhotoSet(folder, uploads, drawings, self.touch)
                if self.data is not None:
                    laid.take_over(self.data)
                self._close_data()
                self.data = laid
            return self.data

    def put_away(self) -> None:
        """Delete what lies on the page "Data"."""
        with self._lock:
            self._close_data()

    def touch(self) -> None:
        """Somebody is there."""
        self.used = time.monotonic()

    def _close_data(self) -> None:
        if self.data is not None:
            self.data.close()
            self.data = None

    def _give_up(self, given: Given | None) -> int:
        """The number of a new visit, after a visit to the same photo was taken away for it."""
        if given is not None:
            for old in self.visits:
                same = old.given is not None and old.given.photo == given.photo
                if same and (not old.asked or old.given == given):
                    self.visits.remove(old)
                    old.path.unlink(missing_ok=True)
                    return old.number
        self._count += 1
        return self._count

    def _kept(self, path: Path) -> Path:
        # The name is shown and becomes that of a file: nothing but its last part, and no letters
        # that mean something to a shell or a page.
        name = re.sub(r"[^\w. ()-]", "_", path.name).lstrip(".")[-100:] or "photo"
        kept = self.folder / "photos" / hash_file(path)[:32] / name
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, kept)
        return kept

    def _sweep(self) -> None:
        needed = set(self._also_kept)
        for visit in self.visits:
            if visit.given is not None:
                needed |= {visit.given.photo, *visit.given.references}
        folders = {path.parent for path in needed}
        for folder in (self.folder / "photos").glob("*"):
            if folder not in folders:
                shutil.rmtree(folder, ignore_errors=True)


class Desks:
    """All desks, by the visitor's mark."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        most: int = MOST_DESKS,
        idle_seconds: float = IDLE_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self.folder = Path(folder or tempfile.mkdtemp(prefix="anomalygpt-desks-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._most, self._idle, self._grace = most, idle_seconds, grace_seconds
        self._desks: OrderedDict[str, Desk] = OrderedDict()
        self._tabs: dict[str, str] = {}  # the tab of the browser in which a session runs
        self._opened = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._desks)

    def of(self, session: str) -> Desk:
        """The visitor's desk, a new one at first.

        Args:
            session: the mark of a page that is open; or what it joined.
        """
        with self._lock:
            mark = self._tabs.get(session, session)
            desk = self._desks.get(mark)
            if desk is None:
                self._opened += 1
                desk = self._desks[mark] = Desk(self.folder / f"desk-{self._opened}")
            desk.touch()
            self._desks.move_to_end(mark)
            gone = self._outdated()
        _delete(gone)
        return desk

    def join(self, session: str, tab: str) -> None:
        """From now on the session has the desk of its tab, also after the page was read again.

        Args:
            session: the mark of a page that was just opened.
            tab: what the browser keeps for the tab: 32 to 64 hexadecimal digits, which nobody
                guesses. Anything else is left aside.
        """
        if _TAB.fullmatch(tab):
            with self._lock:
                self._tabs[session] = f"tab {tab}"
                while len(self._tabs) > 10 * self._most:
                    del self._tabs[next(iter(self._tabs))]

    def leave(self, session: str) -> None:
        """The visitor has closed the page, or reads it again: then the desk is kept a moment."""
        with self._lock:
            mark = self._tabs.pop(session, None)
            desk = self._desks.pop(session, None) if mark is None else None
            waits = mark is not None and mark in self._desks
        _delete([desk] if desk else [])
        if waits:
            timer = threading.Timer(self._grace, self._abandon, (mark,))
            timer.daemon = True
            timer.start()

    def close(self) -> None:
        """Delete everything."""
        with self._lock:
            self._desks.clear()
            self._tabs.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _abandon(self, mark: str) -> None:
        """Clear the desk of a tab unless a page of it is open."""
        with self._lock:
            desk = None if mark in self._tabs.values() else self._desks.pop(mark, None)
        _delete([desk] if desk else [])

    def _outdated(self) -> list[Desk]:
        """Take away desks that are idle or too many, the longest unused first."""
        now, gone = time.monotonic(), []
        for mark, desk in list(self._desks.items()):
            if now - desk.used > self._idle or len(self._desks) > self._most:
                gone.append(self._desks.pop(mark))
        return gone


def _delete(desks: Iterable[Desk]) -> None:
    for desk in desks:
        desk.put_away()
        shutil.rmtree(desk.folder, ignore_errors=True)
