"""Labelled photos that prompts are learned from, and measured by, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from anomalygpt.data import InspectionData, Sample, load_mask
from anomalygpt.errors import DataError
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.images.reading import load_image
from anomalygpt.model import AnomalyGPT
from anomalygpt.training.rows import mask_cells, model_pixels


@dataclass(frozen=True)
class PromptBatch:
    """Photos of one step.

    Attributes:
        pixels: (B, 3, S, S), normalised.
        masks: (B, M, M), 1 where abnormal.
        labels: (B,), 1 where a photo is abnormal.
    """

    pixels: Tensor
    masks: Tensor
    labels: Tensor


def labelled_photos(data: InspectionData) -> list[Sample]:
    """The test photos that prompts can be learned from: good ones, and damaged ones with masks.

    Raises:
        DataError: there are none of one sort.
    """
    photos = [
        sample for sample in data.select(split="test") if not sample.is_anomalous or (sample.masks)
    ]
    damaged = sum(sample.is_anomalous for sample in photos)
    if not damaged or damaged == len(photos):
        lacking = "damaged test photos with masks" if not damaged else "good test photos"
        raise DataError(
            f"{data.root} has no {lacking}; prompts are learned from both, give a data set such as "
            "MVTec AD or VisA"
        )
    return photos


def batches(
    samples: Sequence[Sample],
    assistant: AnomalyGPT,
    size: int,
    generator: np.random.Generator | None = None,
) -> Iterator[PromptBatch]:
    """All photos once.

    Args:
        samples: from `labelled_photos`.
        assistant: who reads them.
        size: photos of a batch; the last one may have fewer.
        generator: of their order; None keeps the given one.

    Raises:
        DataError, ImageError: a photo or its mask cannot be used.
    """
    encoder, cells = assistant.config.encoder, assistant.decoder.config.map_size
    count = len(samples)
    order = np.arange(count) if generator is None else generator.permutation(count)
    for start in range(0, len(order), size):
        chosen = [samples[number] for number in order[start : start + size]]
        pixels, masks = [], []
        for sample in chosen:
            photo = load_image(sample.image)
            shape = (photo.height, photo.width)
            geometry = ImageGeometry.fit(shape, encoder.input_size, encoder.resize)
            pixels.append(model_pixels(photo, encoder))
            masks.append(mask_cells(load_mask(sample, shape), geometry, cells))
        labels = torch.tensor([int(sample.is_anomalous) for sample in chosen])
        yield PromptBatch(torch.stack(pixels), torch.stack(masks).float(), labels)
