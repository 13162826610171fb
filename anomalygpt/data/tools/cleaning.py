"""Photos that somebody should look at before training: blurred, dark, over-exposed, cropped, and
those that are there twice or nearly. They are proposed; nothing is moved or deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np
from PIL import Image

from anomalygpt.data.tools.collecting import collect
from anomalygpt.data.tools.manifests import Progress
from anomalygpt.data.tools.pages import Card, write_cards
from anomalygpt.data.tools.writing import refuse_existing, write_csv, write_json
from anomalygpt.errors import DataError, ImageError
from anomalygpt.files import hash_file, shown
from anomalygpt.images.reading import load_image

Fault: TypeAlias = Literal[
    "unreadable", "blurred", "dark", "over-exposed", "cropped", "duplicate", "near-duplicate"
]
FAULTS: tuple[Fault, ...] = (
    *("unreadable", "blurred", "dark", "over-exposed", "cropped", "duplicate", "near-duplicate"),
)

# Of each fault so many are shown with their pictures; the tables have all.
MOST_PICTURES = 60

# Sharpness is measured at one size, so that photos of all sizes can be compared.
_SIDE = 512
# A copy for comparing photos, and the differences of neighbours in it as a hash.
_TINY, _HASH = 64, 16
_BRIGHT, _DARK = 250, 20
_MOST_CROPPED = 0.2


@dataclass(frozen=True)
class Limits:
    """From where on a photo is proposed.

    Attributes:
        blurred: sharpness below this share of the collection's median.
        dark: mean brightness below this, of 255, and below half of the collection's median.
        over_exposed: share of pixels at the upper end, beyond the collection's median.
        cropped: height : width or size further from the collection's median than this share, unless
            that is so of more than a fifth of the photos.
        near_bits: differing bits of 256, at most, of photos that nearly agree.
        near_levels: mean difference in brightness of small copies, of 255, at most.
    """

    blurred: float = 0.3
    dark: float = 40.0
    over_exposed: float = 0.25
    cropped: float = 0.1
    near_bits: int = 12
    near_levels: float = 2.0


@dataclass(frozen=True)
class Measured:
    """What one photo is like.

    Attributes:
        path: the photo.
        size: (height, width); None where it cannot be read.
        sharpness: variance of the Laplacian at a longer side of 512 pixels at most.
        brightness: mean, 0 to 255.
        clipped: share of pixels that are nearly white.
        digest: SHA-256 of the file.
        bits: (256,) bool, the difference hash.
        tiny: (64, 64) uint8, a small grey copy.
        error: why it cannot be read.
    """

    path: Path
    size: tuple[int, int] | None = None
    sharpness: float = 0.0
    brightness: float = 0.0
    clipped: float = 0.0
    digest: str = ""
    bits: np.ndarray = field(default_factory=lambda: np.zeros(_HASH * _HASH, dtype=bool))
    tiny: np.ndarray = field(default_factory=lambda: np.zeros((_TINY, _TINY), dtype=np.uint8))
    error: str = ""


@dataclass(frozen=True)
class Proposal:
    """A photo to look at.

    Attributes:
        path: the photo.
        fault: what may be wrong with it.
        rank: from 1 on within a fault, the clearest first.
        value: what was measured.
        detail: the same in words.
        twin: the photo that it is a copy of, for duplicates.
    """

    path: Path
    fault: Fault
    rank: int
    value: float
    detail: str
    twin: Path | None = None


def clean(
    sources: str | Path | Sequence[str | Path],
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> tuple[list[Measured], list[Proposal]]:
    """Measure photos and propose those to look at.

    Args:
        sources: photos, folders or patterns; they are only read.
        limits: from where on a photo is proposed.
        progress: gets the photos and their number, and hands them on; for a bar.

    Returns:
        All photos as measured, and the proposals, by fault and rank.

    Raises:
        SourceError: there is no photo.
    """
    photos = collect(sources)
    progress = progress or (lambda items, total: items)
    with ThreadPoolExecutor(2) as pool:
        measured = list(progress(pool.map(measure, photos), len(photos)))
    return measured, propose(measured, limits or Limits())


def measure(path: Path) -> Measured:
    """What one photo is like; a photo that cannot be read says why."""
    try:
        picture = load_image(path)
        digest = hash_file(path)
    except (ImageError, DataError) as error:
        return Measured(path, error=str(error).removeprefix(shown(path)).strip())
    grey = picture.convert("L")
    values = np.asarray(grey)
    shrunk = grey
    if max(grey.size) > _SIDE:
        scale = _SIDE / max(grey.size)
        size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
        shrunk = grey.resize(size, Image.Resampling.BOX)
    sharpness = float(cv2.Laplacian(np.asarray(shrunk), cv2.CV_64F).var())
    steps = np.asarray(grey.resize((_HASH + 1, _HASH), Image.Resampling.BOX)).astype(int)
    tiny = np.asarray(grey.resize((_TINY, _TINY), Image.Resampling.BOX))
    return Measured(
        path,
        values.shape,
        sharpness,
        float(values.mean()),
        float((values >= _BRIGHT).mean()),
        digest,
        (np.diff(steps, axis=1) > 0).ravel(),
        tiny,
    )


def propose(measured: Sequence[Measured], limits: Limits) -> list[Proposal]:
    """The photos to look at, by fault in the order of `FAULTS` and by rank."""
    read = [each for each in measured if each.size is not None]
    found = [*_unreadable(measured), *(each for find in _FINDERS for each in find(read, limits))]
    found += _duplicates(read)
    found += _near_duplicates(read, limits)
    ranked: list[Proposal] = []
    for fault in FAULTS:
        mine = [each for each in found if each[1] == fault]
        mine.sort(key=lambda each: (each[0], str(each[2])))
        ranked += [
            Proposal(path, fault, rank, value, detail, twin)
            for rank, (_, _, path, value, detail, twin) in enumerate(mine, 1)
        ]
    return ranked


# How soon it comes, the fault, the photo, what was measured, in words, its twin.
_Found: TypeAlias = tuple[float, Fault, Path, float, str, "Path | None"]


def _unreadable(measured: Sequence[Measured]) -> Iterator[_Found]:
    for each in measured:
        if each.size is None:
            yield 0.0, "unreadable", each.path, 0.0, each.error, None


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else 0.0


def _blurred(read: Sequence[Measured], limits: Limits) -> Iterator[_Found]:
    usual = _median([each.sharpness for each in read])
    for each in read:
        if each.sharpness < limits.blurred * usual:
            text = f"sharpness {each.sharpness:.1f}, usual {usual:.1f}"
            yield each.sharpness, "blurred", each.path, each.sharpness, text, None


def _dark(read: Sequence[Measured], limits: Limits) -> Iterator[_Found]:
    usual = _median([each.brightness for each in read])
    for each in read:
        if each.brightness < min(limits.dark, usual / 2):
            text = f"mean brightness {each.brightness:.1f} of 255, usual {usual:.1f}"
            yield each.brightness, "dark", each.path, each.brightness, text, None


def _over_exposed(read: Sequence[Measured], limits: Limits) -> Iterator[_Found]:
    # A white ground is nearly white in all photos of a collection, and no fault.
    usual = _median([each.clipped for each in read])
    for each in read:
        if each.clipped > usual + limits.over_exposed:
            text = f"{100 * each.clipped:.0f} % nearly white, usual {100 * usual:.0f} %"
            yield -each.clipped, "over-exposed", each.path, each.clipped, text, None


def _cropped(read: Sequence[Measured], limits: Limits) -> Iterator[_Found]:
    sizes = [each.size for each in read if each.size]
    shape = _median([height / width for height, width in sizes])
    pixels = _median([float(height * width) for height, width in sizes])
    found = []
    for each in read:
        height, width = each.size or (1, 1)
        other = abs(height / width / shape - 1)
        fewer = 1 - (height * width / pixels) ** 0.5
        value = max(other, fewer)
        if value > limits.cropped:
            text = f"{width}×{height}, of another shape or smaller than most"
            found.append((-value, each.path, value, text))
    # Where many differ, photos are cut to their parts, and none is out of the ordinary.
    if len(found) <= _MOST_CROPPED * len(read):
        for order, path, value, text in found:
            yield order, "cropped", path, value, text, None


_FINDERS: tuple[Callable[[Sequence[Measured], Limits], Iterator[_Found]], ...] = (
    _blurred,
    _dark,
    _over_exposed,
    _cropped,
)


def _duplicates(read: Sequence[Measured]) -> Iterator[_Found]:
    first: dict[str, Path] = {}
    for each in read:
        twin = first.setdefault(each.digest, each.path)
        if twin != each.path:
            yield 0.0, "duplicate", each.path, 0.0, "the same bytes", twin


def _near_duplicates(read: Sequence[Measured], limits: Limits) -> Iterator[_Found]:
    """Photos that agree with an earlier one in hash and brightness: re-encoded, scaled, or taken
    twice. Parts in one pose have nearly the same hash, so the small copies must agree as well."""
    if not read:
        return
    once = list({each.digest: each for each in reversed(read)}.values())[::-1]
    bits = np.packbits(np.stack([each.bits for each in once]), axis=1)
    tiny = np.stack([each.tiny for each in once]).astype(np.int16)
    counts = np.array([bin(value).count("1") for value in range(256)], dtype=np.int32)
    for here in range(1, len(once)):
        apart = counts[bits[:here] ^ bits[here]].sum(axis=1)
        best: tuple[float, int] | None = None
        for other in np.flatnonzero(apart <= limits.near_bits):
            levels = float(np.abs(tiny[other] - tiny[here]).mean())
            if levels <= limits.near_levels and (best is None or levels < best[0]):
                best = (levels, int(other))
        if best is not None:
            text = f"{best[0]:.2f} levels apart, {apart[best[1]]} of 256 bits"
            path, twin = once[here].path, once[best[1]].path
            yield best[0], "near-duplicate", path, best[0], text, twin


def write_proposals(
    output: Path, measured: Sequence[Measured], proposals: Sequence[Proposal]
) -> list[Path]:
    """Write clean.json, clean.csv and clean.html with pictures.

    Args:
        output: the folder; files of these names must not be there.
        measured, proposals: from `clean`.

    Raises:
        OutputError: a file is there already, or cannot be written.
    """
    places = [output / f"clean.{suffix}" for suffix in ("json", "csv", "html")]
    refuse_existing(places)
    rows = [
        {
            "path": str(each.path),
            "fault": each.fault,
            "rank": each.rank,
            "value": round(each.value, 4),
            "detail": each.detail,
            "twin": str(each.twin) if each.twin else None,
        }
        for each in proposals
    ]
    write_json(places[0], {"photos": len(measured), "proposals": rows})
    write_csv(places[1], ("path", "fault", "rank", "value", "detail", "twin"), rows)
    sections = [
        (
            f"{fault} ({len(mine)})",
            [Card(each.path, each.detail, each.twin) for each in mine[:MOST_PICTURES]],
        )
        for fault in FAULTS
        if (mine := [each for each in proposals if each.fault == fault])
    ]
    intro = f"{len(measured)} photos were looked at. These are proposals; nothing was changed."
    write_cards(places[2], "Photos to look at", intro, sections)
    return places
