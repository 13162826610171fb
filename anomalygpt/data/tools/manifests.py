"""Manifests: which files a folder holds, with size and hashes, and whether that is still so."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from anomalygpt.data.files import is_file, is_folder, name_key
from anomalygpt.errors import DataError
from anomalygpt.files import shown
from anomalygpt.images.listing import files_below

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1

_CHUNK = 1 << 20
_LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
# As md5sum and sha256sum write: the hash, two signs, the path.
_SUM_LINE = re.compile(r"\\?([0-9a-fA-F]{64}|[0-9a-fA-F]{32}) [ *](.+)")

Progress: TypeAlias = Callable[[Iterable[Any], int], Iterable[Any]]


@dataclass(frozen=True)
class FileEntry:
    """One file of a folder.

    Attributes:
        path: from the folder on, with "/".
        size: bytes; None where a list of hashes alone does not say it.
        sha256: 64 hexadecimal digits; "" where unknown.
        md5: 32 hexadecimal digits, for lists of other programs; "" where unknown.
        parent: where it comes from: a path in the parent version, or of the photo that it is a
            changed copy of; None where it is new.
    """

    path: str
    size: int | None
    sha256: str
    md5: str
    parent: str | None = None


@dataclass(frozen=True)
class Manifest:
    """The files of a folder at one time.

    Attributes:
        version: name of the version, or of the folder.
        parent: name of the version that it was made from; None for a first one.
        created: day and time, ISO 8601 in UTC.
        files: by path.
    """

    version: str
    parent: str | None
    created: str
    files: tuple[FileEntry, ...]

    def to_json(self) -> str:
        """As it stands in manifest.json."""
        content = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


@dataclass(frozen=True)
class Differences:
    """What is not as in another folder or manifest; paths, sorted.

    Attributes:
        changed: files whose content is another.
        missing: files that are there no more.
        new: files that were not there.
        moved: pairs of a missing and a new path with the same content.
    """

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.changed or self.missing or self.new or self.moved)


def files_of(folder: Path, *, without: Sequence[str] = (MANIFEST,)) -> list[Path]:
    """All files of a folder and its subfolders by path, without hidden ones and what desktops
    leave behind.

    Args:
        folder: where to look.
        without: names directly in the folder that do not count.

    Raises:
        DataError: there is no such folder, or a link leads nowhere.
    """
    if not is_folder(folder):
        raise DataError(f"{shown(folder)} is no folder; give the folder whose files are meant")
    found = []
    for path in files_below(folder):
        if path.name.casefold() in _LITTER or (path.parent == folder and path.name in without):
            continue
        if not is_file(path):
            raise DataError(
                f"{shown(path)} is no file, or a link that leads nowhere; mend it or take it out"
            )
        found.append(path)
    return sorted(found)


def hash_of(path: Path) -> tuple[int, str, str]:
    """Size in bytes, SHA-256 and MD5 of a file, in one reading.

    Raises:
        DataError: it cannot be read.
    """
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                sha256.update(chunk)
                md5.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise DataError(
            f"{shown(path)} cannot be read: {error.strerror}; check its access rights"
        ) from None
    return size, sha256.hexdigest(), md5.hexdigest()


def entries_of(folder: Path, progress: Progress | None = None) -> list[FileEntry]:
    """The files of a folder with size and hashes, by path.

    Args:
        folder: it is only read.
        progress: gets the files and their number, and hands them on; for a bar.

    Raises:
        DataError: see `files_of` and `hash_of`.
    """
    files = files_of(folder)
    progress = progress or (lambda items, total: items)
    return [
        FileEntry(path.relative_to(folder).as_posix(), *hash_of(path))
        for path in progress(files, len(files))
    ]


def read_manifest(path: Path) -> Manifest:
    """A manifest, or a list of hashes as `sha256sum` and `md5sum` write it.

    Raises:
        DataError: it cannot be read, or is neither.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise DataError(f"{shown(path)} cannot be read ({error}); give a manifest") from None
    if not text.lstrip().startswith("{"):
        return _read_sums(path, text)
    try:
        told = json.loads(text)
        files = tuple(_entry(each) for each in told["files"])
        named = (str(told["version"]), told.get("parent"), str(told.get("created", "")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{shown(path)} is no manifest ({type(error).__name__}: {error}); expected what "
            "`anomalygpt data version` writes, or a list of sha256sum or md5sum"
        ) from None
    return Manifest(*named, files)


def _entry(told: Mapping[str, Any]) -> FileEntry:
    path = told["path"]
    if not isinstance(path, str) or not _is_inside(path):
        raise ValueError(f"the path {path!r} leads out of the folder")
    sha256, md5 = (str(told.get(name) or "").lower() for name in ("sha256", "md5"))
    if not sha256 and not md5:
        raise ValueError(f"{path} has no hash")
    size = told.get("size")
    return FileEntry(path, size if isinstance(size, int) else None, sha256, md5, told.get("parent"))


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts


def _read_sums(path: Path, text: str) -> Manifest:
    files = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _SUM_LINE.fullmatch(line.rstrip("\r\n"))
        name = match[2].replace("\\", "/").removeprefix("./") if match else ""
        if match is None or not _is_inside(name):
            raise DataError(
                f"{shown(path)}, line {number}: expected a hash and a path below the folder, as "
                "sha256sum and md5sum write them"
            )
        digest = match[1].lower()
        is_long = len(digest) == 64
        files.append(FileEntry(name, None, digest * is_long, digest * (not is_long)))
    if not files:
        raise DataError(f"{shown(path)} is empty; give a manifest")
    return Manifest(path.stem, None, "", tuple(files))


def differences(before: Sequence[FileEntry], now: Sequence[FileEntry]) -> Differences:
    """What changed between two lists of files. Names that differ only in how their accents are
    written are the same; a file that only its path changed is moved."""
    old = {name_key(entry.path): entry for entry in before}
    new = {name_key(entry.path): entry for entry in now}
    changed = [key for key in old.keys() & new.keys() if not same(old[key], new[key])]
    missing, added = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    moved = []
    for key in list(missing):
        twin = next((other for other in added if same(old[key], new[other])), None)
        if twin is not None:
            missing.remove(key)
            added.remove(twin)
            moved.append((old[key].path, new[twin].path))
    return Differences(
        tuple(sorted(new[key].path for key in changed)),
        tuple(old[key].path for key in missing),
        tuple(new[key].path for key in added),
        tuple(sorted(moved)),
    )


def same(one: FileEntry, other: FileEntry) -> bool:
    """Whether two files have the same content, by the strongest hash that both have."""
    if one.sha256 and other.sha256:
        return one.sha256 == other.sha256
    return bool(one.md5) and one.md5 == other.md5


def verify(
    folder: str | Path, manifest: str | Path | None = None, progress: Progress | None = None
) -> Differences:
    """Compare a folder with a manifest.

    Args:
        folder: it is only read.
        manifest: a file; by default manifest.json in the folder.
        progress: see `entries_of`.

    Raises:
        DataError: the manifest or the folder cannot be read.
    """
    folder = Path(folder)
    place = Path(manifest) if manifest else folder / MANIFEST
    if not is_file(place):
        raise DataError(
            f"{shown(place)} is not there; `anomalygpt data version manifest` writes one, "
            "--manifest FILE names another"
        )
    told = read_manifest(place)
    inside = place.resolve().parent == folder.resolve()
    now = [
        entry
        for entry in entries_of(folder, progress)
        # The list itself may lie in the folder, under any name, and cannot hold its own hash.
        if not (inside and entry.path == place.name)
    ]
    return differences([entry for entry in told.files if entry.path != MANIFEST], now)
