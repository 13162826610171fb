"""Versions of a collection: folders such as 20240910_V0_raw, each with a manifest.

A version is made as a copy, never changed, and knows its parent and where each file comes from.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from anomalygpt.data.files import entries, is_file, is_folder, name_key
from anomalygpt.data.names import meaning, means_masks
from anomalygpt.data.parents import read_parents
from anomalygpt.data.tools.manifests import (
    MANIFEST,
    Differences,
    FileEntry,
    Manifest,
    Progress,
    differences,
    entries_of,
    files_of,
    hash_of,
    read_manifest,
)
from anomalygpt.errors import ConfigError, DataError, OutputError
from anomalygpt.files import output_error, require_space, shown, write_atomically
from anomalygpt.images.listing import is_photo

_NAME = re.compile(r"(\d{8})_V(\d+)(?:_(.+))?")


@dataclass(frozen=True)
class Version:
    """One version of a collection.

    Attributes:
        folder: where it lies; its name is the version's.
        number: the one after V.
        manifest: its files; None where the folder has none.
    """

    folder: Path
    number: int
    manifest: Manifest | None

    def counts(self) -> dict[str, int]:
        """How many `photos`, `good`, `bad`, `other`, `masks` and `files` it holds.

        A photo is good or bad by the nearest of its folders whose name says so; pictures below a
        folder for masks are no photos.
        """
        if self.manifest is not None:
            names = [entry.path for entry in self.manifest.files]
        else:
            names = [path.relative_to(self.folder).as_posix() for path in files_of(self.folder)]
        found = Counter(files=len(names))
        for name in names:
            if not is_photo(self.folder / name):
                continue
            folders = Path(name).parts[:-1]
            if any(map(means_masks, folders)):
                found["masks"] += 1
                continue
            said = [meaning(part) for part in reversed(folders)]
            found[next((word for word in said if word), "other")] += 1
        photos = found["good"] + found["bad"] + found["other"]
        kinds = ("good", "bad", "other", "masks", "files")
        return {"photos": photos, **{key: found[key] for key in kinds}}


def versions_of(collection: str | Path) -> list[Version]:
    """The versions in a folder, by number and name; other folders do not count.

    Raises:
        DataError: there is no such folder, or a manifest cannot be read.
    """
    collection = Path(collection)
    if not is_folder(collection):
        raise DataError(f"{shown(collection)} is no folder; give the folder of the versions")
    found = []
    for folder in entries(collection):
        match = _NAME.fullmatch(folder.name)
        if match and is_folder(folder):
            manifest = folder / MANIFEST
            told = read_manifest(manifest) if is_file(manifest) else None
            found.append(Version(folder, int(match[2]), told))
    return sorted(found, key=lambda version: (version.number, version.folder.name))


def write_manifest(folder: str | Path, output: Path | None = None) -> Path:
    """Write down what a folder holds now, without copying it.

    Args:
        folder: any folder.
        output: the file; by default manifest.json in the folder.

    Raises:
        OutputError: a file of this name is there, or it cannot be written.
        DataError: a file cannot be read.
    """
    folder = Path(folder)
    place = output or folder / MANIFEST
    if place.exists():
        raise OutputError(f"{shown(place)} is there already; choose another name, or remove it")
    listed = tuple(entry for entry in entries_of(folder))
    manifest = Manifest(folder.resolve().name, None, _now(), listed)
    return write_atomically(place, lambda file: file.write(manifest.to_json().encode()))


def create_version(
    collection: str | Path,
    source: str | Path,
    text: str,
    *,
    parent: str | None = None,
    day: str | None = None,
    progress: Progress | None = None,
) -> Version:
    """Copy a folder as the next version of a collection. Links become the files that they lead to.

    What an interrupted call copied is used again by the next one.

    Args:
        collection: the folder of the versions; it is made if it is not there.
        source: the folder to copy; it is only read.
        text: a few words for the name: letters, digits, hyphens.
        parent: name of the version that it was made from; by default the latest, if there is one.
        day: YYYYMMDD; by default today.
        progress: gets the files and their number, and hands them on; for a bar.

    Raises:
        ConfigError: the text or the day cannot be part of a name.
        DataError: the source cannot be read, is empty, holds the collection, or the parent is not
            there.
        OutputError: no space or permission.
    """
    collection, source = Path(collection), Path(source)
    day, words = _checked(text, day)
    files = files_of(source)
    if not files:
        raise DataError(f"{shown(source)} holds no file; there is nothing to make a version of")
    if collection.resolve().is_relative_to(source.resolve()):
        raise DataError(
            f"{shown(collection)} lies in {shown(source)}; choose a collection outside of it"
        )
    there = versions_of(collection) if is_folder(collection) else []
    before = _parent(collection, there, parent)
    number = max((version.number for version in there), default=-1) + 1
    name = f"{day}_V{number}_{words}"
    partial = collection / f".V{number}.partial"
    try:
        collection.mkdir(parents=True, exist_ok=True)
        require_space(collection, sum(path.stat().st_size for path in files))
        listed = _copied(source, files, partial, progress)
        listed = _with_parents(source, listed, before)
        parent_name = before.folder.name if before else None
        manifest = Manifest(name, parent_name, _now(), tuple(listed))
        write_atomically(partial / MANIFEST, lambda file: file.write(manifest.to_json().encode()))
        partial.rename(collection / name)
    except OSError as error:
        raise output_error(collection, 0, error) from error
    return Version(collection / name, number, manifest)


def compare(before: str | Path, after: str | Path, progress: Progress | None = None) -> Differences:
    """What changed between two folders; their manifests serve where they have one.

    Raises:
        DataError: one of them cannot be read.
    """
    old, new = (_listed(Path(folder), progress) for folder in (before, after))
    return differences(old, new)


def _listed(folder: Path, progress: Progress | None) -> list[FileEntry]:
    if is_file(folder / MANIFEST):
        return list(read_manifest(folder / MANIFEST).files)
    return entries_of(folder, progress)


def _checked(text: str, day: str | None) -> tuple[str, str]:
    words = re.sub(r"[\s_]+", "_", text.strip())
    if not words or not re.fullmatch(r"[\w-]+", words):
        raise ConfigError(f"{text!r} cannot be part of a folder's name; use letters and digits")
    if day is None:
        return datetime.now().astimezone().strftime("%Y%m%d"), words
    try:
        datetime.strptime(day, "%Y%m%d").replace(tzinfo=timezone.utc)
    except ValueError:
        raise ConfigError(f"{day!r} is no day; expected YYYYMMDD, such as 20240910") from None
    return day, words


def _parent(collection: Path, there: list[Version], name: str | None) -> Version | None:
    if name is None:
        return there[-1] if there else None
    found = [version for version in there if version.folder.name == name]
    if not found:
        known = ", ".join(version.folder.name for version in there) or "none"
        raise DataError(
            f"{shown(collection)} has no version {shown(name)} to be the parent; it has {known}"
        )
    return found[0]


def _copied(
    source: Path, files: list[Path], target: Path, progress: Progress | None
) -> list[FileEntry]:
    """Copy what is not there yet; the copies are read again, for they are what counts."""
    progress = progress or (lambda items, total: items)
    wanted = {path.relative_to(source) for path in files}
    if is_folder(target):
        for stray in files_of(target, without=()):
            if stray.relative_to(target) not in wanted:
                stray.unlink()
    listed = []
    for path in progress(files, len(files)):
        relative = path.relative_to(source)
        copy = target / relative
        told = hash_of(path)
        if not is_file(copy) or hash_of(copy) != told:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
            if hash_of(copy) != told:
                raise DataError(f"{shown(path)} changed while it was copied; try again")
        listed.append(FileEntry(relative.as_posix(), *told))
    return listed


def _with_parents(source: Path, listed: list[FileEntry], before: Version | None) -> list[FileEntry]:
    """Where each file comes from: a file of the parent version with the same content or path, or
    the photo that `augment` made it of."""
    made_of = {each["path"]: each["parent"] for each in read_parents(source)}
    old: list[FileEntry] = []
    if before is not None:
        old = list(before.manifest.files) if before.manifest else entries_of(before.folder)
    by_content: dict[str, str] = {}
    for entry in old:
        by_content.setdefault(entry.sha256, entry.path)
    by_path = {name_key(entry.path): entry for entry in old}
    found = []
    for entry in listed:
        twin = by_path.get(name_key(entry.path))
        if twin is not None and twin.sha256 == entry.sha256:
            parent: str | None = twin.path
        elif entry.path in made_of:
            parent = made_of[entry.path]
        else:
            parent = by_content.get(entry.sha256) or (twin.path if twin else None)
        found.append(replace(entry, parent=parent))
    return found


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
