"""Masks: which pixels of a photo are defects, from whatever file says so.

The rule for pictures: a pixel that is neither black nor fully transparent is a defect, because
data sets write 1, 2, 3 … as well as 255. Where edges were smeared (JPEG, scaling, anti-aliasing) a
pixel needs half of the highest value.
CrackForest's MATLAB files number their regions: 2 is crack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from anomalygpt.data.files import is_file, is_folder, name_key, photos, subfolders
from anomalygpt.data.samples import Finding, Sample
from anomalygpt.errors import DataError
from anomalygpt.files import shown

CRACK = 2
LOSSY_FORMATS = frozenset({"JPEG", "MPO", "JPEG2000"})

# Masks of another size are stretched where height : width agrees this closely.
ASPECT_TOLERANCE = 0.01

_HALF = 128
# Below this highest value a mask holds class numbers: between black and white there is more room.
_LOWEST_WHITE = 64
# With more values than this, some next to black and white may be noise that covers whole areas.
_MANY_VALUES, _NEAR = 16, 0.08
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
    if path.suffix.lower() == ".mat":
        return read_regions(path) == CRACK
    strength, white = _read_picture(path)
    return strength > 0 if white is None else 2 * strength >= white


def is_smeared(path: Path) -> bool:
    """Whether a mask's edges are smeared, so that values of at least half of its highest count.

    Raises:
        DataError: see `read_mask`.
    """
    return path.suffix.lower() != ".mat" and _read_picture(path)[1] is not None


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


def _read_picture(path: Path) -> tuple[np.ndarray, float | None]:
    """(H, W) from 0 on, and the value of white where edges are smeared, else None."""
    try:
        with Image.open(path) as picture:
            is_lossy = picture.format in LOSSY_FORMATS
            strength = _strength(ImageOps.exif_transpose(picture))
    except Exception as error:  # readers raise nearly anything on damaged files
        raise DataError(
            f"{shown(path)} cannot be read as a mask ({_reason(error)}); export it again as PNG"
        ) from None
    if is_lossy:
        return strength, 2 * _HALF
    return strength, float(strength.max()) if _has_smeared_edges(strength) else None


def _has_smeared_edges(strength: np.ndarray) -> bool:
    """Whether values between black and white lie at edges, and are no numbers of classes.

    On a smeared edge a pixel has darker and brighter ones around it; a region of a class has not.
    """
    white = strength.max()
    between = (strength > 0) & (strength < white)
    if white < _LOWEST_WHITE or not between.any():
        return False
    if len(np.unique(strength[between])) > _MANY_VALUES:
        between &= (strength > _NEAR * white) & (strength < (1 - _NEAR) * white)
        if not between.any():
            return True
    block = np.ones((3, 3), np.uint8)
    slope = (cv2.erode(strength, block) < strength) & (strength < cv2.dilate(strength, block))
    return bool(slope[between].mean() > 0.3)


def _strength(picture: Image.Image) -> np.ndarray:
    """(H, W) float32 from 0 on: the strongest colour; 0 where the picture is transparent."""
    if picture.mode in ("1", "F") or picture.mode.startswith("I"):
        values = np.asarray(picture)
        if not np.isfinite(values).all():
            raise ValueError("it holds NaN or infinite values")
        strength = np.abs(values.astype(np.float32))
        # A share of the pixel, not a number of a class.
        return strength * 255 if picture.mode == "F" and strength.max() <= 1 else strength
    if not picture.has_transparency_data:
        return np.asarray(picture.convert("RGB")).max(axis=-1).astype(np.float32)
    layers = np.asarray(picture.convert("RGBA"))
    colours, alpha = layers[..., :3].max(axis=-1), layers[..., 3]
    if alpha.min() == alpha.max() and colours.min() < colours.max():
        return colours.astype(np.float32)  # transparency that is the same everywhere says nothing
    return colours * (alpha / np.float32(255))


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
        self._files: dict[str, Path] = {}
        # A mask that lies there under the same name as another, with another suffix.
        self.doubles: list[tuple[Path, Path]] = []
        for path in photos(folder, suffixes):
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
