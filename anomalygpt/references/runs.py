"""What a run of parts shows by itself: most of them are good, so their scores say where good lies.

One or two references cannot tell how much good parts of a product differ. Where somebody allows it,
the parts of a run do: the middle of their scores, and how far they usually lie from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from anomalygpt.errors import ConfigError
from decoder.scale import as_ratio

if TYPE_CHECKING:  # nothing here needs it at run time
    from anomalygpt.images.reading import ImageSource
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.references.library import Watch
    from decoder import MemoryBank
    from decoder.config import Formulation

# So few photos say nothing; more than so many say nothing new.
FEWEST_PHOTOS, MOST_PHOTOS = 20, 100

# More references tell it better than a run does, see docs/few-shot.md.
MOST_REFERENCES = 2

# Distances are scaled until a part that is as odd as good ones usually are comes here: the odds of
# the embedded language model turn at .82, in units of what good parts keep.
TURNING_POINT = 0.82

# Farther from each other than so many times, run and references contradict each other.
MOST_APART = 3.0

# The standard deviation of normal values is so many times their median distance from the middle.
_DEVIATIONS = 1.4826


def run_factor(scores: Sequence[float]) -> float:
    """What distances to the references are to be multiplied by, so that good parts of a run count
    as good: `TURNING_POINT` over the median of their distances and one deviation more.

    Args:
        scores: of at least 20 parts in [0, 1], most of them good, normalised.

    Raises:
        ConfigError: too few, or they contradict the references.
    """
    if len(scores) < FEWEST_PHOTOS:
        raise ConfigError(
            f"{len(scores)} photos do not show how good parts vary; give at least {FEWEST_PHOTOS}, "
            "or leave out --most-are-good"
        )
    distances = as_ratio(torch.as_tensor(scores, dtype=torch.float64)).numpy()
    middle = float(np.median(distances))
    deviation = _DEVIATIONS * float(np.median(np.abs(distances - middle)))
    factor = TURNING_POINT / max(middle + deviation, 1e-6)
    if not 1 / MOST_APART <= factor <= MOST_APART:
        raise ConfigError(
            f"most of these photos lie {TURNING_POINT / factor:.1f} times as far from the "
            "references as good parts do; either most are not good, or the references show "
            "another product or other light: give other references, or leave out --most-are-good"
            if factor < 1
            else "these photos differ less from the references than good parts can; are they "
            "copies of them? Leave out --most-are-good"
        )
    return factor


def learn_run(
    assistant: AnomalyGPT,
    photos: Sequence[ImageSource],
    bank: MemoryBank,
    *,
    category: str | None = None,
    bit_depth: int | None = None,
    formulation: Formulation | None = None,
    watch: Watch | None = None,
) -> int:
    """Let a bank of one or two references know how parts of a run usually look.

    Args:
        assistant: that will inspect them.
        photos: of the run, most of them good; of many only some are looked at, evenly spread.
        bank: its `factor` is set, and holds for further photos, too.
        category, bit_depth, formulation: as they will be inspected; published maps have no scale.
        watch: is handed the photos, and may show how far they are.

    Returns:
        How many photos were looked at.

    Raises:
        ConfigError: not one or two references, or see `run_factor`; the bank stays as it was.
    """
    if (formulation or assistant.config.decoder.formulation) != "normalised":
        raise ConfigError("published maps have no scale to learn; leave out --most-are-good")
    if not 1 <= len(bank) <= MOST_REFERENCES:
        raise ConfigError(
            f"a run of parts helps where there are one or two references, here are {len(bank)}; "
            "leave out --most-are-good"
        )
    before, bank.factor = bank.factor, 1.0
    try:
        step = max(1.0, len(photos) / MOST_PHOTOS)
        chosen = [photos[int(number * step)] for number in range(min(len(photos), MOST_PHOTOS))]
        seen = watch(chosen, len(chosen), "photos of the run") if watch else chosen
        found = assistant.inspect_batch(
            seen,
            bank,
            category=category,
            map_only=True,
            bit_depth=bit_depth,
            formulation=formulation,
        )
        scores = [each.anomaly_score for each in found if not isinstance(each, Exception)]
        before = run_factor(scores)
    finally:
        bank.factor = before
    return len(scores)
