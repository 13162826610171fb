"""Masks: which pixels of a photo are defects, from whatever file says so.

The rule for pictures: a pixel that is neither black nor fully transparent is a defect, because
data sets write 1, 2, 3 … as well as 255. JPEG smears black, so there it takes half brightness.
CrackForest's MATLAB files number their regions: 2 is crack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from anomalygpt.data.files import is_file, is_folder, name_key, photos, shown, subfolders
from anomalygpt.data.samples import Finding, Sample
from anomalygpt.errors import DataError

CRACK = 2
LOSSY_FORMATS = frozenset({"JPEG", "MPO", "JPEG2000"})
LOSSY_SUFFIXES = frozenset({".jpg", ".jpeg", ".jp2"})

# Masks of another size are stretched where height : width agrees this closely.
ASPECT_TOLERANCE = 0.01

_HALF = 128
_COMMON_ENDING = "_mask"


def load_mask(sample: Sample, size: tuple[int, int]) -> np.ndarray:
    """Where a photo shows defects; several masks of a photo are united.

    Args:
        sample: a photo of any layout.
        size: (height, width) of the photo in pixels, upright. A mask of another size, but the
            same shape up to 1 %, is stretched to it without new values (nearest pixel).

    Returns:
        (height, width) bool; all False for a photo of a good part.

    Raises:
        DataError: an anomalous photo has no mask, or a mask is unreadable or of another shape.
    """
    united = np.zeros(size, dtype=bool)
    if not sample.is_anomalous:
        return united
    if not sample.masks:
        raise DataError(
            f"{shown(sample.image)} has no mask; leave it out of what is measured or trained per "
            "pixel, or add one"
        )
    for path in sample.masks:
        united |= _stretched(read_mask(path), size, path)
    return united


def read_mask(path: Path) -> np.ndarray:
    """One mask file in its own size.

    Returns:
        (H, W) bool, True where there is a defect.

    Raises:
        DataError: the file is missing, unreadable or no mask.
    """
    if not is_file(path):
        raise DataError(f"{shown(path)} is not there; a mask was expected, restore the file")
    return read_regions(path) == CRACK if path.suffix.lower() == ".mat" else _read_picture(path)


def read_regions(path: Path) -> np.ndarray:
    """Region numbers of a CrackForest file, `groundTruth.Segmentation`.

    Returns:
        (H, W) integers from 1 on: 1 road, 2 crack; some files hold others.

    Raises:
        DataError: it is no such MATLAB file.
    """
    from scipy.io import loadmat

    try:
        regions = loadmat(path, variable_names=["groundTruth"])["groundTruth"]["Segmentation"][0, 0]
    except Exception as error:  # the reader raises nearly anything on damaged files
        raise DataError(
            f"{shown(path)} is no CrackForest mask ({_reason(error)}); expected a MATLAB 5 file "
            "with groundTruth.Segmentation, download it again"
        ) from None
    if regions.ndim != 2 or regions.dtype.kind not in "uif" or not regions.size:
        raise DataError(
            f"{shown(path)} holds a Segmentation of shape {regions.shape} and type "
            f"{regions.dtype}; expected numbers (height, width), download it again"
        )
    return regions


def _read_picture(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as picture:
            is_lossy = picture.format in LOSSY_FORMATS
            values = _values(ImageOps.exif_transpose(picture))
    except Exception as error:  # readers raise nearly anything on damaged files
        raise DataError(
            f"{shown(path)} cannot be read as a mask ({_reason(error)}); export it again as PNG"
        ) from None
    if is_lossy:
        return values.max(axis=-1) >= _HALF
    return (values != 0).any(axis=-1)


def _values(picture: Image.Image) -> np.ndarray:
    """(H, W, C) colours or grey values; 0 where the picture is transparent."""
    if picture.mode in ("1", "F") or picture.mode.startswith("I"):
        values = np.asarray(picture)
        if not np.isfinite(values).all():
            raise ValueError("it holds NaN or infinite values")
        return values[..., None]
    if not picture.has_transparency_data:
        return np.asarray(picture.convert("RGB"))
    layers = np.asarray(picture.convert("RGBA"))
    return layers[..., :3] * (layers[..., 3:] > 0)


def _reason(error: Exception) -> str:
    # Pillow's own words repeat the path.
    if isinstance(error, Image.UnidentifiedImageError):
        return "not an image, or its start is damaged"
    return " ".join(str(error).split()) or type(error).__name__


def _stretched(mask: np.ndarray, size: tuple[int, int], path: Path) -> np.ndarray:
    if mask.shape == size:
        return mask
    if not same_shape(mask.shape, size):
        raise DataError(
            f"{shown(path)} is {mask.shape[1]}×{mask.shape[0]} pixels, its photo "
            f"{size[1]}×{size[0]}, another shape; export the mask in the photo's size"
        )
    picture = Image.fromarray(mask.astype(np.uint8))
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.NEAREST)) > 0


def same_shape(size: tuple[int, ...], other: tuple[int, int]) -> bool:
    """Whether two sizes (height, width) differ in scale only, up to 1 %."""
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) <= ASPECT_TOLERANCE


def claimed_twice(samples: Sequence[Sample]) -> list[Finding]:
    """Masks that belong to several photos by their names."""
    claims = Counter(mask for sample in samples for mask in sample.masks)
    return [
        Finding(
            "error",
            mask,
            "masks that several photos claim",
            "give each photo a name of its own; photos and masks of a kind may also lie in "
            "subfolders of the same name",
            f"{count} photos have this name",
        )
        for mask, count in claims.items()
        if count > 1
    ]


class MaskFolder:
    """The masks of one folder, found by the names of their photos.

    A photo NAME has its mask in NAME_mask or NAME with any suffix, or several in a folder NAME.
    """

    def __init__(self, folder: Path, suffixes: Sequence[str] | None = None) -> None:
        """Lists the folder; there may be none."""
        files = photos(folder) if suffixes is None else photos(folder, suffixes)
        self._files: dict[str, Path] = {}
        # A mask that lies there under the same name as another, with another suffix.
        self.doubles: list[tuple[Path, Path]] = []
        for path in files:
            first = self._files.setdefault(name_key(path.stem), path)
            if first != path:
                self.doubles.append((path, first))
        self._folders = {name_key(path.name): path for path in subfolders(folder)}
        self._claimed: set[Path] = set()

    def of(self, photo: Path) -> tuple[Path, ...]:
        """Masks of a photo; () where there is none."""
        name = name_key(photo.stem)
        for key in (name + _COMMON_ENDING, name):
            if key in self._files:
                self._claimed.add(self._files[key])
                return (self._files[key],)
        if name in self._folders:
            self._claimed.add(self._folders[name])
            return tuple(photos(self._folders[name]))
        return ()

    def unclaimed(self) -> list[Path]:
        """Masks, and folders of masks, that belong to no photo asked for until now."""
        own = [path for path in self._folders.values() if photos(path)]
        return sorted({*self._files.values(), *own} - self._claimed)

    def empty_folders(self) -> list[Path]:
        """Folders for the masks of one photo that hold none."""
        return sorted(path for path in self._claimed if is_folder(path) and not photos(path))
