"""Settings of learned prompts, and those that are published."""

from __future__ import annotations

from typing import Any

import pytest

from anomalygpt.errors import ConfigError
from anomalygpt.training.zero_shot_settings import (
    LOSS_NAMES,
    PROMPT_PRESETS,
    ZeroShotSettings,
    value_blocks,
)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"seed": -1},
        {"losses": "focal"},
        {"optimizer": "sgd"},
        {"validation_share": 1.0},
        {"validation_share": -0.1},
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ZeroShotSettings(**wrong)


def test_the_presets() -> None:
    assert PROMPT_PRESETS["anomalyclip"] == ZeroShotSettings()
    ad_clip = PROMPT_PRESETS["ad-clip"]
    assert (ad_clip.epochs, ad_clip.batch_size, ad_clip.learning_rate) == (200, 8, 1e-4)
    assert ad_clip.validation_share > 0
    assert "contrastive" in LOSS_NAMES[ad_clip.losses]


@pytest.mark.parametrize(
    ("vision_blocks", "dpam", "blocks"),
    [(12, None, 9), (12, 10, 9), (12, 13, 12), (24, None, 19), (24, 24, 23)],
)
def test_dpam_gives_one_block_less(vision_blocks: int, dpam: int | None, blocks: int) -> None:
    """AnomalyCLIP's own argument 20 gives the last 19 of 24 blocks."""
    assert value_blocks(vision_blocks, dpam) == blocks


def test_arguments_of_dpam_that_nobody_named() -> None:
    with pytest.raises(ConfigError, match="10 to 13 for an image tower of 12 blocks, got 20"):
        value_blocks(12, 20)
    with pytest.raises(ConfigError, match="this one has 4: give --clip-option"):
        value_blocks(4)
