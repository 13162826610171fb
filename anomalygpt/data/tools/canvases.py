"""Photos that masks are drawn on, and where their masks belong, so that readers find them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from anomalygpt.data.files import folder_name, is_folder, name_key, photos, photos_below, subfolders
from anomalygpt.data.masks import MaskFolder
from anomalygpt.data.names import meaning, means_masks
from anomalygpt.data.opening import LAYOUTS, find_layout
from anomalygpt.errors import DataError, SourceError
from anomalygpt.files import shown

# Beside the folder of the masks: drafts, and masks as they were before.
STATE_FOLDER = ".anomalygpt-drawing"
MASK_FOLDER = "ground_truth"
_ENDING = "_mask.png"


@dataclass(frozen=True)
class Canvas:
    """A photo, and where its mask belongs.

    Attributes:
        photo: the photo.
        group: what it belongs to, in words, such as "bottle, broken"; may be empty.
        root: the folder of all masks.
        kind: the folder in it for this photo's mask; "" for the root itself.
    """

    photo: Path
    group: str
    root: Path
    kind: str = ""

    @property
    def draft(self) -> Path:
        """The file for what is drawn and not saved."""
        return self._state / "drafts" / self.kind / f"{self.photo.stem}{_ENDING}"

    @property
    def name(self) -> str:
        """The name of a new mask."""
        return f"{self.photo.stem}{_ENDING}"

    @property
    def _state(self) -> Path:
        return self.root.parent / STATE_FOLDER

    def masks(self, listed: Callable[[Path], MaskFolder] = MaskFolder) -> tuple[Path, ...]:
        """The masks that the photo has; () where there is none.

        Args:
            listed: lists a folder of masks; for many photos, one that does so once.
        """
        own = listed(self.root / self.kind).of(self.photo)
        # Where plain folders have kinds, their masks may lie together.
        return own or (listed(self.root).of(self.photo) if self.kind else ())

    def target(self, masks: tuple[Path, ...]) -> Path:
        """Where the photo's mask is written: over the one that it has, if that is a PNG.

        Args:
            masks: those that it has.
        """
        if len(masks) == 1 and masks[0].suffix.lower() == ".png":
            owner = masks[0].parent
            if owner in (self.root, self.root / self.kind):
                return masks[0]
        return self.root / self.kind / self.name

    def kept(self, mask: Path) -> Path:
        """Where a copy of a mask goes that is replaced."""
        return self._state / "before" / mask.relative_to(self.root)


def find_canvases(folder: Path) -> list[Canvas]:
    """The photos of a folder that may have a mask, in order.

    Args:
        folder: products with test/KIND (MVTec AD, LOCO), one product, its test or one of its
            kinds; plain folders with bad photos; or photos, in kinds or not. Photos of good parts
            are left out where folders say so.

    Raises:
        SourceError: there is no such folder.
        DataError: it has a layout that keeps masks in another way, no photo, or photos whose masks
            would have the same name.
    """
    if not is_folder(folder):
        raise SourceError(f"{shown(folder)} is no folder; give a data set or a folder of photos")
    found = list(_found(folder))
    if not found:
        raise DataError(
            f"{shown(folder)} holds no photo to draw on; photos of good parts, and masks, do not "
            "count. Give product/test, or a folder of photos"
        )
    seen: dict[Path, Path] = {}
    for canvas in found:
        mask = canvas.root / canvas.kind / name_key(canvas.name)
        first = seen.setdefault(mask, canvas.photo)
        if first != canvas.photo:
            raise DataError(
                f"{shown(first)} and {shown(canvas.photo)} would have one mask; give each photo a "
                "name of its own"
            )
    return found


def _found(folder: Path) -> Iterator[Canvas]:
    real = folder.resolve()
    if _is_product(folder):
        yield from _of_product(folder, "")
    elif products := [place for place in subfolders(folder) if _is_product(place)]:
        for place in products:
            yield from _of_product(place, folder_name(place))
    elif real.name == "test" and _is_product(real.parent):
        yield from _of_product(real.parent, "")
    elif real.parent.name == "test" and meaning(real.name) != "good":
        yield from _of_kind(real, real.parent.parent, "")
    else:
        _refuse_others(folder)
        yield from _of_plain(folder)


def _is_product(folder: Path) -> bool:
    test = folder / "test"
    return is_folder(test) and any(photos(place) for place in subfolders(test))


def _of_product(product: Path, name: str) -> Iterator[Canvas]:
    for place in subfolders(product / "test"):
        if meaning(place.name) != "good":
            yield from _of_kind(place, product, name)


def _of_kind(place: Path, product: Path, name: str) -> Iterator[Canvas]:
    group = ", ".join(filter(None, (name, place.name)))
    for photo in photos(place):
        yield Canvas(photo, group, product / MASK_FOLDER, place.name)


def _of_plain(folder: Path) -> Iterator[Canvas]:
    """Plain folders, as `folders.read_folder` reads them, or photos and their kinds."""
    bad = [place for place in subfolders(folder) if meaning(place.name) == "bad"]
    place = bad[0] if len(bad) == 1 else folder
    masks = _mask_folder(folder) or (_mask_folder(place) if bad else None) or folder / MASK_FOLDER
    for photo in photos(place):
        yield Canvas(photo, "", masks)
    for kind in subfolders(place):
        if not means_masks(kind.name) and meaning(kind.name) != "good":
            for photo in photos_below(kind):
                yield Canvas(photo, kind.name, masks, kind.name)


def _mask_folder(folder: Path) -> Path | None:
    return next((each for each in subfolders(folder) if means_masks(each.name)), None)


def _refuse_others(folder: Path) -> None:
    """Refuse layouts in which a mask beside the photos would be found by nobody."""
    try:
        layout = find_layout(folder, "auto")
    except DataError:
        return  # photos alone
    if layout not in ("folder", "good", "mvtec", "loco"):
        raise DataError(
            f"{shown(folder)} has the layout of {LAYOUTS[layout].title}, which keeps its masks in "
            "another way; give a folder of its photos, and move the masks"
        )
