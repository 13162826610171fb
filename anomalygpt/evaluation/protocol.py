"""Which photos are measured, against which references: decided before anything is encoded.

References of a seed are the first of one shuffled order, so those of one shot are among those of
four, and nothing is encoded twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomalygpt.data import InspectionData, Sample
from anomalygpt.errors import DataError
from anomalygpt.evaluation.settings import EvaluationSettings
from anomalygpt.files import hash_file, shown
from anomalygpt.progress import with_bar

_NAMED_DUPLICATES = 5


@dataclass(frozen=True)
class Trial:
    """One measurement of a category.

    Attributes:
        shots: number of references.
        seed: of their draw; None where there is no draw.
        order: good photos in the order in which they become references, until there are enough
            that can be read; () without references, and for photos that have their own.
        excluded: photos that are not measured in this trial, because they may be its references.
            Those that take the place of one that cannot be read come to them later.
    """

    shots: int
    seed: int | None
    order: tuple[Path, ...] = ()
    excluded: frozenset[Path] = frozenset()


@dataclass(frozen=True)
class CategoryPlan:
    """What is measured of one product.

    Attributes:
        category: its name.
        samples: the test photos.
        trials: each measures all samples, but those that it excludes.
        own_references: every photo is compared with its own reference.
    """

    category: str
    samples: tuple[Sample, ...]
    trials: tuple[Trial, ...]
    own_references: bool = False


def plan(data: InspectionData, settings: EvaluationSettings) -> list[CategoryPlan]:
    """What to measure of every category.

    Raises:
        DataError: a category has no test photos, or too few good photos for its references.
    """
    return [_plan_category(data, name, settings) for name in data.categories]


def _plan_category(data: InspectionData, name: str, settings: EvaluationSettings) -> CategoryPlan:
    good = _each_once(data.select(name, "train", is_anomalous=False))
    tests = _each_once(data.select(name, "test"))
    own = data.layout == "pairs"
    # Plain folders have no test photos of good parts: those that are no references serve.
    shared = data.layout == "folder"
    needed = 0 if own else max(settings.shots)
    if not good and needed:
        raise DataError(
            f"{shown(name)} has no good training photo to be a reference; add some in train/good "
            "(plain folders: in good), docs/data.md"
        )
    if len(good) < needed:
        raise DataError(
            f"{shown(name)} has {len(good)} good training photos, but --shots asks for {needed} "
            "references; ask for fewer, or add photos"
        )
    if shared:
        tests = [*good, *tests]
    tests = _limited(tests, settings.limit)
    if not tests:
        raise DataError(
            f"{shown(name)} has no test photo; nothing can be measured. docs/data.md shows where "
            "test photos lie"
        )
    if own:
        return CategoryPlan(name, tuple(tests), (Trial(1, None),), own_references=True)
    trials = list(_trials([s.image for s in good], settings, needed if shared else 0))
    return CategoryPlan(name, tuple(tests), tuple(trials))


def _trials(good: Sequence[Path], settings: EvaluationSettings, kept: int) -> Iterator[Trial]:
    """One trial per number of references and draw.

    Args:
        good: photos that may become references.
        settings: shots, seeds and how to draw.
        kept: so many photos at the start of each order are no test photos, whatever the shots.
    """
    for shots in settings.shots:
        drawn = shots > 0 and settings.references == "random"
        for seed in settings.seeds if drawn else (None,):
            order = tuple(good)
            if seed is not None:
                order = tuple(good[i] for i in np.random.default_rng(seed).permutation(len(good)))
            yield Trial(shots, seed, order if shots else (), frozenset(order[:kept]))


def _each_once(samples: Sequence[Sample]) -> list[Sample]:
    """Without photos that a table names a second time."""
    return list({sample.image: sample for sample in reversed(samples)}.values())[::-1]


def _limited(samples: Sequence[Sample], limit: int | None) -> list[Sample]:
    """At most `limit` photos, evenly spaced, good and bad by halves as far as there are enough."""
    if limit is None or len(samples) <= limit:
        return list(samples)
    good = [s for s in samples if not s.is_anomalous]
    bad = [s for s in samples if s.is_anomalous]
    count = min(len(bad), max(limit - limit // 2, limit - len(good)))
    kept = {s.image for s in (*_spaced(good, limit - count), *_spaced(bad, count))}
    return [s for s in samples if s.image in kept]


def _spaced(samples: Sequence[Sample], count: int) -> list[Sample]:
    positions = np.linspace(0, len(samples) - 1, count).round().astype(int) if count else ()
    return [samples[i] for i in positions]


@dataclass(frozen=True)
class Seen:
    """A test photo that is no test, because the model or the references hold it already.

    Attributes:
        image: the test photo.
        twin: the same bytes among the training photos of the data set; None when the model was
            trained on it elsewhere.
    """

    image: Path
    twin: Path | None


def hash_files(data: InspectionData) -> dict[Path, str | None]:
    """SHA-256 of every photo and mask of a data set; None where a file cannot be read."""
    paths = list(dict.fromkeys(p for s in data.samples for p in (s.image, *s.masks)))
    return {path: _hash(path) for path in with_bar(paths, len(paths), "files checked")}


def _hash(path: Path) -> str | None:
    try:
        return hash_file(path)
    except DataError:
        return None


def seen_photos(
    data: InspectionData,
    plans: Sequence[CategoryPlan],
    hashes: Mapping[Path, str | None],
    trained_on: frozenset[str],
) -> list[Seen]:
    """Test photos with the bytes of a training photo of the data set, of a reference, or of a
    photo that the model was trained on.

    The references of plain folders are taken out of the test photos by their trials; here only
    copies of them under another name count.
    """
    training = {s.image for s in data.select(split="train")} | {
        s.image for s in data.select(split="validation")
    }
    training |= {s.reference for s in data.samples if s.reference is not None}
    twins: dict[str, list[Path]] = {}
    for path in sorted(training):
        digest = hashes.get(path)
        if digest is not None:
            twins.setdefault(digest, []).append(path)
    found = []
    for sample in (sample for each in plans for sample in each.samples):
        digest = hashes.get(sample.image)
        others = [path for path in twins.get(digest or "", []) if path != sample.image]
        if others:
            found.append(Seen(sample.image, others[0]))
        elif digest in trained_on:
            found.append(Seen(sample.image, None))
    return found


def refuse_seen(found: Sequence[Seen]) -> None:
    """
    Raises:
        DataError: there are such photos; some are named.
    """
    if not found:
        return
    named = [
        f"{shown(each.image)} is "
        + ("a photo the model was trained on" if each.twin is None else shown(each.twin))
        for each in found[:_NAMED_DUPLICATES]
    ]
    more = f" and {len(found) - len(named)} more" if len(found) > len(named) else ""
    raise DataError(
        f"{len(found)} test photos are training photos or references, byte for byte: "
        f"{'; '.join(named)}{more}. Figures on them would mean nothing: take them out of the test "
        "photos, or add --leave-out-seen to measure on the others"
    )


def without(plans: Sequence[CategoryPlan], photos: frozenset[Path]) -> list[CategoryPlan]:
    """The same plans without some photos.

    Raises:
        DataError: nothing is left of a category.
    """
    for each in plans:
        if photos.issuperset(sample.image for sample in each.samples):
            raise DataError(
                f"all test photos of {shown(each.category)} are training photos or references, "
                "byte for byte; nothing is left to measure. Choose other categories with "
                "--category, or other test photos"
            )
    return [
        CategoryPlan(
            each.category,
            tuple(s for s in each.samples if s.image not in photos),
            each.trials,
            each.own_references,
        )
        for each in plans
    ]
