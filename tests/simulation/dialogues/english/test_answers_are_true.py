"""Every answer is read back and held against the masks themselves."""

from __future__ import annotations

import numpy as np
import pytest

from simulation.anomaly import Defect
from simulation.dialogues import INTENTS, Facts, facts_of, inspection_dialogue
from tests.answer_reader import KINDS, Truth, objections


def draw(generator: np.random.Generator) -> tuple[list[np.ndarray], list[str | None]]:
    """0 to 5 rectangles and ellipses of all sizes."""
    height, width = (int(side) for side in generator.integers(48, 100, size=2))
    y, x = np.mgrid[:height, :width]
    masks, kinds = [], []
    for _ in range(int(generator.integers(6))):
        tall, wide = (max(1, s * 10 ** generator.uniform(-2, -0.1)) for s in (height, width))
        top, left = generator.uniform(0, height - tall), generator.uniform(0, width - wide)
        if generator.random() < 0.5:
            mask = (y >= top) & (y < top + tall) & (x >= left) & (x < left + wide)
        else:
            down, across = (y - top - tall / 2) / tall, (x - left - wide / 2) / wide
            mask = down**2 + across**2 <= 0.25
        if mask.any():
            masks.append(mask)
            kinds.append(KINDS[int(generator.integers(len(KINDS)))])
    return masks, kinds


def facts_and_truth(generator: np.random.Generator) -> tuple[Facts, Truth]:
    masks, kinds = draw(generator)
    defects = [Defect.from_mask(mask, kind) for mask, kind in zip(masks, kinds, strict=True)]
    shape = masks[0].shape if masks else (60, 60)
    # A patch is what was simulated, not a kind of damage that people know.
    named = [None if kind == "patch" else kind for kind in kinds]
    return facts_of(defects, (shape[0], shape[1])), Truth.of(masks, named)


@pytest.mark.usefixtures("_typed_cleanly")
@pytest.mark.parametrize("seed", range(4))
def test_every_answer_is_true(seed: int) -> None:
    generator = np.random.default_rng(seed)
    for index in range(500):
        facts, truth = facts_and_truth(generator)
        for intent in INTENTS:
            category = (None, "tile", "metal_nut")[index % 3]
            ((question, answer),) = inspection_dialogue(
                facts,
                generator,
                category=category,
                has_reference=bool(index % 2),
                intents=[intent],
            )
            found = objections(intent, question, answer, truth)
            assert not found, (intent, question, answer, found, truth)
