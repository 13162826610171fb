"""Maps with the words that they stand for: what the prompt learner learns to read.

Simulated photos of a part resemble each other more than real parts do, and simulated damage may
be plainer than real damage, or leave no trace in a map at all. So a lesson takes from the evidence
where a map is high and what it looks like there, but not how high: good parts are scaled to lie
where real good parts were found, and every defect to where its map can show it. What a word says
then follows from the map alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from anomalygpt.errors import DataError
from decoder.scale import as_ratio
from embedded.notation import WORDS, Words, count_and_level, is_placed, words_of
from simulation import find_defects
from simulation.dialogues import facts_of

# Counted up whenever the same photo and seed begin to give another lesson: training that was begun
# with others does not go on unnoticed.
KIND = 2

# Distances are in units of what good parts keep, as in `ImageDecoder.reference_map`.
# Where the threshold lay that told good from damaged parts best on the development sets.
LIMIT = 0.95
# Scores of good parts, times LIMIT: the logarithm's mean and deviation, as found there.
GOOD_LEVEL, GOOD_SPREAD = -0.16, 0.11
# The highest distance in a defect, times LIMIT: the logarithm lies evenly between these.
DAMAGE_LEVELS = (0.0, 0.8)
# Defects of one photo are about equally plain.
DEFECT_SPREAD = 0.15

# Photos that also show the damage of another, so that many counts occur.
JOINED_SHARE = 0.35
# Bumps in good parts, as reflections or loose threads make: how many at most, how wide in cells,
# how high, times the part's own level.
MOST_BUMPS, BUMP_WIDTHS, BUMP_HEIGHTS = 5, (0.7, 4.0), (0.5, 1.0)
# The map is raised this many cells around a defect: a patch also sees what lies beside it.
REACH = 1

# Of each word whether it says clean, reached, or one, two or many defects.
KINDS = torch.tensor(
    [word if not is_placed(word) else 1 + count_and_level(word)[0] for word in range(len(WORDS))]
)


@dataclass(frozen=True)
class Evidence:
    """Photos as the evidence stage kept them, N of them.

    Attributes:
        ratios: (N, h, w), distances from the references, in units of what good parts keep.
        masks: (N, 224, 224) bool.
        ordinary: (N,), score of good photos of the same part, as a distance.
        embeddings: (N, D).
        tokens: per stage (N, P, C), half.
    """

    ratios: Tensor
    masks: Tensor
    ordinary: Tensor
    embeddings: Tensor
    tokens: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.ratios)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the maps."""
        return self.ratios.shape[1], self.ratios.shape[2]

    @cached_property
    def is_good(self) -> np.ndarray:
        """(N,) bool, photos without damage."""
        return ~self.masks.flatten(1).any(dim=1).numpy()


def load_evidence(folder: Path, kind: str) -> Evidence:
    """Read the shards "train" or "held".

    Raises:
        DataError: there are none.
    """
    records = [
        record
        for path in sorted(folder.glob(f"{kind}-*.pt"))
        for record in torch.load(path, weights_only=False)
    ]
    if not records:
        raise DataError(f"{folder} has no {kind}-*.pt; run the evidence stage first")
    cells, masks, embeddings = (
        torch.stack([record[key] for record in records]) for key in ("cells", "mask", "embedding")
    )
    tokens = zip(*(record["tokens"] for record in records), strict=True)
    return Evidence(
        as_ratio(cells.float()),
        masks,
        as_ratio(torch.tensor([record["ordinary"] for record in records])),
        embeddings,
        tuple(torch.stack(stage) for stage in tokens),
    )


