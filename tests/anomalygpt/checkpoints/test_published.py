"""The literal tables against the names and shapes of the published files."""

from __future__ import annotations

import re

import pytest

from anomalygpt.checkpoints.llama import collect_lora
from anomalygpt.checkpoints.published import (
    IMAGEBIND_HUGE,
    PROJECTION,
    compare,
    decoder_names,
    delta_shapes,
    delta_sizes,
    imagebind_options,
    imagebind_shapes,
    imagebind_sizes,
    imagebind_skip,
    lora_name,
    prompt_learner_names,
)
from anomalygpt.errors import CheckpointError, ConfigError


@pytest.fixture
def huge(make) -> dict[str, tuple[int, ...]]:
    return {name: tuple(s) for name, s in make.published("imagebind_huge_keys").items()}


@pytest.fixture
def deltas(make) -> dict[str, dict[str, tuple[int, ...]]]:
    keys = make.published("delta_checkpoint_keys")
    return {
        part: {name: tuple(shape) for name, shape in keys[part].items()}
        for part in ("anomalygpt_delta", "pandagpt_delta_7b")
    }


def test_reference_imagebind_huge_every_key_is_loaded_or_knowingly_skipped(huge):
    assert len(huge) == 1311
    sizes = imagebind_sizes(huge, "imagebind_huge.pth")
    assert sizes == IMAGEBIND_HUGE
    report = compare(huge, imagebind_shapes(sizes), imagebind_skip)
    assert report.ok
    assert set(report.loaded) | set(report.skipped) == set(huge)
    assert all(re.match(r"\w+\.(vision|text)\.", name) for name in report.loaded)
    assert all(re.match(r"\w+\.(audio|depth|thermal|imu)\.", name) for name in report.skipped)
    assert sizes.stages == (7, 15, 23, 31)
    assert sizes.input_size == 224
    assert imagebind_options(sizes, {}) == {}


def test_reference_imagebind_table_is_what_our_encoder_loads(huge):
    import torch

    from anomalygpt.config import EncoderConfig
    from anomalygpt.encoders.imagebind import ImageBindEncoder

    config = EncoderConfig("imagebind", "imagebind_huge", stages=IMAGEBIND_HUGE.stages)
    with torch.device("meta"):
        state = ImageBindEncoder(config).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == imagebind_shapes(
        IMAGEBIND_HUGE
    )


def test_reference_anomalygpt_delta(deltas):
    found = deltas["anomalygpt_delta"]
    sizes = delta_sizes(found, "pytorch_model.pt")
    assert delta_shapes(sizes) == found
    assert set(decoder_names(sizes)) | set(prompt_learner_names()) == set(found)
    assert sizes.stage_widths == (1280,) * 4
    assert sizes.text_width == 1024
    assert (sizes.width, sizes.channels, sizes.base_prompts) == (4096, (4, 16, 64, 256, 1024), 9)


def test_reference_pandagpt_delta(deltas):
    lora = {
        lora_name(layer, target, side)
        for layer in range(32)
        for target in ("q_proj", "k_proj", "v_proj", "o_proj")
        for side in "AB"
    }
    assert lora | set(PROJECTION) == set(deltas["pandagpt_delta_7b"])


def test_skip_does_not_take_unknown_names():
    assert imagebind_skip("modality_trunks.audio.blocks.0.norm_1.weight")
    assert imagebind_skip("modality_trunks.video.blocks.0.norm_1.weight") is None
    assert imagebind_skip("audio.weight") is None


def test_foreign_file_is_named():
    with pytest.raises(CheckpointError, match=r"x\.pth is not an ImageBind file: it lacks"):
        imagebind_sizes({"a": (1,)}, "x.pth")
    with pytest.raises(CheckpointError, match=r"x\.pt is not an AnomalyGPT file: it lacks"):
        delta_sizes({"a": (1,)}, "x.pt")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "vision_heads and text_heads"),
        ({"vision_heads": 4}, "give text_heads"),
        ({"vision_heads": 3, "text_heads": 2}, "must divide the width 16"),
        ({"heads": 3}, "unknown ImageBind options"),
    ],
)
def test_heads_of_a_smaller_imagebind_must_be_given(make, given, message):
    shapes = {name: tuple(value.shape) for name, value in make.imagebind_state().items()}
    sizes = imagebind_sizes(shapes, "x")
    with pytest.raises(ConfigError, match=message):
        imagebind_options(sizes, given)


def test_lora_of_another_rank_needs_alpha():
    from anomalygpt.checkpoints.readers import TensorRef

    class Fake:
        shapes = {lora_name(0, "q_proj", "A"): (8, 16)}  # noqa: RUF012

    name = lora_name(0, "q_proj", "A")
    with pytest.raises(ConfigError, match="rank 8"):
        collect_lora({name: TensorRef(Fake(), name)}, {}, 0, None)
