"""Test photos and their masks, read ahead of the work."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from anomalygpt.data import Sample, load_mask
from anomalygpt.errors import DataError, ImageError
from anomalygpt.evaluation.figures.places import defect_places
from anomalygpt.images.reading import try_load

# Cells of the defects, one for each, and all cells with a defect pixel.
Places: TypeAlias = "tuple[list[str], set[str]]"


@dataclass
class LoadedBatch:
    """Photos of a batch, those that can be read, with what is known about them.

    Attributes:
        count: photos, with those that cannot be read.
        samples: of the photos.
        photos: upright RGB.
        masks: (H, W) bool at the photo's size; None where the defects are not known per pixel.
        places: where the defects lie; None for good parts and without a mask.
        skipped: photos and masks that cannot be read, with the reason.
        seconds: reading took.
    """

    count: int
    samples: list[Sample] = field(default_factory=list)
    photos: list[Image.Image] = field(default_factory=list)
    masks: list[np.ndarray | None] = field(default_factory=list)
    places: list[Places | None] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def only(self, row: int) -> LoadedBatch:
        """One photo of the batch."""
        return LoadedBatch(
            1, [self.samples[row]], [self.photos[row]], [self.masks[row]], [self.places[row]]
        )


def load_batches(
    samples: Sequence[Sample], size: int, depths: Mapping[Path, int] | None = None
) -> Iterator[LoadedBatch]:
    """Batches in order; the next is read while the caller works on one.

    Args:
        samples: test photos.
        size: of a batch.
        depths: bit depths of photos with more than 8 bits, from `bit_depths`.
    """
    groups = [samples[start : start + size] for start in range(0, len(samples), size)]
    depths = depths or {}
    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(_load, groups[0], depths) if groups else None
        for following in [*groups[1:], None]:
            if waiting is None:
                return
            batch = waiting.result()
            waiting = None if following is None else reader.submit(_load, following, depths)
            yield batch


def _load(samples: Sequence[Sample], depths: Mapping[Path, int]) -> LoadedBatch:
    batch = LoadedBatch(len(samples))
    for sample in samples:
        begun = time.perf_counter()
        photo = try_load(sample.image, depths.get(sample.image))
        batch.seconds += time.perf_counter() - begun
        if isinstance(photo, ImageError):
            batch.skipped[str(sample.image)] = str(photo)
            continue
        mask, places = None, None
        try:
            if sample.masks or not sample.is_anomalous:
                mask = load_mask(sample, (photo.height, photo.width))
        except DataError as error:
            batch.skipped[str(sample.masks[0])] = f"{error} (the photo counts without its mask)"
        if mask is not None and mask.any():
            places = defect_places(mask)
        batch.samples.append(sample)
        batch.photos.append(photo)
        batch.masks.append(mask)
        batch.places.append(places)
    return batch
