"""What tests of the tiny random LLaMA ask it, show it and let it say."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from anomalygpt.language.generation import GenerationOptions
from anomalygpt.language.language_model import LanguageModel

QUESTION = "Is there any anomaly in the image?"
SHORT = GenerationOptions(max_new_tokens=12)


def load(source: str | Path, **options) -> LanguageModel:
    """On the CPU, unless told otherwise."""
    return LanguageModel.from_pretrained(source, **{"device": "cpu", **options})


def picture(batch: int = 1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random embeddings of a picture and of the prompts of its map."""
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(batch, 1, 32, generator=generator),
        torch.randn(batch, 18, 32, generator=generator),
    )


class Scripted(LanguageModel):
    """Says the ids of `script`, one after the other, whatever it reads."""

    def say(self, ids: list[int]) -> None:
        self.script = iter(ids)

    def next_logits(self, embeddings: Tensor, cache) -> Tensor:
        logits = super().next_logits(embeddings, cache)
        token = next(self.script, self.tokenizer.eos_token_id)
        return torch.nn.functional.one_hot(torch.tensor([token]), logits.shape[-1]) * 100.0
