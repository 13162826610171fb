"""Which photos file names, folders and patterns stand for, and what was left out of them."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from anomalygpt.errors import SourceError
from anomalygpt.files import shown
from anomalygpt.images.pages import MOST_PAGES, pages_of

Image.init()
_AVIF = {".avif"} & set(Image.registered_extensions())  # not every Pillow reads it
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".gif"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".jp2"}
    | _AVIF
)

# The PNG text that pictures carry which this program drew; a listing leaves them out.
RESULT_KEY = "anomalygpt-result"

# Photos that nobody can read here, and what a text, a table or a program is called.
_FOREIGN_PHOTOS = frozenset(
    {".heic", ".heif", ".avif", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2"}
    | {".psd", ".svg", ".pdf", ".exr", ".hdr", ".jxl", ".tga", ".eps", ".dcm"}
)
_STARTS = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*", b"GIF87a", b"GIF89a"),
    b"\0\0\0\x0cjP  ",
)
_HEAD = 1024
_MOST_NAMED = 3

RESULTS = "drawn by anomalygpt itself"
NO_PHOTOS = "that cannot be read as photos"
MORE_PAGES = f"beyond page {MOST_PAGES} of a TIFF"


@dataclass
class Listing:
    """Photos in order, each once, and what was left out on the way.

    Attributes:
        photos: files, and pages of files.
        left_out: the reason, and the file; for pages as often as there are pages.
    """

    photos: list[Path] = field(default_factory=list)
    left_out: list[tuple[str, Path]] = field(default_factory=list)

    def note(self) -> str:
        """What was left out, in one line; "" where nothing was."""
        counts = Counter(reason for reason, _ in self.left_out)
        parts = []
        for reason, count in counts.items():
            names = dict.fromkeys(shown(path.name) for why, path in self.left_out if why == reason)
            named = ", ".join(list(names)[:_MOST_NAMED]) + ", …" * (len(names) > _MOST_NAMED)
            parts.append(f"{count} {reason} ({named})")
        return f"left out: {'; '.join(parts)}" if parts else ""


def list_images(sources: str | Path | Sequence[str | Path]) -> list[Path]:
    """The photos of `find_images`."""
    return find_images(sources).photos


def find_images(sources: str | Path | Sequence[str | Path]) -> Listing:
    """Photos that file names, folders and patterns stand for, in order and each once.

    Folders are searched with their subfolders, hidden ones excepted, and sorted; links to folders
    are followed once. A pattern is a name with `*`, `?` or `[` that the shell did not expand (`**`
    goes into subfolders). Every page of a TIFF is a photo. Names of single files pass unchanged, so
    that a batch can report the missing one and go on. Pictures that this program drew over photos
    are left out.

    Raises:
        SourceError: nothing was given, none of it exists, or a folder or pattern holds no photo.
    """
    given = [sources] if isinstance(sources, str | Path) else list(sources)
    if not given:
        raise SourceError("no photo was given; name at least one file, folder or pattern")
    listing = Listing()
    found: dict[str, Path] = {}
    for source in given:
        for path in _expand(source, listing):
            found.setdefault(os.path.abspath(path), path)  # noqa: PTH100 (keeps links apart)
    _refuse_nothing(list(found.values()), listing)
    for path in found.values():
        pages, more = pages_of(path)
        listing.photos += pages
        listing.left_out += [(MORE_PAGES, path)] * more
    return listing


def _refuse_nothing(found: Sequence[Path], listing: Listing) -> None:
    if not found:
        raise SourceError(f"no photo is left; {listing.note()}; give the photos themselves")
    if not any(os.path.lexists(path) or "#" in path.name for path in found):
        names = ", ".join(shown(path) for path in found[:3])
        raise SourceError(
            f"{names} {'does' if len(found) == 1 else 'do'} not exist; "
            "check the spelling and the current folder"
        )


def _expand(source: str | Path, listing: Listing) -> list[Path]:
    path, name = Path(source), shown(source)
    if os.path.isdir(path):  # noqa: PTH112 (Path.is_dir raises on names that are too long)
        photos = _photos(files_below(path), listing)
        if not photos:
            raise SourceError(
                f"{name} holds no photo; expected {_suffix_list()} files in it or its subfolders"
                f"{_after(listing)}"
            )
        return photos
    if any(sign in str(source) for sign in "*?[") and not os.path.lexists(path):
        matches = glob.glob(str(source), recursive=True)  # noqa: PTH207 (takes absolute patterns)
        photos = _photos((Path(match) for match in matches), listing)
        if not photos:
            raise SourceError(
                f"the pattern {name} matches no photo; expected {_suffix_list()} files"
                f"{_after(listing)}"
            )
        return photos
    if is_result(path):
        listing.left_out.append((RESULTS, path))
        return []
    return [path]


def _after(listing: Listing) -> str:
    return f"; {listing.note()}" if listing.left_out else ""


def files_below(folder: Path) -> Iterator[Path]:
    """Files in a folder and its subfolders, hidden ones excepted.

    Links to folders are followed once; those that lead in circles end.
    """
    seen = {os.path.realpath(folder)}
    for here, inner, names in os.walk(folder, followlinks=True):
        kept = []
        for name in inner:
            real = os.path.realpath(Path(here, name))
            if not name.startswith(".") and real not in seen:
                seen.add(real)
                kept.append(name)
        inner[:] = kept
        yield from (Path(here, name) for name in names if not name.startswith("."))


def _photos(paths: Iterable[Path], listing: Listing) -> list[Path]:
    found = []
    for path in sorted(path for path in paths if _is_file(path)):
        if reason := why_not(path):
            listing.left_out.append((reason, path))
        elif is_photo(path):
            found.append(path)
    return found


def is_photo(path: Path) -> bool:
    """Whether a file counts as a photo: by its suffix or, without one, by how it begins."""
    return path.suffix.lower() in IMAGE_SUFFIXES or (not path.suffix and _begins_as_image(path))


def why_not(path: Path) -> str:
    """Why a file that could be taken for a photo is left out; "" for photos and other files."""
    if is_photo(path):
        return RESULTS if is_result(path) else ""
    foreign = path.suffix.lower() in _FOREIGN_PHOTOS or _begins_as_image(path)
    return NO_PHOTOS if foreign else ""


def result_mark() -> PngInfo:
    """The text by which `is_result` knows a PNG, for Pillow to write."""
    text = PngInfo()
    text.add_text(RESULT_KEY, "yes")
    return text


def is_result(path: Path) -> bool:
    """Whether this program drew a picture, such as an overlay, and marked it so."""
    if path.suffix.lower() != ".png":
        return False
    return f"tEXt{RESULT_KEY}\0".encode() in _head(path)


def _begins_as_image(path: Path) -> bool:
    head = _head(path)
    return head.startswith(_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def _head(path: Path) -> bytes:
    if not _is_file(path):  # nobody may write into a named pipe
        return b""
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except (OSError, ValueError):
        return b""


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 (Path.is_file raises where access is denied)


def _suffix_list() -> str:
    return ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
