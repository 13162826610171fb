"""ImageBind's vision and text towers (Girdhar et al., CVPR 2023), under their published names.

The published file also carries audio, depth, thermal and motion; `checkpoints.published` names
them, so that leaving them out is a decision and not an accident.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from anomalygpt.checkpoints import load_module
from anomalygpt.checkpoints.published import (
    CONTEXT_LENGTH,
    IMAGEBIND_HUGE,
    VOCABULARY,
    imagebind_skip,
)
from anomalygpt.config import EncoderConfig
from anomalygpt.encoders.base import ImageFeatures
from anomalygpt.errors import ConfigError, MissingExtraError, SourceError

LAYER_NORM_EPS = 1e-6
MAX_LOGIT_SCALE = 100.0


@dataclass(frozen=True)
class ImageBindSize:
    """Sizes of the two towers; the defaults are `imagebind_huge`."""

    vision_width: int = 1280
    vision_blocks: int = 32
    vision_heads: int = 16
    text_width: int = 1024
    text_blocks: int = 24
    text_heads: int = 16
    output_width: int = 1024
    patch_size: int = 14

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"ImageBind {name} must be a positive number, got {value!r}")
        for tower in ("vision", "text"):
            width, heads = getattr(self, f"{tower}_width"), getattr(self, f"{tower}_heads")
            if width % heads:
                raise ConfigError(f"ImageBind {tower}_width {width} is not a multiple of {heads}")


def _group(**modules: nn.Module) -> Any:
    group = nn.Module()
    for name, module in modules.items():
        group.add_module(name, module)
    return group


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm_2 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.mlp = _group(fc1=nn.Linear(width, 4 * width), fc2=nn.Linear(4 * width, width))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        normed = self.norm_1(x)
        x = x + self.attn(normed, normed, normed, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp.fc2(F.gelu(self.mlp.fc1(self.norm_2(x))))


class ImageBindEncoder(nn.Module):
    """Vision and text towers with the published parameter names."""

    # Groups of modules that exist for their names' sake.
    modality_preprocessors: Any
    modality_trunks: Any
    modality_heads: Any
    modality_postprocessors: Any

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        try:
            self.size = ImageBindSize(**config.options)
        except TypeError as error:
            raise ConfigError(f"unknown ImageBind option: {error}") from error
        if config.input_size % self.size.patch_size:
            raise ConfigError(
                f"input size {config.input_size} is not a multiple of the patch size "
                f"{self.size.patch_size}"
            )
        self.config = config
        if not config.stages or not all(0 <= s < self.size.vision_blocks for s in config.stages):
            raise ConfigError(
                f"stages {config.stages} must name blocks from 0 to {self.size.vision_blocks - 1}"
            )
        self.embedding_width = self.size.output_width
        self.text_width = self.size.output_width
        self.stage_widths = (self.size.vision_width,) * len(config.stages)
        self.modality_preprocessors = self._preprocessors()
        self.modality_trunks = self._trunks()
        self.modality_heads = self._heads()
        self.modality_postprocessors = _group(text=nn.Sequential(nn.Identity(), _group()))
        scale = nn.Parameter(torch.ones([]), requires_grad=False)
        self.modality_postprocessors.text[1].register_parameter("log_logit_scale", scale)

    def _preprocessors(self) -> nn.Module:
        s, side = self.size, self.config.input_size // self.size.patch_size
        vision = _group(
            # Slot 0 repeats the photo to two frames in the published code; it has no weights.
            rgbt_stem=_group(
                proj=nn.Sequential(
                    nn.Identity(),
                    nn.Conv3d(
                        3,
                        s.vision_width,
                        kernel := (2, s.patch_size, s.patch_size),
                        kernel,
                        bias=False,
                    ),
                )
            ),
            pos_embedding_helper=_group(),
        )
        vision.register_parameter("cls_token", nn.Parameter(torch.zeros(1, 1, s.vision_width)))
        vision.pos_embedding_helper.register_parameter(
            "pos_embed", nn.Parameter(torch.zeros(1, side * side + 1, s.vision_width))
        )
        text = _group(token_embedding=nn.Embedding(VOCABULARY, s.text_width))
        text.register_parameter(
            "pos_embed", nn.Parameter(torch.zeros(1, CONTEXT_LENGTH, s.text_width))
        )
        mask = torch.full((CONTEXT_LENGTH, CONTEXT_LENGTH), float("-inf")).triu(1)
        text.register_buffer("mask", mask)
        return _group(vision=vision, text=text)

    def _trunks(self) -> nn.Module:
        s = self.size
        vision = _group(
            pre_transformer_layer=nn.Sequential(nn.LayerNorm(s.vision_width, eps=LAYER_NORM_EPS)),
            blocks=nn.ModuleList(
                Block(s.vision_width, s.vision_heads) for _ in range(s.vision_blocks)
            ),
        )
        text = _group(
            blocks=nn.ModuleList(Block(s.text_width, s.text_heads) for _ in range(s.text_blocks))
        )
        return _group(vision=vision, text=text)

    def _heads(self) -> nn.Module:
        s = self.size
        return _group(
            # Slot 1 selects the class token in the published code; it has no weights.
            vision=nn.Sequential(
                nn.LayerNorm(s.vision_width, eps=LAYER_NORM_EPS),
                nn.Identity(),
                nn.Linear(s.vision_width, s.output_width, bias=False),
            ),
            text=_group(
                proj=nn.Sequential(
                    nn.LayerNorm(s.text_width, eps=LAYER_NORM_EPS),
                    nn.Linear(s.text_width, s.output_width, bias=False),
                )
            ),
        )

    def forward(self, pixels: Tensor) -> ImageFeatures:
        """Encode photos.

        Args:
            pixels: (B, 3, input_size, input_size), normalised.

        Returns:
            Embedding (B, output_width) of length 1, and the outputs of the blocks in
            `config.stages` without further normalisation.
        """
        parts = self.modality_preprocessors.vision
        stem = parts.rgbt_stem.proj[1]
        # A still photo is two equal frames: adding the two kernels gives the same in half the work.
        patches = F.conv2d(pixels, stem.weight.sum(dim=2), stride=stem.stride[1:])
        rows, columns = patches.shape[-2:]
        patches = rearrange(patches, "b c h w -> b (h w) c")
        x = torch.cat([parts.cls_token.expand(len(pixels), -1, -1), patches], dim=1)
        x = x + parts.pos_embedding_helper.pos_embed
        x = self.modality_trunks.vision.pre_transformer_layer(x)
        outputs = []
        for block in self.modality_trunks.vision.blocks:
            x = block(x)
            outputs.append(x)
        head = self.modality_heads.vision
        embedding = F.normalize(head[2](head[0](x[:, 0])), dim=-1)
        stages = tuple(outputs[stage][:, 1:] for stage in self.config.stages)
        return ImageFeatures(embedding, stages, (rows, columns))

    def encode_tokens(self, tokens: Tensor) -> Tensor:
        """Encode CLIP-BPE tokens (N, 77): length 1, times the learned logit scale, as published."""
        parts = self.modality_preprocessors.text
        x = parts.token_embedding(tokens) + parts.pos_embed
        mask = parts.mask.to(x.dtype)
        for block in self.modality_trunks.text.blocks:
            x = block(x, mask)
        # The end token has the highest number in the vocabulary.
        last = x[torch.arange(len(x), device=x.device), tokens.argmax(dim=-1)]
        features = F.normalize(self.modality_heads.text.proj(last), dim=-1)
        scale = self.modality_postprocessors.text[1].log_logit_scale.exp()
        return features * scale.clamp(max=MAX_LOGIT_SCALE)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """(N, output_width). Raises MissingExtraError without open_clip, whose BPE this uses."""
        device = self.modality_preprocessors.text.pos_embed.device
        return self.encode_tokens(tokenize(texts).to(device))


def tokenize(texts: Sequence[str]) -> Tensor:
    """CLIP-BPE tokens, (N, 77); longer texts are cut."""
    try:
        from open_clip.tokenizer import SimpleTokenizer
    except ImportError:
        raise MissingExtraError(
            "reading words with ImageBind needs open_clip's vocabulary; "
            "run: pip install 'anomalygpt[clip]'"
        ) from None
    return SimpleTokenizer(context_length=CONTEXT_LENGTH)(list(texts))


# --- the family, see `encoders.base.Family` -------------------------------------------------------


def configured(name: str, **changes: Any) -> EncoderConfig:
    """The published configuration.

    Raises:
        ConfigError: another name than that of the published one.
    """
    if name != "imagebind_huge":
        raise ConfigError(f"the published ImageBind is called 'imagebind_huge', got {name!r}")
    return EncoderConfig("imagebind", name, **{"stages": IMAGEBIND_HUGE.stages, **changes})


def built(config: EncoderConfig) -> nn.Module:
    """The network with untrained weights."""
    return ImageBindEncoder(config)


def from_file(config: EncoderConfig, weights: Path) -> nn.Module:
    """One with the weights of imagebind_huge.pth; sound, depth and motion are left out."""
    encoder = ImageBindEncoder(config)
    load_module(encoder, weights, skip=imagebind_skip)
    return encoder


def fetched(config: EncoderConfig, tag: str) -> nn.Module:
    """
    Raises:
        SourceError: always; nobody offers these weights by name.
    """
    raise SourceError(
        "imagebind_huge needs its weights: pass imagebind_huge.pth with --encoder-weights FILE"
    )
