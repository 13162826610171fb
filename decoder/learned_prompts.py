"""Learned prompts for a normal and an abnormal part, as published (AnomalyCLIP).

Each side is a sentence whose first words are learned vectors, followed by words that say as little
as possible about the part: "object." and "damaged object.". In the deeper blocks of the text tower
further learned tokens replace the hidden states behind the start token.

    start | learned context | words | end | padding        into block 1
    start | learned tokens  | hidden states ...            into each of the next blocks
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from decoder.config import LearnedPromptsConfig
from decoder.errors import DecoderError

# Ids of CLIP's tokenizer. The published prompts have the letter X where the context goes.
START, END, PLACEHOLDER = 49406, 49407, 343
OBJECT, DAMAGED, FULL_STOP = 14115, 13568, 269
NORMAL_WORDS = (OBJECT, FULL_STOP)
ABNORMAL_WORDS = (DAMAGED, OBJECT, FULL_STOP)

CONTEXT_STD = 0.02


class PromptTower(Protocol):
    """A frozen text tower that reads embeddings instead of words."""

    def embed_tokens(self, ids: Tensor) -> Tensor:
        """Token ids (N, L) to embeddings (N, L, W), without positions."""
        ...

    def encode_prompts(self, embedded: Tensor, ends: Tensor, deeper: Sequence[Tensor]) -> Tensor:
        """Prompts to text features.

        Args:
            embedded: (N, L, W), without positions.
            ends: (N,), the position of each prompt's end token.
            deeper: hidden states (K, W) that replace those at positions 1 to K in the second
                block, the third and so on.

        Returns:
            (N, C), unscaled.
        """
        ...


class LearnedPrompts(nn.Module):
    """The learned vectors of both sides; names and shapes are those of the published weights.

    `ctx_pos` and `ctx_neg` (1, 1, context, W) are the context of the normal and of the abnormal
    side, `compound_prompts_text.N` (compound, W) the tokens of text block N + 2, and
    `tokenized_prompts_pos` and `_neg` (1, 1, L) the token ids.
    """

    tokenized_prompts_pos: Tensor
    tokenized_prompts_neg: Tensor

    def __init__(self, config: LearnedPromptsConfig) -> None:
        super().__init__()
        self.config = config
        self.ctx_pos = nn.Parameter(torch.randn(1, 1, config.context, config.width) * CONTEXT_STD)
        self.ctx_neg = nn.Parameter(torch.randn(1, 1, config.context, config.width) * CONTEXT_STD)
        self.compound_prompts_text = nn.ParameterList(
            nn.Parameter(torch.randn(config.compound, config.width) * CONTEXT_STD)
            for _ in range(config.blocks)
        )
        self.register_buffer("tokenized_prompts_pos", _token_ids(config, NORMAL_WORDS))
        self.register_buffer("tokenized_prompts_neg", _token_ids(config, ABNORMAL_WORDS))

    @property
    def tokens(self) -> Tensor:
        """Token ids of both sides, normal first, (2, L)."""
        both = torch.cat([self.tokenized_prompts_pos, self.tokenized_prompts_neg])
        return both.flatten(0, 1)

    def assembled(self, tower: PromptTower) -> Tensor:
        """Both prompts as the first text block reads them, (2, L, W): normal, abnormal."""
        words = tower.embed_tokens(self.tokens.long())
        context = torch.cat([self.ctx_pos, self.ctx_neg]).flatten(0, 1)
        if words.shape[-1] != context.shape[-1]:
            raise DecoderError(
                f"the text tower is {words.shape[-1]} wide, the learned prompts "
                f"{context.shape[-1]}; they belong to different models"
            )
        behind = 1 + self.config.context
        return torch.cat([words[:, :1], context.to(words.dtype), words[:, behind:]], dim=1)

    def features(self, tower: PromptTower) -> Tensor:
        """Text features of both sides, (2, C) of any length: normal, abnormal."""
        tokens = self.tokens
        # The end token has the largest id of all.
        return tower.encode_prompts(
            self.assembled(tower), tokens.argmax(dim=-1), list(self.compound_prompts_text)
        )


def _token_ids(config: LearnedPromptsConfig, words: Sequence[int]) -> Tensor:
    """(1, 1, L) int32, zeros behind the end."""
    ids = [START, *[PLACEHOLDER] * config.context, *words, END][: config.length]
    return torch.tensor([[ids + [0] * (config.length - len(ids))]], dtype=torch.int32)
