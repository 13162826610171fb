"""Files of knowledge: which of a folder's count, and reading one as passages.

Markdown, text, PDF and JSON. What cannot be used is a `DataError` of one line without the file's
name, which whoever asked puts before it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anomalygpt.errors import DataError, MissingExtraError
from anomalygpt.files import reason_of, shown
from anomalygpt.knowledge.passages import Passage, of_entry, of_markdown, of_text, one_line

# By what their names end with.
MARKDOWN, TEXT, PDF, JSON = (".md", ".markdown"), (".txt", ".text"), (".pdf",), (".json",)
KINDS = (*MARKDOWN, *TEXT, *PDF, *JSON)

# Bytes of a file, pages of a PDF, passages of a file, files of a folder.
MOST_BYTES, MOST_PDF_BYTES = 8_000_000, 100_000_000
MOST_PAGES = 2_000
MOST_PASSAGES = 20_000
MOST_FILES = 10_000

# Objects within objects of a JSON file: data set, product, kind.
_DEEPEST = 3


def files_of(folder: Path) -> Iterator[tuple[Path, str]]:
    """Files below a folder, in order, each with the reason why it cannot be used, or "".

    Hidden files and photos are not among them. A link may lead to a file inside of the folder.
    """
    root = Path(os.path.realpath(folder))
    count = 0
    closed: list[OSError] = []
    for here, inner, names in os.walk(folder, onerror=closed.append):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in inner.copy():
            path = Path(here, name)
            if path.is_symlink():
                yield path, "is a link to a folder; put the folder itself here"
            elif not is_text(name):
                inner.remove(name)
                yield path, "has a name that is no text; rename it"
        for name in sorted(names):
            path = Path(here, name)
            if name.startswith("."):
                continue
            reason = _why_not(path, root)
            if reason is None:
                continue
            count += 1
            if count > MOST_FILES:
                yield path, f"and what follows was not read: more than {MOST_FILES:,} files"
                return
            yield path, reason
    for error in closed:
        if Path(error.filename) != folder:
            yield Path(error.filename), f"cannot be looked into: {error.strerror}"


def _why_not(path: Path, root: Path) -> str | None:
    """Why a file cannot be used; "" where it can; None where it is no matter of knowledge."""
    if not is_text(path.name):
        return "has a name that is no text; rename it"
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"cannot be read: {error.strerror or reason_of(error)}"
    if path.is_symlink() and root not in Path(os.path.realpath(path)).parents:
        return "is a link that leads out of the folder; put the file itself here"
    if path.suffix.lower() in KINDS and stat.S_ISREG(mode):
        return ""
    from anomalygpt.images.listing import is_photo

    if stat.S_ISREG(mode) and is_photo(path):
        return None
    return "is no markdown, text, PDF or JSON file; save it as one of these"


def is_text(name: str) -> bool:
    """Whether a name of the file system is text; others cannot be written down."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def read_passages(path: Path, name: str) -> list[Passage]:
    """The passages of one file.

    Args:
        path: where it lies.
        name: its path below the folder of knowledge, with "/"; the first folder of it, if there is
            one, is the product that the file is about.

    Raises:
        DataError: the file is empty, too large, damaged, of another shape, or holds no text.
        MissingExtraError: it is a PDF, and the package that reads those is missing.
    """
    product = one_line(name.split("/")[0]) if "/" in name else None
    suffix, place = path.suffix.lower(), shown(name)
    most = MOST_PDF_BYTES if suffix in PDF else MOST_BYTES
    try:
        size = path.stat().st_size
        if size > most:
            raise DataError(f"has {size:,} bytes, more than {most:,}; cut it into several files")
        if suffix in PDF:
            found = _of_pdf(path, product, place)
        else:
            text = _decoded(path.read_bytes())
            if not text.strip():
                raise DataError("is empty; write what is known into it, or remove it")
            if suffix in JSON:
                found = _of_json(text, product, place)
            elif suffix in MARKDOWN:
                found = of_markdown(text, product, place, path.stem)
            else:
                found = of_text(text, product, place)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or reason_of(error)}") from error
    if not found:
        raise DataError("holds no text but headings; write what is known below them, or remove it")
    if len(found) > MOST_PASSAGES:
        raise DataError(f"has more than {MOST_PASSAGES:,} passages; cut it into several files")
    return found


def _decoded(data: bytes) -> str:
    """Text of a file: UTF-8, or UTF-16 that says so at its beginning."""
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\0" in data and not wide:
        raise DataError("is no text; save it as text, markdown, PDF or JSON")
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("is not UTF-8 text; save it with that encoding") from None


def _of_json(text: str, product: str | None, place: str) -> list[Passage]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"is no whole JSON file: {reason_of(error)}; write it again") from None
    if not isinstance(value, dict):
        raise DataError(f"has {_called(value)} outside; {_SHAPE}")
    found: list[Passage] = []
    for keys, told in _entries(value, ()):
        owner = product if len(keys) == 1 and product else keys[-2] if len(keys) > 1 else keys[0]
        kind = keys[-1] if len(keys) > 1 or product else None
        source = f"{place}, {' / '.join(keys)}"
        found += of_entry(told, owner, kind, source)
    if not found:
        raise DataError(f"holds no text; {_SHAPE}")
    return found


_SHAPE = 'expected {"product": {"kind of damage": "text"}}, or data sets of such objects'


def _entries(
    value: dict[str, Any], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Keys from the outside in, and the text that stands there."""
    for key, inner in value.items():
        keys = (*above, one_line(key) or "…")
        if isinstance(inner, str):
            yield keys, inner
        elif isinstance(inner, list) and all(isinstance(each, str) for each in inner):
            yield keys, "\n\n".join(inner)
        elif isinstance(inner, dict) and len(keys) < _DEEPEST:
            yield from _entries(inner, keys)
        else:
            where = " / ".join(keys)
            raise DataError(f"has {_called(inner)} at {where}; {_SHAPE}")


def _called(value: object) -> str:
    if isinstance(value, dict):
        return f"more than {_DEEPEST} objects within each other"
    if isinstance(value, list):
        return "a list that is not of texts"
    return "a text" if isinstance(value, str) else "a value that is no text"


def _of_pdf(path: Path, product: str | None, place: str) -> list[Passage]:
    try:
        from pypdf import PdfReader
    except ImportError:
        raise MissingExtraError(
            'is read with the package pypdf; pip install "anomalygpt[knowledge]" brings it'
        ) from None
    if path.stat().st_size == 0:
        raise DataError("is empty; write what is known into it, or remove it")
    found: list[Passage] = []
    try:
        reader = PdfReader(path)
        # Many files are locked against changes only, with an empty password for reading.
        if reader.is_encrypted and not reader.decrypt(""):
            raise DataError("is locked with a password; save it without one")
        if len(reader.pages) > MOST_PAGES:
            raise DataError(f"has more than {MOST_PAGES:,} pages; cut it into several files")
        for number, page in enumerate(reader.pages, start=1):
            text = page.extract_text()
            found += of_text(text, product, f"{place}, page {number}")
            if found and (said := found[-1].product) and number == 1:
                product = said
    except (DataError, OSError, MemoryError):
        raise
    # What a damaged file raises is up to the reader: pypdf's own errors, ValueError, KeyError,
    # RecursionError, a missing package for a seldom used cipher.
    except Exception as error:
        raise DataError(f"cannot be read as a PDF: {reason_of(error)}; save it again") from None
    if not found:
        raise DataError("has no text in it, as scanned pages have none; let it be recognised first")
    return found
