"""timm backbones: shapes, weight files, input sizes, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from anomalygpt.encoders import TextEncoder, build_encoder, encoder_config, open_encoder
from anomalygpt.encoders.timm_backbone import TimmEncoder, configured
from anomalygpt.errors import CheckpointError, ConfigError, SourceError

SMALL = {"depth": 4, "embed_dim": 24, "num_heads": 2}
# A class token; register tokens beside one; a register token alone.
TRANSFORMERS = {
    "vit_tiny_patch16_224": {"input_size": 96, **SMALL},
    "vit_base_patch14_reg4_dinov2": {"input_size": 70, **SMALL},
    "vit_pwee_patch16_reg1_gap_256": {"input_size": 64, **SMALL},
}
CONVOLUTIONS = {
    "resnet10t": {"input_size": 96},
    "mobilenetv2_035": {"input_size": 80, "stages": (1, 2, 3)},
    "convnext_atto": {"input_size": 64, "stages": (1,), "depths": (1, 1, 1, 1)},
}
ALL = {**TRANSFORMERS, **CONVOLUTIONS}
VIT = "vit_tiny_patch16_224"


def weights(tmp_path: Path, name: str = VIT, **architecture: Any) -> tuple[Path, dict[str, Tensor]]:
    """A full file of random weights as timm would publish it, at the network's native size."""
    torch.manual_seed(0)
    given = ALL[name].items()
    own = {key: value for key, value in given if key not in ("input_size", "stages")}
    state = timm.create_model(name, **{**own, **architecture}).state_dict()
    for key, value in state.items():
        if value.is_floating_point() and value.ndim:
            # Positions and tokens start near zero; here they must matter.
            state[key] = value + 0.02 * torch.rand_like(value)
    save_file(state, path := tmp_path / "model.safetensors")
    return path, state


def pixels(encoder: Any, batch: int = 2) -> Tensor:
    side = encoder.config.input_size
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, 3, side, side, generator=generator)


@torch.no_grad()
@pytest.mark.parametrize("name", ALL)
def test_forward_keeps_what_the_encoder_announces(name: str, tmp_path: Path) -> None:
    """Grid, widths and finite values, from a full file at the network's own size."""
    encoder = open_encoder(name, weights(tmp_path, name)[0], ALL[name])
    found = encoder(pixels(encoder))
    rows, columns = found.grid
    assert rows == columns > 1
    assert tuple(stage.shape[-1] for stage in found.stages) == encoder.stage_widths
    assert all(stage.shape[:2] == (2, rows * columns) for stage in found.stages)
    assert found.embedding.shape == (2, encoder.embedding_width)
    assert all(torch.isfinite(stage).all() for stage in found.stages)
    assert not isinstance(encoder, TextEncoder)


