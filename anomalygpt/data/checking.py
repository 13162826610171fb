"""Looking at every file of a data set for what spoils training and measuring."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np

from anomalygpt.constants import QUESTION_LAYOUTS
from anomalygpt.data.files import folder_name
from anomalygpt.data.foreign import recognise
from anomalygpt.data.instructions import IMAGES, Instruction, find_json, read_entries, read_entry
from anomalygpt.data.left_out import more_pages, strangers
from anomalygpt.data.masks import (
    CRACK,
    is_smeared,
    read_mask,
    read_regions,
)
from anomalygpt.data.opening import LAYOUTS, find_layout
from anomalygpt.data.parents import leaked_copies
from anomalygpt.data.report import CheckReport, count_samples
from anomalygpt.data.samples import Finding, Sample
from anomalygpt.data.trees import category_folders
from anomalygpt.errors import DataError, ImageError
from anomalygpt.files import hash_file, shown
from anomalygpt.images.reading import load_image

Item = TypeVar("Item")
Progress: TypeAlias = Callable[[Iterable[Any], int], Iterable[Any]]

# A mask that covers more than this share of the photo may have its colours swapped.
_NEARLY_ALL = 0.95

_TREES = ("mvtec", "loco")
_RENEW = "copy or export them again, or take them out"


@dataclass(frozen=True)
class _Looked:
    """What one photo and its masks are like; size is (height, width), None if unreadable."""

    sample: Sample
    size: tuple[int, int] | None = None
    digest: str | None = None
    findings: list[Finding] = field(default_factory=list)


def check(root: str | Path, layout: str = "auto", progress: Progress | None = None) -> CheckReport:
    """Read every photo and mask of a data set and say what is wrong with it.

    Args:
        root: the data set, as for `open_data` or `open_instructions`.
        layout: a name of `LAYOUTS`, or "auto".
        progress: gets the results as they come and their number, and hands them on; for a bar.

    Raises:
        DataError: it cannot be read as a data set at all.
    """
    root = Path(root)
    layout = find_layout(root, layout)
    progress = progress or (lambda results, total: results)
    reader = LAYOUTS[layout].read
    if reader is None:
        return _check_instructions(root, progress)
    reading = reader(root, None)
    samples = reading.samples
    looked = list(progress(_in_threads(_look, samples), len(samples)))
    findings = [
        *reading.findings,
        *_foreign(root),
        *_gaps(root, layout, samples),
        # Of a questionnaire's photos a part is enough, and texts lie beside them.
        *(() if layout in QUESTION_LAYOUTS else strangers(samples)),
        *more_pages(samples),
        *(finding for each in looked for finding in each.findings),
        *_repeated(layout, looked),
        *leaked_copies(root, {each.sample: each.digest for each in looked if each.digest}),
        *_unlike_references(looked),
    ]
    return _report(root, layout, samples, findings)


def _foreign(root: Path) -> Iterator[Finding]:
    if found := recognise(root):
        yield Finding(
            "warning",
            found.evidence,
            f"{found.title}, not read",
            f"nothing, if the folders say what is good and bad; else {found.advice}",
        )


def _report(
    root: Path,
    layout: str,
    samples: Sequence[Sample],
    findings: Iterable[Finding],
    dialogues: int | None = None,
) -> CheckReport:
    ordered = sorted(findings, key=lambda finding: finding.severity == "warning")
    return CheckReport(root, layout, count_samples(samples), dialogues, tuple(ordered))


def _in_threads(look: Callable[[Item], Any], items: Sequence[Item]) -> Iterator[Any]:
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        yield from pool.map(look, items)
    finally:
        # Ctrl-C must not wait for thousands of photos that nobody will look at.
        pool.shutdown(cancel_futures=True)


# --- one photo -----------------------------------------------------------------------------------


def _look(sample: Sample) -> _Looked:
    findings: list[Finding] = []
    size = digest = None
    try:
        photo = load_image(sample.image)
        size = (photo.height, photo.width)
        digest = hash_file(sample.image)
    except (ImageError, DataError) as error:
        detail = str(error).removeprefix(shown(sample.image)).strip()
        findings.append(
            Finding("error", sample.image, "photos that cannot be used", _RENEW, detail)
        )
    findings += _look_at_masks(sample, size)
    return _Looked(sample, size, digest, findings)


def _look_at_masks(sample: Sample, size: tuple[int, int] | None) -> list[Finding]:
    findings: list[Finding] = []
    is_marked = False
    for path in sample.masks:
        try:
            mask = read_mask(path)
        except DataError as error:
            detail = str(error).removeprefix(shown(path)).strip()
            findings.append(Finding("error", path, "masks that cannot be used", _RENEW, detail))
            is_marked = True  # nobody knows
            continue
        is_marked = is_marked or bool(mask.any())
        findings += _look_at_mask(path, mask, size)
    if sample.masks and not is_marked:
        findings.append(
            Finding(
                "warning",
                sample.masks[0],
                "masks that mark nothing, of photos that show a defect",
                "draw the defect, or move the photo to the good ones",
            )
        )
    return findings


def _look_at_mask(path: Path, mask: np.ndarray, size: tuple[int, int] | None) -> Iterator[Finding]:
    if size is not None and mask.shape != size:
        turned = ", as if turned by 90°" if mask.shape == size[::-1] else ""
        yield Finding(
            "error",
            path,
            "masks of another size than their photo",
            "export them in the size of the photo as it is looked at, upright",
            f"{mask.shape[1]}×{mask.shape[0]}, the photo {size[1]}×{size[0]}{turned}",
        )
    if mask.mean() > _NEARLY_ALL:
        yield Finding(
            "warning",
            path,
            "masks that mark nearly the whole photo",
            "if they are inverted, make the defect white and the rest black",
        )
    if is_smeared(path):
        yield Finding(
            "warning",
            path,
            "masks with smeared edges",
            "nothing, if half the brightness is the edge: pixels of at least half are taken; save "
            "masks as PNG in black and white to say it exactly",
        )
    if path.suffix.lower() == ".mat" and (others := _other_regions(path)):
        yield Finding(
            "warning",
            path,
            "masks with regions other than road (1) and crack (2)",
            "nothing; only 2 counts as a defect",
            f"region {others}",
        )


def _other_regions(path: Path) -> str:
    return ", ".join(f"{n:g}" for n in np.unique(read_regions(path)) if n not in (1, CRACK))


# --- all photos together -------------------------------------------------------------------------


def _gaps(root: Path, layout: str, samples: Sequence[Sample]) -> Iterator[Finding]:
    """What is missing: photos of good parts, of defects, masks."""
    places = {sample.category: root for sample in samples} or {"": root}
    if layout in _TREES:
        folders = category_folders(root)
        places = {folder_name(folder): folder for folder in folders}
    elif layout == "visa":
        places = {name: root / name for name in places}
    for name, place in places.items():
        mine = [sample for sample in samples if sample.category == name]
        yield from _missing_photos(place, layout, mine)
        yield from _missing_masks(place, mine)


def _missing_photos(place: Path, layout: str, samples: Sequence[Sample]) -> Iterator[Finding]:
    good = [sample.split for sample in samples if not sample.is_anomalous]
    bad = sum(sample.is_anomalous for sample in samples)
    if not samples:
        yield Finding("error", place, "no photo at all", "copy the data set again")
        return
    if layout == "crackforest":
        if not any(sample.masks for sample in samples):
            yield Finding("error", place, "no mask, and no good photo", "restore groundTruth")
        return
    if "train" not in good:
        yield Finding(
            "error",
            place,
            "no good photos to train on",
            "training and references need some in train/good (plain folders: in good)",
        )
    if layout in ("folder", "good", "pairs"):
        return
    if not bad and "test" not in good:
        yield Finding(
            "warning", place, "no test photos", "training works; measuring needs photos in test"
        )
    elif not bad or "test" not in good:
        yield Finding(
            "warning",
            place,
            f"no {'good' if bad else 'defective'} photos to test with",
            "without both, figures per photo such as AUROC are undefined",
        )


def _missing_masks(place: Path, samples: Sequence[Sample]) -> Iterator[Finding]:
    bad = [sample for sample in samples if sample.is_anomalous]
    without = [sample for sample in bad if not sample.masks]
    advice = "nothing, if verdicts are enough; training and figures per pixel leave these out"
    if without and len(without) == len(bad):
        number = f"{len(bad)} photo{'s' * (len(bad) != 1)} of defects"
        yield Finding("warning", place, "no masks at all", advice, number)
        return
    for sample in without:
        yield Finding("warning", sample.image, "photos of defects without a mask", advice)


def _repeated(layout: str, looked: Sequence[_Looked]) -> Iterator[Finding]:
    """Photos with the same bytes where they do harm, whatever they are called."""
    same: dict[tuple[str, str], list[Sample]] = {}
    for each in looked:
        if each.digest is not None:
            same.setdefault((each.sample.category, each.digest), []).append(each.sample)
    for group in same.values():
        train = [sample for sample in group if sample.split == "train"]
        others = [sample for sample in group if sample.split != "train"]
        for sample in others if train else ():
            yield Finding(
                "error",
                sample.image,
                f"{sample.split} photos that are also in train",
                "take them out of one; measured on photos it has learned, a model looks too good",
                f"same as {shown(_near(train[0].image))}",
            )
        good = [sample for sample in others if not sample.is_anomalous]
        for sample in others if good else ():
            if sample.is_anomalous:
                yield Finding(
                    "error",
                    sample.image,
                    "photos that count as good and as defective",
                    "decide which they are, and delete the other copy",
                    f"same as {shown(_near(good[0].image))}",
                )
        # One photo of a good part may serve many pairs.
        for sample in train[1:] if layout != "pairs" else ():
            yield Finding(
                "warning",
                sample.image,
                "training photos that are there twice",
                "delete the copies; they only make some photos count more",
                f"same as {shown(_near(train[0].image))}",
            )


def _near(path: Path) -> str:
    """Enough of a path to find it in its category."""
    return "/".join(path.parts[-3:])


def _unlike_references(looked: Sequence[_Looked]) -> Iterator[Finding]:
    sizes = {each.sample.image: each.size for each in looked if each.size}
    for each in looked:
        reference = each.sample.reference
        if reference is None or each.size is None or reference not in sizes:
            continue
        if sizes[reference] != each.size:
            yield Finding(
                "warning",
                each.sample.image,
                "queries of another size than their reference",
                "take both with the same camera and cut them alike",
            )


# --- dialogues -------------------------------------------------------------------------------


def _check_instructions(root: Path, progress: Progress) -> CheckReport:
    path = find_json(root)
    if path is None:
        raise DataError(f"{shown(root)} holds no dialogues; give their folder")
    findings, usable = [], []
    for number, entry in enumerate(read_entries(path), 1):
        instruction = read_entry(entry, path.parent / IMAGES)
        if isinstance(instruction, Instruction):
            usable.append(instruction)
            continue
        findings.append(
            Finding(
                "error",
                path,
                "dialogues that cannot be used",
                "correct them or take them out",
                f"dialogue {number}: {instruction}",
            )
        )
    images = sorted({instruction.image for instruction in usable})
    broken = {}
    for image, error in progress(_in_threads(_look_at_image, images), len(images)):
        if error:
            broken[image] = error
            findings.append(Finding("error", image, "pictures that cannot be used", _RENEW, error))
    if not usable and not findings:
        findings.append(Finding("error", path, "no dialogue", "download it again"))
    count = sum(instruction.image not in broken for instruction in usable)
    base = path.parent if root == path else root
    return _report(base, "instructions", (), findings, count)


def _look_at_image(image: Path) -> tuple[Path, str]:
    try:
        load_image(image)
    except ImageError as error:
        return image, str(error).removeprefix(shown(image)).strip()
    return image, ""
