"""The photos on which an assistant did worst, with their maps: what a reader should look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from anomalygpt.evaluation.category import CategoryRun
from anomalygpt.evaluation.measuring import Measuring
from anomalygpt.evaluation.protocol import CategoryPlan
from anomalygpt.evaluation.state import Record
from anomalygpt.images.reading import load_image
from anomalygpt.results.pictures import overlay, save_image

FOLDER = "examples"
MISS, FALSE_ALARM = "miss", "false alarm"

_SIDE = 512


def worst_examples(
    measuring: Measuring,
    plan: CategoryPlan,
    measured: CategoryRun,
    records: Sequence[Record],
    output: Path,
    count: int,
) -> list[Record]:
    """Draw the worst misses and false alarms of a category.

    Of the first draw, for every number of references and the first map and verdict; photos that
    were judged rightly fill the places that are left, those nearest to a mistake first.

    Args:
        measuring: the assistant.
        plan: of the category.
        measured: the category's references.
        records: of all its photos.
        output: folder of the results; overlays go into `examples`.
        count: photos of each kind.

    Returns:
        One entry per picture, docs/evaluation.md.

    Raises:
        OutputError: a picture cannot be written.
    """
    found = []
    for chosen in _first_draws(records):
        shots = chosen[0]["shots"]
        for kind in (MISS, FALSE_ALARM):
            for rank, record in enumerate(_worst(chosen, kind, count)):
                stem = f"{plan.category}-{shots}-{kind.replace(' ', '-')}-{rank}"
                path = Path(FOLDER) / f"{quote(stem, safe='')}.jpg"
                _draw(measuring, plan, measured, record, output / path)
                found.append(_entry(record, kind, path))
    return found


def _first_draws(records: Sequence[Record]) -> Iterator[list[Record]]:
    for shots in dict.fromkeys(record["shots"] for record in records):
        mine = [record for record in records if record["shots"] == shots]
        key = ("seed", "map", "verdict")
        first = [mine[0][name] for name in key]
        yield [record for record in mine if [record[name] for name in key] == first]


def _worst(records: Sequence[Record], kind: str, count: int) -> list[Record]:
    """The most surely missed, or the most surely accused."""
    missed = kind == MISS
    mine = [record for record in records if record["is_anomalous"] == missed]

    def order(record: Record) -> tuple[bool, float]:
        sure = record["score"] if record["probability"] is None else record["probability"]
        is_right = record["said"] is not None and record["said"] == record["is_anomalous"]
        return is_right, sure if missed else -sure

    return sorted(mine, key=order)[:count]


def _draw(
    measuring: Measuring, plan: CategoryPlan, measured: CategoryRun, record: Record, path: Path
) -> None:
    image = Path(record["image"])
    references = measured.references(image, record["shots"], record["seed"])
    photo = load_image(image, measured.depths.get(image))
    encoded = measuring.assistant.encode([photo])
    _, evidence = next(measuring.evidence(encoded, references, plan.category))
    inspection = evidence.inspection(0, measuring.assistant.card, is_anomalous=record["said"])
    picture = overlay(photo, inspection, max_side=_SIDE)
    save_image(picture, path, is_result=True)


def _entry(record: Record, kind: str, overlay_path: Path) -> Record:
    shown = (
        *("category", "shots", "seed", "map", "verdict", "image", "score", "probability"),
        *("threshold", "question", "answer"),
    )
    return {
        **{name: record[name] for name in shown},
        "kind": kind,
        "wrong": record["said"] is not None and record["said"] != record["is_anomalous"],
        "overlay": overlay_path.as_posix(),
        "defect": record["kind"],
    }
