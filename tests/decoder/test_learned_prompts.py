"""Learned prompts, and a decoder that has them: its map, its scores, what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from decoder import DecoderConfig, DecoderError, ImageDecoder, LearnedPrompts, LearnedPromptsConfig
from decoder.similarity import abnormal_probability, similarity_map, smoothed

WIDTH = 6


class Tower:
    """Writes down what it is asked to read."""

    def __init__(self, width: int) -> None:
        self.table = torch.arange(49408.0)[:, None].expand(-1, width)

    def embed_tokens(self, ids: Tensor) -> Tensor:
        return self.table[ids]

    def encode_prompts(self, embedded: Tensor, ends: Tensor, deeper: Sequence[Tensor]) -> Tensor:
        self.ends, self.deeper = ends.tolist(), deeper
        return embedded.mean(dim=1)


def decoder(**changes: Any) -> ImageDecoder:
    prompts = LearnedPromptsConfig(8, smoothing=2.0)
    settings = {"text_width": WIDTH, "map_size": 12, "prompts": prompts, **changes}
    return ImageDecoder(DecoderConfig((WIDTH, WIDTH), **settings))


def seen(count: int = 2) -> tuple[list[Tensor], Tensor, Tensor]:
    """Patch tokens of two stages on a grid of 3×4, photos as a whole, text features."""
    generator = torch.Generator().manual_seed(0)
    stages = [torch.randn(count, 12, WIDTH, generator=generator) for _ in range(2)]
    whole = torch.randn(count, WIDTH, generator=generator)
    return stages, whole, torch.randn(2, WIDTH, generator=generator)


def test_the_context_stands_between_start_and_words() -> None:
    prompts, tower = LearnedPrompts(LearnedPromptsConfig(8)), Tower(8)
    assembled = prompts.assembled(tower)
    assert assembled.shape == (2, 77, 8)
    assert assembled[:, 0, 0].tolist() == [49406, 49406]
    assert torch.equal(assembled[0, 1:13], prompts.ctx_pos[0, 0])
    assert torch.equal(assembled[1, 1:13], prompts.ctx_neg[0, 0])
    assert assembled[0, 13:17, 0].tolist() == [14115, 269, 49407, 0]
    assert assembled[1, 13:18, 0].tolist() == [13568, 14115, 269, 49407, 0]


def test_features_are_read_at_the_end() -> None:
    prompts, tower = LearnedPrompts(LearnedPromptsConfig(8, blocks=3)), Tower(8)
    assert prompts.features(tower).shape == (2, 8)
    assert tower.ends == [15, 16]
    assert [len(tokens) for tokens in tower.deeper] == [4, 4, 4]


def test_a_tower_of_another_width_is_refused() -> None:
    with pytest.raises(DecoderError, match="text tower is 5 wide, the learned prompts 8"):
        LearnedPrompts(LearnedPromptsConfig(8)).assembled(Tower(5))


@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.0, 4.0])
@pytest.mark.parametrize("shape", [(5, 5), (20, 31)])
def test_smoothing_is_that_of_scipy(sigma: float, shape: tuple[int, int]) -> None:
    """Also where the Gaussian is wider than the map."""
    maps = torch.rand(2, *shape, generator=torch.Generator().manual_seed(1))
    expected = torch.stack([torch.from_numpy(gaussian_filter(m.numpy(), sigma)) for m in maps])
    torch.testing.assert_close(smoothed(maps, sigma), expected, rtol=1e-5, atol=1e-6)


def test_the_map_is_the_mean_of_the_stages_smoothed() -> None:
    stages, _, text = seen()
    found = decoder().anomaly_map(stages, (3, 4), text_features=text)
    scale = decoder().config.logit_scale
    maps = [similarity_map(stage, (3, 4), text, 12, scale)[:, 1] for stage in stages]
    torch.testing.assert_close(found, smoothed((maps[0] + maps[1]) / 2, 2.0))


def test_scores_say_what_the_photo_as_a_whole_is() -> None:
    _, whole, text = seen()
    own, scores = decoder(text_weight=0.25), torch.tensor([0.1, 0.9])
    probability = abnormal_probability(whole, text, own.config.logit_scale)
    alone = own.with_whole(scores, whole, text, has_references=False)
    assert torch.equal(alone, probability)
    compared = own.with_whole(scores, whole, text)
    torch.testing.assert_close(compared, 0.75 * scores + 0.25 * probability)
    assert own.with_whole(scores, whole, text, formulation="published") is scores
    assert own.with_whole(scores, whole, None) is scores
    without = ImageDecoder(DecoderConfig((WIDTH,), text_width=WIDTH))
    assert without.with_whole(scores, whole, text) is scores


def test_a_decoder_with_prompts_projects_nothing() -> None:
    own = decoder()
    assert own.has_text_side
    assert {name.split(".")[0] for name in own.state_dict()} == {"prompts"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"width": 8, "context": 75},
        {"width": 8, "compound": 77},
        {"width": 8, "blocks": -1},
        {"width": 8, "smoothing": -1.0},
    ],
)
def test_sizes_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="learned"):
        DecoderConfig((WIDTH,), text_width=WIDTH, prompts=LearnedPromptsConfig(**wrong))


@pytest.mark.parametrize("wrong", [{"text_width": 5}, {"learned_states": True}])
def test_prompts_need_stages_in_the_text_space(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="as wide as the text space and no learned states"):
        decoder(**wrong)
