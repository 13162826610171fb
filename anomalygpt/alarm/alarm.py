"""Whether a verdict should be trusted, asked of the same model about harmlessly changed copies.

It costs one inspection more for every change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from PIL import Image

from anomalygpt.alarm.changes import HARMLESS
from anomalygpt.encoders.photos import EncodedPhotos
from anomalygpt.errors import MissingPartError
from anomalygpt.images.reading import ImageSource, load_image
from anomalygpt.model import AnomalyGPT
from anomalygpt.results.cautions import UNSTEADY
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.steadiness import Steadiness
from anomalygpt.verdict import says_yes
from decoder import MemoryBank
from decoder.config import Formulation

# A verdict whose P(anomaly) a harmless change moves farther is called unsteady (docs/robustness.md
# says how it was chosen).
MOST_MOVE = 0.1

Changes = Mapping[str, Callable[[Image.Image], Image.Image]]


def with_steadiness(
    assistant: AnomalyGPT,
    image: ImageSource,
    inspection: Inspection,
    bank: MemoryBank,
    *,
    category: str | None = None,
    bit_depth: int | None = None,
    formulation: Formulation | None = None,
    changes: Changes = HARMLESS,
    most_move: float = MOST_MOVE,
) -> Inspection:
    """The findings on a photo with what harmless changes of it do to the verdict.

    Args:
        assistant: that inspected it.
        image: the photo.
        inspection: what was found, with the language model's own verdict.
        bank: what it was compared with.
        category, bit_depth, formulation: that it was inspected with.
        changes: by name; each takes and gives an RGB photo.
        most_move: how far P(anomaly) may move, in [0, 1].

    Returns:
        The inspection with its `steadiness`, and with a caution where it is unsteady.

    Raises:
        MissingPartError: the inspection has no verdict of a language model.
        ImageError: the photo cannot be used.
    """
    before = inspection.anomaly_probability
    if before is None:
        raise MissingPartError(
            "the alarm compares verdicts of the language model, and this inspection has none"
        )
    photo = load_image(image, bit_depth)
    moved: dict[str, float] = {}
    for name, change in changes.items():
        photos = assistant.encode([change(photo)])
        evidence = assistant.examine(
            photos,
            bank,
            description=inspection.description,
            category=category,
            formulation=formulation,
        )
        moved[name] = float(assistant.judge(evidence)[0].anomaly_probability or 0.0)
    found = judged_steady(before, moved, most_move, _likeness(assistant.encode([photo]), bank))
    cautions = inspection.cautions if found.is_steady else (UNSTEADY, *inspection.cautions)
    return replace(inspection, steadiness=found, cautions=cautions)


def judged_steady(
    before: float, moved: Mapping[str, float], most_move: float, likeness: float | None = None
) -> Steadiness:
    """What probabilities of changed copies say about a verdict.

    Args:
        before: P(anomaly) of the photo, in [0, 1].
        moved: the same of each changed copy, by the change's name.
        most_move: how far it may move.
        likeness: of the photo as a whole.
    """
    turned = tuple(name for name, value in moved.items() if says_yes(value) != says_yes(before))
    largest = max((abs(value - before) for value in moved.values()), default=0.0)
    return Steadiness(not turned and largest <= most_move, turned, largest, len(moved), likeness)


def _likeness(photos: EncodedPhotos, bank: MemoryBank) -> float | None:
    found = bank.likeness(photos.features.embedding) if len(bank) else None
    return None if found is None else float(found[0])
