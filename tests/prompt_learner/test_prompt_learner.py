"""The prompt learner: its published numbers, and where a place in the map goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prompt_learner import MAP_PROMPTS, PromptLearner, PromptLearnerConfig

DELTA_KEYS = Path(__file__).parents[1] / "fixtures" / "delta_checkpoint_keys.json"


def learner(**changes: Any) -> PromptLearner:
    torch.manual_seed(0)
    settings = {"width": 12, "channels": (2, 4, 4, 8, 8)}
    return PromptLearner(PromptLearnerConfig(**{**settings, **changes})).eval()


def change(model: PromptLearner, anomaly_map: Tensor) -> Tensor:
    """How much each prompt differs from that of an empty map, (base + 9,)."""
    with torch.no_grad():
        return (model(anomaly_map) - model(torch.zeros_like(anomaly_map)))[0].norm(dim=-1)


def smoothing(model: PromptLearner) -> PromptLearner:
    """The untrained network with kernels that only pass on what they see, most from the middle."""
    for module in model.meta_net:
        if isinstance(module, nn.Conv2d):
            offset = torch.arange(module.kernel_size[0]) - module.kernel_size[0] // 2
            bump = torch.exp(-(offset[:, None].square() + offset[None].square()) / 2.0)
            with torch.no_grad():
                module.weight.copy_(
                    (bump / bump.sum() / module.in_channels).expand_as(module.weight)
                )
                module.bias.zero_()
    return model


def test_reference_prompt_learner(recorded: Callable[[str], Any]) -> None:
    numbers = recorded("prompt_learner.safetensors")
    model = PromptLearner(PromptLearnerConfig(width=32))
    model.load_state_dict(numbers.state())
    with torch.no_grad():
        found = model(numbers["input.anomaly_map"][:, 0])
    expected = numbers["output.prompt_embeddings"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_reference_delta_names_and_shapes_of_the_prompt_learner() -> None:
    """Exactly the published names behind `prompt_learner.`, and none beside the decoder's."""
    published = json.loads(DELTA_KEYS.read_text(encoding="utf-8"))["anomalygpt_delta"]
    rest = {k: shape for k, shape in published.items() if not k.startswith("image_decoder.")}
    with torch.device("meta"):
        state = PromptLearner(PromptLearnerConfig(width=4096)).state_dict()
    assert {f"prompt_learner.{name}": list(v.shape) for name, v in state.items()} == rest


@pytest.mark.parametrize("base", [0, 4, 9])
@pytest.mark.parametrize("width", [12, 40])
def test_shape_and_base_prompts_first(base: int, width: int) -> None:
    model = learner(base_prompts=base, width=width)
    found = model(torch.rand(3, 224, 224))
    assert found.shape == (3, base + MAP_PROMPTS, width)
    assert torch.equal(found[:, :base], model.base_prompts.expand(3, -1, -1))


def test_photos_of_a_batch_do_not_mix() -> None:
    model, maps = learner(), torch.rand(3, 224, 224)
    together = model(maps)
    alone = torch.cat([model(maps[photo : photo + 1]) for photo in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)


def test_widths_scale_the_network() -> None:
    small, large = learner(), learner(channels=(4, 8, 16, 16, 32), width=24)

    def count(model: PromptLearner) -> int:
        return sum(parameter.numel() for parameter in model.parameters())

    assert count(small) < count(large) / 4
    assert small.meta_net[-1].out_channels == 12
    assert [m.out_channels for m in large.meta_net if isinstance(m, nn.Conv2d)] == [
        *(4, 8, 16, 16, 32),
        24,
    ]


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("column", range(3))
def test_a_spot_changes_most_the_prompt_of_its_cell(row: int, column: int) -> None:
    """Prompt 9 + 3 i + j stands for the cell in row i and column j of the 3×3 places."""
    spot = torch.zeros(1, 224, 224)
    y, x = (round((cell + 0.5) * 224 / 3) for cell in (row, column))
    spot[:, y - 20 : y + 20, x - 20 : x + 20] = 1.0
    changed = change(smoothing(learner()), spot)
    assert changed.argmax() == 9 + 3 * row + column
    assert (changed[:9] == 0).all()


@pytest.mark.parametrize(
    ("place", "cells"),
    [
        ((0, 0), {0}),
        ((0, 223), {2}),
        ((223, 0), {6}),
        ((223, 223), {8}),
        ((0, 112), {0, 1, 2}),
        ((112, 0), {0, 3, 6}),
        ((112, 223), {2, 5, 8}),
        ((223, 112), {6, 7, 8}),
        ((112, 112), set(range(9))),
    ],
)
def test_windows_of_the_prompts(place: tuple[int, int], cells: set[int]) -> None:
    """With any weights, a point at the border reaches the prompts on its side and no others."""
    point = torch.zeros(1, 224, 224)
    point[0, place[0], place[1]] = 100.0
    model = learner()
    for module in model.meta_net:
        if isinstance(module, nn.Conv2d):
            # No ReLU may hide a path.
            nn.init.uniform_(module.weight, 0.01, 0.1)
    reached = change(model, point)[9:].nonzero().flatten().tolist()
    assert set(reached) == cells


@pytest.mark.parametrize("size", [(448, 448), (56, 56), (112, 168), (1, 1)])
def test_other_map_sizes_are_resized(size: tuple[int, int]) -> None:
    """A constant map means the same at any size."""
    model = learner()
    expected = model(torch.full((1, 224, 224), 0.5))
    torch.testing.assert_close(model(torch.full((1, *size), 0.5)), expected)


def test_half_precision_maps_are_read() -> None:
    model, anomaly_map = learner(), torch.rand(1, 224, 224)
    found = model(anomaly_map.half())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, model(anomaly_map), rtol=0, atol=1e-3)


def test_gradients_reach_every_parameter() -> None:
    """Positive kernels, so that no ReLU is closed by chance."""
    model = smoothing(learner())
    model(torch.rand(1, 224, 224)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.norm() > 0, name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "width"),
        ({"channels": (1, 2, 3)}, "channels"),
        ({"channels": (1, 2, 3, 4, 0)}, "channels"),
        ({"base_prompts": -1}, "base_prompts"),
        ({"base_prompts": 0, "reads_map": False}, "base prompts"),
    ],
)
def test_impossible_configurations_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PromptLearnerConfig(**{"width": 8, **changes})


def test_without_a_map_network_every_map_gives_the_base_prompts() -> None:
    model = PromptLearner(PromptLearnerConfig(8, reads_map=False))
    found = model(torch.rand(3, 224, 224))
    torch.testing.assert_close(found, model.base_prompts.expand(3, -1, -1), rtol=0, atol=0)
    assert [name for name, _ in model.named_parameters()] == ["base_prompts"]
