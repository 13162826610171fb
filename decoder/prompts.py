"""The words that describe a good and a damaged part, as published (AnomalyGPT, section 3.2).

Each state is put into each template; the features of all sentences of a side are averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

NORMAL_STATES = (
    "{}",
    "flawless {}",
    "perfect {}",
    "unblemished {}",
    "{} without flaw",
    "{} without defect",
    "{} without damage",
)
ABNORMAL_STATES = (
    "damaged {}",
    "broken {}",
    "{} with flaw",
    "{} with defect",
    "{} with damage",
)
TEMPLATES = ("a photo of a {}.", "a photo of the {}.")

# What a part is called as long as nobody has said what it is.
DEFAULT_CATEGORY = "object"


def state_sentences(category: str) -> tuple[list[str], list[str]]:
    """All sentences about a normal and about an abnormal part of one category.

    Args:
        category: what the part is called, such as "metal nut"; underscores become spaces.

    Returns:
        14 normal and 10 abnormal sentences.
    """
    name = category.replace("_", " ").strip() or DEFAULT_CATEGORY

    def sentences(states: Sequence[str]) -> list[str]:
        # The name is put in last, so that braces in it are never read as a field.
        return [
            template.replace("{}", state).replace("{}", name)
            for state in states
            for template in TEMPLATES
        ]

    return sentences(NORMAL_STATES), sentences(ABNORMAL_STATES)


def ensemble_features(encode_text: Callable[[Sequence[str]], Tensor], category: str) -> Tensor:
    """Mean text feature of the normal and of the abnormal sentences, each of length 1.

    Args:
        encode_text: sentences to features (N, C), scaled as the text tower delivers them.
        category: what the part is called.

    Returns:
        (2, C): normal, abnormal.
    """
    sides = [encode_text(sentences).float().mean(dim=0) for sentences in state_sentences(category)]
    return F.normalize(torch.stack(sides), dim=-1)
