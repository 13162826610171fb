"""Which photos tools look at, and reading those of data sets with their masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from anomalygpt.data.files import is_folder
from anomalygpt.data.masks import load_mask
from anomalygpt.data.names import means_masks
from anomalygpt.data.samples import Finding, Sample
from anomalygpt.errors import DataError, ImageError, SourceError
from anomalygpt.images.listing import find_images
from anomalygpt.images.reading import load_image


def collect(sources: str | Path | Sequence[str | Path]) -> list[Path]:
    """Photos of files, folders and patterns, each once; pictures below a folder for masks, such as
    ground_truth, do not count.

    Raises:
        SourceError: nothing was given, or nothing is left.
    """
    given = [sources] if isinstance(sources, str | Path) else list(sources)
    found: dict[Path, None] = {}
    for source in given:
        root = Path(source)
        for path in find_images(source).photos:
            inner = path.relative_to(root).parts[:-1] if is_folder(root) else ()
            if not any(map(means_masks, inner)):
                found[path] = None
    if not found:
        raise SourceError("no photo is left, only masks; give the folder of the photos")
    return list(found)


def photo_and_mask(sample: Sample) -> tuple[Image.Image, np.ndarray | None] | Finding:
    """A photo and its mask, (H, W) bool, None where it has none; or what is wrong with them."""
    try:
        picture = load_image(sample.image)
        size = (picture.height, picture.width)
        return picture, load_mask(sample, size) if sample.masks else None
    except (ImageError, DataError) as error:
        problem = "photos and masks that cannot be used, left out"
        advice = "copy or export them again"
        return Finding("error", sample.image, problem, advice, str(error))
