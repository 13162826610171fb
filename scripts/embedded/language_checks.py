"""Whether the small language model reads the words of photos that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from anomalygpt.language.generation import GenerationOptions
from anomalygpt.language.language_model import LanguageModel
from anomalygpt.language.speaking import open_dialogue
from embedded.language_batches import BASE_PROMPTS, cell_scale
from embedded.notation import Words, base_row, cell_row, facts_of_words, image_row, random_words
from simulation.dialogues.english.reading import count_in, places_in
from simulation.dialogues.published import ANOMALY_QUESTION

CHECKED, FOLLOWED = 64, 16  # photos, and how many damaged ones are asked for the place, too
CHECK_NOISE = 0.1  # of prompts, in units of a cell word's embedding
WHERE_QUESTION = "Where is it?"


def check(language_model: LanguageModel, pieces: int, seed: int, followed: int) -> dict[str, float]:
    """Held-out photos, read with a little noise: shares of right answers, in [0, 1].

    Args:
        language_model: any that reads cell words.
        pieces: of its tokenizer.
        seed: of the photos.
        followed: photos that are also asked for the place, as a second question.
    """
    generator = np.random.default_rng((seed, 2**31))
    photos = [random_words(generator) for _ in range(CHECKED)]
    facts = [facts_of_words(words) for words in photos]
    prompts = _prompts(language_model, pieces, photos, generator)
    options = GenerationOptions(max_new_tokens=64)
    dialogue = open_dialogue(language_model, prompts[:, :1], prompts[:, 1:])
    dialogue.ask(ANOMALY_QUESTION)
    sure = dialogue.probabilities().anomaly
    answers = dialogue.answers(options)
    right = [
        (
            answer.startswith("Yes" if fact.defects else "No"),
            places_in(answer) == set(fact.places),
            count_in(answer) == fact.count,
        )
        for answer, fact in zip(answers, facts, strict=True)
    ]
    truth = torch.tensor([float(bool(fact.defects)) for fact in facts])
    second = []
    for index in [index for index, fact in enumerate(facts) if fact.defects][:followed]:
        one = open_dialogue(
            language_model, prompts[index : index + 1, :1], prompts[index : index + 1, 1:]
        )
        one.ask(ANOMALY_QUESTION)
        one.answer(options)
        one.ask(WHERE_QUESTION)
        second.append(places_in(one.answer(options)) == set(facts[index].places))
    verdict, places, count = np.mean(right, axis=0).tolist()
    return {
        "verdict": verdict,
        "places": places,
        "count": count,
        "where": float(np.mean(second)) if second else float("nan"),
        "brier": float((sure.float().cpu() - truth).square().mean()),
    }


@torch.no_grad()
def _prompts(
    language_model: LanguageModel,
    pieces: int,
    photos: Sequence[Words],
    generator: np.random.Generator,
) -> Tensor:
    """(B, 19, width): image, base prompts and cells, with the noise of a check."""
    same = [image_row(pieces)] + [base_row(pieces)] * BASE_PROMPTS
    rows = [same + [cell_row(pieces, word) for word in words] for words in photos]
    embedded = language_model.embed(rows)
    normal = generator.standard_normal(tuple(embedded.shape), np.float32)
    noise = torch.from_numpy(normal).to(embedded)
    return embedded + CHECK_NOISE * cell_scale(language_model) * noise
