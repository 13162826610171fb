"""Inspections computed once more, from what was written down, and compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from anomalygpt.audit.chain import Event
from anomalygpt.audit.journal import Entry, made_with
from anomalygpt.audit.past import line, product_at
from anomalygpt.errors import AnomalyGPTError, RecordsError
from anomalygpt.evaluation.provenance import model_hash
from anomalygpt.images.reading import load_image
from anomalygpt.products.product import Product
from anomalygpt.records.blobs import Blobs
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.maps import png16, read_png16

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.products.plant import Plant
    from decoder import MemoryBank

# How far values may lie apart that are computed on another machine, or together with other
# photos: sums are then added up in another order. A level of the kept map is 0.000015.
ROUNDING = 1e-3

State = Literal["same", "rounding", "differs", "impossible"]


@dataclass(frozen=True)
class Replayed:
    """An inspection, computed once more.

    Attributes:
        id: of the inspection.
        state: "same" to the last bit; "rounding" where verdict and words are the same and numbers
            lie less than `ROUNDING` apart; "differs"; "impossible" where it cannot be computed.
        differences: what is another, each as a sentence.
        reasons: why that may be, each as a sentence; for "impossible" why it cannot be.
        found: what was computed now; None where nothing could be.
    """

    id: str
    state: State
    differences: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    found: Inspection | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "id": self.id,
            "state": self.state,
            "differences": list(self.differences),
            "reasons": list(self.reasons),
            "result": None if self.found is None else self.found.to_dict(),
        }


class Replays:
    """Computes inspections of a plant once more; each model is opened and hashed once."""

    def __init__(self, plant: Plant, open_model: Callable[[str], AnomalyGPT]) -> None:
        """
        Args:
            plant: that has them on record.
            open_model: by the name that is on record, such as "embedded".
        """
        self._plant, self._open_model = plant, open_model
        self._models: dict[str, tuple[AnomalyGPT, str]] = {}

    def replay(self, entry: Entry) -> Replayed:
        """Compute an inspection once more; what makes that impossible is told in the result."""
        try:
            return self._replayed(entry)
        except AnomalyGPTError as error:
            return Replayed(entry.id, "impossible", reasons=(str(error),))

    def _replayed(self, entry: Entry) -> Replayed:
        told = line(self._plant.database, entry.number)
        record = told.payload
        if not entry.photo_kept:
            raise RecordsError("its photo is not kept, so it cannot be computed once more")
        product = self._product(entry)
        assistant, weights = self._model(str(record["model"]))
        found = _inspected(self._plant, assistant, record, product)
        differences, apart = _compared(record, found, self._plant.blobs)
        state: State = "differs"
        if not differences:
            state = "rounding" if apart else "same"
        reasons = _reasons(told, weights) if state != "same" else ()
        if state == "rounding":
            differences = [f"numbers lie up to {apart:.1g} apart"]
        return Replayed(entry.id, state, tuple(differences), tuple(reasons), found)

    def _product(self, entry: Entry) -> Product | None:
        if entry.product_id is None or entry.product_version is None:
            return None
        return product_at(
            self._plant.database, self._plant.blobs, entry.product_id, entry.product_version
        )

    def _model(self, name: str) -> tuple[AnomalyGPT, str]:
        if name not in self._models:
            assistant = self._open_model(name)
            self._models[name] = assistant, model_hash(assistant)
        return self._models[name]


def _inspected(
    plant: Plant,
    assistant: AnomalyGPT,
    record: Mapping[str, Any],
    product: Product | None,
) -> Inspection:
    """What is found now in a photo that was inspected.

    Raises:
        AnomalyGPTError: a reference is not kept any more, or a photo is damaged.
    """
    settings = record["settings"]
    bank = _bank(plant, assistant, record, product)
    depth = settings.get("bit_depth") or (product.settings.bit_depth if product else None)
    photo = load_image(_whole(plant.blobs, record["photo"]), depth or bank.bit_depth)
    category = product.settings.category if product else settings.get("category")
    evidence = assistant.examine(
        assistant.encode([photo]), bank, description=record["result"]["description"],
        category=category,
    )  # fmt: skip
    was_asked = record["result"]["question"] is not None
    return (assistant.judge(evidence) if was_asked else assistant.measure(evidence))[0]


def _bank(
    plant: Plant, assistant: AnomalyGPT, record: Mapping[str, Any], product: Product | None
) -> MemoryBank:
    """What the photo was compared with."""
    if product is not None:
        return plant.shelf.bank(product, assistant)
    settings = record["settings"]
    good = [_whole(plant.blobs, name) for name in record["references"]]
    return assistant.remember(
        good,
        rotations=settings.get("rotations"),
        flips=bool(settings.get("flips")),
        fixed_pose=bool(settings.get("fixed_pose")),
        detail=settings.get("detail"),
        bit_depth=settings.get("bit_depth"),
    )


def _whole(blobs: Blobs, name: str) -> Path:
    """The file of a photo, read once to see that it is what it was.

    Raises:
        RecordsError: it was deleted, or is damaged.
    """
    blobs.get(name)
    return blobs.path(name)


def _compared(
    record: Mapping[str, Any], found: Inspection, blobs: Blobs
) -> tuple[list[str], float]:
    """What differs by more than rounding, and the largest difference of numbers."""
    before, after = record["result"], found.to_dict()
    differences, apart = [], 0.0
    for name, title in _SAID.items():
        if name in _OURS and "verdict" in (before["model"] or {}):
            continue  # a foreign model gave it, which is not asked again
        if before[name] != after[name]:
            differences.append(f"{title} {before[name]!r}, now {after[name]!r}")
    for name, title in _MEASURED.items():
        if (before[name] is None) != (after[name] is None):
            differences.append(f"{title} {before[name]}, now {after[name]}")
        elif before[name] is not None:
            distance = abs(before[name] - after[name])
            apart = max(apart, distance)
            if distance > ROUNDING:
                differences.append(f"{title} {before[name]:.6f}, now {after[name]:.6f}")
    told, distance = _map_difference(record["map"], found, blobs)
    return differences + ([told] if told else []), max(apart, distance)


_SAID = {"is_anomalous": "the verdict was", "answer": "the words were", "limit": "the limit was"}
_OURS = ("is_anomalous", "answer")
_MEASURED = {"anomaly_probability": "the probability was", "anomaly_score": "the score was"}


def _map_difference(name: str | None, found: Inspection, blobs: Blobs) -> tuple[str, float]:
    """What is another in the map by more than rounding, and the largest difference."""
    if name is None or found.small_map is None:
        return "", 0.0
    now = png16(found.small_map)
    before = _kept_map(name, blobs)
    if before is None:  # deleted by its age; its hash tells whether it was the same
        is_same = blobs.name_of(now) == name
        return "" if is_same else "the map is another, and it is not kept to say by how much", 0.0
    cells = read_png16(now)
    if before.shape != cells.shape:
        return f"the map had the shape {before.shape}, now {cells.shape}", 0.0
    distance = float(np.abs(before - cells).max())
    told = f"the map differs by up to {distance:.4f}" if distance > ROUNDING else ""
    return told, distance


def _kept_map(name: str, blobs: Blobs) -> np.ndarray | None:
    if not blobs.has(name):
        return None
    try:
        return read_png16(blobs.get(name))
    except ValueError as error:
        raise RecordsError(str(error)) from None


def _reasons(told: Event, weights: str) -> Sequence[str]:
    """Why a result may be another, the likeliest first."""
    record, present = told.payload, made_with()
    reasons = []
    if record["weights"] != weights:
        reasons.append(
            f"{record['model']} has other weights now ({weights[:12]}…, then "
            f"{record['weights'][:12]}…)"
        )
    before = record.get("made_with", {})
    for name, title in _PARTS.items():
        if before.get(name) not in (None, present[name]):
            reasons.append(f"{title} {before[name]} made it, {present[name]} is here")
    if not reasons:
        reasons.append(
            "it was computed together with other photos, or on another device, which changes the "
            "last digits"
        )
    return reasons


_PARTS = {
    "anomalygpt": "anomalygpt",
    "torch": "torch",
    "machine": "a machine of the kind",
    "cpu": "a CPU with",
}
