"""The index of a folder of knowledge: its passages in SQLite, with FTS5 for their words.

It lives in memory while it is used, so that threads share it and nobody waits for a lock. A copy
lies beside the files, so that they are not read again; it is replaced as a whole, and whoever opens
it sees the old or the new one.
"""

from __future__ import annotations

import math
import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from anomalygpt.errors import AnomalyGPTError, MissingPartError, OutputError
from anomalygpt.files import reason_of, shown, write_atomically
from anomalygpt.knowledge.passages import Passage, sentences
from anomalygpt.knowledge.reading import files_of, is_text, read_passages
from anomalygpt.knowledge.words import words_of

FILE_NAME = ".knowledge.sqlite"
# Of the tables and of how files are cut into passages; another one is not read.
_VERSION = 1
_TABLES = """
CREATE TABLE files (name TEXT PRIMARY KEY, size INTEGER, changed INTEGER, problem TEXT);
CREATE TABLE passages (id INTEGER PRIMARY KEY, file TEXT, product TEXT, kind TEXT, title TEXT,
    source TEXT, text TEXT);
CREATE TABLE sentences (id INTEGER PRIMARY KEY, passage INTEGER, text TEXT);
CREATE VIRTUAL TABLE passage_words USING fts5(place, kind, title, text,
    tokenize = 'porter unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE sentence_words USING fts5(text,
    tokenize = 'porter unicode61 remove_diacritics 2');
"""
# How much a word counts in the file's name and keys, the kind, the title and the text.
_COLUMNS = (0.5, 5.0, 3.0, 1.0)


