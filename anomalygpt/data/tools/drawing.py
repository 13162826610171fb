"""Masks that are drawn by hand: which photos, what is kept while somebody draws, what is saved.

What is drawn is kept as a draft after every stroke, in a hidden folder beside the masks; only
`Drawing.save` touches the masks themselves. No web server is needed here; `serving.drawing` has
one.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np
from PIL import Image

from anomalygpt.data.files import is_file
from anomalygpt.data.masks import MaskFolder, load_mask, read_mask
from anomalygpt.data.samples import Sample
from anomalygpt.data.tools.canvases import STATE_FOLDER, Canvas, find_canvases
from anomalygpt.errors import AnomalyGPTError, DataError, ImageError, OutputError
from anomalygpt.files import shown, write_atomically
from anomalygpt.images.reading import load_image

# Gives (H, W) bool for the file of a photo: a mask to begin with.
Propose: TypeAlias = Callable[[Path], np.ndarray]
State: TypeAlias = Literal["empty", "draft", "saved", "proposed"]

# A browser holds photo, mask and colour of so many pixels without trouble.
MOST_PIXELS = 100_000_000


class OutdatedError(DataError):
    """What is drawn on was changed elsewhere since it was read."""


@dataclass(frozen=True)
class Opened:
    """A photo's mask as somebody begins to draw.

    Attributes:
        mask: (H, W) bool, of the photo's size.
        state: "draft" where strokes were kept that nobody saved; "saved" for a mask of the data
            set; "proposed" for a model's, of which nothing is kept yet; "empty" for none.
        version: goes with it; whoever writes names it, so that nothing newer is lost.
        note: what should be known, such as a mask that cannot be used; may be empty.
    """

    mask: np.ndarray
    state: State
    version: str
    note: str = ""


@dataclass(frozen=True)
class Writer:
    """Who writes, so that the strokes of one page do not have to wait for each other's answers.

    Attributes:
        page: an open page, by any word that others do not have; "" for nobody.
        number: which of its messages this is; earlier ones that come later do not count.
    """

    page: str = ""
    number: int = 0


class Drawing:
    """The photos of a folder, their masks and drafts. Photos go by their number, from 0 on.

    Attributes:
        canvases: where each photo and its mask lie.
    """

    def __init__(self, folder: str | Path, propose: Propose | None = None) -> None:
        """
        Args:
            folder: a data set, one of its products or kinds, or photos alone; see `find_canvases`.
            propose: gives a mask to begin with for photos that have none.

        Raises:
            SourceError, DataError: see `find_canvases`.
        """
        self.canvases = find_canvases(Path(folder))
        self._propose = propose
        self._proposals: dict[int, np.ndarray] = {}
        self._writers: dict[int, tuple[Writer, str]] = {}
        self._sizes: dict[int, tuple[int, tuple[int, int]]] = {}  # when it was read, and the size
        self._lock = threading.RLock()

    @property
    def proposes(self) -> bool:
        """Whether there is a model that gives masks to begin with."""
        return self._propose is not None

    def canvas(self, number: int) -> Canvas:
        """Where a photo and its mask lie.

        Raises:
            DataError: there is no such photo.
        """
        if not 0 <= number < len(self.canvases):
            raise DataError(f"there is no photo {number}; there are {len(self.canvases)}, from 0")
        return self.canvases[number]

    def states(self) -> list[State]:
        """Of each photo, whether it has a draft, a mask, or neither."""
        listed = cache(MaskFolder)
        return [
            "draft" if is_file(each.draft) else "saved" if each.masks(listed) else "empty"
            for each in self.canvases
        ]

    def photo(self, number: int) -> Image.Image:
        """A photo, upright, RGB.

        Raises:
            ImageError: it cannot be read, or is too large to draw on.
        """
        canvas = self.canvas(number)
        try:
            picture = load_image(canvas.photo)
        except ImageError as error:
            raise ImageError(_named(error, canvas.photo)) from None
        if picture.width * picture.height > MOST_PIXELS:
            raise ImageError(
                f"{shown(canvas.photo.name)} has {picture.width}×{picture.height} pixels, more "
                f"than the {MOST_PIXELS // 1_000_000} million that can be drawn on; cut it"
            )
        return picture

    def size(self, number: int) -> tuple[int, int]:
        """Height and width of a photo, upright.

        Raises:
            ImageError: see `photo`.
        """
        path = self.canvas(number).photo
        changed = path.stat().st_mtime_ns if is_file(path) else 0
        known = self._sizes.get(number)
        if known is None or known[0] != changed:
            picture = self.photo(number)
            known = self._sizes[number] = (changed, (picture.height, picture.width))
        return known[1]

    def opened(self, number: int) -> Opened:
        """A photo's mask: the draft, else the saved one, else a proposal, else nothing.

        Raises:
            ImageError: the photo cannot be read.
        """
        canvas = self.canvas(number)
        size = self.size(number)
        with self._lock:
            version = self._version(canvas)
            note = ""
            if is_file(canvas.draft):
                draft, note = _draft(canvas, size)
                if draft is not None:
                    return Opened(draft, "draft", version)
            if masks := canvas.masks():
                sample = Sample(canvas.photo, "", "test", True, None, masks)
                try:
                    return Opened(load_mask(sample, size), "saved", version, note)
                except DataError as error:
                    note = f"{_named(error, *masks)}. Saving replaces it; a copy is kept."
                    return Opened(np.zeros(size, bool), "empty", version, note)
        if self._propose is not None:
            try:
                return Opened(self.proposal(number), "proposed", version, note)
            except AnomalyGPTError as error:
                note = f"the model's map cannot be had: {_named(error, canvas.photo)}"
        return Opened(np.zeros(size, bool), "empty", version, note)

    def proposal(self, number: int) -> np.ndarray:
        """The regions of the model's map, (H, W) bool.

        Raises:
            DataError: there is no model.
            AnomalyGPTError: it cannot inspect the photo.
        """
        if self._propose is None:
            raise DataError("no model was given; start `anomalygpt data draw` with --from-map")
        height, width = self.size(number)
        with self._lock:  # one at a time; a model is no faster with two
            if number not in self._proposals:
                self._proposals[number] = np.packbits(self._propose(self.canvas(number).photo))
            bits = self._proposals[number]
        return np.unpackbits(bits, count=height * width).astype(bool).reshape(height, width)

    def keep(self, number: int, mask: np.ndarray, base: str, writer: Writer | None = None) -> str:
        """Keep what is drawn as a draft; the mask of the data set stays as it is.

        Args:
            number: of the photo.
            mask: (H, W) bool, of the photo's size.
            base: the version that was drawn on.
            writer: the page, and which of its messages this is.

        Returns:
            The new version.

        Raises:
            OutdatedError: there is a newer one, of somebody else.
            DataError: the mask is of another size.
            OutputError: it cannot be written.
        """
        canvas = self._checked(number, mask)
        with self._lock:
            self._begin(number, base, writer)
            self._write(canvas.draft, mask)
            return self._end(number, writer)

    def save(self, number: int, mask: np.ndarray, base: str, writer: Writer | None = None) -> str:
        """Write a photo's mask, 0 and 255, where the readers of data sets find it.

        A mask that is replaced is copied to the hidden folder once, and so are those that the new
        one takes the place of: of another format, or several of one photo. The draft is deleted.

        Args, Returns, Raises: as `keep`.
        """
        canvas = self._checked(number, mask)
        with self._lock:
            self._begin(number, base, writer)
            before = canvas.masks()
            target = canvas.target(before)
            try:
                for path in before:
                    _copy_once(path, canvas.kept(path))
                self._write(target, mask)
                for path in before:
                    if path != target:
                        path.unlink(missing_ok=True)
                        with suppress(OSError):
                            if path.parent.name == canvas.photo.stem:
                                path.parent.rmdir()  # refused while anything lies in it
                canvas.draft.unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(
                    f"{shown(target.name)} cannot be written: {error.strerror or error}; check the "
                    "folder's permissions and the free space"
                ) from error
            return self._end(number, writer)

    def discard(self, number: int, base: str, writer: Writer | None = None) -> str:
        """Delete a draft, so that the saved mask counts again.

        Args, Returns, Raises: as `keep`.
        """
        canvas = self.canvas(number)
        with self._lock:
            self._begin(number, base, writer)
            canvas.draft.unlink(missing_ok=True)
            return self._end(number, writer)

    def _checked(self, number: int, mask: np.ndarray) -> Canvas:
        canvas = self.canvas(number)
        size = self.size(number)
        if mask.shape != size or mask.dtype != bool:
            raise DataError(
                f"the mask of {shown(canvas.photo.name)} has the shape {mask.shape} and the type "
                f"{mask.dtype}; expected {size} and bool, as the photo"
            )
        return canvas

    def _begin(self, number: int, base: str, writer: Writer | None) -> None:
        """Refuse to write over what somebody else wrote since."""
        now = self._version(self.canvases[number])
        last, after = self._writers.get(number, (Writer(), ""))
        if writer is not None and last.page and last.page == writer.page and after == now:
            if writer.number > last.number:
                return
        elif base == now:
            return
        raise OutdatedError(
            f"the mask of {shown(self.canvases[number].photo.name)} was changed elsewhere since it "
            "was opened; open it again"
        )

    def _end(self, number: int, writer: Writer | None) -> str:
        version = self._version(self.canvases[number])
        if writer is not None:
            self._writers[number] = (writer, version)
        return version

    def _version(self, canvas: Canvas) -> str:
        told = []
        for path in (canvas.draft, *canvas.masks()):
            with suppress(OSError):
                stat = path.stat()
                told.append(f"{path.name} {stat.st_mtime_ns} {stat.st_size} {stat.st_ino}")
        return hashlib.sha256("\n".join(told).encode(errors="surrogateescape")).hexdigest()[:32]

    def _write(self, path: Path, mask: np.ndarray) -> None:
        picture = Image.fromarray(mask.astype(np.uint8) * 255)
        write_atomically(path, lambda file: picture.save(file, "PNG"))


def count_regions(mask: np.ndarray) -> int:
    """How many connected parts a mask (H, W) bool has; pixels that touch at a corner connect."""
    return int(cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0]) - 1


def runs_of(mask: np.ndarray) -> bytes:
    """A mask as bytes: width and height, then start and end of each run of marked pixels in reading
    order, the end not included; all of them little-endian, 32 bits, without a sign."""
    flat = np.concatenate([[False], mask.ravel(), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return np.concatenate([mask.shape[::-1], edges]).astype("<u4").tobytes()


def mask_of_runs(content: bytes, size: tuple[int, int]) -> np.ndarray:
    """The mask that `runs_of` wrote.

    Args:
        content: the bytes.
        size: (height, width) that the mask must have.

    Returns:
        (H, W) bool.

    Raises:
        DataError: the bytes are no such mask, or one of another size.
    """
    if len(content) < 8 or len(content) % 8:
        raise DataError(f"{len(content)} bytes are no mask; expected 8 and 8 for each run")
    numbers = np.frombuffer(content, "<u4").astype(np.int64)
    if (numbers[1], numbers[0]) != size:
        raise DataError(
            f"the mask is {numbers[0]}×{numbers[1]} pixels, its photo {size[1]}×{size[0]}; open "
            "the photo again"
        )
    edges = numbers[2:]
    count = size[0] * size[1]
    if edges.size and (edges[-1] > count or (np.diff(edges) <= 0).any()):
        raise DataError("the runs of the mask are not in order or go beyond the photo")
    steps = np.zeros(count + 1, np.int8)
    steps[edges[::2]] = 1
    steps[edges[1::2]] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).astype(bool).reshape(size)


def _draft(canvas: Canvas, size: tuple[int, int]) -> tuple[np.ndarray | None, str]:
    """A draft, or None and why it cannot be used."""
    try:
        draft = read_mask(canvas.draft)
    except DataError as error:
        return None, f"the draft cannot be used: {_named(error, canvas.draft)}"
    if draft.shape != size:
        return None, (
            f"a draft of {draft.shape[1]}×{draft.shape[0]} pixels in {STATE_FOLDER} is not of the "
            "photo's size and was left aside"
        )
    return draft, ""


def _copy_once(source: Path, target: Path) -> None:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.partial")
        shutil.copy2(source, partial)
        partial.replace(target)


def _named(error: Exception, *paths: Path) -> str:
    """What an error says, with names instead of whole paths."""
    text = str(error)
    for path in paths:
        text = text.replace(shown(path), shown(path.name))
    return text
