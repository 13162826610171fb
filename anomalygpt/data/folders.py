"""Layouts of one product: plain folders, pairs of photos, and CrackForest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from anomalygpt.data.files import (
    folder_name,
    is_folder,
    name_key,
    photos,
    photos_below,
    shown,
    subfolders,
)
from anomalygpt.data.masks import MaskFolder
from anomalygpt.data.samples import Finding, Reading, Sample
from anomalygpt.data.trees import masks_without_use
from anomalygpt.errors import DataError

GOOD_NAMES = frozenset(
    {"good", "normal", "ok", "okay", "fine", "pass", "passed", "nominal", "no_defect"}
    | {"defect_free", "defectfree", "non_defective", "undamaged", "intact", "healthy"}
)
BAD_NAMES = frozenset(
    {"bad", "defect", "defects", "defective", "ng", "nok", "not_ok", "not_good", "anomaly"}
    | {"anomalies", "anomalous", "abnormal", "damaged", "damage", "broken", "faulty", "fault"}
    | {"fail", "failed", "reject", "rejected"}
)
MASK_NAMES = frozenset(
    {"mask", "masks", "ground_truth", "groundtruth", "gt", "label", "labels", "annotation"}
    | {"annotations", "segmentation"}
)

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
    return any(_plain(place) in GOOD_NAMES | BAD_NAMES for place in subfolders(root))


def read_folder(root: Path, wanted: Collection[str] | None) -> Reading:
    """Plain folders: good photos are for training, bad ones for testing.

    Without a folder called good or bad, the photos directly in the root count as good.

    Raises:
        DataError: two folders could be the good, the bad or the mask one.
    """
    name = folder_name(root)
    reading = Reading(categories=[name])
    if wanted is not None and name not in wanted:
        return reading
    named = has_named_folders(root)
    good = _one_of(root, GOOD_NAMES) if named else None
    bad = _one_of(root, BAD_NAMES) if named else None
    masks = _one_of(root, MASK_NAMES) if named else None
    for photo in photos_below(good) if good else [] if named else photos(root):
        reading.samples.append(Sample(photo, name, "train", False))
    if bad:
        _read_bad(bad, masks, name, reading)
    reading.findings += [
        Finding(
            "warning",
            place,
            "folders that are neither good nor bad by their name, left out",
            "rename them to good, bad or masks if they should count",
        )
        for place in subfolders(root)
        if place not in (good, bad, masks)
    ]
    return reading


def _read_bad(bad: Path, masks: Path | None, name: str, reading: Reading) -> None:
    masks = masks or _one_of(bad, MASK_NAMES)
    common = MaskFolder(masks) if masks else None
    places = [bad, *(place for place in subfolders(bad) if _plain(place) not in MASK_NAMES)]
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
    claims = Counter(mask for sample in reading.samples for mask in sample.masks)
    reading.findings += [
        Finding(
            "error",
            mask,
            "masks that several photos claim",
            "put photos and masks of a kind into subfolders of the same name",
            f"{count} photos have this name",
        )
        for mask, count in claims.items()
        if count > 1
    ]


def read_pairs(root: Path, wanted: Collection[str] | None) -> Reading:
    """Pairs: queries show defects and are for testing, references are good and for training."""
    name = folder_name(root)
    reading = Reading(categories=[name])
    if wanted is not None and name not in wanted:
        return reading
    references = {name_key(path.stem): path for path in photos(root / REFERENCE)}
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
    reading.findings += masks_without_use(masks)
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


def _plain(place: Path) -> str:
    return place.name.casefold().replace(" ", "_").replace("-", "_")


def _one_of(root: Path, names: Collection[str]) -> Path | None:
    found = [place for place in subfolders(root) if _plain(place) in names]
    if len(found) > 1:
        listed = " and ".join(shown(place.name) for place in found)
        raise DataError(
            f"{shown(root)} holds {listed}, which mean the same; put their photos into one folder"
        )
    return found[0] if found else None
