"""Which photos tools look at: those that are named, without masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anomalygpt.data.files import is_folder
from anomalygpt.data.names import means_masks
from anomalygpt.errors import SourceError
from anomalygpt.images.listing import find_images


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
