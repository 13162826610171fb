"""Memory banks of files, and banks that are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anomalygpt.images.detail import Detail
from anomalygpt.references.encoded import EncodedReference
from anomalygpt.references.filling import Named, detail_of, fill
from anomalygpt.references.library import ReferenceLibrary
from anomalygpt.references.pictures import turns_of_each
from decoder import MemoryBank
from decoder.config import Formulation


@dataclass(frozen=True)
class FileBanks:
    """Banks of files that all come from one data set, and are turned alike.

    Attributes:
        library: that encodes them.
        rotations, flips, fixed_pose, detail: as in `ReferenceLibrary.remember`.
        depths: bit depths of photos with more than 8 bits, from `anomalygpt.data.bit_depths`.
    """

    library: ReferenceLibrary
    rotations: int | None = None
    flips: bool = False
    fixed_pose: bool = False
    depths: Mapping[Path, int] = field(default_factory=dict)
    detail: Detail = "auto"

    def turns(self, count: int, formulation: Formulation) -> int:
        """Turned copies of each of so many references."""
        return turns_of_each(
            count, formulation, rotations=self.rotations, fixed_pose=self.fixed_pose
        )

    def encoded(self, path: Path, turns: int, number: int = 0) -> tuple[str, EncodedReference]:
        """As `ReferenceLibrary.encoded`, for reference `number` of a bank, from 0 on.

        Raises:
            ImageError: the file cannot be read.
        """
        depth, look = self.depths.get(path), detail_of(self.detail, number)
        return self.library.encoded(path, turns, self.flips, self.fixed_pose, depth, look)

    def new_bank(self) -> MemoryBank:
        """An empty bank with these settings."""
        return self.library.new_bank(fixed_pose=self.fixed_pose, detail=self.detail)

    def bank(self, paths: Sequence[str | Path], formulation: Formulation) -> MemoryBank:
        """A bank of a few files.

        Raises:
            ImageError: a file cannot be read; it is named.
        """
        bank = self.new_bank()

        def read(turns: int) -> list[Named]:
            return [
                (str(path), *self.encoded(Path(path), turns, number))
                for number, path in enumerate(paths)
            ]

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