def draw_rows(evidence: Evidence, count: int, generator: np.random.Generator) -> np.ndarray:
    """Numbers of photos, half of them good, so that a verdict leans to neither side."""
    halves = (np.flatnonzero(evidence.is_good), np.flatnonzero(~evidence.is_good))
    return np.concatenate([generator.choice(half, count // 2) for half in halves if len(half)])


@dataclass(frozen=True)
class Lesson:
    """A map and what it says.

    Attributes:
        ratios: (h, w), distances as in `Evidence`.
        words: nine ids.
        other: the photo whose damage was joined to the photo's own, if any.
    """

    ratios: Tensor
    words: Words
    other: int | None


def by_kind(logits: Tensor) -> Tensor:
    """Logits (..., words) as those of clean, reached, and one, two or many defects."""
    kinds = KINDS.to(logits.device)
    return torch.stack([logits[..., kinds == k].logsumexp(-1) for k in kinds.unique()], dim=-1)


def words_of_mask(mask: np.ndarray) -> Words:
    """The nine words of a mask (H, W) bool."""
    return words_of(facts_of(find_defects(mask), mask.shape))


def draw_lesson(evidence: Evidence, row: int, generator: np.random.Generator) -> Lesson:
    """One map of photo `row`, changed as the module says."""
    level = LIMIT * float(np.exp(generator.normal(GOOD_LEVEL, GOOD_SPREAD)))
    scale = level / max(float(evidence.ordinary[row]), 1e-3)
    ratios = evidence.ratios[row].numpy() * scale
    ratios = np.maximum(ratios, _bumps(ratios.shape, level, generator))
    mask = evidence.masks[row].numpy()
    plain = LIMIT * float(np.exp(generator.uniform(*DAMAGE_LEVELS)))
    other = None
    if mask.any() and generator.random() < JOINED_SHARE:
        damaged = np.flatnonzero(~evidence.is_good)
        other = int(generator.choice(damaged))
        ratios = _with_damage(ratios, evidence, other, plain, generator)
    if mask.any():
        # Last, so that nothing covers it.
        ratios = _with_damage(ratios, evidence, row, plain, generator)
    if other is not None:
        mask = mask | evidence.masks[other].numpy()
    return Lesson(torch.from_numpy(ratios.astype(np.float32)), words_of_mask(mask), other)


def _with_damage(
    ratios: np.ndarray,
    evidence: Evidence,
    row: int,
    plain: float,
    generator: np.random.Generator,
) -> np.ndarray:
    """The map with every defect of photo `row` so far from good that it shows."""
    # Damage that left no trace at all is raised as well.
    shown = np.maximum(evidence.ratios[row].numpy(), 1e-3)
    for defect in find_defects(evidence.masks[row].numpy()):
        inside = _cells_of(defect.mask, ratios.shape)
        height = plain * float(np.exp(generator.normal(0.0, DEFECT_SPREAD)))
        height = max(height, LIMIT)
        # Measured on the defect alone: what lies between its parts may stand out more than it does.
        raised = shown * (height / float(shown[inside].max()))
        weights = _weights(inside)
        raised[weights >= 1.0] = np.minimum(raised[weights >= 1.0], height)
        ratios = ratios + weights * (np.maximum(raised, ratios) - ratios)
    return ratios


def _cells_of(mask: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Cells that hold a pixel of the defect: (h, w) bool."""
    covered = F.adaptive_max_pool2d(torch.from_numpy(mask)[None, None].float(), grid)
    return covered[0, 0].numpy() > 0


def _weights(inside: np.ndarray) -> np.ndarray:
    """How far a defect raises each cell: (h, w), 1 in its cells and in hollows between them, and
    less around it."""
    cells, square = inside.astype(np.float32), (2 * REACH + 1,) * 2
    around = cv2.dilate(cells, np.ones(square, np.uint8))
    return np.maximum(cells, cv2.blur(around, square))


def _bumps(grid: tuple[int, int], level: float, generator: np.random.Generator) -> np.ndarray:
    """Round hills, (h, w), none higher than the part's own level."""
    rows, columns = np.mgrid[: grid[0], : grid[1]]
    hills = np.zeros(grid)
    for _ in range(int(generator.integers(MOST_BUMPS + 1))):
        row, column = generator.uniform(0, grid[0]), generator.uniform(0, grid[1])
        width = np.exp(generator.uniform(*np.log(BUMP_WIDTHS)))
        stretch = np.exp(generator.normal(0.0, 0.4))
        away = ((rows - row) / (width * stretch)) ** 2 + ((columns - column) * stretch / width) ** 2
        hills = np.maximum(hills, level * generator.uniform(*BUMP_HEIGHTS) * np.exp(-away / 2))
    return hills
