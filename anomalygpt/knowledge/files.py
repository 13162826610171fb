"""Putting files into a folder of knowledge, and taking them out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anomalygpt.errors import AnomalyGPTError, ConfigError, OutputError, SourceError
from anomalygpt.files import hash_file, reason_of, shown, write_atomically
from anomalygpt.knowledge.reading import KINDS, files_of, is_text, read_passages

# Bytes that a name may have on all usual file systems.
_LONGEST_NAME = 200


@dataclass
class Added:
    """What became of files that were to be put into a folder.

    Attributes:
        names: below the folder, of those that are in it now.
        refused: one line for each of the others.
    """

    names: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def add_files(
    sources: Sequence[str | Path], folder: str | Path, product: str | None = None
) -> Added:
    """Copy files into a folder of knowledge, which is made where it is missing.

    Each is read first; what holds nothing that can be searched is refused, and the others are
    copied. A file that is there already with the same bytes counts as put there.

    Args:
        sources: files, and folders, whose files keep their places below them.
        folder: where they go.
        product: what they are about: they go into the folder of that name in it.

    Raises:
        ConfigError: the product's name cannot be that of a folder.
        OutputError: nothing can be written there.
    """
    place = Path(folder) if product is None else Path(folder, _folder_name(product))
    added = Added()
    for source in sources:
        for path, below, reason in _files(Path(source)):
            name = Path(place, below).relative_to(folder).as_posix()
            refused = f"{shown(path)} {reason}" if reason else _put(path, Path(folder), name)
            if refused:
                added.refused.append(refused)
            else:
                added.names.append(name)
    return added


def _put(path: Path, folder: Path, name: str) -> str:
    """Copy one file; why it was not, or ""."""
    try:
        read_passages(path, name)
        _copy(path, folder / name)
    except OutputError as error:
        # Where even the folder cannot be made, no other file will do better.
        if not folder.is_dir():
            raise
        return reason_of(error)
    except AnomalyGPTError as error:
        return f"{shown(path)} {reason_of(error)}"
    return ""


def _files(source: Path) -> Iterator[tuple[Path, str, str]]:
    """Files, their names below the source, and why they cannot be used, or ""."""
    if source.is_dir():
        found = False
        for path, reason in files_of(source):
            found = True
            yield path, path.relative_to(source).as_posix(), reason
        if not found:
            yield source, source.name, "holds no markdown, text, PDF or JSON file"
    elif not source.is_file():
        what = "is no file" if source.exists() else "does not exist; check the spelling"
        yield source, source.name, what
    elif not is_text(source.name):
        yield source, source.name, "has a name that is no text; rename it"
    elif source.name.startswith("."):
        yield source, source.name, "has a hidden name; rename it"
    elif source.suffix.lower() not in KINDS:
        what = "is no markdown, text, PDF or JSON file; save it as one of these"
        yield source, source.name, what
    else:
        yield source, source.name, ""


def _copy(source: Path, target: Path) -> None:
    if target.exists():
        if hash_file(source) == hash_file(target):
            return
        raise SourceError(
            f"has another text than {shown(target)}, which is there already; remove that first, or "
            "rename this one"
        )
    with source.open("rb") as opened:
        write_atomically(target, lambda file: shutil.copyfileobj(opened, file))


def _folder_name(product: str) -> str:
    name = product.strip()
    is_plain = is_text(name) and name.isprintable() and not set(name) & set('/\\:*?"<>|')
    if not name or not is_plain or name.startswith(".") or len(name.encode()) > _LONGEST_NAME:
        raise ConfigError(
            f"the product {shown(product)} cannot be the name of a folder; give a name of letters, "
            "digits, spaces, - and _"
        )
    return name


def remove_files(name: str, folder: str | Path) -> list[str]:
    """Delete one file from a folder of knowledge, or all those in a product's folder.

    Photos and other files stay where they are.

    Args:
        name: of a file as `knowledge list` shows it, or of a folder in it.

    Returns:
        The names of what was deleted.

    Raises:
        SourceError: the folder is not there, or has nothing of that name.
        OutputError: a file cannot be deleted.
    """
    root = Path(folder)
    if not root.is_dir():
        raise SourceError(f"the folder of knowledge {shown(folder)} does not exist")
    wanted = name.rstrip("/")
    there = {path.relative_to(root).as_posix(): path for path, _ in files_of(root)}
    doomed = [each for each in there if each == wanted or each.startswith(f"{wanted}/")]
    if not doomed or not wanted:
        raise SourceError(
            f"{shown(folder)} has no file {shown(name)}; `anomalygpt knowledge list` names them"
        )
    for each in doomed:
        if there[each].suffix.lower() not in KINDS and each != wanted:
            continue
        try:
            there[each].unlink()
        except OSError as error:
            raise OutputError(
                f"{shown(there[each])} cannot be deleted: {error.strerror}; check the access rights"
            ) from error
    return [each for each in doomed if not there[each].exists()]
