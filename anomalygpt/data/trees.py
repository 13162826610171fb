"""Categories with train, test and ground_truth folders: MVTec AD and MVTec LOCO."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import cast

from anomalygpt.data.files import folder_name, is_folder, photos, subfolders
from anomalygpt.data.masks import MaskFolder
from anomalygpt.data.samples import Finding, Reading, Sample, Split

GOOD = "good"
_SPLITS = ("train", "validation", "test")
_LOCO_KINDS = ("logical_anomalies", "structural_anomalies")


def is_category(folder: Path) -> bool:
    """Whether a folder is one product in the layout of MVTec AD or LOCO."""
    test = folder / "test"
    return (
        is_folder(folder / "train" / GOOD)
        or is_folder(test / GOOD)
        or (is_folder(test) and is_folder(folder / "ground_truth"))
    )


def is_loco(folder: Path) -> bool:
    """Whether a category has what only MVTec LOCO has."""
    return is_folder(folder / "validation" / GOOD) or any(
        is_folder(folder / "test" / kind) for kind in _LOCO_KINDS
    )


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
            kind = None if place.name == GOOD else place.name
            if kind is not None and split != "test":
                reading.findings.append(_defects_to_train_on(place))
                continue
            if kind is not None:
                mask_folders[kind] = MaskFolder(folder / "ground_truth" / kind)
            reading.samples += [
                Sample(
                    image=photo,
                    category=name,
                    split=cast("Split", split),
                    is_anomalous=kind is not None,
                    kind=kind,
                    masks=mask_folders[kind].of(photo) if kind is not None else (),
                )
                for photo in photos(place)
            ]
    _check_masks(folder, mask_folders, reading)


def _check_masks(folder: Path, mask_folders: dict[str, MaskFolder], reading: Reading) -> None:
    for place in subfolders(folder / "ground_truth"):
        # Some data sets add black masks for good parts.
        if place.name != GOOD:
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
    empty = [
        Finding("warning", path, "mask folders without a mask", "restore the masks in it")
        for path in masks.empty_folders()
    ]
    return stray + empty


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
