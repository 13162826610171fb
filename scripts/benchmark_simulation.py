"""How many anomalies are simulated per second on one core, per family.

Photos are 224×224 by default: four rendered surfaces, or those of a folder. Every family simulates
exactly one defect on the same photos with the same seeds; OpenCV runs on one thread. The ratio
tells what a family costs against plain cut-paste in the same run. A family that cannot show on a
photo gives way to its last resort, which is part of its time.

    python scripts/benchmark_simulation.py
    python scripts/benchmark_simulation.py --images photos/ --count 60
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from simulation import KINDS, SimulatedAnomaly, SimulationProfile, simulate

REFERENCE = "cut-paste"
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
Family = Callable[[np.ndarray, np.ndarray, np.random.Generator], object]


def main() -> int:
    arguments = _parser().parse_args()
    cv2.setNumThreads(1)
    if arguments.images is None:
        photos = rendered_photos(arguments.side, arguments.seed)
    else:
        photos = read_photos(arguments.images, arguments.side, arguments.count)
    found = {
        name: measure(family, photos, arguments.count, arguments.repeats, arguments.seed)
        for name, family in families().items()
    }
    print(
        f"{len(photos)} photos of {arguments.side}×{arguments.side}, one thread, "
        f"median of {arguments.repeats} runs over {arguments.count} images\n"
    )
    print(f"| family | images/s | against {REFERENCE} |\n|---|---:|---:|")
    for name, rate in found.items():
        print(f"| {name} | {rate:.0f} | {rate / found[REFERENCE]:.2f}x |")
    return 0


def families() -> dict[str, Family]:
    """What is measured: a name, and a function of photo, source and generator."""
    patches = {
        REFERENCE: SimulationProfile(blends=("paste",)),
        "patch, normal clone": SimulationProfile(blends=("normal",)),
        "patch, mixed clone": SimulationProfile(blends=("mixed",)),
        "scar": SimulationProfile(blends=("scar",)),
    }
    found: dict[str, Family] = {
        name: partial(_simulated, profile=profile, kinds=("patch",), max_defects=1)
        for name, profile in patches.items()
    }
    for kind in KINDS[1:]:
        found[kind] = partial(_simulated, kinds=(kind,), max_defects=1)
    found["default mix, 1 defect"] = partial(_simulated, max_defects=1)
    found["default mix, 1 or 2 defects"] = _simulated
    return found


def _simulated(
    image: np.ndarray, source: np.ndarray, generator: np.random.Generator, **options: Any
) -> SimulatedAnomaly:
    return simulate(image, generator, source=source, **options)


def measure(family: Family, photos: list[np.ndarray], count: int, repeats: int, seed: int) -> float:
    """Images per second, the median over the repeats, each with its own seed."""
    rates = []
    for repeat in range(repeats):
        generator = np.random.default_rng([seed, repeat])
        start = time.perf_counter()
        for number in range(count):
            image = photos[number % len(photos)]
            family(image, photos[(number + 4) % len(photos)], generator)
        rates.append(count / (time.perf_counter() - start))
    return median(rates)


def rendered_photos(side: int, seed: int) -> list[np.ndarray]:
    """Eight seeded surfaces, two of each: brushed metal, weave, grain, a part on plain ground."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] * (224 / side)
    photos = []
    for _ in range(2):
        noise = generator.normal(0, 1, (side, side))
        brushed = 120 + 60 * cv2.GaussianBlur(noise, (0, 0), 8, sigmaY=0.6)
        weave = 128 + 40 * np.sin(x / 2.5) * np.sin(y / 2.5) + 6 * noise
        grain = 140 + 150 * cv2.GaussianBlur(noise, (0, 0), 2) + 12 * noise
        disc = np.hypot(x - 112, y - 112) < 70
        part = np.where(disc, 80 + 100 * cv2.GaussianBlur(noise, (0, 0), 2), 225 + 2 * noise)
        for grey, tint in zip(
            (brushed, weave, grain, part),
            ((1, 1, 1), (0.9, 0.95, 1.1), (1.1, 0.9, 0.7), (1, 1, 1)),
            strict=True,
        ):
            colours = grey[..., None] * np.array(tint)
            photos.append(np.clip(np.rint(colours), 0, 255).astype(np.uint8))
    return photos


def read_photos(folder: Path, side: int, count: int) -> list[np.ndarray]:
    """Up to `count` photos of a folder and its folders, (side, side, 3) uint8 RGB."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)[:count]
    photos = []
    for path in paths:
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if pixels is None:
            raise SystemExit(f"{path} cannot be read as an image")
        resized = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
        photos.append(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB))
    if not photos:
        raise SystemExit(f"{folder} holds no images ({', '.join(sorted(SUFFIXES))})")
    return photos


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, help="folder of photos; rendered ones by default")
    parser.add_argument("--side", type=int, default=224, help="side in pixels")
    parser.add_argument("--count", type=int, default=40, help="images per family and repeat")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
