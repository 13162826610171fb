"""From a photo and its map to the beginning of a dialogue with a language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from anomalygpt.language.dialogue import Dialogue
from anomalygpt.language.language_model import LanguageModel
from prompt_learner import PromptLearner

# Which prompts the language model sees: base prompts and the map, base prompts alone (the paper's
# ablation without a decoder), or none (without a prompt learner).
Prompts: TypeAlias = Literal["map", "base", "none"]


@dataclass(frozen=True)
class Speech:
    """The parts of an assistant that talk.

    Attributes:
        language_model: frozen.
        projection: from the embedding of a photo to one of the language model's own.
        prompt_learner: from a map to prompts; None as in PandaGPT without AnomalyGPT's part, which
            sees no map.
    """

    language_model: LanguageModel
    projection: nn.Linear
    prompt_learner: PromptLearner | None

    @torch.inference_mode()
    def open_dialogue(self, embedding: Tensor, maps: Tensor, prompts: Prompts = "map") -> Dialogue:
        """A dialogue that begins with encoded photos and maps.

        Args:
            embedding: (B, D), photos as a whole.
            maps: (B, S, S) in [0, 1].
            prompts: which of the prompts the language model sees.
        """
        place = self.projection.weight.device
        image = self.projection(embedding.to(place, self.projection.weight.dtype)).unsqueeze(1)
        words = None
        if self.prompt_learner is not None and prompts == "map":
            words = self.prompt_learner(maps.to(place))
        elif self.prompt_learner is not None and prompts == "base":
            words = self.prompt_learner.base(len(maps))
        return open_dialogue(self.language_model, image, words)


@torch.no_grad()
def open_dialogue(
    language_model: LanguageModel, image: Tensor, map_prompts: Tensor | None = None
) -> Dialogue:
    """A dialogue about B pictures; all of them hear the same first question.

    Args:
        language_model: that answers.
        image: (B, 1, width).
        map_prompts: (B, P, width), or None.

    Raises:
        ConfigError: a shape does not fit.
    """
    return Dialogue(language_model, language_model.prompt_embeddings(image, map_prompts))
