"""Heads: how a cell and a photo are told, and when they speak."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from decoder import DecoderConfig, ImageDecoder, MemoryBank, StageHeads, StageHeadsConfig
from decoder.stage_heads import DISTANCES, cell_features, own_distances, photo_features

GRID, WIDTH, STAGES = (6, 5), 8, 2
NEAR = StageHeadsConfig(neighbours=3, apart=1)


def tokens(seed: int, batch: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, GRID[0] * GRID[1], WIDTH)
    return [torch.randn(shape, generator=generator) for _ in range(STAGES)]


def heads(seed: int = 0) -> StageHeads:
    made = StageHeads(NEAR, STAGES, WIDTH)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in (made.pixel_weight, made.image_weight):
            weight.copy_(0.1 * torch.randn(weight.shape, generator=generator))
    return made


def decoder(**changes: Any) -> ImageDecoder:
    settings = {"text_width": 6, "learned_states": True, "map_size": 24, "heads": NEAR}
    torch.manual_seed(0)
    made = ImageDecoder(DecoderConfig((WIDTH,) * STAGES, **{**settings, **changes}))
    if made.heads is not None:
        made.heads.load_state_dict(heads().state_dict())
    return made


def test_a_cell_lies_far_from_its_like() -> None:
    """The mean over the three nearest cells that are not beside it, counted by hand."""
    stages = tokens(0)
    found = own_distances(stages, GRID, NEAR)
    assert found.shape == (2, STAGES, 30)
    for row, stage, cell in ((0, 0, 0), (1, 1, 17), (0, 1, 29)):
        unit = F.normalize(stages[stage][row], dim=-1)
        far = [
            1 - float(unit[cell] @ unit[other])
            for other in range(30)
            if abs(cell // 5 - other // 5) > 1 or abs(cell % 5 - other % 5) > 1
        ]
        assert float(found[row, stage, cell]) == pytest.approx(sum(sorted(far)[:3]) / 3, abs=1e-5)


def test_cells_that_are_alike_are_near_and_the_odd_one_is_not() -> None:
    stages = [stage.clone() for stage in tokens(1)]
    for stage in stages:
        stage[:] = stage[:, :1]
        stage[:, 12] *= -1
    found = own_distances(stages, GRID, NEAR)
    assert found[..., 12].min() == pytest.approx(2, abs=1e-5)
    others = torch.cat([found[..., :12], found[..., 13:]], dim=-1)
    assert others.max() == pytest.approx(0, abs=1e-5)


def test_a_grid_of_few_cells_has_fewer_that_are_alike() -> None:
    stages = [stage[:, :9] for stage in tokens(0)]
    assert own_distances(stages, (3, 3), StageHeadsConfig(8, 0)).shape == (2, STAGES, 9)


def test_what_cells_and_photos_are_told_by_does_not_depend_on_scale_of_tokens() -> None:
    stages = tokens(2)
    distances = own_distances(stages, GRID, NEAR)
    cells = cell_features(stages, distances)
    assert cells.shape == (2, STAGES, 30, WIDTH + DISTANCES)
    larger = [3 * stage for stage in stages]
    torch.testing.assert_close(cell_features(larger, own_distances(larger, GRID, NEAR)), cells)
    photos = photo_features(stages, distances)
    assert photos.shape == (2, heads().image_weight.numel())


def test_a_photo_is_told_alike_in_any_company() -> None:
    stages, made = tokens(3, batch=3), heads()
    alone = [stage[1:2] for stage in stages]
    torch.testing.assert_close(made.map(stages, GRID)[1:2], made.map(alone, GRID))
    scores = torch.tensor([0.2, 0.5, 0.7])
    torch.testing.assert_close(
        made.score(scores, stages, GRID)[1:2], made.score(scores[1:2], alone, GRID)
    )


def test_the_level_moves_a_map_and_keeps_its_order() -> None:
    stages, made = tokens(4), heads()
    before = made.map(stages, GRID)
    with torch.no_grad():
        made.level.copy_(torch.tensor([2.0, -1.0]))
    after = made.map(stages, GRID)
    torch.testing.assert_close(after, (2 * torch.logit(before) - 1).sigmoid())


def test_heads_speak_where_no_reference_is() -> None:
    with_heads, without = decoder(), decoder(heads=None)
    without.load_state_dict(
        {k: v for k, v in with_heads.state_dict().items() if not k.startswith("heads.")}
    )
    stages = tokens(5)
    alone = with_heads.anomaly_map(stages, GRID)
    assert alone.shape == (2, 24, 24)
    assert 0 <= alone.min() < alone.max() <= 1
    assert not torch.equal(alone, without.anomaly_map(stages, GRID))
    bank = MemoryBank()
    for seed in (6, 7):
        bank.add(tokens(seed, batch=1))
    for formulation, references in (
        ("normalised", bank),
        ("published", bank),
        ("published", None),
    ):
        both = [
            each.anomaly_map(stages, GRID, memory_bank=references, formulation=formulation)
            for each in (with_heads, without)
        ]
        assert torch.equal(*both), (formulation, references)


def test_a_score_hears_the_heads_where_no_reference_is() -> None:
    made, stages = decoder(), tokens(7)
    scores, whole = torch.tensor([0.3, 0.6]), torch.zeros(2, 6)
    given = (stages, GRID)
    assert made.heads is not None
    found = made.with_whole(scores, whole, None, has_references=False, tokens=given)
    assert torch.equal(found, made.heads.score(scores, stages, GRID))
    assert made.with_whole(scores, whole, None, tokens=given) is scores
    assert made.with_whole(scores, whole, None, has_references=False) is scores
    published = made.with_whole(
        scores, whole, None, has_references=False, formulation="published", tokens=given
    )
    assert published is scores


def test_heads_come_back_from_json() -> None:
    config = decoder().config
    assert DecoderConfig(**asdict(config)) == config


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"neighbours": 0}, "neighbours of heads"),
        ({"apart": -1}, "apart of heads"),
        ({"neighbours": 1.5}, "neighbours of heads"),
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StageHeadsConfig(**wrong)


def test_heads_need_a_text_side_and_one_width() -> None:
    for wrong in ({"learned_states": False}, {"stage_widths": (8, 6)}):
        settings = {"stage_widths": (8, 8), "text_width": 6, "learned_states": True, **wrong}
        with pytest.raises(ValueError, match="heads need learned states"):
            DecoderConfig(**settings, heads=NEAR)
