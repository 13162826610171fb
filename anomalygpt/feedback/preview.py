"""Before and after: what a change would do to the last inspections of a product."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from anomalygpt.audit.journal import Entry
from anomalygpt.errors import AnomalyGPTError
from anomalygpt.feedback.looking import encoded, seen
from anomalygpt.images.reading import ImageSource
from anomalygpt.products.product import Product
from anomalygpt.references.library import Watch, unwatched
from anomalygpt.results.inspection import Inspection

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.products.plant import Plant

# Inspections that are looked at.
MOST = 20


@dataclass(frozen=True)
class Finding:
    """Verdict, probability and score, see `Inspection`."""

    is_anomalous: bool | None
    anomaly_probability: float | None
    anomaly_score: float


@dataclass(frozen=True)
class Row:
    """One inspection, before and after.

    Attributes:
        id, photo_name: of the inspection.
        feedback: what was said of it; None where nothing was.
        before, after: what the product finds now, and would find.
    """

    id: str
    photo_name: str
    feedback: str | None
    before: Finding
    after: Finding

    @property
    def changes(self) -> bool:
        """Whether the verdict would be another."""
        return self.before.is_anomalous != self.after.is_anomalous


@dataclass(frozen=True)
class Preview:
    """What a change would do.

    Attributes:
        rows: the last inspections of the product, the youngest first.
        left_out: inspections whose photo is not kept, or cannot be read.
    """

    rows: tuple[Row, ...]
    left_out: int

    @property
    def changed(self) -> tuple[Row, ...]:
        """Those whose verdict would be another."""
        return tuple(row for row in self.rows if row.changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "rows": [{**asdict(row), "changes": row.changes} for row in self.rows],
            "changed": [row.id for row in self.changed],
            "left_out": self.left_out,
        }


def before_and_after(
    plant: Plant,
    assistant: AnomalyGPT,
    before: Product,
    after: Product,
    *,
    most: int = MOST,
    watch: Watch = unwatched,
) -> Preview:
    """Look at the last inspections of a product as it is and as it would be; nothing is saved.

    Args:
        plant, assistant: that look.
        before, after: the product.
        most: inspections at most; each photo counts once.
        watch: is handed their photos, and may show how far they are.
    """
    entries = plant.journal.all(product=before.id, most=5 * most)
    kept: dict[str, Entry] = {}
    for entry in entries:
        if entry.photo_kept and len(kept) < most:
            kept.setdefault(entry.photo, entry)
    left_out = sum(not entry.photo_kept for entry in entries)
    rows = []
    paths: list[ImageSource] = [plant.blobs.path(photo) for photo in kept]
    for entry, _ in zip(kept.values(), watch(paths, len(paths), "inspections"), strict=True):
        try:
            photo = encoded(plant, assistant, before, entry.photo)
        except AnomalyGPTError:
            left_out += 1
            continue
        found = [_finding(seen(plant, assistant, side, photo)) for side in (before, after)]
        rows.append(Row(entry.id, entry.photo_name, entry.feedback, *found))
    return Preview(tuple(rows), left_out)


def _finding(found: Inspection) -> Finding:
    return Finding(found.is_anomalous, found.anomaly_probability, found.anomaly_score)
