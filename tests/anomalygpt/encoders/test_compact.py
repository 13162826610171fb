"""The embedded encoder: shapes, size, and that every part of it takes part."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from anomalygpt.checkpoints import load_module, save_module
from anomalygpt.config import EncoderConfig
from anomalygpt.encoders import build_encoder, encoder_mark
from anomalygpt.encoders.compact import CompactEncoder, compact_config
from anomalygpt.errors import ConfigError


@pytest.fixture(scope="module")
def encoder() -> CompactEncoder:
    torch.manual_seed(0)
    return CompactEncoder(compact_config()).eval()


def test_four_stages_lie_on_one_fine_grid(encoder: CompactEncoder) -> None:
    with torch.inference_mode():
        features = encoder(torch.randn(2, 3, 256, 256))
    assert features.grid == (32, 32)
    assert [stage.shape for stage in features.stages] == [(2, 32 * 32, 64)] * 4
    assert features.embedding.shape == (2, encoder.embedding_width)
    assert encoder.stage_widths == (64,) * 4


def test_it_is_as_small_as_promised(encoder: CompactEncoder) -> None:
    assert sum(parameter.numel() for parameter in encoder.parameters()) <= 8_000_000


def test_a_photo_is_encoded_alike_alone_and_in_a_batch(encoder: CompactEncoder) -> None:
    pixels = torch.randn(3, 3, 256, 256)
    with torch.inference_mode():
        together, alone = encoder(pixels), encoder(pixels[1:2])
    for several, single in zip(together.stages, alone.stages, strict=True):
        torch.testing.assert_close(several[1:2], single, rtol=1e-3, atol=1e-4)


def test_a_gradient_reaches_every_parameter(encoder: CompactEncoder) -> None:
    features = encoder(torch.randn(1, 3, 256, 256))
    sum(stage.square().sum() for stage in features.stages).backward()  # type: ignore[union-attr]
    missing = [name for name, value in encoder.named_parameters() if value.grad is None]
    encoder.zero_grad(set_to_none=True)
    assert not missing


def test_it_is_built_from_its_configuration_and_keeps_its_weights(
    encoder: CompactEncoder, tmp_path: Path
) -> None:
    save_module(encoder, tmp_path / "encoder.safetensors")
    again = build_encoder(encoder.config)
    load_module(again, tmp_path / "encoder.safetensors")
    assert encoder_mark(again) == encoder_mark(encoder)


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"options": {"width": 0}}, "width"), ({"input_size": 100}, "multiple of 32")],
)
def test_settings_that_cannot_be_built_are_refused(changes: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        CompactEncoder(compact_config(**changes))


def test_another_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="compact"):
        CompactEncoder(EncoderConfig("compact", "huge"))
