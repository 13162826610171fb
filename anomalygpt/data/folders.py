"""Layouts of one product: plain folders, pairs of photos, and CrackForest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from anomalygpt.data.files import folder_name, is_folder, name_key, photos, photos_below, subfolders
from anomalygpt.data.masks import MaskFolder, claimed_twice
from anomalygpt.data.names import KNOWN_WORDS, Meaning, meaning, means_masks
from anomalygpt.data.samples import Finding, Reading, Sample
from anomalygpt.data.trees import masks_without_use
from anomalygpt.errors import DataError
from anomalygpt.files import shown

QUERY, REFERENCE, MASK = "query", "reference", "mask"
CRACK_IMAGES, CRACK_MASKS = "image", "groundTruth"
CRACK_CATEGORY, CRACK_KIND = "road", "crack"


def is_pairs(root: Path) -> bool:
    """Whether a folder holds query photos and their references."""
    return is_folder(root / QUERY) and is_folder(root / REFERENCE)


def is_crackforest(root: Path) -> bool:
    """Whether a folder holds photos of roads and MATLAB files about them."""
    return is_folder(root / CRACK_IMAGES) and bool(photos(root / CRACK_MASKS, {".mat"}))


def has_named_folders(root: Path) -> bool:
    """Whether a folder has a subfolder that is called good or bad in some way."""
    return any(meaning(place.name) for place in subfolders(root))


def is_called_good(root: Path) -> bool:
    """Whether a folder's own name says that the photos in it show good parts."""
    return meaning(folder_name(root)) == "good" and bool(photos(root))


def read_folder(root: Path, wanted: Collection[str] | None) -> Reading:
    """Plain folders: good photos are for training, bad ones for testing.

    Without a folder called good or bad, the root itself is called good.

    Raises:
        DataError: two folders could be the good, the bad or the mask one.
    """
    name = folder_name(root)
    reading = Reading(categories=[name])
    if wanted is not None and name not in wanted:
        return reading
    good, bad, masks = _meant(root, "good"), _meant(root, "bad"), _mask_folder(root)
    for photo in photos_below(good) if good else [] if bad else photos(root):
        reading.samples.append(Sample(photo, name, "train", False))
    if bad:
        _read_bad(bad, masks, name, reading)
    reading.findings += [
        Finding(
            "warning",
            place,
            "folders that are neither good nor bad by their name, left out",
            f"rename them to good, bad or masks if they should count; known: {KNOWN_WORDS}",
        )
        for place in subfolders(root)
        if place not in (good, bad, masks)
    ]
    if (good or bad) and (loose := len(photos(root))):
        reading.findings.append(
            Finding(
                "warning",
                root,
                "photos beside the folders, left out",
                "move them into the good or the bad ones",
                f"{loose} photos",
            )
        )
    return reading


def _read_bad(bad: Path, masks: Path | None, name: str, reading: Reading) -> None:
    masks = masks or _mask_folder(bad)
    common = MaskFolder(masks) if masks else None
    places = [bad, *(place for place in subfolders(bad) if not means_masks(place.name))]
    own: dict[str, MaskFolder] = {}
    for place in places:
        if masks and place != bad and is_folder(masks / place.name):
            own[place.name] = MaskFolder(masks / place.name)
        for photo in photos(place) if place == bad else photos_below(place):
            found = own[place.name].of(photo) if place.name in own else ()
            found = found or (common.of(photo) if common else ())
            reading.samples.append(Sample(photo, name, "test", True, place.name, found))
    for folder in own.values():
        reading.findings += masks_without_use(folder)
    if common:
        left = [f for f in masks_without_use(common) if f.path.name not in own]
        reading.findings += left
    reading.findings += claimed_twice(reading.samples)


def read_pairs(root: Path, wanted: Collection[str] | None) -> Reading:
    """Pairs: queries show defects and are for testing, references are good and for training."""
    name = folder_name(root)
    reading = Reading(categories=[name])
    if wanted is not None and name not in wanted:
        return reading
    references: dict[str, Path] = {}
    for path in photos(root / REFERENCE):
        if references.setdefault(name_key(path.stem), path) != path:
            reading.findings.append(_second_reference(path))
    reading.samples += [Sample(path, name, "train", False) for path in references.values()]
    masks = MaskFolder(root / MASK)
    for query in photos(root / QUERY):
        reference = references.get(name_key(query.stem))
        if reference is None:
            reading.findings.append(
                Finding(
                    "error",
                    query,
                    "queries without a reference",
                    "add the photo of a good part under the same name, or take the query out",
                )
            )
        reading.samples.append(
            Sample(query, name, "test", True, "defect", masks.of(query), reference)
        )
    reading.findings += masks_without_use(masks) + claimed_twice(reading.samples)
    return reading


def _second_reference(path: Path) -> Finding:
    return Finding(
        "error",
        path,
        "references of which several have the same name",
        "keep the one that belongs to the query",
    )


def read_good(root: Path, wanted: Collection[str] | None) -> Reading:
    """Photos of good parts and nothing else, because whoever named the folder says so."""
    name = folder_name(root)
    reading = Reading(categories=[name])
    if wanted is None or name in wanted:
        reading.samples += [Sample(photo, name, "train", False) for photo in photos(root)]
    return reading


def read_crackforest(root: Path, wanted: Collection[str] | None) -> Reading:
    """CrackForest: all photos show cracks."""
    reading = Reading(categories=[CRACK_CATEGORY])
    if wanted is not None and CRACK_CATEGORY not in wanted:
        return reading
    masks = MaskFolder(root / CRACK_MASKS, (".mat",))
    reading.samples += [
        Sample(photo, CRACK_CATEGORY, "test", True, CRACK_KIND, masks.of(photo))
        for photo in photos(root / CRACK_IMAGES)
    ]
    reading.findings += masks_without_use(masks)
    return reading


def _meant(root: Path, word: Meaning) -> Path | None:
    return _only(root, [place for place in subfolders(root) if meaning(place.name) == word])


def _mask_folder(root: Path) -> Path | None:
    return _only(root, [place for place in subfolders(root) if means_masks(place.name)])


def _only(root: Path, found: Sequence[Path]) -> Path | None:
    if len(found) > 1:
        listed = " and ".join(shown(place.name) for place in found)
        raise DataError(
            f"{shown(root)} holds {listed}, which mean the same; put their photos into one folder"
        )
    return found[0] if found else None
