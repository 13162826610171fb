"""What the trained language model says to phrasings that it has never read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.language.dialogue import Dialogue
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.language.speaking import open_dialogue
from anomalygpt.replies.inventions import Known, inventions
from embedded.language_batches import BASE_PROMPTS
from embedded.notation import Words, facts_of_words, random_words
from embedded.open_talk import Conversation, conversation
from embedded.talk_trainer import TalkTrainer

PHOTOS, ROWS = 32, 8  # that are judged, and conversations whose loss is taken
ANSWER = GenerationOptions(max_new_tokens=80)


def check(trainer: TalkTrainer, seed: int, answers: int) -> dict[str, float]:
    """Loss on held-out phrasings, verdicts right, and answers that invent nothing.

    Args:
        trainer: as it is.
        seed: of the photos.
        answers: how many open questions are answered; some seconds each.
    """
    generator = np.random.default_rng((seed, 2**31))
    talks = [conversation(generator, held_out=True) for _ in range(max(answers, ROWS))]
    figures = {"held_loss": held_loss(trainer, talks[:ROWS], generator)}
    figures |= verdicts(trainer, generator)
    said = [last_answer(trainer, talk) for talk in talks[:answers]]
    clean = [not invented(answer, talk) for answer, talk in zip(said, talks, strict=False)]
    return {**figures, "nothing_invented": float(np.mean(clean)) if clean else float("nan")}


@torch.no_grad()
def held_loss(
    trainer: TalkTrainer, talks: Sequence[Conversation], generator: np.random.Generator
) -> float:
    """Cross-entropy per token of what is to be said in conversations."""
    rows = [trainer.batches.row(talk.words, talk.turns) for talk in talks]
    total, count = 0.0, 0
    for row in rows:
        micro = trainer.batches.batched([row], generator)
        total += trainer.spoken_loss(micro).item()
        count += int(micro.targets.sum())
    return total / max(1, count)


def verdicts(trainer: TalkTrainer, generator: np.random.Generator) -> dict[str, float]:
    """Shares of right verdicts on photos of known words, and their Brier score."""
    photos = [random_words(generator) for _ in range(PHOTOS)]
    dialogue = _dialogue(trainer, photos)
    dialogue.ask(ANOMALY_QUESTION)
    sure = dialogue.probabilities().anomaly.float().cpu()
    truth = torch.tensor([float(facts_of_words(words).count > 0) for words in photos])
    right = (sure > 0.5) == (truth > 0.5)
    return {
        "verdict": right.float().mean().item(),
        "brier": (sure - truth).square().mean().item(),
    }


def last_answer(trainer: TalkTrainer, talk: Conversation) -> str:
    """What the model says to the last question of a conversation."""
    dialogue = _dialogue(trainer, [talk.words])
    *before, last = talk.turns
    for turn in before:
        dialogue.remember(turn.question, turn.answer)
    dialogue.ask(last.question)
    return dialogue.answer(ANSWER)


def invented(answer: str, talk: Conversation) -> list[str]:
    """What the product would leave out of an answer to the last question of a conversation.

    Args:
        answer: to the last question.
        talk: the conversation.
    """
    *before, last = talk.turns
    heard = tuple(turn.question for turn in before)
    return inventions(answer, Known(talk.inspection, last.question, heard))


@torch.no_grad()
def _dialogue(trainer: TalkTrainer, photos: Sequence[Words]) -> Dialogue:
    rows = torch.tensor([[0, *[1] * BASE_PROMPTS, *(2 + word for word in w)] for w in photos])
    embedded: Tensor = trainer.prompts(rows.to(trainer.device)).detach()
    return open_dialogue(trainer.language_model, embedded[:, :1], embedded[:, 1:])
