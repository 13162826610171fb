"""From a photo and its map to the beginning of a dialogue with a language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from anomalygpt.language.dialogue import Dialogue
from anomalygpt.language.language_model import LanguageModel
from anomalygpt.language.likelihood import answer_likelihoods
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
        return open_dialogue(self.language_model, *self._prompts(embedding, maps, prompts))

    def log_odds(
        self, embedding: Tensor, maps: Tensor, question: str, prompts: Prompts = "map"
    ) -> Tensor:
        """log(P(yes) / P(no)) as the first word of the answer to a first question, without a
        dialogue: gradients reach embedding and maps.

        Args:
            embedding, maps, prompts: see `open_dialogue`.
            question: the same about all pictures.

        Returns:
            (B,); its sigmoid is what `Dialogue.probabilities` gives.

        Raises:
            ConfigError: a shape does not fit, or yes and no cannot be told apart.
            DeviceError: the language model computed values that are not numbers.
        """
        language_model = self.language_model
        start = language_model.prompt_embeddings(*self._prompts(embedding, maps, prompts))
        asked = language_model.embed_text(language_model.template.first_turn(question))
        row = torch.cat([start, asked.to(start).expand(len(start), -1, -1)], dim=1)
        return language_model.answer_words.log_odds(language_model.last_logits(row, 1)[:, -1])

    @torch.inference_mode()
    def likelihoods(
        self, embedding: Tensor, maps: Tensor, question: str, answers: Sequence[str]
    ) -> list[float]:
        """How likely the language model finds given answers to a first question.

        Args:
            embedding, maps: of one photo, see `open_dialogue`.
            question: about it.
            answers: any number of texts.

        Returns:
            Of each answer the mean of the logarithm of its tokens' probabilities, so that long ones
            are not unlikely because they are long.

        Raises:
            DialogueTooLongError: question and answers do not fit.
        """
        image, words = self._prompts(embedding, maps, "map")
        prompt = self.language_model.prompt_embeddings(image, words)
        return answer_likelihoods(self.language_model, prompt, question, answers)

    def _prompts(
        self, embedding: Tensor, maps: Tensor, prompts: Prompts
    ) -> tuple[Tensor, Tensor | None]:
        """The photo and what is told of its map, as embeddings for the language model."""
        place = self.projection.weight.device
        image = self.projection(embedding.to(place, self.projection.weight.dtype)).unsqueeze(1)
        words = None
        if self.prompt_learner is not None and prompts == "map":
            words = self.prompt_learner(maps.to(place))
        elif self.prompt_learner is not None and prompts == "base":
            words = self.prompt_learner.base(len(maps))
        return image, words


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
