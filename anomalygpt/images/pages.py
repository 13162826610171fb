"""Pages of one file: a TIFF holds several photos, called part.tif, part.tif#2, part.tif#3 …"""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

# More than this many pages of one file are a recording; whoever means them saves them as files.
MOST_PAGES = 100

_NAME = re.compile(r"(.+\.tiff?)#([1-9]\d{0,6})", re.IGNORECASE | re.DOTALL)
_KIND_OF_PAGE, _SMALLER_COPY, _MASK_OF_ANOTHER = 254, 1, 4


def split_page(path: Path) -> tuple[Path, int]:
    """The file of a photo, and which of its pages it is, from 0 on."""
    match = _NAME.fullmatch(path.name)
    if match is None or os.path.lexists(path):
        return path, 0
    return path.with_name(match[1]), int(match[2]) - 1


def pages_of(path: Path) -> tuple[list[Path], int]:
    """The photos of one file, and how many more pages it has than `MOST_PAGES`.

    Pages that are a smaller copy of another, or its mask, are no photos. A file that cannot be read
    counts as one photo; whoever reads it says what is wrong.
    """
    # A named pipe would be waited for.
    if path.suffix.lower() not in (".tif", ".tiff") or not os.path.isfile(path):  # noqa: PTH113
        return [path], 0
    from PIL import Image, TiffImagePlugin  # not for a help text, which needs names of files alone

    found = [path]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                if not isinstance(image, TiffImagePlugin.TiffImageFile):
                    return found, 0
                count = image.n_frames
                for page in range(1, min(count, MOST_PAGES)):
                    image.seek(page)
                    kind = image.tag_v2.get(_KIND_OF_PAGE, 0)
                    if not kind & (_SMALLER_COPY | _MASK_OF_ANOTHER):
                        found.append(path.with_name(f"{path.name}#{page + 1}"))
    except Exception:  # readers raise nearly anything on damaged files
        return found, 0
    return found, max(0, count - MOST_PAGES)
