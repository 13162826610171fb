"""ImageBind: the published numbers, the published names, and what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from anomalygpt.checkpoints.published import imagebind_skip
from anomalygpt.config import EncoderConfig
from anomalygpt.encoders import TextEncoder, encoder_config, imagebind, open_encoder
from anomalygpt.encoders.imagebind import ImageBindEncoder, tokenize
from anomalygpt.errors import CheckpointError, ConfigError, MissingExtraError, SourceError

FIXTURES = Path(__file__).parents[2] / "fixtures"
TINY = {
    "vision_width": 16,
    "vision_blocks": 3,
    "vision_heads": 2,
    "text_width": 8,
    "text_blocks": 1,
    "text_heads": 2,
    "output_width": 6,
}


def tiny(**changes: Any) -> ImageBindEncoder:
    torch.manual_seed(0)
    settings = {"input_size": 42, "stages": (0, 2), "options": TINY}
    config = EncoderConfig("imagebind", "imagebind_tiny", **{**settings, **changes})
    return ImageBindEncoder(config).eval()


@pytest.fixture(scope="module")
def published(recorded: Callable[[str], Any]) -> tuple[ImageBindEncoder, Any]:
    """Our encoder with the recorded weights, and the recorded file."""
    numbers = recorded("imagebind_tiny.safetensors")
    sizes = json.loads(numbers.metadata["config"])
    options = {
        "vision_width": sizes["vision_embed_dim"],
        "vision_blocks": sizes["vision_num_blocks"],
        "vision_heads": sizes["vision_num_heads"],
        "text_width": sizes["text_embed_dim"],
        "text_blocks": sizes["text_num_blocks"],
        "text_heads": sizes["text_num_heads"],
        "output_width": sizes["out_embed_dim"],
        "patch_size": sizes["patch"],
    }
    config = EncoderConfig(
        "imagebind", "imagebind_tiny", sizes["image_size"], stages=sizes["stages"], options=options
    )
    encoder = ImageBindEncoder(config).eval()
    encoder.load_state_dict(numbers.state())
    return encoder, numbers


@torch.no_grad()
def test_reference_imagebind_vision(published: tuple[ImageBindEncoder, Any]) -> None:
    """The embedding, and the patch tokens of all four blocks."""
    encoder, numbers = published
    found = encoder(numbers["input.pixels"])
    assert found.grid == (16, 16)
    expected = numbers["output.vision_embedding"]
    torch.testing.assert_close(found.embedding, expected, rtol=1e-4, atol=1e-5)
    stages = numbers.stages("output.stage{}_patch_tokens")
    torch.testing.assert_close(list(found.stages), stages, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_reference_imagebind_text(published: tuple[ImageBindEncoder, Any]) -> None:
    """From recorded tokens, and from the words themselves."""
    encoder, numbers = published
    texts, tokens = json.loads(numbers.metadata["texts"]), numbers.tensors["input.tokens"]
    assert torch.equal(tokenize(texts), tokens)
    expected = numbers["output.text_embedding"]
    torch.testing.assert_close(encoder.encode_tokens(tokens), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(encoder.encode_text(texts), expected, rtol=1e-4, atol=1e-5)


def test_reference_imagebind_huge_names_and_shapes() -> None:
    """Ours are exactly the published vision and text names; each other key is skipped knowingly."""
    path = FIXTURES / "imagebind_huge_keys.json"
    names = json.loads(path.read_text(encoding="utf-8"))
    with torch.device("meta"):
        encoder = ImageBindEncoder(encoder_config("imagebind_huge"))
    ours = {name: list(value.shape) for name, value in encoder.state_dict().items()}
    assert ours == {k: v for k, v in names.items() if k.split(".")[1] in ("vision", "text")}
    for name in names:
        assert (imagebind_skip(name) is None) == (name in ours), name


@pytest.mark.parametrize(
    "name",
    ["modality_trunks.smell.blocks.0", "audio.weight", "modality_audio", "module.modality_x.audio"],
)
def test_unknown_keys_are_not_taken_for_another_modality(name: str) -> None:
    assert imagebind_skip(name) is None


@torch.no_grad()
def test_forward_keeps_what_the_encoder_announces() -> None:
    encoder = tiny()
    found = encoder(torch.randn(2, 3, 42, 42))
    assert found.grid == (3, 3)
    assert [tuple(stage.shape) for stage in found.stages] == [(2, 9, 16)] * 2
    assert encoder.stage_widths == (16, 16)
    assert found.embedding.shape == (2, encoder.embedding_width) == (2, 6)
    torch.testing.assert_close(found.embedding.norm(dim=-1), torch.ones(2))
    assert isinstance(encoder, TextEncoder)
    assert encoder.encode_text(["a", "b", "c"]).shape == (3, encoder.text_width)


@torch.no_grad()
@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 2), (1, 2), (2, 1)])
def test_tokens_lie_row_by_row_without_the_class_token(row: int, column: int) -> None:
    """A change within one patch of the photo changes that patch's token most."""
    encoder, pixels = tiny(), torch.zeros(2, 3, 42, 42)
    top, left = 14 * row, 14 * column
    pixels[1, :, top : top + 14, left : left + 14] = torch.randn(3, 14, 14)
    first = encoder(pixels).stages[0]
    changed = (first[1] - first[0]).norm(dim=-1)
    assert changed.argmax() == 3 * row + column


