"""Names as a person types them, and the features that all encoders share."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any, get_args

import pytest
import torch

from anomalygpt import encoders
from anomalygpt.config import EncoderConfig, EncoderKind
from anomalygpt.constants import IMAGEBIND_MEAN, IMAGEBIND_STD
from anomalygpt.encoders import (
    ImageFeatures,
    build_encoder,
    encoder_config,
    encoder_mark,
    open_encoder,
)
from anomalygpt.encoders.base import Family
from anomalygpt.errors import ConfigError, SourceError
from anomalygpt.presets import PRESETS


def features(seed: int, batch: int = 3) -> ImageFeatures:
    generator = torch.Generator().manual_seed(seed)
    stages = tuple(torch.randn(batch, 4, width, generator=generator) for width in (5, 6))
    return ImageFeatures(torch.randn(batch, 7, generator=generator), stages, (2, 2))


@pytest.mark.parametrize(
    ("name", "kind", "own"),
    [
        ("imagebind_huge", "imagebind", "imagebind_huge"),
        ("clip/ViT-B-16", "clip", "ViT-B-16"),
        ("resnet18", "timm", "resnet18"),
        ("timm/resnet18", "timm", "resnet18"),
        ("timm/resnet18.a1_in1k", "timm", "resnet18.a1_in1k"),
        ("compact", "compact", "compact"),
    ],
)
def test_names_lead_to_their_family(name: str, kind: str, own: str) -> None:
    config = encoder_config(name)
    assert (config.kind, config.name) == (kind, own)
    assert kind == "compact" or not config.options


def test_imagebind_huge_is_the_published_configuration() -> None:
    config = encoder_config("imagebind_huge")
    assert config.stages == (7, 15, 23, 31)
    assert (config.input_size, config.mean, config.std) == (224, IMAGEBIND_MEAN, IMAGEBIND_STD)


def test_options_are_split_between_config_and_architecture() -> None:
    given = {"input_size": 96, "stages": 2, "mean": 0.5, "std": 0.25, "resize": "pad", "depth": 3}
    config = encoder_config("vit_tiny_patch16_224", given)
    assert (config.input_size, config.stages, config.resize) == (96, (2,), "pad")
    assert (config.mean, config.std) == ((0.5,) * 3, (0.25,) * 3)
    assert dict(config.options) == {"depth": 3}
    assert given["depth"] == 3


@pytest.mark.parametrize(
    "options", [{"input_size": 0}, {"std": 0}, {"mean": (0.5, 0.5)}, {"resize": "crop"}]
)
@pytest.mark.parametrize("name", ["imagebind_huge", "clip/ViT-B-16", "resnet18"])
def test_values_out_of_range_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        encoder_config(name, options)


def test_unknown_families_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown encoder kind 'dino'"):
        EncoderConfig(kind="dino", name="x")  # type: ignore[arg-type]


def test_a_configuration_builds_its_encoder() -> None:
    tiny = {"vision_blocks": 1, "text_blocks": 1, "stages": 0, "input_size": 28}
    widths = {"vision_width": 16, "text_width": 16, "output_width": 4}
    encoder = build_encoder(encoder_config("imagebind_huge", {**tiny, **widths}))
    assert type(encoder).__name__ == "ImageBindEncoder"


def test_a_slice_of_features_is_a_smaller_batch() -> None:
    whole = features(0)
    part = whole[1:]
    assert (len(whole), len(part), part.grid) == (3, 2, (2, 2))
    assert torch.equal(part.embedding, whole.embedding[1:])
    assert all(torch.equal(a, b[1:]) for a, b in zip(part.stages, whole.stages, strict=True))


def test_joined_slices_are_the_whole() -> None:
    whole = features(0)
    joined = ImageFeatures.cat([whole[:1], whole[1:1], whole[1:]])
    assert torch.equal(joined.embedding, whole.embedding)
    assert all(torch.equal(a, b) for a, b in zip(joined.stages, whole.stages, strict=True))
    assert joined.grid == whole.grid
    assert ImageFeatures.cat([whole]) is whole


def test_every_family_offers_what_a_family_is() -> None:
    """By the names of its module, in the order of its arguments."""
    assert set(encoders.FAMILIES) == set(get_args(EncoderKind))
    wanted = {name: part for name, part in vars(Family).items() if not name.startswith("_")}
    for module in map(import_module, encoders.FAMILIES.values()):
        for name, part in wanted.items():
            ours = list(inspect.signature(getattr(module, name)).parameters)
            assert ours == list(inspect.signature(part).parameters)[1:], f"{module.__name__}.{name}"


def test_a_family_refuses_names_that_are_not_its_own() -> None:
    with pytest.raises(ConfigError, match="one compact encoder"):
        encoder_config("compact/large")


def test_the_embedded_encoder_is_opened_by_itself() -> None:
    weights = PRESETS["embedded"] / "encoder.safetensors"
    alone = open_encoder("compact", weights)
    assert not alone.training
    assert encoder_mark(alone) != encoder_mark(build_encoder(encoder_config("compact")))
    with pytest.raises(SourceError, match="comes with the model"):
        open_encoder("compact")
