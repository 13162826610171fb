"""Which product a photo shows: the one whose reference photos it is most like.

Only arrays go in, so that any image encoder can give them; with the house's models that is
`model.encode(...).features.embedding`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomalygpt.errors import ConfigError, DataError, SourceError
from anomalygpt.files import shown
from anomalygpt.images.listing import files_below, is_photo, why_not

# How much less than its references among themselves a photo of a product may be like them; damaged
# parts are less like them than good ones.
ROOM = 0.1


@dataclass(frozen=True)
class Recognised:
    """What a photo shows.

    Attributes:
        product: its name; None where no product is like enough.
        likeness: cosine with the reference photo that is most like it, in [-1, 1].
        nearest: the product of that reference, also where it is not like enough.
    """

    product: str | None
    likeness: float
    nearest: str


def reference_photos(folder: str | Path) -> dict[str, list[Path]]:
    """The photos in the folders of products: `FOLDER/PRODUCT/*.png`, `FOLDER/PRODUCT/photos/*.png`.

    Returns:
        Photos by product, both in order; products without photos are left out.

    Raises:
        SourceError: the folder is not there.
    """
    root = Path(folder)
    if not root.is_dir():
        raise SourceError(f"the folder of knowledge {shown(folder)} does not exist")
    found = {}
    for place in sorted(root.iterdir()):
        if place.is_dir() and not place.is_symlink() and not place.name.startswith("."):
            photos = [path for path in sorted(files_below(place)) if _is_reference(path, place)]
            if photos:
                found[place.name] = photos
    return found


def _is_reference(path: Path, place: Path) -> bool:
    """Photos beside the texts and below "photos"; others, such as of damaged parts, are not."""
    inner = path.relative_to(place).parts[:-1]
    return inner[:1] in ((), ("photos",)) and is_photo(path) and not why_not(path)


def recognise(
    embedding: np.ndarray, references: Mapping[str, np.ndarray], *, least: float
) -> Recognised:
    """The product whose references a photo is most like.

    Where a product has two references or more, they show how like its photos are: nearly as like
    them a photo must be, and never less than `least`.

    Args:
        embedding: (D,) of the photo, any scale.
        references: (N, D) of the reference photos of each product, N from 1 on, any scale, by the
            same encoder.
        least: cosine below which it is none of them, in [-1, 1]; it differs from encoder to
            encoder, see `DecoderConfig.least_likeness`.

    Raises:
        ConfigError: `least` is out of range, or there are no references.
        DataError: arrays have shapes that do not fit, or values that are no numbers.
    """
    if not -1.0 <= least <= 1.0:
        raise ConfigError(f"the least likeness is a cosine in [-1, 1], got {least}")
    if not references:
        raise ConfigError("there are no reference photos of any product; put some into its folder")
    photo = np.asarray(embedding, dtype=np.float64)
    if photo.ndim != 1 or not photo.size:
        raise DataError(f"the embedding of a photo has shape (D,), got {photo.shape}")
    likeness, needed = {}, {}
    for product, given in references.items():
        rows = np.asarray(given, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != photo.size or not len(rows):
            raise DataError(
                f"the references of {shown(product)} have shape {rows.shape}, expected "
                f"(N, {photo.size}) from the encoder that read the photo"
            )
        units = _units(rows)
        likeness[product] = float(np.max(units @ _units(photo[None])[0]))
        needed[product] = max(least, _among_themselves(units) - ROOM)
    nearest = max(likeness, key=lambda product: likeness[product])
    highest = likeness[nearest]
    if not np.isfinite(highest) or not all(np.isfinite(list(likeness.values()))):
        raise DataError("an embedding has values that are no numbers; encode the photos again")
    return Recognised(nearest if highest >= needed[nearest] else None, highest, nearest)


def _among_themselves(units: np.ndarray) -> float:
    """How like the others the least like of some references is; -1 for a single one."""
    if len(units) < 2:
        return -1.0
    cosines = units @ units.T
    np.fill_diagonal(cosines, -1.0)
    return float(cosines.max(axis=1).min())


def _units(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, 1e-12)