@torch.no_grad()
def test_a_photo_does_not_see_its_neighbours_in_the_batch() -> None:
    encoder, pixels = tiny(), torch.randn(3, 3, 42, 42)
    together = encoder(pixels)
    for photo in range(3):
        alone = encoder(pixels[photo : photo + 1])
        torch.testing.assert_close(alone.embedding[0], together.embedding[photo])
        for one, many in zip(alone.stages, together.stages, strict=True):
            torch.testing.assert_close(one[0], many[photo], rtol=0, atol=1e-5)


def test_the_logit_scale_is_bounded() -> None:
    """A text embedding is never longer than 100, as published."""
    encoder = tiny()
    with torch.no_grad():
        for raw, length in ((0.0, 1.0), (3.0, 20.0855), (9.0, 100.0)):
            encoder.modality_postprocessors.text[1].log_logit_scale.fill_(raw)
            norm = encoder.encode_text(["hello"]).norm()
            assert norm.item() == pytest.approx(length, rel=1e-4)


def test_long_texts_are_cut_and_keep_their_end() -> None:
    tokens = tokenize(["word " * 200, ""])
    assert tokens.shape == (2, 77)
    assert tokens[0, -1] == tokens.max() == tokens[1, 1]


def test_without_open_clip_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip.tokenizer", None)
    with pytest.raises(MissingExtraError, match=r"anomalygpt\[clip\]"):
        imagebind.tokenize(["hello"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_size": 100}, "not a multiple of the patch size 14"),
        ({"stages": ()}, "must name blocks from 0 to 2"),
        ({"stages": (0, 3)}, "must name blocks from 0 to 2"),
        ({"stages": (-1,)}, "must name blocks from 0 to 2"),
        ({"options": {"depth": 3}}, "unknown ImageBind option"),
        ({"options": {"vision_heads": 0}}, "vision_heads must be a positive number"),
        ({"options": {"vision_width": 2.5}}, "vision_width must be a positive number"),
        ({"options": {"text_width": 10, "text_heads": 4}}, "text_width 10 is not a multiple"),
    ],
)
def test_impossible_configurations_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny(**changes)


def test_open_encoder_reads_a_published_file(tmp_path: Path) -> None:
    """Vision and text are loaded, the other modalities left out, anything else refused."""
    source, path = tiny(), tmp_path / "imagebind.pth"
    options = {"input_size": 42, "stages": (0, 2), **TINY}
    state = {**source.state_dict(), "modality_trunks.audio.blocks.0.norm_1.bias": torch.zeros(3)}
    torch.save(state, path)
    opened = open_encoder("imagebind_huge", path, options)
    pixels = torch.randn(1, 3, 42, 42)
    with torch.no_grad():
        assert torch.equal(opened(pixels).embedding, source(pixels).embedding)
    assert not opened.training
    torch.save({**state, "surprise": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="surprise"):
        open_encoder("imagebind_huge", path, options)
    del state["modality_heads.vision.2.weight"]
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"modality_heads\.vision\.2\.weight"):
        open_encoder("imagebind_huge", path, options)


def test_open_encoder_without_weights_says_where_they_go() -> None:
    with pytest.raises(SourceError, match=r"imagebind_huge\.pth with --encoder-weights"):
        open_encoder("imagebind_huge")
