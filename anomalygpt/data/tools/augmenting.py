"""Changed copies of photos, with their masks, that stay on the side of their parents: no copy of a
test photo comes into training.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
from PIL import Image

from anomalygpt.data.files import name_key
from anomalygpt.data.opening import open_data
from anomalygpt.data.parents import PARENTS
from anomalygpt.data.samples import Finding, Sample, Split
from anomalygpt.data.tools.collecting import photo_and_mask
from anomalygpt.data.tools.manifests import Progress
from anomalygpt.data.tools.meta import collect_meta, write_meta
from anomalygpt.data.tools.writing import write_json
from anomalygpt.errors import ConfigError, DataError
from anomalygpt.files import hash_file, shown, staged_folder

Fill: TypeAlias = Literal["reflect", "edge", "black"]
FILLS: dict[Fill, int] = {
    "reflect": cv2.BORDER_REFLECT_101,
    "edge": cv2.BORDER_REPLICATE,
    "black": cv2.BORDER_CONSTANT,
}
_GOOD = "good"
_FORBIDDEN = re.compile(r'[\\/:*?"<>|\x00-\x1f]')


@dataclass(frozen=True)
class Changes:
    """Which copies are made: one for each value.

    Attributes:
        turns: degrees anticlockwise, not 0. Multiples of 90 move pixels as they are; others get a
            larger canvas, so that nothing is cut off.
        brightness: factors, 1 is as it is.
        contrast: factors around the photo's mean, 1 is as it is.
        gaussian: standard deviations of noise, in levels of 255.
        salt_pepper: shares of pixels that become black or white, in (0, 1).
        resize: factors of both sides.
        fill: what lies around a turned photo.
        seed: of the noise.
    """

    turns: tuple[float, ...] = ()
    brightness: tuple[float, ...] = ()
    contrast: tuple[float, ...] = ()
    gaussian: tuple[float, ...] = ()
    salt_pepper: tuple[float, ...] = ()
    resize: tuple[float, ...] = ()
    fill: Fill = "reflect"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that make no copy.

        Raises:
            ConfigError: a value is out of its range, or there is none at all.
        """
        positive = (*self.brightness, *self.contrast, *self.gaussian, *self.resize)
        if any(not np.isfinite(value) or value <= 0 for value in positive):
            raise ConfigError("factors and noise are greater than 0")
        if any(not 0 < share < 1 for share in self.salt_pepper):
            raise ConfigError("shares of salt and pepper are between 0 and 1")
        if any(not np.isfinite(angle) or angle % 360 == 0 for angle in self.turns):
            raise ConfigError("a turn by 0° is no change; give other degrees")
        if self.fill not in FILLS:
            raise ConfigError(f"there is no fill {self.fill!r}; choose {', '.join(FILLS)}")
        if not list(self.named()):
            raise ConfigError("no change was asked for; name at least one, such as a turn by 90°")

    def named(self) -> Iterator[tuple[str, str, float]]:
        """Each copy: the end of its file's name, what is changed, and the value."""
        for kind in ("turns", "brightness", "contrast", "gaussian", "salt_pepper", "resize"):
            for value in dict.fromkeys(getattr(self, kind)):
                yield f"{_SHORT[kind]}{value:g}", kind, value


_SHORT = {
    "turns": "turn",
    "brightness": "bright",
    "contrast": "contrast",
    "gaussian": "noise",
    "salt_pepper": "salt",
    "resize": "size",
}


@dataclass(frozen=True)
class Augmented:
    """What was made.

    Attributes:
        output: the new data set, in MVTec AD's layout, with meta.json.
        originals: photos that were copied as they are.
        copies: changed copies.
        findings: what was left out, and why.
    """

    output: Path
    originals: int
    copies: int
    findings: tuple[Finding, ...]


