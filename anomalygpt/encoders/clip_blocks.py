"""The transformer blocks of CLIP's towers, and its text tower for embedded prompts.

Names of parameters are those of OpenAI's files. `torch.nn.MultiheadAttention` has the same, but
gives no access to its values, which value attention needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from anomalygpt.checkpoints.clip import ClipSizes

Activation = Literal["quick_gelu", "gelu"]


def quick_gelu(values: Tensor) -> Tensor:
    """x · sigmoid(1.702 x), which OpenAI's models were trained with."""
    return values * torch.sigmoid(1.702 * values)


ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "quick_gelu": quick_gelu,
    "gelu": F.gelu,
}


class Attention(nn.Module):
    """Multi-head attention with one matrix for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.randn(3 * width, width) * width**-0.5)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def heads_of(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of (B, N, C), each (B, heads, N, C / heads)."""
        projected = F.linear(tokens, self.in_proj_weight, self.in_proj_bias)
        query, key, value = rearrange(
            projected, "b n (three h c) -> three b h n c", three=3, h=self.heads
        )
        return query, key, value

    def attended(self, query: Tensor, key: Tensor, value: Tensor, causal: bool = False) -> Tensor:
        """Values as queries see them, through the output projection, (B, N, C)."""
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=causal)
        projected: Tensor = self.out_proj(rearrange(seen, "b h n c -> b n (h c)"))
        return projected

    def forward(self, tokens: Tensor, causal: bool = False) -> Tensor:
        """Self-attention of (B, N, C)."""
        return self.attended(*self.heads_of(tokens), causal=causal)


class Mlp(nn.Module):
    """Two layers, four times as wide between them."""

    def __init__(self, width: int, activation: Activation) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)
        self._activation = ACTIVATIONS[activation]

    def forward(self, tokens: Tensor) -> Tensor:
        projected: Tensor = self.c_proj(self._activation(self.c_fc(tokens)))
        return projected


class Block(nn.Module):
    """Attention and MLP, each behind a normalisation and beside a residual path."""

    def __init__(self, width: int, heads: int, activation: Activation) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = Mlp(width, activation)
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, causal: bool = False) -> Tensor:
        """(B, N, C) to (B, N, C)."""
        tokens = tokens + self.attn(self.ln_1(tokens), causal)
        return self.fed(tokens)

    def fed(self, tokens: Tensor) -> Tensor:
        """The second half of the block."""
        fed: Tensor = tokens + self.mlp(self.ln_2(tokens))
        return fed


class Transformer(nn.Module):
    """A stack of blocks."""

    def __init__(self, width: int, blocks: int, heads: int, activation: Activation) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads, activation) for _ in range(blocks))


class TextTower(nn.Module):
    """CLIP's text tower, which reads embedded prompts (`decoder.learned_prompts.PromptTower`)."""

    def __init__(self, sizes: ClipSizes, activation: Activation) -> None:
        super().__init__()
        width = sizes.text_width
        self.token_embedding = nn.Embedding(sizes.vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.randn(sizes.length, width) * 0.01)
        self.transformer = Transformer(width, sizes.text_blocks, sizes.text_heads, activation)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.randn(width, sizes.output_width) * width**-0.5)
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def embed_tokens(self, ids: Tensor) -> Tensor:
        """Token ids (N, L) to embeddings (N, L, W), without positions."""
        embedded: Tensor = self.token_embedding(ids.to(self.text_projection.device))
        return embedded

    def encode_prompts(self, embedded: Tensor, ends: Tensor, deeper: Sequence[Tensor]) -> Tensor:
        """Prompts to text features (N, C), see `PromptTower`."""
        hidden = embedded + self.positional_embedding
        for number, block in enumerate(self.transformer.resblocks):
            if 0 < number <= len(deeper):
                hidden = _with_tokens(hidden, deeper[number - 1])
            hidden = block(hidden, True)
        rows = torch.arange(len(hidden), device=hidden.device)
        read: Tensor = self.ln_final(hidden[rows, ends.to(hidden.device)]) @ self.text_projection
        return read


def _with_tokens(hidden: Tensor, tokens: Tensor) -> Tensor:
    """Hidden states (N, L, W) with learned tokens (K, W) at positions 1 to K.

    They are rounded to float16 on their way, as in the published code, whose weights were trained
    so; each prompt has its own copy, so that gradients are rounded before they are summed.
    """
    copies = tokens.expand(len(hidden), -1, -1).half().to(hidden)
    return torch.cat([hidden[:, :1], copies, hidden[:, 1 + len(tokens) :]], dim=1)
