"""CLIP through open_clip, on an architecture small enough for tests."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from anomalygpt.encoders import TextEncoder, build_encoder, clip, encoder_config, open_encoder
from anomalygpt.encoders.clip import ClipEncoder
from anomalygpt.errors import CheckpointError, ConfigError, MissingExtraError, SourceError

NAME = "clip/tiny-vit-for-tests"
ARCHITECTURE = {
    "embed_dim": 12,
    "vision_cfg": {
        "image_size": 32,
        "layers": 4,
        "width": 16,
        "head_width": 8,
        "patch_size": 8,
    },
    "text_cfg": {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 8,
        "heads": 2,
        "layers": 1,
    },
}


@pytest.fixture(scope="module", autouse=True)
def _registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """open_clip knows the small architecture as long as these tests run."""
    folder = tmp_path_factory.mktemp("open_clip")
    path = folder / f"{NAME.removeprefix('clip/')}.json"
    path.write_text(json.dumps(ARCHITECTURE), encoding="utf-8")
    open_clip.add_model_config(folder)
    yield
    open_clip.factory._MODEL_CONFIG_PATHS.remove(folder)
    path.unlink()
    del open_clip.factory._MODEL_CONFIGS[NAME.removeprefix("clip/")]


def tiny(seed: int = 0, **options: Any) -> Any:
    torch.manual_seed(seed)
    return build_encoder(encoder_config(NAME, options)).eval()


@torch.no_grad()
def test_forward_keeps_what_the_encoder_announces() -> None:
    encoder = tiny()
    assert encoder.config.input_size == 32
    assert encoder.config.stages == (0, 1, 2, 3)
    found = encoder(torch.randn(2, 3, 32, 32))
    assert found.grid == (4, 4)
    assert [tuple(stage.shape) for stage in found.stages] == [(2, 16, 16)] * 4
    assert encoder.stage_widths == (16,) * 4
    assert found.embedding.shape == (2, encoder.embedding_width) == (2, 12)


@torch.no_grad()
def test_the_embedding_is_that_of_open_clip() -> None:
    encoder, pixels = tiny(), torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(encoder(pixels).embedding, encoder.model.encode_image(pixels))


@torch.no_grad()
@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 3), (1, 3), (3, 1)])
def test_tokens_lie_row_by_row_without_the_class_token(row: int, column: int) -> None:
    """A change within one patch of the photo changes that patch's token most."""
    encoder, pixels = tiny(), torch.zeros(2, 3, 32, 32)
    top, left = 8 * row, 8 * column
    pixels[1, :, top : top + 8, left : left + 8] = torch.randn(3, 8, 8)
    first = encoder(pixels).stages[0]
    changed = (first[1] - first[0]).norm(dim=-1)
    assert changed.argmax() == 4 * row + column


@torch.no_grad()
def test_a_photo_does_not_see_its_neighbours_in_the_batch() -> None:
    encoder, pixels = tiny(), torch.randn(3, 3, 32, 32)
    together = encoder(pixels)
    for photo in range(3):
        alone = encoder(pixels[photo : photo + 1])
        torch.testing.assert_close(alone.embedding[0], together.embedding[photo])
        for one, many in zip(alone.stages, together.stages, strict=True):
            torch.testing.assert_close(one[0], many[photo], rtol=0, atol=1e-5)


@torch.no_grad()
def test_words_become_unit_vectors() -> None:
    encoder = tiny()
    assert isinstance(encoder, TextEncoder)
    found = encoder.encode_text(("a photo of a bottle.", "a photo of a damaged bottle.", ""))
    assert found.shape == (3, encoder.text_width)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(3))
    torch.testing.assert_close(encoder.encode_text(["a photo of a bottle."]), found[:1])


@torch.no_grad()
def test_weights_come_back_from_their_file(tmp_path: Path) -> None:
    source = tiny(seed=1)
    path = tmp_path / "clip.safetensors"
    save_file(source.model.state_dict(), path)
    opened = open_encoder(NAME, path)
    pixels = torch.randn(1, 3, 32, 32)
    assert torch.equal(opened(pixels).embedding, source(pixels).embedding)
    assert torch.equal(opened.encode_text(["hello"]), source.encode_text(["hello"]))
    assert not opened.training


def test_incomplete_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path, state = tmp_path / "clip.safetensors", tiny().model.state_dict()
    save_file({**state, "surprise": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="surprise"):
        open_encoder(NAME, path)
    del state["visual.proj"]
    save_file(state, path)
    with pytest.raises(CheckpointError, match=r"visual\.proj"):
        open_encoder(NAME, path)


@torch.no_grad()
def test_stages_and_size_can_be_chosen() -> None:
    encoder = tiny(stages=(3, 1, 3), input_size=64)
    assert encoder.config.stages == (1, 3)
    found = encoder(torch.randn(1, 3, 64, 64))
    assert found.grid == (8, 8)
    assert tuple(stage.shape[-1] for stage in found.stages) == encoder.stage_widths


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("clip/nosuch", {}, "open_clip has no model 'nosuch'; it has for example"),
        (NAME, {"stages": (4,)}, "between 0 and 3"),
        (NAME, {"stages": (-1,)}, "between 0 and 3"),
        (NAME, {"nonsense": 1}, "does not take these options"),
    ],
)
def test_impossible_configurations_are_refused(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build_encoder(encoder_config(name, options))


def test_a_convolutional_clip_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its image tower has no transformer whose blocks could be read."""
    small = {**ARCHITECTURE, "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8}}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, NAME.removeprefix("clip/"), small)
    with pytest.raises(ConfigError, match="no transformer for images; choose a ViT"):
        build_encoder(encoder_config(NAME))


def test_weights_must_be_named() -> None:
    with pytest.raises(SourceError, match=f"{NAME}:TAG"):
        open_encoder(NAME)


def test_weights_that_cannot_be_fetched_are_a_source_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def offline(*_: Any, **__: Any) -> Any:
        raise OSError("no route to host")

    monkeypatch.setattr(open_clip, "create_model", offline)
    with pytest.raises(SourceError, match=r"'openai'.*cannot be fetched \(OSError\)"):
        open_encoder(f"{NAME}:openai")


def test_without_open_clip_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(MissingExtraError, match=r"anomalygpt\[clip\]"):
        clip.configured("ViT-B-16")
    with pytest.raises(MissingExtraError, match=r"anomalygpt\[clip\]"):
        ClipEncoder(encoder_config("resnet10t"))
