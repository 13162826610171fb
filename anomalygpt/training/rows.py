"""Rows of training batches: a photo, what is wrong with it, and what to say about it.

Row number n is the same whoever makes it, so that a run can be split over processes and resumed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from anomalygpt.config import EncoderConfig
from anomalygpt.data import Instruction, Sample, load_mask
from anomalygpt.errors import DataError, ImageError
from anomalygpt.images.preprocessing import ImageGeometry, preprocess
from anomalygpt.images.reading import load_image
from anomalygpt.images.windows import pixels_along, windows_along
from anomalygpt.training.arguments import TrainingArguments
from simulation import (
    Defect,
    NormalVariation,
    find_defects,
    profile_for,
    simulate,
    vary,
)
from simulation.dialogues import facts_of, inspection_dialogue, published_dialogue

Turns = Sequence[tuple[str, str]]

# So many unreadable photos in a row mean that the folder is not there any more.
MOST_SKIPPED = 20

_KEPT_PHOTOS = 4

# Names of defect folders that can be said in a sentence; "uneven" or "bad" cannot.
_NOUNS = frozenset(
    (
        *("blowhole", "break", "bubble", "burr", "chip", "crack"),
        *("cut", "dent", "hole", "scratch", "stain", "thread"),
    )
)

# Second number of the seeds, so that no two uses of chance draw the same numbers.
_ORDER, _ROW, _SIDE = range(3)


@dataclass(frozen=True)
class Row:
    """One photo of a batch.

    Attributes:
        pixels: (3, S, S), normalised for the encoder.
        mask: (M, M) bool on the map's cells; None where nobody knows (instruction data).
        turns: question and answer, in order.
        references: photos of good parts to compare with; () leaves it to the text side.
        skipped: photos that could not be read; another took their place.
        places: cells of the 3×3 grid over the photo where the defects are.
        photo: (H, W, 3) uint8, to be looked at closely; None where it is not.
    """

    pixels: Tensor
    mask: Tensor | None
    turns: Turns
    references: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    photo: np.ndarray | None = None


def side_of_step(arguments: TrainingArguments, step: int) -> bool:
    """Whether the map of this step's rows comes from references."""
    share = arguments.reference_share
    return bool(np.random.default_rng([arguments.seed, _SIDE, step]).random() < share)


