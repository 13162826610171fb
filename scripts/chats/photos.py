"""What the assistant is shown: photos it was not trained on, some of them damaged, and references.

Everything is drawn from the generator that is given, so that a chat's number and seed say
which photo it is about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from anomalygpt.errors import DataError, ImageError
from anomalygpt.files import hash_file
from anomalygpt.images.listing import list_images
from anomalygpt.images.reading import load_image
from anomalygpt.progress import with_bar
from anomalygpt.training.rows import vary_light
from simulation import NormalVariation, profile_for, simulate, vary
from simulation.dialogues import Facts, facts_of

# Fewer photos say little about others.
FEWEST_PHOTOS = 10

# Longer sides are scaled down to this, in pixels: the encoder sees no more, and simulating does
# not take longer than talking.
LONGEST_SIDE = 512

DAMAGED_SHARE = 0.5

# As another photo of the same part is taken: it lies a little elsewhere, the light has changed.
# Half of what `remember` reckons with for its own copies, so that these stay inside of it.
REFERENCE_VARIATION = NormalVariation(
    max_shift=0.02,
    max_rotation_degrees=6.0,
    scale=(0.94, 1.06),
    brightness=0.08,
    contrast=0.12,
    gamma=(0.87, 1.15),
    max_blur_sigma=0.7,
)


@dataclass(frozen=True)
class Case:
    """What one chat is about.

    Attributes:
        photo: the file that was changed.
        source: the file that patches were cut from; None for a good part.
        image: (H, W, 3) uint8, what the assistant sees.
        mask: (H, W) bool, where it is damaged.
        facts: what the mask says.
        references: (H, W, 3) uint8 each, other photos of the same part without damage.
    """

    photo: Path
    source: Path | None
    image: np.ndarray
    mask: np.ndarray
    facts: Facts
    references: list[np.ndarray]


def held_out(sources: Sequence[Path], known: Collection[str]) -> tuple[list[Path], list[str]]:
    """Photos that the assistant was not trained on, and their SHA-256, both in the same order.

    The same photo under two names counts once.

    Args:
        sources: folders, files or patterns.
        known: SHA-256 of the photos of the training.

    Raises:
        SourceError: there is no photo.
        DataError: fewer than `FEWEST_PHOTOS` remain, or a file cannot be read.
    """
    given = list_images(sources)
    found: dict[str, Path] = {}
    for path in with_bar(given, len(given), "photos hashed"):
        found.setdefault(hash_file(path), path)
    new = {mark: path for mark, path in found.items() if mark not in known}
    if len(new) < FEWEST_PHOTOS:
        raise DataError(
            f"{len(new)} of {len(given)} photos can be used, at least {FEWEST_PHOTOS} are needed: "
            f"{len(found) - len(new)} were photos of the assistant's training, "
            f"{len(given) - len(found)} the same as another; give a folder of other photos"
        )
    return list(new.values()), list(new)


def make_case(photos: Sequence[Path], references: int, generator: np.random.Generator) -> Case:
    """Draw a photo, damage it or not, and make its references.

    Raises:
        DataError: fewer than two photos can be read.
    """
    order = [photos[index] for index in generator.permutation(len(photos))]
    drawn = _readable(order)
    photo, good = next(drawn)
    height, width = good.shape[:2]
    image, mask = good, np.zeros((height, width), bool)
    source, facts = None, facts_of((), (height, width))
    if generator.random() < DAMAGED_SHARE:
        # Photos of similar products lie in one folder.
        rest = sorted(
            (path for path in order if path != photo), key=lambda p: p.parent != photo.parent
        )
        source, other = next(_readable(rest))
        found = simulate(good, generator, source=other, profile=profile_for("object"))
        image, mask = found.image, found.mask
        facts = facts_of(found.defects, (height, width))
    shown = vary_light(image, generator)
    others = [vary(good, generator, REFERENCE_VARIATION) for _ in range(references)]
    return Case(photo, source, shown, mask, facts, others)


def _readable(paths: Sequence[Path]) -> Iterator[tuple[Path, np.ndarray]]:
    """Photos and their pixels, (H, W, 3) uint8; those that cannot be read are passed over."""
    problem = "there is no photo"
    for path in paths:
        try:
            photo = load_image(path)
        except ImageError as error:
            problem = str(error)
            continue
        scale = min(1.0, LONGEST_SIDE / max(photo.size))
        width, height = (max(1, round(side * scale)) for side in photo.size)
        yield path, np.asarray(photo.resize((width, height), Image.Resampling.LANCZOS))
    raise DataError(f"no photo can be read, the last: {problem}")
