"""What `anomalygpt simulate` shows: photos of good parts, and anomalies simulated on them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from anomalygpt.errors import ImageError, SourceError
from anomalygpt.images.reading import load_image
from simulation import SimulatedAnomaly, profile_for, simulate
from simulation.dialogues import Facts, facts_of, inspection_dialogue, published_dialogue

# Questions per dialogue; more do not fit on a sheet.
_TURNS = (1, 3)
Dialogue = list[tuple[str, str]]


@dataclass(frozen=True)
class Example:
    """One simulated anomaly with everything that is known about it.

    Attributes:
        index: from 0.
        photo: the good photo.
        source: the photo that patches were cut from; None where there is only one.
        image: (H, W, 3) uint8, the good photo as it was simulated on.
        anomaly: the simulated one, its label and its defects.
        facts: what the masks say.
        published: the published question and answer.
        dialogue: a dialogue about it.
    """

    index: int
    photo: Path
    source: Path | None
    image: np.ndarray
    anomaly: SimulatedAnomaly
    facts: Facts
    published: Dialogue
    dialogue: Dialogue


class Photos:
    """Photos of good parts, read when they are needed.

    Attributes:
        unreadable: those that could not be read, each named once on stderr.
    """

    def __init__(self, paths: Sequence[Path], size: int, bit_depth: int | None) -> None:
        self._paths = list(paths)
        self._size = size
        self._bit_depth = bit_depth
        self.unreadable: set[Path] = set()

    def read(self, path: Path) -> np.ndarray | None:
        """(H, W, 3) uint8, the longer side at most `size`; None, with a message, if unreadable."""
        if path in self.unreadable:
            return None
        try:
            photo = load_image(path, self._bit_depth)
        except ImageError as error:
            self.unreadable.add(path)
            tqdm.write(f"anomalygpt: skipped: {error}", sys.stderr)
            return None
        scale = min(1.0, self._size / max(photo.size))
        width, height = (max(1, round(side * scale)) for side in photo.size)
        return np.asarray(photo.resize((width, height), Image.Resampling.LANCZOS))

    def shuffled(self, generator: np.random.Generator) -> Iterator[tuple[Path, np.ndarray]]:
        """Every readable photo once in random order, then again; ends when none can be read."""
        while len(self.unreadable) < len(self._paths):
            for index in generator.permutation(len(self._paths)):
                pixels = self.read(self._paths[index])
                if pixels is not None:
                    yield self._paths[index], pixels

    def another(
        self, path: Path, generator: np.random.Generator
    ) -> tuple[Path, np.ndarray] | tuple[None, None]:
        """A photo of the same part beside this one, if there is one."""
        # Photos of one product lie in one folder, in every layout.
        others = [other for other in self._paths if other.parent == path.parent and other != path]
        for index in generator.permutation(len(others)):
            pixels = self.read(others[index])
            if pixels is not None:
                return others[index], pixels
        return None, None


def examples(photos: Photos, options: argparse.Namespace) -> Iterator[Example]:
    """As many examples as asked for; the same seed gives the same ones."""
    profile = profile_for(options.category)
    drawn = photos.shuffled(np.random.default_rng(options.seed))
    for index in range(options.count):
        path, image = next(drawn, (None, None))
        if path is None or image is None:
            raise SourceError(
                f"none of the {len(photos.unreadable)} photos of good parts in {options.root} "
                "can be read; see the lines above"
            )
        generator = np.random.default_rng([options.seed, index])
        source_path, source = photos.another(path, generator)
        anomaly = simulate(image, generator, source=source, profile=profile, kinds=options.kinds)
        facts = facts_of(anomaly.defects, anomaly.mask.shape)
        yield Example(
            index=index,
            photo=path,
            source=source_path,
            image=image,
            anomaly=anomaly,
            facts=facts,
            published=published_dialogue(facts, options.category),
            dialogue=inspection_dialogue(facts, generator, category=options.category, turns=_TURNS),
        )
