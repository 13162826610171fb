"""What "good after all" is worth: wrong good parts are corrected, others are measured.

    python scripts/measure_feedback.py DATA... [--corrections 10] [--pool 20] [--most 30]

Each folder is a product in MVTec AD's layout, with one reference and the language model's verdict.
Good photos are shuffled: the first half is inspected one by one, and each that is called anomalous
is corrected by feedback and becomes a reference, up to ten. Overkill (good parts called anomalous)
and misses (damaged ones called good) are measured before and after on the other good photos and on
the damaged ones. Then everything is undone, and the maps must be those of before, bit by bit.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomalygpt import AnomalyGPT
from anomalygpt.audit.journal import Circumstances
from anomalygpt.encoders.photos import EncodedPhotos
from anomalygpt.feedback.feedback import Feedback
from anomalygpt.feedback.looking import seen
from anomalygpt.feedback.said import Said
from anomalygpt.images.listing import list_images
from anomalygpt.products.plant import Plant
from anomalygpt.products.product import Product, Settings
from anomalygpt.products.store import NewPhoto
from anomalygpt.records.places import Place


@dataclass(frozen=True)
class Counts:
    """Photos called wrong, before or after."""

    overkill: int
    misses: int


@dataclass(frozen=True)
class Measured:
    """One product."""

    name: str
    corrections: int
    good: int
    bad: int
    before: Counts
    after: Counts
    is_undone: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print one line for each product and one for all; status 1 where undoing did not
    give the maps of before."""
    parser = argparse.ArgumentParser(description="What feedback is worth.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="DATA")
    parser.add_argument("--corrections", type=int, default=10, metavar="N")
    parser.add_argument(
        "--pool", type=int, default=20, metavar="N", help="photos of the first half"
    )
    parser.add_argument("--most", type=int, default=30, metavar="N", help="others, of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="embedded")
    options = parser.parse_args(arguments)
    model = AnomalyGPT.from_pretrained(options.model)
    print("| set | corrected | overkill before | after | misses before | after | undone |")
    print("|---|---|---|---|---|---|---|")
    rows = []
    for folder in options.folders:
        with tempfile.TemporaryDirectory() as place:
            rows.append(measure(model, folder, Path(place), options))
        print(_line(rows[-1]), flush=True)
    print(_mean(rows))
    return 0 if all(row.is_undone for row in rows) else 1


def measure(model: AnomalyGPT, folder: Path, place: Path, options: argparse.Namespace) -> Measured:
    """One product.

    Args:
        model: that inspects.
        folder: in MVTec AD's layout.
        place: an empty folder.
        options: of `main`.
    """
    plant = Plant.open(Place(place, f"sqlite:///{place / 'plant.sqlite'}"))
    try:
        reference, pool, good, bad = _drawn(folder, options)
        product = plant.products.add(
            "part",
            references=[NewPhoto.of(reference)],
            settings=Settings(model=options.model, detail="whole"),
            who="measurement",
        )
        photos = {path: model.encode([path]) for path in (*good, *bad)}
        before = _counted(plant, model, product, photos, good, bad)
        first = seen(plant, model, product, photos[good[0]])
        feedback = Feedback(plant, lambda name: model)
        given = _corrected(plant, model, feedback, product, pool, options.corrections)
        after = _counted(plant, model, plant.products.find("part"), photos, good, bad)
        for identity in reversed(given):
            feedback.undo(identity, who="measurement")
        again = seen(plant, model, plant.products.find("part"), photos[good[0]])
        is_undone = first.small_map is not None and np.array_equal(
            first.small_map, np.asarray(again.small_map)
        )
        return Measured(folder.name, len(given), len(good), len(bad), before, after, is_undone)
    finally:
        plant.close()


def _drawn(
    folder: Path, options: argparse.Namespace
) -> tuple[Path, list[Path], list[Path], list[Path]]:
    """The reference; good photos to correct; others to measure; damaged ones."""
    reference, *rest = list_images([folder / "train" / "good"])
    chance = random.Random(options.seed)
    good = [*rest, *list_images([folder / "test" / "good"])]
    bad = [
        path
        for kind in sorted((folder / "test").iterdir())
        if kind.is_dir() and kind.name != "good"
        for path in list_images([kind])
    ]
    chance.shuffle(good)
    chance.shuffle(bad)
    half = len(good) // 2
    return reference, good[:half][: options.pool], good[half:][: options.most], bad[: options.most]


def _corrected(
    plant: Plant,
    model: AnomalyGPT,
    feedback: Feedback,
    product: Product,
    pool: Sequence[Path],
    most: int,
) -> list[str]:
    """Inspect one after the other and correct; identities of the feedback."""
    given: list[str] = []
    for path in pool:
        if len(given) == most:
            break
        product = plant.products.find("part")
        found = seen(plant, model, product, model.encode([path]))
        if not found.is_anomalous:
            continue
        made = Circumstances("measurement", product.settings.model, "", product)
        entry = plant.journal.write(found, path.read_bytes(), made)
        proposed = feedback.propose(entry.id, Said("good"), who="measurement")
        feedback.apply(proposed.id, "reference", who="measurement")
        given.append(proposed.id)
    return given


def _counted(
    plant: Plant,
    model: AnomalyGPT,
    product: Product,
    photos: dict[Path, EncodedPhotos],
    good: Sequence[Path],
    bad: Sequence[Path],
) -> Counts:
    wrong = [bool(seen(plant, model, product, photos[path]).is_anomalous) for path in good]
    right = [bool(seen(plant, model, product, photos[path]).is_anomalous) for path in bad]
    return Counts(sum(wrong), len(right) - sum(right))


def _line(row: Measured) -> str:
    shares = (
        f"{counts.overkill}/{row.good}" if kind == "overkill" else f"{counts.misses}/{row.bad}"
        for kind in ("overkill", "misses")
        for counts in (row.before, row.after)
    )
    undone = "bit-equal" if row.is_undone else "DIFFERS"
    return f"| {row.name} | {row.corrections} | {' | '.join(shares)} | {undone} |"


def _mean(rows: Sequence[Measured]) -> str:
    """Mean of the products' percentages."""
    sides = [
        100 * sum(share) / len(rows)
        for share in (
            [row.before.overkill / row.good for row in rows],
            [row.after.overkill / row.good for row in rows],
            [row.before.misses / row.bad for row in rows],
            [row.after.misses / row.bad for row in rows],
        )
    ]
    told = " | ".join(f"{side:.1f} %" for side in sides)
    return f"| mean | {sum(row.corrections for row in rows)} | {told} | |"


if __name__ == "__main__":
    raise SystemExit(main())
