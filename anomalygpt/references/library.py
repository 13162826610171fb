"""The library of references: reads photos of good parts, encodes them, and fills memory banks.

It is given what encodes photos, and knows no assistant. The command line, the page,
training and evaluation all come here, so that a reference means the same to all of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from PIL import Image

from anomalygpt.encoders.base import ImageFeatures
from anomalygpt.encoders.photos import PhotoEncoder
from anomalygpt.errors import ConfigError
from anomalygpt.images.detail import Detail, checked_detail
from anomalygpt.images.reading import (
    ImageSource,
    common_bit_depth,
    listed,
    load_image,
    photo_name,
    pixels_mark,
)
from anomalygpt.references.cache import ReferenceCache, cache_key
from anomalygpt.references.encoded import EncodedReference
from anomalygpt.references.filling import Named, depth_with, detail_of, fill
from anomalygpt.references.pictures import (
    PICTURES_VERSION,
    closer_turns,
    reference_pictures,
)
from decoder import MemoryBank
from decoder.config import Formulation

# Turned copies that are encoded at one time, so that many of them do not fill the memory.
VIEW_BATCH = 4

# Photos of good parts, a single one, or a memory bank of them.
References: TypeAlias = "ImageSource | Sequence[ImageSource] | MemoryBank | None"

# Items, how many there are, what they are called: passed on, perhaps with a progress bar.
Watch = Callable[[Iterable[ImageSource], int, str], Iterable[ImageSource]]


def unwatched(items: Iterable[ImageSource], total: int, unit: str) -> Iterable[ImageSource]:
    """The items, and nobody is told."""
    return items


class ReferenceLibrary:
    """Encoded references, kept in memory or on the disk.

    Attributes:
        cache: keeps encoded files between runs, by the content of the photo.
    """

    def __init__(
        self,
        encoder: PhotoEncoder,
        cache: ReferenceCache,
        megabytes: float = 0.0,
    ) -> None:
        """
        Args:
            encoder: what encodes photos.
            cache: of the disk.
            megabytes: memory for encoded files; the least recently used are forgotten first.
        """
        self._encoder, self.cache = encoder, cache
        self._room = megabytes * 1024**2
        self._kept: OrderedDict[_Key, _Found] = OrderedDict()
        self._size = 0

    def in_memory(self, megabytes: float = float("inf")) -> ReferenceLibrary:
        """One on the same encoder that keeps encoded files in memory, and none on the disk.

        For whoever asks for the same files again and again, which must not change meanwhile.
        """
        return ReferenceLibrary(self._encoder, ReferenceCache(None), megabytes)

    def forget(self) -> None:
        """Keep nothing in memory any more."""
        self._kept.clear()
        self._size = 0

    @property
    def nbytes(self) -> int:
        """Memory that is taken by encoded files."""
        return self._size

    def remember(
        self,
        references: ImageSource | Iterable[ImageSource],
        formulation: Formulation,
        *,
        rotations: int | None = None,
        flips: bool = False,
        fixed_pose: bool = False,
        bank: MemoryBank | None = None,
        bit_depth: int | None = None,
        detail: Detail | None = None,
        watch: Watch = unwatched,
    ) -> MemoryBank:
        """Read good parts into a memory bank, which any number of inspections can use.

        Args:
            references: photos of good parts.
            formulation: how distances will become a map, which decides how they are turned.
            rotations: evenly spaced turns of each, the photo itself included; None as
                `turns_of_each` says. 1 is right for parts that must not be turned.
            flips: True adds mirrored copies.
            fixed_pose: True for parts that always lie the same in the photo: they are not turned,
                and compared place by place, so that a hole which is missing, extra or moved, or a
                mirrored part, differs. A bank that was begun so goes on so.
            bank: an existing bank to add to.
            bit_depth: see `load_image`; None takes that of the bank, else one for all references.
                The bank keeps it, and photos are read like its references.
            detail: how closely references and photos are looked at, see `images.detail.Detail`;
                None is "auto" in a new bank, which keeps it.
            watch: is handed the references, and may show how far they are.

        Raises:
            ImageError: a reference cannot be used; it is named.
            ConfigError: the bank was made with another encoder, for any pose or in other detail,
                or turned or mirrored copies are asked for in a fixed pose.
        """
        if rotations is not None and rotations < 1:
            raise ConfigError(f"rotations counts the photo itself, so at least 1; got {rotations}")
        if bank is None:
            usual: Detail = "whole" if formulation == "published" else "auto"
            bank = self.new_bank(fixed_pose=fixed_pose, detail=detail or usual)
        self.check_bank(bank)
        _check_alike(bank, fixed_pose, detail)
        sources = listed(references)
        if sources and bank.fixed_pose and ((rotations or 1) > 1 or flips):
            raise ConfigError("a fixed pose goes without turned and mirrored copies; leave one out")
        depth = depth_with(bank, bit_depth) or common_bit_depth(sources)

        # All are read before the first is added: a broken one leaves the bank as it was.
        def read(turns: int) -> list[Named]:
            found = []
            for number, each in enumerate(watch(sources, len(sources), "references"), len(bank)):
                look = detail_of(bank.detail, number)
                named = self.encoded(each, turns, flips, bank.fixed_pose, depth, look)
                found.append((photo_name(each), *named))
            return found

        fill(bank, read, len(bank) + len(sources), formulation, rotations)
        bank.bit_depth = depth
        return bank

    def encoded(
        self,
        source: ImageSource,
        turns: int = 1,
        flips: bool = False,
        fixed_pose: bool = False,
        bit_depth: int | None = None,
        detail: Detail = "whole",
    ) -> tuple[str, EncodedReference]:
        """The mark of a reference's pixels, and what is kept of it; the same photo always gives
        the same.

        Raises:
            ImageError: the reference cannot be used; it is named.
        """
        if not isinstance(source, str | Path):  # what has no file stays where it is
            photo = load_image(source, bit_depth)
            return pixels_mark(photo), self.encode(photo, turns, flips, fixed_pose, detail)
        casts = torch.is_autocast_enabled(self._encoder.device.type)
        key = _Key(str(source), turns, flips, fixed_pose, bit_depth, casts, detail)
        found = self._in_memory(key)
        if found is None:
            photo = load_image(source, bit_depth)
            mark = pixels_mark(photo)
            unturned = self._in_memory(key._replace(turns=1, flips=False))
            known = None if unturned is None else unturned[1]
            found = mark, self._from_disk(photo, mark, key, known)
            self._keep(key, found)
        return found

    def encode(
        self,
        photo: Image.Image,
        turns: int,
        flips: bool,
        fixed_pose: bool,
        detail: Detail = "whole",
        known: EncodedReference | None = None,
    ) -> EncodedReference:
        """Encode one reference with all its copies.

        Args:
            photo: an upright RGB photo.
            turns, flips, fixed_pose: see `reference_pictures`.
            detail: how closely, see `remember`.
            known: the same without turned copies, which is then not encoded again.
        """
        photo = self._encoder.shrunk(photo)  # many copies of a large one would fill the memory
        pixels = np.asarray(photo)
        whole = _seen(self._features, *reference_pictures(pixels, turns, flips, fixed_pose), known)
        if not self._encoder.looks_closer(photo, detail):
            return whole
        pictures = reference_pictures(pixels, closer_turns(turns), flips, fixed_pose, closer=True)
        look = partial(self._closer_features, detail=detail)
        return whole._replace(closer=_seen(look, *pictures, known and known.closer))

    def _features(self, pictures: Sequence[np.ndarray]) -> ImageFeatures:
        photos = [Image.fromarray(copy) for copy in pictures]
        parts = [
            self._encoder.features(photos[start : start + VIEW_BATCH])
            for start in range(0, len(photos), VIEW_BATCH)
        ]
        return ImageFeatures.cat(parts)

    def _closer_features(self, pictures: Sequence[np.ndarray], detail: Detail) -> ImageFeatures:
        seen = (self._encoder.closer(Image.fromarray(copy), detail) for copy in pictures)
        return ImageFeatures.cat([each for each in seen if each is not None])

    def alike(
        self,
        photos: Sequence[ImageSource],
        references: References,
        formulation: Formulation,
        bit_depth: int | None = None,
    ) -> tuple[MemoryBank, int | None]:
        """A bank of the references, and the bit depth of photos that are compared with them.

        Raises:
            ImageError: a reference cannot be used; it is named.
            ConfigError: the bank was made with another encoder, or for another bit depth.
        """
        if isinstance(references, MemoryBank):
            self.check_bank(references)
            return references, depth_with(references, bit_depth) or common_bit_depth(photos)
        good = listed(() if references is None else references)
        depth = bit_depth or common_bit_depth([*good, *photos])
        return self.remember(good, formulation, bit_depth=depth), depth

    def new_bank(self, *, fixed_pose: bool = False, detail: Detail = "auto") -> MemoryBank:
        """An empty bank for this encoder.

        Raises:
            ConfigError: see `checked_detail`.
        """
        bank = MemoryBank(self._encoder.mark, fixed_pose=fixed_pose)
        bank.detail = checked_detail(detail)
        return bank

    def check_bank(self, bank: MemoryBank) -> None:
        """
        Raises:
            ConfigError: the bank was made with another encoder.
        """
        mark = self._encoder.mark
        if bank.encoder not in (None, mark):
            raise ConfigError(
                f"the memory bank was made with another encoder or other settings (its mark is "
                f"{bank.encoder}, this one's {mark}); read the references again"
            )

    def _in_memory(self, key: _Key) -> _Found | None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        more = next((other for other in self._kept if other.holds(key)), None)
        if more is None:
            return None
        mark, reference = self._kept[more]
        if (key.turns, key.flips) != (more.turns, more.flips):
            reference = reference.unturned()
        return mark, reference._replace(
            closer=reference.closer if more.detail == key.detail else None
        )

    def _keep(self, key: _Key, found: _Found) -> None:
        if not self._room:
            return
        self._kept[key] = found
        self._size += found[1].nbytes
        while self._size > self._room and len(self._kept) > 1:
            self._size -= self._kept.popitem(last=False)[1][1].nbytes

    def _from_disk(
        self, photo: Image.Image, mark: str, key: _Key, known: EncodedReference | None
    ) -> EncodedReference:
        """The reference from the cache, or encoded now and put there."""
        settings = (key.turns, key.flips, key.fixed_pose)
        if key.casts:  # automatic casting gives other numbers
            return self.encode(photo, *settings, key.detail, known)
        encoder = self._encoder
        detail = key.detail if encoder.looks_closer(photo, key.detail) else "whole"
        numbers = (
            key.fixed_pose,
            str(encoder.dtype),
            encoder.device.type,
            PICTURES_VERSION,
            detail,
        )
        name, unturned = (
            cache_key(mark, encoder.mark, *copies, *numbers)
            for copies in ((key.turns, key.flips), (1, False))
        )
        found = self.cache.get(name, encoder.device)
        if found is None:
            known = known or self.cache.get(unturned, encoder.device)
            found = self.encode(photo, *settings, key.detail, known)
            self.cache.put(name, found)
        return found


class _Key(NamedTuple):
    """Which encoded file is meant."""

    path: str
    turns: int
    flips: bool
    fixed_pose: bool
    bit_depth: int | None
    casts: bool
    detail: Detail

    def holds(self, other: _Key) -> bool:
        """Whether what is kept under this one has everything of another: the photo as it is comes
        with its turned copies, and the whole photo with a closer look."""
        unturned = self._replace(turns=1, flips=False)
        return other in {
            each._replace(detail=detail)
            for each in (self, unturned)
            for detail in (self.detail, "whole")
        }


_Found = tuple[str, EncodedReference]  # the mark of the photo's pixels comes first


def _check_alike(bank: MemoryBank, fixed_pose: bool, detail: Detail | None) -> None:
    if fixed_pose and not bank.fixed_pose:
        raise ConfigError("the memory bank was begun for parts in any pose; begin a new one")
    if detail not in (None, bank.detail):
        raise ConfigError(
            f"the memory bank was begun with detail {bank.detail}, not {detail}; begin a new one"
        )


def _seen(
    look: Callable[[Sequence[np.ndarray]], ImageFeatures],
    views: Sequence[np.ndarray],
    varied: Sequence[np.ndarray],
    known: EncodedReference | None,
) -> EncodedReference:
    """A reference's pictures, encoded; the first view and `varied` are known perhaps."""
    if known is not None:
        if len(views) == 1:
            return known
        stages = zip(known.stages, look(views[1:]).stages, strict=True)
        return known._replace(stages=tuple(torch.cat(pair) for pair in stages))
    features = look([*views, *varied])
    first, others = features[: len(views)], features[len(views) :]
    return EncodedReference(first.stages, others.stages, first.embedding[0], first.grid)