class Index:
    """Passages of the files of one folder. Several threads may ask at the same time.

    Attributes:
        passages: all of them by number.
        files: the passages of each file, by its name below the folder, in order.
        file_of: of each number, the name of the file.
        problems: one line for each file that could not be used.
    """

    def __init__(self, folder: Path) -> None:
        """Bring the index up to date with the folder.

        Raises:
            MissingPartError: this Python's SQLite cannot search texts.
        """
        self._lock = threading.Lock()
        self._base = _copy_of(folder / FILE_NAME)
        if self._take_in(folder):
            self._keep(folder / FILE_NAME)
        self.passages: dict[int, Passage] = {}
        self.files: dict[str, list[Passage]] = {}
        self.file_of: dict[int, str] = {}
        sql = "SELECT file, id, text, product, kind, source, title FROM passages ORDER BY file, id"
        for file, number, *row in self._base.execute(sql):
            self.passages[number] = Passage(*row)
            self.files.setdefault(file, []).append(self.passages[number])
            self.file_of[number] = file
        told = self._base.execute("SELECT name, problem FROM files WHERE problem != ''")
        self.problems = [f"{shown(name)} {problem}" for name, problem in sorted(told)]

    def matches(self, words: Iterable[str]) -> dict[int, float]:
        """Passages that have one of the words or another form of it, by BM25, higher is better.

        With a rarity of words of its own: that of SQLite is 0 for a word that half of the passages
        have, and a folder may have three of them.
        """
        found: dict[int, float] = {}
        weights = ", ".join(map(str, _COLUMNS))
        sql = (
            f"SELECT rowid, bm25(passage_words, {weights}) FROM passage_words"
            " WHERE passage_words MATCH ?"
        )
        for word in set(words):
            with self._lock:
                rows = self._base.execute(sql, (_query([word]),)).fetchall()
            count, everything = len(rows), len(self.passages)
            # What SQLite multiplied by, never less than a millionth, and what it is to be.
            theirs = math.log((everything - count + 0.5) / (count + 0.5))
            ours = math.log(1 + everything / max(count, 1))
            for row, score in rows:
                found[row] = found.get(row, 0.0) - score / max(theirs, 1e-6) * ours
        return found

    def sentences_of(self, passage: int) -> list[tuple[int, str]]:
        """The sentences of a passage, in their order, with their numbers."""
        sql = "SELECT id, text FROM sentences WHERE passage = ? ORDER BY id"
        with self._lock:
            return list(self._base.execute(sql, (passage,)))

    def sentence_matches(self, words: Iterable[str], passage: int) -> set[int]:
        """The sentences of a passage that have one of the words."""
        query = _query(words)
        if not query:
            return set()
        sql = (
            "SELECT s.id FROM sentence_words w JOIN sentences s ON s.id = w.rowid"
            " WHERE sentence_words MATCH ? AND s.passage = ?"
        )
        with self._lock:
            return {row[0] for row in self._base.execute(sql, (query, passage))}

    def _take_in(self, folder: Path) -> bool:
        """Read what is new or changed, drop what is gone; whether there was anything of it."""
        before = {
            name: (size, changed, problem)
            for name, size, changed, problem in self._base.execute("SELECT * FROM files")
        }
        there: set[str] = set()
        changed = False
        for path, reason in files_of(folder):
            name = path.relative_to(folder).as_posix()
            name = name if is_text(name) else shown(name)
            there.add(name)
            now = (*_stamp(path), reason)
            # A file that could not be used is read again: it may be the package that was missing.
            if before.get(name) == now:
                continue
            problem, passages = reason, []
            if not reason:
                try:
                    passages = read_passages(path, name)
                except AnomalyGPTError as error:
                    problem = reason_of(error)
            if before.get(name) == (*now[:2], problem) and problem:
                continue
            changed = True
            self._replace(name, (*now[:2], problem), passages)
        for name in before.keys() - there:
            changed = True
            self._replace(name, None, [])
        return changed

    def _replace(
        self, name: str, row: tuple[int, int, str] | None, passages: Sequence[Passage]
    ) -> None:
        base = self._base
        old = [row[0] for row in base.execute("SELECT id FROM passages WHERE file = ?", (name,))]
        for passage in old:
            inner = base.execute("SELECT id FROM sentences WHERE passage = ?", (passage,))
            base.executemany("DELETE FROM sentence_words WHERE rowid = ?", inner.fetchall())
            base.execute("DELETE FROM sentences WHERE passage = ?", (passage,))
            base.execute("DELETE FROM passage_words WHERE rowid = ?", (passage,))
        base.execute("DELETE FROM passages WHERE file = ?", (name,))
        base.execute("DELETE FROM files WHERE name = ?", (name,))
        if row is not None:
            base.execute("INSERT INTO files VALUES (?, ?, ?, ?)", (name, *row))
        for each in passages:
            self._add(name, each)
        base.commit()

    def _add(self, name: str, passage: Passage) -> None:
        row = (name, passage.product, passage.kind, passage.title, passage.source, passage.text)
        sql = (
            "INSERT INTO passages (file, product, kind, title, source, text)"
            " VALUES (?, ?, ?, ?, ?, ?)"
        )
        number = self._base.execute(sql, row).lastrowid
        place = f"{passage.source} {passage.product or ''}"
        columns = [_indexed(part) for part in (place, passage.kind, passage.title, passage.text)]
        self._base.execute(
            "INSERT INTO passage_words (rowid, place, kind, title, text) VALUES (?, ?, ?, ?, ?)",
            (number, *columns),
        )
        for sentence in sentences(passage.text):
            sql = "INSERT INTO sentences (passage, text) VALUES (?, ?)"
            inner = self._base.execute(sql, (number, sentence)).lastrowid
            sql = "INSERT INTO sentence_words (rowid, text) VALUES (?, ?)"
            self._base.execute(sql, (inner, _indexed(sentence)))

    def _keep(self, path: Path) -> None:
        """Lay a copy beside the files; where nobody may write there, memory will do."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "copy.sqlite")
            disk = sqlite3.connect(copy)
            try:
                self._base.backup(disk)
            finally:
                disk.close()
            try:
                write_atomically(path, lambda file: file.write(copy.read_bytes()))
            except OutputError:
                return


def _query(words: Iterable[str]) -> str:
    """Words as FTS5 reads them: each in quotes, so that none of them is a command."""
    return " OR ".join(f'"{word}"' for word in sorted(set(words)))


def _indexed(text: str | None) -> str:
    return " ".join(words_of(text or ""))


def _stamp(path: Path) -> tuple[int, int]:
    """By which a changed file is known; of what cannot be looked at, nothing."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _copy_of(path: Path) -> sqlite3.Connection:
    """What lies on the disk, in memory; empty tables where nothing usable lies there."""
    base = sqlite3.connect(":memory:", check_same_thread=False)
    if path.is_file() and not path.is_symlink():
        try:
            # The file is replaced as a whole, never written to, so it needs no locks.
            disk = sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True)
            try:
                disk.backup(base)
            finally:
                disk.close()
            if _is_usable(base):
                return base
        except sqlite3.Error:
            pass
        base.close()
        base = sqlite3.connect(":memory:", check_same_thread=False)
    try:
        base.executescript(f"{_TABLES}PRAGMA user_version = {_VERSION};")
    except sqlite3.OperationalError as error:
        raise MissingPartError(
            f"this Python's SQLite cannot search texts ({reason_of(error)}); "
            "use a Python whose SQLite has FTS5, as most have"
        ) from error
    return base


def _is_usable(base: sqlite3.Connection) -> bool:
    """Whether it has these tables and nothing else, such as a trigger, and is whole."""
    version = base.execute("PRAGMA user_version").fetchone()[0]
    if version != _VERSION or base.execute("PRAGMA quick_check").fetchone()[0] != "ok":
        return False
    fresh = sqlite3.connect(":memory:")
    try:
        fresh.executescript(_TABLES)
        listed = "SELECT name, sql FROM sqlite_master ORDER BY name"
        return fresh.execute(listed).fetchall() == base.execute(listed).fetchall()
    finally:
        fresh.close()