def changed(
    photo: np.ndarray,
    mask: np.ndarray | None,
    kind: str,
    value: float,
    fill: Fill = "reflect",
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray | None]:
    """One changed copy.

    Args:
        photo: (H, W, 3) uint8.
        mask: (H, W) bool, or None.
        kind: a field of `Changes`, such as "turns".
        value: one of its values.
        fill: what lies around a turned photo; its mask is continued alike, for a mirrored defect
            is a defect.
        seed: of the noise.

    Returns:
        (H', W', 3) uint8 and (H', W') bool or None.
    """
    if kind == "turns":
        return _turned(photo, mask, value, fill)
    if kind == "resize":
        return _resized(photo, mask, value)
    values = photo.astype(np.float32)
    if kind == "brightness":
        values *= value
    elif kind == "contrast":
        values = (values - values.mean()) * value + values.mean()
    elif kind == "gaussian":
        values += np.random.default_rng(seed).normal(0, value, values.shape)
    else:
        rng = np.random.default_rng(seed)
        drawn = rng.random(photo.shape[:2])
        values[drawn < value / 2] = 0
        values[drawn > 1 - value / 2] = 255
    return np.clip(np.rint(values), 0, 255).astype(np.uint8), mask


def _turned(
    photo: np.ndarray, mask: np.ndarray | None, angle: float, fill: Fill
) -> tuple[np.ndarray, np.ndarray | None]:
    if angle % 90 == 0:
        times = int(angle // 90) % 4
        turned = np.ascontiguousarray(np.rot90(photo, times))
        return turned, None if mask is None else np.ascontiguousarray(np.rot90(mask, times))
    height, width = photo.shape[:2]
    middle = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, angle, 1.0)
    across, along = np.abs(matrix[0, 0]), np.abs(matrix[0, 1])
    size = (
        int(np.ceil(width * across + height * along)),
        int(np.ceil(width * along + height * across)),
    )
    matrix[:, 2] += ((size[0] - 1) / 2 - middle[0], (size[1] - 1) / 2 - middle[1])
    border = FILLS[fill]
    turned = cv2.warpAffine(photo, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
    if mask is None:
        return turned, None
    wide = mask.astype(np.uint8)
    nearest = cv2.warpAffine(wide, matrix, size, flags=cv2.INTER_NEAREST, borderMode=border) > 0
    if mask.any() and not nearest.any():  # thinner than a pixel of the copy
        soft = cv2.warpAffine(wide * 255, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
        nearest = soft > 0
    return turned, nearest


def _resized(
    photo: np.ndarray, mask: np.ndarray | None, factor: float
) -> tuple[np.ndarray, np.ndarray | None]:
    height, width = photo.shape[:2]
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    way = Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC
    resized = np.asarray(Image.fromarray(photo).resize(size, way))
    if mask is None:
        return resized, None
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    nearest = np.asarray(picture.resize(size, Image.Resampling.NEAREST)) > 0
    if mask.any() and not nearest.any():
        nearest = np.asarray(picture.resize(size, Image.Resampling.BOX)) > 0
    return resized, nearest


# --- a whole data set ----------------------------------------------------------------------------


def augment(
    root: str | Path,
    output: str | Path,
    changes: Changes,
    *,
    layout: str = "auto",
    splits: Sequence[Split] = ("train",),
    progress: Progress | None = None,
) -> Augmented:
    """Make a data set of photos and changed copies. A copy lies beside its parent, in the same
    split, and parents.json names the parent of each.

    A training photo with the bytes of a photo that is kept for testing or validation is left out,
    and so are its copies.

    Args:
        root: a data set of any layout; it is only read.
        output: the new folder; it must be free.
        changes: which copies.
        layout: as for `open_data`.
        splits: of which photos there are copies; the others are taken over as they are.
        progress: gets the photos and their number, and hands them on; for a bar.

    Raises:
        DataError: the data set cannot be read, or no photo of it can.
        OutputError: the output is taken or cannot be written.
    """
    root, output = Path(root), Path(output)
    data = open_data(root, layout)
    samples = list({sample.image: sample for sample in data.samples}.values())
    held = {hash_file(s.image) for s in samples if s.split != "train"}
    progress = progress or (lambda items, total: items)
    findings: list[Finding] = []
    originals = 0
    with staged_folder(output, sum(s.image.stat().st_size for s in samples)) as staging:
        made = _Folder(staging, root)
        for sample in progress(samples, len(samples)):
            if sample.split == "train" and hash_file(sample.image) in held:
                findings.append(_leaking(sample))
                continue
            finding = made.add(sample, changes if sample.split in splits else None)
            originals += finding is None
            findings += [finding] if finding else []
        if not originals:
            raise DataError(f"{shown(root)}: no photo can be used, first {findings[0].detail}")
        write_json(staging / PARENTS, {"schema_version": 1, "files": made.parents})
        write_meta(collect_meta(staging))
    return Augmented(output, originals, len(made.parents), tuple(findings))


def _leaking(sample: Sample) -> Finding:
    return Finding(
        "warning",
        sample.image,
        "training photos that are also kept for testing, left out with their copies",
        "take them out of one; measured on photos it has learned, a model looks too good",
    )


class _Folder:
    """The new data set, photo by photo."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder, self._root = folder, root
        self._taken: set[str] = set()
        self.parents: list[dict[str, Any]] = []

    def add(self, sample: Sample, changes: Changes | None) -> Finding | None:
        """Copy a photo and add its changed copies; what is wrong with it, if it cannot be used."""
        read = photo_and_mask(sample)
        if isinstance(read, Finding):
            return read
        picture, mask = read
        name = self._free(sample, sample.image.stem)
        place = self._place(sample, f"{name}{sample.image.suffix}")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(sample.image, place)
        self._save_mask(sample, name, mask)
        if changes is not None:
            self._add_copies(sample, changes, name, np.asarray(picture), mask)
        return None

    def _add_copies(
        self,
        sample: Sample,
        changes: Changes,
        name: str,
        pixels: np.ndarray,
        mask: np.ndarray | None,
    ) -> None:
        parent = self._place(sample, f"{name}{sample.image.suffix}").relative_to(self._folder)
        digest = hash_file(sample.image)
        for ending, kind, value in changes.named():
            # Every photo has noise of its own, the same in every run.
            mark = hashlib.sha256(f"{changes.seed} {parent} {ending}".encode()).digest()
            seed = int.from_bytes(mark[:8], "big")
            copy, copied = changed(pixels, mask, kind, value, changes.fill, seed)
            own = self._free(sample, f"{name}__{ending}")
            place = self._place(sample, f"{own}.png")
            Image.fromarray(copy).save(place, compress_level=1)  # thousands of copies: speed
            self._save_mask(sample, own, copied)
            self.parents.append(
                {
                    "path": place.relative_to(self._folder).as_posix(),
                    "sha256": hash_file(place),
                    "parent": parent.as_posix(),
                    "parent_sha256": digest,
                    "split": sample.split,
                    "change": kind,
                    "value": value,
                    **({"fill": changes.fill} if kind == "turns" and value % 90 else {}),
                    **({"seed": seed} if kind in ("gaussian", "salt_pepper") else {}),
                }
            )

    def _place(self, sample: Sample, name: str) -> Path:
        return self._category(sample) / sample.split / _kind(sample) / name

    def _category(self, sample: Sample) -> Path:
        return self._folder / _FORBIDDEN.sub("_", sample.category)

    def _save_mask(self, sample: Sample, name: str, mask: np.ndarray | None) -> None:
        if mask is None:
            return
        place = self._category(sample) / "ground_truth" / _kind(sample) / f"{name}_mask.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(np.uint8) * 255).save(place)

    def _free(self, sample: Sample, stem: str) -> str:
        """A name that no other photo beside it has, and of defects no other of the kind."""
        if stem.endswith("_mask"):  # its mask would be taken for that of another photo
            stem += "_photo"
        # Masks of a kind lie together, whatever the split of their photos.
        place = self._category(sample) / _kind(sample)
        place = place if sample.is_anomalous else place / sample.split
        name, number = stem, 1
        while (key := f"{place}/{name_key(name)}".casefold()) in self._taken:
            number += 1
            name = f"{stem}_{number}"
        self._taken.add(key)
        return name


def _kind(sample: Sample) -> str:
    return _FORBIDDEN.sub("_", sample.kind or "defect") if sample.is_anomalous else _GOOD