class InspectionRows:
    """Normal photos as they are and damaged, in turn; real defects beside a normal photo.

    Row 2i is good, row 2i + 1 is not; where a product has no normal photo, both show its defect.
    """

    def __init__(
        self,
        arguments: TrainingArguments,
        encoder: EncoderConfig,
        map_size: int,
        samples: Sequence[Sample],
        normal_photos: Mapping[str, Sequence[Path]],
        depths: Mapping[Path, int] | None = None,
    ) -> None:
        """
        Args:
            arguments: of the run.
            encoder: size and normalisation of the pixels.
            map_size: side of the map that the mask belongs to.
            samples: photos to train on.
            normal_photos: photos of good parts by category, the references.
            depths: bit depths of photos with more than 8 bits, from `bit_depths`.
        """
        if not samples:
            raise DataError("there is no photo to train on")
        self.arguments = arguments
        self.samples = list(samples)
        self._encoder = encoder
        self._map_size = map_size
        self._normal = {name: list(photos) for name, photos in normal_photos.items()}
        self._depths = dict(depths or {})
        self._photos: OrderedDict[Path, np.ndarray] = OrderedDict()
        self._problems: dict[Path, str] = {}
        self._orders: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        """Rows of one epoch."""
        return 2 * len(self.samples)

    def row(self, number: int, with_references: bool) -> Row:
        """Row `number`, from 0 on without end.

        Raises:
            DataError: one photo after the other cannot be read.
        """
        epoch, index = divmod(number, len(self))
        order = _order(self._orders, self.arguments.seed, epoch, len(self.samples))
        generator = np.random.default_rng([self.arguments.seed, _ROW, number])
        skipped: list[str] = []
        tries = min(MOST_SKIPPED, len(order))
        for attempt in range(tries):
            sample = self.samples[order[(index // 2 + attempt) % len(order)]]
            try:
                return self._row(sample, index % 2 == 1, generator, with_references, skipped)
            except (ImageError, DataError) as error:
                skipped.append(str(error))
        raise DataError(
            f"no photo can be used, {tries} tried, the last: {skipped[-1]}; check that the data "
            "set is still there"
        )

    def _row(
        self,
        sample: Sample,
        damaged: bool,
        generator: np.random.Generator,
        with_references: bool,
        skipped: list[str],
    ) -> Row:
        photos = self._normal.get(sample.category, [])
        if sample.is_anomalous and not damaged and photos:
            good = self._readable(photos, 1, generator, skipped)
            if not good:
                raise ImageError(skipped.pop())
            sample = Sample(good[0], sample.category, "train", False)
        image = self._load(sample.image)
        mask = np.zeros(image.shape[:2], bool)
        defects: tuple[Defect, ...] = ()
        if sample.is_anomalous:
            mask = self._real_mask(sample)
            defects = find_defects(mask, sample.kind if sample.kind in _NOUNS else None)
        elif damaged:
            sources = self._readable(photos, 1, generator, skipped) or [sample.image]
            source = self._load(sources[0])
            profile = profile_for(sample.category)
            found = simulate(image, generator, source=source, profile=profile)
            image, mask, defects = found.image, found.mask, found.defects
        if self.arguments.normal_variation:
            image = vary_light(image, generator)
        references: tuple[str, ...] = ()
        if with_references:
            references = self._references(sample, photos, generator, skipped)
        facts = facts_of(defects, (len(mask), len(mask[0])))
        turns = self._turns(facts, sample.category, generator, bool(references))
        return Row(
            self._pixels(image),
            self._cells(mask),
            turns,
            references,
            tuple(dict.fromkeys(skipped)),
            facts.places,
            image if references and self._looks_closer(image.shape[:2]) else None,
        )

    def _looks_closer(self, size: tuple[int, int]) -> bool:
        return windows_along(self.arguments.detail, size, self._encoder.input_size) > 1

    def _working_size(self, photo: tuple[int, int]) -> tuple[int, int]:
        """Height and width at which a photo is damaged: what the encoder sees of it, closely if it
        looks so."""
        top, left, bottom, right = _box(self._geometry(photo))
        if not self._looks_closer(photo):
            return bottom - top, right - left
        side = self._encoder.input_size
        needed = pixels_along(windows_along(self.arguments.detail, photo, side), side)
        height, width = (max(1, round(length * needed / min(photo))) for length in photo)
        return height, width

    def _geometry(self, size: tuple[int, int]) -> ImageGeometry:
        return ImageGeometry.fit(size, self._encoder.input_size, self._encoder.resize)

    def _load(self, path: Path) -> np.ndarray:
        """A photo at its working size, (H, W, 3) uint8."""
        # Both rows of a pair read the same photo.
        if path not in self._photos:
            image = load_image(path, self._depths.get(path))
            height, width = self._working_size((image.height, image.width))
            small = image.resize((width, height), Image.Resampling.BICUBIC)
            self._photos[path] = np.asarray(small)
            if len(self._photos) > _KEPT_PHOTOS:
                self._photos.popitem(last=False)
        return self._photos[path]

    def _real_mask(self, sample: Sample) -> np.ndarray:
        photo = load_image(sample.image, self._depths.get(sample.image))
        mask = load_mask(sample, (photo.height, photo.width))
        if not mask.any():
            raise DataError(f"the mask of {sample.image} shows no defect; correct it")
        return shrink_mask(mask, self._working_size((photo.height, photo.width)))

    def _references(
        self,
        sample: Sample,
        photos: Sequence[Path],
        generator: np.random.Generator,
        skipped: list[str],
    ) -> tuple[str, ...]:
        if sample.reference is not None:
            self._load(sample.reference)
            return (str(sample.reference),)
        others = [photo for photo in photos if photo != sample.image] or list(photos)
        if not others:
            return ()
        count = int(generator.choice(self.arguments.shots))
        chosen = self._readable(others, count, generator, skipped)
        if not chosen and sample.is_anomalous:
            raise ImageError(skipped.pop())
        return tuple(map(str, chosen or [sample.image]))

    def _readable(
        self,
        photos: Sequence[Path],
        count: int,
        generator: np.random.Generator,
        skipped: list[str],
    ) -> list[Path]:
        """Some of the photos, at most `count`; those that cannot be read are passed over."""
        found: list[Path] = []
        for index in generator.permutation(len(photos)):
            path = photos[index]
            if path not in self._problems:
                try:
                    self._load(path)
                    self._problems[path] = ""
                except ImageError as error:
                    self._problems[path] = str(error)
            if self._problems[path]:
                skipped.append(self._problems[path])
            else:
                found.append(path)
            if len(found) == count:
                break
        return found

    def _turns(
        self, facts: Any, category: str, generator: np.random.Generator, has_reference: bool
    ) -> Turns:
        style = self.arguments.dialogues
        if style == "mixed":
            style = "rich" if generator.random() < 0.5 else "published"
        if style == "published":
            return published_dialogue(facts, category=category)
        return inspection_dialogue(facts, generator, category=category, has_reference=has_reference)

    def _pixels(self, image: np.ndarray) -> Tensor:
        return model_pixels(Image.fromarray(image), self._encoder)

    def _cells(self, mask: np.ndarray) -> Tensor:
        return mask_cells(mask, self._geometry(mask.shape), self._map_size)


class InstructionRows:
    """Dialogues about everyday pictures, so that the prompts do not spoil the language."""

    def __init__(
        self, arguments: TrainingArguments, encoder: EncoderConfig, items: Sequence[Instruction]
    ) -> None:
        if not items:
            raise DataError("there is no dialogue in the instruction data")
        self._arguments = arguments
        self._encoder = encoder
        self._items = list(items)
        self._orders: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._items)

    def row(self, number: int) -> Row:
        """Row `number`, from 0 on without end.

        Raises:
            DataError: one picture after the other cannot be read.
        """
        epoch, index = divmod(number, len(self))
        order = _order(self._orders, self._arguments.seed, epoch, len(self._items))
        skipped: list[str] = []
        tries = min(MOST_SKIPPED, len(order))
        for attempt in range(tries):
            item = self._items[order[(index + attempt) % len(order)]]
            try:
                pixels = model_pixels(load_image(item.image), self._encoder)
            except ImageError as error:
                skipped.append(str(error))
                continue
            return Row(pixels, None, item.turns, skipped=tuple(skipped))
        raise DataError(
            f"no picture can be read, {tries} tried, the last: {skipped[-1]}; check that the "
            "instruction data is still there"
        )


def _order(orders: dict[int, np.ndarray], seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of an epoch, kept while the epoch lasts."""
    if epoch not in orders:
        orders.clear()
        orders[epoch] = np.random.default_rng([seed, _ORDER, epoch]).permutation(count)
    return orders[epoch]


def vary_light(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Another shot of the same scene that leaves everything where it is, as the mask does."""
    still = NormalVariation(max_shift=0.0, max_rotation_degrees=0.0, scale=(1.0, 1.0))
    return vary(image, generator, still)


def model_pixels(photo: Image.Image, encoder: EncoderConfig) -> Tensor:
    """(3, S, S) as the encoder reads them."""
    return preprocess(
        photo,
        size=encoder.input_size,
        mean=encoder.mean,
        std=encoder.std,
        resize=encoder.resize,
    )[0]


def shrink_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask (H, W) bool at another size (height, width): cells of which half is damaged.

    A defect thinner than that is kept where it covers most, so that none gets lost.
    """
    if mask.shape == size:
        return mask
    shares = cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    peak = float(shares.max())
    return shares >= min(0.5, peak / 2) if peak > 0 else np.zeros(size, bool)


def mask_cells(mask: np.ndarray, geometry: ImageGeometry, map_size: int) -> Tensor:
    """A mask (H, W) bool of a photo on the cells of its map, (map_size, map_size) bool; what the
    photo does not cover is normal."""
    top, left, bottom, right = _box(geometry)
    square = np.zeros((geometry.size, geometry.size), bool)
    square[top:bottom, left:right] = shrink_mask(mask, (bottom - top, right - left))
    return torch.from_numpy(shrink_mask(square, (map_size, map_size)))


def _box(geometry: ImageGeometry) -> tuple[int, int, int, int]:
    top, left, bottom, right = (int(edge) for edge in geometry.box)
    return top, left, bottom, right