@torch.no_grad()
@pytest.mark.parametrize("name", ALL)
def test_a_photo_does_not_see_its_neighbours_in_the_batch(name: str, tmp_path: Path) -> None:
    encoder = open_encoder(name, weights(tmp_path, name)[0], ALL[name])
    photos = pixels(encoder, 3)
    together = encoder(photos)
    for photo in range(3):
        alone = encoder(photos[photo : photo + 1])
        torch.testing.assert_close(alone.embedding[0], together.embedding[photo])
        for one, many in zip(alone.stages, together.stages, strict=True):
            torch.testing.assert_close(one[0], many[photo], rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_stages_are_the_blocks_without_class_and_register_tokens(name: str, tmp_path: Path) -> None:
    """Compared with the outputs of the blocks themselves, caught on their way."""
    encoder = open_encoder(name, weights(tmp_path, name)[0], {**ALL[name], "stages": (1, 3)})
    caught: list[Tensor] = []
    for block in encoder.backbone.blocks:
        block.register_forward_hook(lambda _module, _inputs, output: caught.append(output))
    found = encoder(pixels(encoder))
    extra = encoder.backbone.num_prefix_tokens
    for stage, block in zip(found.stages, (1, 3), strict=True):
        torch.testing.assert_close(stage, caught[block][:, extra:])
    torch.testing.assert_close(found.embedding, found.stages[-1].mean(dim=1))


@torch.no_grad()
def test_position_embeddings_are_fitted_to_the_input_size(tmp_path: Path) -> None:
    """The same as timm does it, from weights at the native size."""
    path, state = weights(tmp_path)
    encoder = open_encoder(VIT, path, {"input_size": 96, "stages": (3,), **SMALL})
    plain = timm.create_model(VIT, img_size=96, **SMALL).eval()
    resized = timm.layers.resample_abs_pos_embed(
        state["pos_embed"], new_size=[6, 6], num_prefix_tokens=1
    )
    plain.load_state_dict({**state, "pos_embed": resized})
    photos = pixels(encoder)
    expected = plain.forward_intermediates(
        photos, indices=[3], output_fmt="NLC", intermediates_only=True, norm=False
    )
    torch.testing.assert_close(encoder(photos).stages[0], expected[0])


@torch.no_grad()
def test_convolutional_levels_are_joined_on_the_finest_grid() -> None:
    """One stage; each level counts by its own unit vectors, whatever the network's scale."""
    encoder = build_encoder(encoder_config("resnet10t", {"input_size": 64})).eval()
    (stage,) = encoder(pixels(encoder)).stages
    widths = [encoder.backbone.feature_info[level]["num_chs"] for level in encoder.config.stages]
    assert encoder.stage_widths == (sum(widths),)
    fine, coarse = stage.split(widths, dim=-1)
    # Strides 8 and 16: the grid is that of stride 8, and the fine level has half the weight.
    assert stage.shape[1] == 8 * 8
    torch.testing.assert_close(fine.norm(dim=-1), torch.full((2, 64), 0.5**0.5))
    torch.testing.assert_close(coarse.norm(dim=-1), torch.ones(2, 64))


@torch.no_grad()
def test_parts_behind_the_last_stage_may_be_missing(tmp_path: Path) -> None:
    """A file that was cut like our encoder loads as the full one does."""
    path, state = weights(tmp_path)
    options = {**ALL[VIT], "stages": (0, 1)}
    full = open_encoder(VIT, path, options)
    unused = ("blocks.2.", "blocks.3.", "norm.", "head.")
    cut = {name: value for name, value in state.items() if not name.startswith(unused)}
    assert len(cut) < len(state)
    save_file(cut, path)
    partial = open_encoder(VIT, path, options)
    photos = pixels(full)
    assert torch.equal(full(photos).embedding, partial(photos).embedding)
    assert not any(name.startswith("blocks.2.") for name in partial.backbone.state_dict())


@pytest.mark.parametrize("missing", ["blocks.1.attn.qkv.weight", "pos_embed"])
def test_a_missing_needed_key_is_named(missing: str, tmp_path: Path) -> None:
    path, state = weights(tmp_path)
    del state[missing]
    save_file(state, path)
    with pytest.raises(CheckpointError, match=missing):
        open_encoder(VIT, path, ALL[VIT])


def test_files_of_another_architecture_are_refused(tmp_path: Path) -> None:
    path, _ = weights(tmp_path, "resnet10t")
    with pytest.raises(CheckpointError, match="blocks"):
        open_encoder(VIT, path, ALL[VIT])
    path, _ = weights(tmp_path, VIT, embed_dim=48)
    with pytest.raises(CheckpointError, match="24"):
        open_encoder(VIT, path, ALL[VIT])
    path.write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        open_encoder(VIT, path, ALL[VIT])
    with pytest.raises(SourceError, match="does not exist"):
        open_encoder(VIT, tmp_path / "nowhere.safetensors", ALL[VIT])


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files_are_read_in_single_precision(
    dtype: torch.dtype, tmp_path: Path
) -> None:
    path, state = weights(tmp_path)
    exact = open_encoder(VIT, path, ALL[VIT])
    save_file({name: value.to(dtype) for name, value in state.items()}, path)
    rounded = open_encoder(VIT, path, ALL[VIT])
    assert {p.dtype for p in rounded.parameters()} == {torch.float32}
    photos = pixels(exact)
    left, right = exact(photos).embedding, rounded(photos).embedding
    torch.testing.assert_close(left, right, rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (VIT, {"input_size": 100}, "patches of 16 pixels.*100 is not a multiple of it, 96 is"),
        (VIT, {"input_size": 3}, "not a multiple of it, 16 is"),
        (VIT, {"stages": (4,)}, "between 0 and 3"),
        (VIT, {"stages": (-1, 2)}, "between 0 and 3"),
        (VIT, {"nonsense": 1}, "does not take these options.*nonsense"),
        (VIT, {"embed_dim": 25}, "does not take these options"),
        ("resnet10t", {"nonsense": 1}, "does not take these options.*nonsense"),
        ("resnet10t", {"stages": (9,)}, "between 0 and 4"),
        ("vit_tinyy_patch16_224", {}, "no model 'vit_tinyy_patch16_224'; similar are"),
        ("nosuch", {}, "no model 'nosuch'"),
        ("resnet18.nosuch", {}, "no weights 'resnet18.nosuch'; it has .*resnet18.a1_in1k"),
    ],
)
def test_impossible_configurations_are_refused(
    name: str, options: dict[str, Any], message: str
) -> None:
    small = SMALL if name == VIT else {}
    with pytest.raises(ConfigError, match=message):
        build_encoder(encoder_config(f"timm/{name}", {**small, **options}))


