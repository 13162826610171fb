"""Categories with train, test and ground_truth folders: MVTec AD and MVTec LOCO."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import cast

from anomalygpt.data.files import entries, folder_name, is_folder, photos, subfolders
from anomalygpt.data.masks import MaskFolder, claimed_twice
from anomalygpt.data.names import KNOWN_WORDS, meaning
from anomalygpt.data.samples import Finding, Reading, Sample, Split
from anomalygpt.files import shown

_SPLITS = ("train", "validation", "test")
_LOCO_KINDS = ("logical_anomalies", "structural_anomalies")


def is_category(folder: Path) -> bool:
    """Whether a folder is one product in the layout of MVTec AD or LOCO."""
    test = folder / "test"
    return (
        _has_good(folder / "train")
        or _has_good(test)
        or (is_folder(test) and is_folder(folder / "ground_truth"))
    )


def is_loco(folder: Path) -> bool:
    """Whether a category has what only MVTec LOCO has."""
    return _has_good(folder / "validation") or any(
        is_folder(folder / "test" / kind) for kind in _LOCO_KINDS
    )


def _has_good(folder: Path) -> bool:
    return any(meaning(place.name) == "good" for place in subfolders(folder))


def category_folders(root: Path) -> list[Path]:
    """The categories of a folder; a category itself is its only one."""
    if is_category(root):
        return [root]
    return [folder for folder in subfolders(root) if is_category(folder)]


def read_trees(root: Path, wanted: Collection[str] | None) -> Reading:
    """Photos of all categories, or of the wanted ones."""
    reading = Reading()
    folders = category_folders(root)
    for folder in folders:
        name = folder_name(folder)
        reading.categories.append(name)
        if wanted is None or name in wanted:
            _read_category(folder, name, reading)
    if folders != [root]:
        _name_left_out(root, folders, reading)
    return reading


def _read_category(folder: Path, name: str, reading: Reading) -> None:
    mask_folders: dict[str, MaskFolder] = {}
    for split in _SPLITS:
        for place in subfolders(folder / split):
            is_good = meaning(place.name) == "good"
            if not is_good and split != "test":
                reading.findings.append(_defects_to_train_on(place))
                continue
            if not is_good:
                mask_folders[place.name] = MaskFolder(folder / "ground_truth" / place.name)
            reading.samples += [
                Sample(
                    image=photo,
                    category=name,
                    split=cast("Split", split),
                    is_anomalous=not is_good,
                    kind=None if is_good else place.name,
                    masks=() if is_good else mask_folders[place.name].of(photo),
                )
                for photo in photos(place)
            ]
    reading.findings += _unknown_folders(folder)
    _check_masks(folder, mask_folders, reading)
    reading.findings += claimed_twice([s for s in reading.samples if s.category == name])


def _unknown_folders(folder: Path) -> list[Finding]:
    """Folders of test that may hold good parts as well as defects, for all that is known.

    Beside a folder of good parts, or with masks, any other name is a kind of defect, as published.
    """
    if _has_good(folder / "test"):
        return []
    return [
        Finding(
            "error",
            place,
            "folders of test that may be good parts or a kind of defect",
            f"call the folder of good parts good; words that are known: {KNOWN_WORDS} A kind of "
            "defect may have any name if it has masks in ground_truth, or good parts beside it",
        )
        for place in subfolders(folder / "test")
        if meaning(place.name) is None and not entries(folder / "ground_truth" / place.name)
    ]


def _check_masks(folder: Path, mask_folders: dict[str, MaskFolder], reading: Reading) -> None:
    for place in subfolders(folder / "ground_truth"):
        # Some data sets add black masks for good parts.
        if meaning(place.name) != "good":
            masks = mask_folders.get(place.name) or MaskFolder(place)
            reading.findings += masks_without_use(masks)


def masks_without_use(masks: MaskFolder) -> list[Finding]:
    """What a folder of masks holds beside the masks of its photos."""
    stray = [
        Finding(
            "warning",
            path,
            "masks without a photo",
            "give mask and photo the same name, or take the mask out",
        )
        for path in masks.unclaimed()
    ]
    doubles = [
        Finding(
            "error",
            path,
            "masks of which several have the same name",
            "keep the right one: a photo has one mask, or a folder of its name with several",
            f"beside {shown(other.name)}",
        )
        for path, other in masks.doubles
    ]
    empty = [
        Finding("warning", path, "mask folders without a mask", "restore the masks in it")
        for path in masks.empty_folders()
    ]
    return stray + doubles + empty


def _defects_to_train_on(place: Path) -> Finding:
    return Finding(
        "warning",
        place,
        "folders beside train/good, left out",
        "photos of defects belong below test; photos of good parts into the good folder",
    )


def _name_left_out(root: Path, folders: Collection[Path], reading: Reading) -> None:
    reading.findings += [
        Finding(
            "warning",
            path,
            "folders that are no category, left out",
            "nothing, if they are another data set (check it by itself); a category holds "
            "train/good and test",
        )
        for path in subfolders(root)
        if path not in folders
    ]
    if loose := len(photos(root)):
        reading.findings.append(
            Finding(
                "warning",
                root,
                "photos beside the categories, left out",
                "move them into the category that they belong to",
                f"{loose} photos",
            )
        )
