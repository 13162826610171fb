"""Every array recorded from the published AnomalyCLIP code, from the recording's own weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from anomalygpt.checkpoints.clip import ClipSizes
from anomalygpt.encoders.value_attention import (
    ValueAttentionEncoder,
    VisionTower,
    config_of_sizes,
)
from decoder import LearnedPrompts, LearnedPromptsConfig
from decoder.losses import prompt_loss, prompt_loss_parts
from decoder.similarity import (
    abnormal_map,
    abnormal_probability,
    side_logits,
    similarity_map,
    smoothed,
)

FILE = "anomalyclip/anomalyclip_tiny.safetensors"
SIZES = ClipSizes(64, 6, 2, 8, 4, 32, 32, 2)
# Blocks 2, 3, 4 and 6, counted from 1.
STAGES = (1, 2, 3, 5)
TUNED = ("ctx_pos", "ctx_neg", *(f"compound_prompts_text.{number}" for number in range(8)))


@pytest.fixture(scope="module")
def numbers(recorded: Callable[[str], Any]) -> Any:
    return recorded(FILE)


def encoder_of(numbers: Any, **options: Any) -> ValueAttentionEncoder:
    options = {"value_blocks": 4, **options}
    encoder = ValueAttentionEncoder(
        config_of_sizes(SIZES, input_size=48, stages=STAGES, options=options)
    )
    state = {
        name.removeprefix("clip."): value
        for name, value in numbers.tensors.items()
        if name.startswith("clip.")
    }
    # Only the rows in use were recorded.
    table = torch.zeros(SIZES.vocabulary, SIZES.text_width)
    table[numbers["token_embedding.ids"].long()] = numbers["token_embedding.rows"]
    encoder.load_state_dict({**state, "token_embedding.weight": table})
    return encoder.eval().requires_grad_(False)


def prompts_of(numbers: Any) -> LearnedPrompts:
    prompts = LearnedPrompts(LearnedPromptsConfig(width=32))
    prompts.load_state_dict(
        {name: numbers[f"prompt_learner.{name}"] for name in prompts.state_dict()}
    )
    return prompts


def close(found: Tensor, expected: Tensor, rtol: float = 1e-4) -> None:
    torch.testing.assert_close(found, expected, rtol=rtol, atol=1e-5)


def test_positions_are_resized(numbers: Any) -> None:
    table = encoder_of(numbers).visual.positions((6, 6))
    close(table, numbers["visual.positional_embedding_resized"])


@pytest.mark.parametrize(
    ("group", "options"),
    [
        ("dpam", {}),
        ("dpam_ffn", {"value_mlp": True}),
        ("plain", {"value_blocks": 0}),
    ],
)
def test_photos(numbers: Any, group: str, options: dict[str, Any]) -> None:
    tower: VisionTower = encoder_of(numbers, **options).visual
    embedding, stages, grid = tower(numbers["input.pixels"], STAGES)
    assert grid == (6, 6)
    close(embedding, numbers[f"{group}.class_embedding"])
    for stage, block in zip(stages, (2, 3, 4, 6), strict=True):
        close(stage, numbers[f"{group}.block{block}.patch_features"])


def test_a_photo_of_the_trained_size(numbers: Any) -> None:
    tower = encoder_of(numbers).visual
    embedding, (stage,), grid = tower(numbers["input.pixels"][:1, :, :32, :32], (5,))
    assert grid == (4, 4)
    close(embedding, numbers["native.class_embedding"])
    close(stage, numbers["native.block6.patch_features"])


def test_features_are_without_the_class_token(numbers: Any) -> None:
    features = encoder_of(numbers)(numbers["input.pixels"])
    assert features.grid == (6, 6)
    close(features.stages[-1], numbers["dpam.block6.patch_features"][:, 1:])
    close(features.embedding, numbers["dpam.class_embedding"])


def test_prompts(numbers: Any) -> None:
    tower, prompts = encoder_of(numbers), prompts_of(numbers)
    assert torch.equal(prompts.tokens.float(), numbers["text.tokens"])
    close(prompts.assembled(tower), numbers["text.prompts"])
    features = prompts.features(tower)
    close(features, numbers["text.features_raw"])
    close(torch.nn.functional.normalize(features, dim=-1)[None], numbers["text.features"])


def test_new_prompts_have_the_published_tokens(numbers: Any) -> None:
    tokens = LearnedPrompts(LearnedPromptsConfig(32)).tokens
    assert torch.equal(tokens.float(), numbers["text.tokens"])


def test_words_in_front_of_the_context_are_those_of_clip(numbers: Any) -> None:
    tower, prompts = encoder_of(numbers), prompts_of(numbers)
    for row, side in enumerate(("pos", "neg")):
        words = tower.embed_tokens(prompts.tokens[row : row + 1])
        close(words[:, None, :1], numbers[f"prompt_learner.token_prefix_{side}"])
        close(words[:, None, 13:], numbers[f"prompt_learner.token_suffix_{side}"])


def test_maps_and_scores(numbers: Any) -> None:
    tower = encoder_of(numbers)
    with torch.no_grad():
        text = prompts_of(numbers).features(tower)
    features = tower(numbers["input.pixels"])
    maps = [similarity_map(stage, features.grid, text, 48) for stage in features.stages]
    for found, block in zip(maps, (2, 3, 4, 6), strict=True):
        close(found.movedim(1, -1), numbers[f"test.block{block}.similarity_map"])
    total = torch.stack([abnormal_map(each) for each in maps]).sum(dim=0)
    close(total, numbers["test.anomaly_map_sum"])
    close(smoothed(total, 4.0), numbers["test.anomaly_map_gaussian4"])
    probability = abnormal_probability(features.embedding, text)
    close(probability, numbers["test.image_probability"])


@pytest.mark.parametrize(("group", "stages"), [("train_last", (5,)), ("train_multi", STAGES)])
def test_two_steps_of_training(numbers: Any, group: str, stages: tuple[int, ...]) -> None:
    tower, prompts = encoder_of(numbers), prompts_of(numbers)
    embedding, tokens, grid = tower.visual(numbers["input.pixels"], stages)
    mask = (numbers["input.mask"] > 0.5).float()
    optimiser = torch.optim.Adam(prompts.parameters(), lr=1e-3, betas=(0.5, 0.999))
    for step in (1, 2):
        recorded = f"{group}.step{step}"
        text = prompts.features(tower)
        logits = side_logits(embedding, text)
        maps = [similarity_map(stage[:, 1:], grid, text, 48) for stage in tokens]
        image_loss, pixel_loss = prompt_loss(maps, mask, logits, numbers["input.label"])
        close(logits, numbers[f"{recorded}.logits"])
        close(prompt_loss_parts(maps, mask), numbers[f"{recorded}.loss_parts"])
        close(image_loss[None], numbers[f"{recorded}.image_loss"])
        close(pixel_loss[None], numbers[f"{recorded}.pixel_loss_times4"])
        optimiser.zero_grad()
        (image_loss + pixel_loss).backward()
        own = dict(prompts.named_parameters())
        assert set(own) == set(TUNED)
        for name in TUNED:
            if step == 1:
                # Gradients of the deeper tokens were rounded to float16.
                rtol = 2e-3 if name.startswith("compound") else 1e-4
                gradient = own[name].grad
                assert gradient is not None
                close(gradient, numbers[f"{recorded}.grad.{name}"], rtol)
        optimiser.step()
        for name in TUNED:
            close(own[name], numbers[f"{recorded}.after.{name}"])


def test_no_other_group_was_recorded(numbers: Any) -> None:
    """One with more in it would need more tests."""
    groups = {name.split(".")[0] for name in numbers.tensors}
    assert groups == {
        *("clip", "token_embedding", "prompt_learner", "input", "visual", "dpam", "dpam_ffn"),
        *("plain", "native", "text", "test", "train_last", "train_multi"),
    }
