"""No good part at all: the photos of a run are compared with each other.

Most of the photos that a patch is compared with need not be good as a whole; it is enough that at
this place about half of them show it as it should be.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from anomalygpt.encoders.base import ImageFeatures
from anomalygpt.encoders.photos import EncodedPhotos
from anomalygpt.errors import ConfigError, ImageError
from anomalygpt.evidence import decoder_errors
from anomalygpt.images.reading import common_bit_depth, photo_name, try_load
from decoder.peers import Peers

if TYPE_CHECKING:  # nothing here needs it at run time
    from anomalygpt.images.reading import ImageSource
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.references.library import Watch
    from decoder import MemoryBank
    from decoder.config import Formulation

# Fewer do not tell what most parts look like. Every photo is compared with so many others at most:
# the time of a run then grows with its photos and not with their square, and its memory not at
# all. From 16 to 30 the image AUROC of eight sets changed by -.3 to 1 point.
FEWEST_PHOTOS, MOST_PHOTOS = 8, 32

# Which of many photos are compared with is drawn, always alike.
_SEED = 0

# Photos that are encoded at one time.
_BATCH = 8


def compare_among(
    assistant: AnomalyGPT,
    photos: Sequence[ImageSource],
    *,
    bit_depth: int | None = None,
    formulation: Formulation | None = None,
    watch: Watch | None = None,
) -> MemoryBank:
    """What stands in for references where nobody has a good part: photos of the run itself.

    Args:
        assistant: that will inspect them.
        photos: of the run; of many only some are read, drawn with a fixed seed, whatever the order
            in which files are named. Copies of a photo count once.
        bit_depth: as they will be inspected; None finds it out.
        formulation: as they will be inspected; published maps know no runs.
        watch: is handed the photos, and may show how far they are.

    Returns:
        A bank without references. Photos that are compared with it, of this run or of the next,
        are never compared with themselves or with a copy of themselves.

    Raises:
        ConfigError: fewer than eight different photos, or published maps.
    """
    if (formulation or assistant.config.decoder.formulation) != "normalised":
        raise ConfigError("published maps cannot compare photos of a run; leave out --mutual")
    depth = bit_depth or common_bit_depth(photos)
    chosen = _some(photos)
    seen = watch(chosen, len(chosen), "photos of the run") if watch else chosen
    found: list[EncodedPhotos] = []
    loaded = (try_load(photo, depth) for photo in seen)
    while batch := list(islice(loaded, _BATCH)):
        readable = [photo for photo in batch if not isinstance(photo, ImageError)]
        if readable:
            # Without what a closer look would need, which is the photo.
            encoded = replace(assistant.encode(readable), closer=())
            found += [encoded.only(row) for row in range(len(encoded))]
    bank = bank_among(assistant, found)
    bank.bit_depth = depth
    return bank


def bank_among(assistant: AnomalyGPT, photos: Sequence[EncodedPhotos]) -> MemoryBank:
    """`compare_among` of photos that the assistant encoded, one each, all of which are taken.

    Raises:
        ConfigError: fewer than eight different photos.
    """
    found = {each.marks[0]: each.features for each in photos}
    if len(found) < FEWEST_PHOTOS:
        raise ConfigError(
            f"{len(found)} different photos do not show what most parts look like; give at least "
            f"{FEWEST_PHOTOS}, or leave out --mutual"
        )
    features = ImageFeatures.cat([found[mark] for mark in sorted(found)])
    bank = assistant.library.new_bank(detail="whole")
    with decoder_errors():
        bank.peers = Peers(features.stages, features.grid, sorted(found))
    return bank


def _some(photos: Sequence[ImageSource]) -> list[ImageSource]:
    """At most so many, drawn by their names."""
    if len(photos) <= MOST_PHOTOS:
        return list(photos)
    ordered = sorted(photos, key=lambda photo: photo_name(photo) or "")
    return random.Random(_SEED).sample(ordered, MOST_PHOTOS)