@torch.no_grad()
def test_stages_come_in_order_and_once() -> None:
    encoder = build_encoder(encoder_config(VIT, {"input_size": 32, **SMALL, "stages": (2, 0, 2)}))
    assert encoder.config.stages == (0, 2)
    assert tuple(s.shape[-1] for s in encoder(pixels(encoder)).stages) == encoder.stage_widths


def test_weights_that_cannot_be_fetched_are_a_source_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message says what to do on a machine without network."""
    create = timm.create_model

    def offline(name: str, pretrained: bool = False, **options: Any) -> Any:
        if pretrained:
            raise OSError("no route to host")
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(SourceError, match=r"cannot be fetched \(OSError\).*--encoder-weights FILE"):
        open_encoder(VIT, options=SMALL)


@torch.no_grad()
def test_fetched_weights_are_those_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By name or by file, the same encoder."""
    path, state = weights(tmp_path)
    create = timm.create_model

    def fetching(name: str, pretrained: bool = False, **options: Any) -> Any:
        model = create(name, **options)
        if pretrained:
            model.load_state_dict(state)
        return model

    expected = open_encoder(VIT, path, ALL[VIT])
    monkeypatch.setattr(timm, "create_model", fetching)
    found = open_encoder(VIT, options=ALL[VIT])
    photos = pixels(found)
    assert torch.equal(found(photos).embedding, expected(photos).embedding)


def test_configured_is_what_timm_records() -> None:
    config = configured("vit_base_patch14_reg4_dinov2")
    assert config.input_size == 518
    assert config.mean == (0.485, 0.456, 0.406)
    assert configured(VIT).mean == (0.5, 0.5, 0.5)
    assert configured(VIT, input_size=96).input_size == 96


def test_a_built_encoder_loads_what_it_saved(tmp_path: Path) -> None:
    """The state of the cut network at its own input size fits a second one exactly."""
    config = encoder_config(VIT, {**ALL[VIT], "stages": (1,)})
    first, second = build_encoder(config), build_encoder(config)
    assert isinstance(first, TimmEncoder)
    second.load_state_dict(first.state_dict())
    assert second.config == first.config
