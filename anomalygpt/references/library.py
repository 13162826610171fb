"""The library of references: reads photos of good parts, encodes them, and fills memory banks.

It is given what encodes photos, and knows no assistant. The command line, the page,
training and evaluation all come here, so that a reference means the same to all of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from PIL import Image

from anomalygpt.encoders.base import ImageFeatures
from anomalygpt.encoders.photos import PhotoEncoder
from anomalygpt.errors import ConfigError
from anomalygpt.evidence import decoder_errors
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
from anomalygpt.references.pictures import (
    PICTURES_VERSION,
    reference_pictures,
    turns_of_each,
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
        watch: Watch = unwatched,
    ) -> MemoryBank:
        """Read good parts into a memory bank, which any number of inspections can use.

        Args:
            references: photos of good parts.
            formulation: how distances will become a map, which decides how they are turned.
            rotations: evenly spaced turns of each, the photo itself included; None as
                `turns_of_each` says. 1 is right for parts that must not be turned, more for parts
                that lie in any pose.
            flips: True adds mirrored copies.
            fixed_pose: True for parts that always lie the same in the photo: they are not turned,
                and compared place by place, so that a hole which is missing, extra or moved, or a
                mirrored part, differs. A bank that was begun so goes on so.
            bank: an existing bank to add to.
            bit_depth: see `load_image`; None takes that of the bank, else one for all references.
                The bank keeps it, and photos are read like its references.
            watch: is handed the references, and may show how far they are.

        Raises:
            ImageError: a reference cannot be used; it is named.
            ConfigError: the bank was made with another encoder or for any pose, or turned or
                mirrored copies are asked for in a fixed pose.
        """
        if rotations is not None and rotations < 1:
            raise ConfigError(f"rotations counts the photo itself, so at least 1; got {rotations}")
        bank = self.new_bank(fixed_pose=fixed_pose) if bank is None else bank
        self.check_bank(bank)
        if fixed_pose and not bank.fixed_pose:
            raise ConfigError("the memory bank was begun for parts in any pose; begin a new one")
        sources = listed(references)
        if sources and bank.fixed_pose and ((rotations or 1) > 1 or flips):
            raise ConfigError("a fixed pose goes without turned and mirrored copies; leave one out")
        depth = depth_with(bank, bit_depth) or common_bit_depth(sources)

        # All are read before the first is added: a broken one leaves the bank as it was.
        def read(turns: int) -> list[Named]:
            return [
                (photo_name(each), *self.encoded(each, turns, flips, bank.fixed_pose, depth))
                for each in watch(sources, len(sources), "references")
            ]

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
    ) -> tuple[str, EncodedReference]:
        """The mark of a reference's pixels, and what is kept of it; the same photo always gives
        the same.

        Raises:
            ImageError: the reference cannot be used; it is named.
        """
        if not isinstance(source, str | Path):  # what has no file stays where it is
            photo = load_image(source, bit_depth)
            return pixels_mark(photo), self.encode(photo, turns, flips, fixed_pose)
        casts = torch.is_autocast_enabled(self._encoder.device.type)
        key = _Key(str(source), turns, flips, fixed_pose, bit_depth, casts)
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
        known: EncodedReference | None = None,
    ) -> EncodedReference:
        """Encode one reference with all its copies.

        Args:
            photo: an upright RGB photo.
            turns, flips, fixed_pose: see `reference_pictures`.
            known: the same without turned copies, which is then not encoded again.
        """
        views, varied = reference_pictures(np.asarray(photo), turns, flips, fixed_pose)
        if known is not None:
            if len(views) == 1:
                return known
            turned = self._features(views[1:]).stages
            stages = zip(known.stages, turned, strict=True)
            return known._replace(stages=tuple(torch.cat(pair) for pair in stages))
        features = self._features([*views, *varied])
        first, others = features[: len(views)], features[len(views) :]
        return EncodedReference(first.stages, others.stages, first.embedding[0])

    def _features(self, pictures: Sequence[np.ndarray]) -> ImageFeatures:
        photos = [Image.fromarray(copy) for copy in pictures]
        parts = [
            self._encoder.features(photos[start : start + VIEW_BATCH])
            for start in range(0, len(photos), VIEW_BATCH)
        ]
        return ImageFeatures.cat(parts)

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

    def new_bank(self, *, fixed_pose: bool = False) -> MemoryBank:
        """An empty bank for this encoder."""
        return MemoryBank(self._encoder.mark, fixed_pose=fixed_pose)

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
        if key.turns > 1 or key.flips:
            return None
        # The photo as it is comes with its turned copies, too.
        more = [other for other in self._kept if other._replace(turns=1, flips=False) == key]
        if not more:
            return None
        mark, reference = self._kept[more[0]]
        return mark, reference.unturned()

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
            return self.encode(photo, *settings, known)
        encoder = self._encoder
        numbers = (key.fixed_pose, str(encoder.dtype), encoder.device.type, PICTURES_VERSION)
        name, unturned = (
            cache_key(mark, encoder.mark, *copies, *numbers)
            for copies in ((key.turns, key.flips), (1, False))
        )
        found = self.cache.get(name, encoder.device)
        if found is None:
            known = known or self.cache.get(unturned, encoder.device)
            found = self.encode(photo, *settings, known)
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


_Found = tuple[str, EncodedReference]  # the mark of the photo's pixels comes first
Named = tuple[str | None, str, EncodedReference]  # a name before both


def fill(
    bank: MemoryBank,
    read: Callable[[int], list[Named]],
    total: int,
    formulation: Formulation,
    rotations: int | None = None,
) -> int:
    """Put references into a bank, turned as `turns_of_each` says.

    Where that hangs on how they lie, they are put in as they are first, and read once more where
    they turn out to lie freely.

    Args:
        bank: perhaps with other references, so that it will hold `total`.
        read: names, marks and references in so many turns each.
        formulation, rotations: see `turns_of_each`.

    Returns:
        In how many turns each was put in.
    """
    rule = partial(
        turns_of_each, total, formulation, rotations=rotations, fixed_pose=bank.fixed_pose
    )
    turns, if_free = rule(), rule(lie_alike=False)
    names = _put(bank, read(turns))
    if turns == if_free or bank.lie_alike:
        return turns
    try:
        turned = read(if_free)
    finally:  # also where one cannot be read again: the bank is then as it was
        for name in names:
            bank.remove(name)
    _put(bank, turned)
    return if_free


def _put(bank: MemoryBank, references: list[Named]) -> list[str]:
    """Add them all; their names in the bank."""
    names = []
    references.reverse()
    while references:  # the bank makes its own of each, so none is kept twice
        name, mark, reference = references.pop()
        names.append(add_to(bank, reference, name, mark))
    return names


def add_to(bank: MemoryBank, reference: EncodedReference, name: str | None, mark: str) -> str:
    """Put an encoded reference into a bank; its name there.

    Raises:
        ConfigError: it does not fit the bank.
    """
    with decoder_errors():
        return bank.add(
            reference.stages,
            # The same photo may be given twice; its second name is then a number.
            name=None if name in bank.names else name,
            varied=reference.varied,
            marks=[mark],
            embedding=reference.embedding,
        )


def depth_with(bank: MemoryBank, bit_depth: int | None) -> int | None:
    """The bit depth of photos that are compared with a bank; None where nothing says it.

    Raises:
        ConfigError: another one is asked for.
    """
    if bit_depth is not None and len(bank) and bank.bit_depth not in (None, bit_depth):
        raise ConfigError(
            f"the memory bank was made from photos of {bank.bit_depth} bits, bit_depth is "
            f"{bit_depth}; leave it out, or read the references again"
        )
    return bit_depth or bank.bit_depth


@dataclass(frozen=True)
class FileBanks:
    """Banks of files that all come from one data set, and are turned alike.

    Attributes:
        library: that encodes them.
        rotations, flips, fixed_pose: as in `ReferenceLibrary.remember`.
        depths: bit depths of photos with more than 8 bits, from `anomalygpt.data.bit_depths`.
    """

    library: ReferenceLibrary
    rotations: int | None = None
    flips: bool = False
    fixed_pose: bool = False
    depths: Mapping[Path, int] = field(default_factory=dict)

    def turns(self, count: int, formulation: Formulation) -> int:
        """Turned copies of each of so many references."""
        return turns_of_each(
            count, formulation, rotations=self.rotations, fixed_pose=self.fixed_pose
        )

    def encoded(self, path: Path, turns: int) -> tuple[str, EncodedReference]:
        """As `ReferenceLibrary.encoded`.

        Raises:
            ImageError: the file cannot be read.
        """
        return self.library.encoded(path, turns, self.flips, self.fixed_pose, self.depths.get(path))

    def bank(self, paths: Sequence[str | Path], formulation: Formulation) -> MemoryBank:
        """A bank of a few files.

        Raises:
            ImageError: a file cannot be read; it is named.
        """
        bank = self.library.new_bank(fixed_pose=self.fixed_pose)

        def read(turns: int) -> list[Named]:
            return [(str(path), *self.encoded(Path(path), turns)) for path in paths]

        fill(bank, read, len(paths), formulation, self.rotations)
        return bank


class KeptBanks:
    """The banks that were used last, by what they were made of."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._banks: OrderedDict[tuple[str, ...], MemoryBank] = OrderedDict()

    def get(self, key: tuple[str, ...]) -> MemoryBank | None:
        """The bank of a key; None where it is not kept."""
        return self._banks.get(key)

    def put(self, key: tuple[str, ...], bank: MemoryBank) -> None:
        """Keep a bank as the last used; the longest unused may go for it."""
        self._banks[key] = bank
        self._banks.move_to_end(key)
        while len(self._banks) > self._most:
            self._banks.popitem(last=False)
