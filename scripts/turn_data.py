"""Copy an MVTec-style category with its test photos turned, to see what pose costs.

    python scripts/turn_data.py DATA/alien_toy OUTPUT/alien_toy --turns 12 --seed 0

Every test photo, and its mask, is turned about its centre by an angle drawn from TURNS evenly
spaced ones; training photos stay as they are. What comes in at the corners has the photo's border
colour.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from anomalygpt.errors import AnomalyGPTError, DataError
from anomalygpt.images.listing import list_images
from anomalygpt.images.reading import load_image
from anomalygpt.progress import with_bar
from simulation import rotations_and_flips


def turn_category(source: Path, target: Path, turns: int, seed: int) -> int:
    """Write the copy; returns how many test photos it has.

    Raises:
        DataError: the source has no test photos, or the target is there already.
    """
    if target.exists():
        raise DataError(f"{target} is there already; give a new folder")
    photos = sorted(p for kind in _folders(source / "test") for p in list_images(kind))
    if not photos:
        raise DataError(f"{source} has no photos in test/KIND/; give a category in MVTec layout")
    shutil.copytree(source / "train", target / "train")
    generator = np.random.default_rng(seed)
    for photo in with_bar(photos, len(photos), "photos"):
        turn = int(generator.integers(turns))
        _write_turned(photo, target / photo.relative_to(source).with_suffix(".png"), turn, turns)
        masks = source / "ground_truth" / photo.parent.name
        for mask in sorted(masks.glob(f"{photo.stem}[._]*")):
            _write_turned(mask, target / mask.relative_to(source).with_suffix(".png"), turn, turns)
    return len(photos)


def _write_turned(photo: Path, target: Path, turn: int, turns: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    pixels = rotations_and_flips(np.asarray(load_image(photo)), turns, False)[turn]
    Image.fromarray(pixels).save(target)


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []


def main() -> int:
    parser = argparse.ArgumentParser(description="Turn the test photos of a category.")
    parser.add_argument("source", type=Path, metavar="CATEGORY")
    parser.add_argument("target", type=Path, metavar="OUTPUT")
    parser.add_argument("--turns", type=int, default=12, help="evenly spaced angles")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        count = turn_category(options.source, options.target, options.turns, options.seed)
    except AnomalyGPTError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"written: {options.target}, {count} test photos")
    return 0


if __name__ == "__main__":
    sys.exit(main())
