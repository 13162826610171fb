"""Properties of the threshold that comes from references alone, whatever its rule."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from anomalygpt import AnomalyGPT
from anomalygpt.evaluation.figures.threshold import reference_threshold
from anomalygpt.evaluation.protocol import CategoryPlan, Trial
from anomalygpt.evaluation.references import References, ReferenceSet

MAPS = ("normalised", "published")


def references(assistant: AnomalyGPT, tree: Path, count: int, category: str) -> ReferenceSet:
    order = tuple(sorted((tree / category / "train" / "good").iterdir()))
    plan = CategoryPlan(category, (), (Trial(count, 0, order),))
    return References(assistant, MAPS, rotations=1, flips=False).sets(plan)[0]


def threshold(
    assistant: AnomalyGPT, tree: Path, count: int, kind: str, category: str = "disc"
) -> float | None:
    grid = assistant.encode(next((tree / category / "train" / "good").iterdir())).features.grid
    found = references(assistant, tree, count, category)
    return reference_threshold(assistant, found, grid, category, kind)


@pytest.fixture(params=["text side", "encoder alone"])
def someone(request, build_assistant, encoder_alone) -> AnomalyGPT:
    return build_assistant(words=False) if request.param == "text side" else encoder_alone


@pytest.mark.parametrize("kind", MAPS)
def test_without_references_there_is_none(someone, tree, kind) -> None:
    assert threshold(someone, tree, 0, kind) is None


@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("category", ["disc", "ring"])
def test_references_lie_below_it(someone, tree, kind, count, category) -> None:
    found = threshold(someone, tree, count, kind, category)
    assert found is not None
    assert 0 <= found <= 1
    assert threshold(someone, tree, count, kind, category) == found
    bank = references(someone, tree, count, category).banks[kind]
    photos = someone.encode(list(bank.names))
    scores = someone.examine(photos, bank, category=category, formulation=kind).scores
    assert scores.max() < found


def test_turned_copies_come_with_few_references_and_the_normalised_map(encoder_alone, tree) -> None:
    """As `remember` keeps them; the photo as it is comes first in any case."""
    order = tuple(sorted((tree / "disc" / "train" / "good").iterdir()))
    trials = tuple(Trial(count, 0, order) for count in (1, 2, 4))
    sets = References(encoder_alone, MAPS, rotations=None, flips=False).sets(
        CategoryPlan("disc", (), trials)
    )
    own = encoder_alone.encode(order[0]).features.stages
    for found, turns in zip(sets, (12, 6, 1), strict=True):
        photos = [Path(name) for name in found.names]
        for kind, bank in found.banks.items():
            same = encoder_alone.remember(photos, formulation=kind)
            assert torch.equal(bank.distances(own), same.distances(own))
            torch.testing.assert_close(bank.self_distances(), same.self_distances())
            patches = len(next(iter(bank._references.values())).stages[0])
            expected = turns if kind == "normalised" else 1
            assert patches == expected * own[0].shape[1]
        torch.testing.assert_close(found.encoded[0].stages[0][:1], own[0])


def test_test_photos_do_not_move_it(run, disc, making) -> None:
    before = [row["threshold"] for row in run(disc, "before", shots=(1, 2))["rows"]]
    for path in (disc / "disc" / "test").rglob("*.png"):
        making.part(path, 999 + int(path.stem), making.stains[0])
    after = [row["threshold"] for row in run(disc, "after", shots=(1, 2), limit=3)["rows"]]
    assert before == after
    assert None not in before
