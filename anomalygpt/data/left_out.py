"""What a data set holds and is not read, so that nothing is left out in silence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from anomalygpt.data.files import entries, is_folder, photos_below
from anomalygpt.data.masks import is_smeared
from anomalygpt.data.samples import Finding, InspectionData, Sample
from anomalygpt.errors import DataError
from anomalygpt.files import shown
from anomalygpt.images.listing import is_result
from anomalygpt.images.pages import pages_of

_MOST_NAMED = 3

# Masks of one category come from one tool: a few of them tell how it draws edges.
_LOOKED_AT = 3


def strangers(samples: Sequence[Sample]) -> Iterator[Finding]:
    """What lies between the photos and is not read as one."""
    known = {sample.image for sample in samples}
    read = known.union(*(sample.masks for sample in samples))
    named = {sample.image.stem for sample in samples}
    for photo in sorted(known):
        if photo.stem.endswith("_mask") and photo.stem.removesuffix("_mask") in named:
            yield Finding(
                "error",
                photo,
                "masks between the photos",
                "move them into the folder for masks; here they count as photos",
            )
    for folder in sorted({photo.parent for photo in known}):
        for path in entries(folder):
            if path in known or (is_folder(path) and _is_read(path, read)):
                continue
            if is_result(path):
                yield Finding(
                    "error",
                    path,
                    "pictures that anomalygpt wrote itself, between the photos",
                    "move them elsewhere",
                )
            elif not is_folder(path) or photos_below(path):
                yield Finding(
                    "warning",
                    path,
                    "files and folders between the photos, left out",
                    "convert them to PNG or JPEG, or move the photos up, if they should count",
                )


def _is_read(folder: Path, files: set[Path]) -> bool:
    return any(folder in file.parents for file in files)


def more_pages(samples: Sequence[Sample]) -> Iterator[Finding]:
    """TIFF files whose first page alone is read: a mask belongs to one photo."""
    for photo in dict.fromkeys(sample.image for sample in samples):
        pages, more = pages_of(photo)
        if len(pages) > 1:
            yield Finding(
                "warning",
                photo,
                "TIFF files with several photos, of which the first counts",
                "save every page as a file of its own",
                f"{len(pages) + more} pages",
            )


def data_notes(data: InspectionData) -> list[str]:
    """What people should know about how a data set was read, in whole lines.

    Args:
        data: from `open_data`; a few masks of each category are decoded.
    """
    groups: dict[str, list[Path]] = {}
    for finding in (*data.left_out, *strangers(data.samples), *more_pages(data.samples)):
        groups.setdefault(finding.problem, []).append(finding.path)
    lines = [
        f"{problem}: {len(paths)} ({', '.join(shown(path.name) for path in paths[:_MOST_NAMED])}"
        f"{', …' * (len(paths) > _MOST_NAMED)})"
        for problem, paths in groups.items()
    ]
    return lines + [
        f"{shown(category)}: its masks have smeared edges; pixels of at least half the brightness "
        "of white count as defects"
        for category in data.categories
        if _is_smeared(data.select(category))
    ]


def _is_smeared(samples: Sequence[Sample]) -> bool:
    masks = [mask for sample in samples for mask in sample.masks]
    try:
        return any(is_smeared(mask) for mask in masks[:: max(1, len(masks) // _LOOKED_AT)])
    except DataError:  # whoever measures with the mask says what is wrong
        return False
