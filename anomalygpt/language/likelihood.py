"""How likely a language model finds given answers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from anomalygpt.errors import DeviceError, DialogueTooLongError
from anomalygpt.language.language_model import LanguageModel


@torch.no_grad()
def answer_likelihoods(
    language_model: LanguageModel, prompt: Tensor, question: str, answers: Sequence[str]
) -> list[float]:
    """The mean logarithm of the probability of each answer's tokens, all in one batch.

    Args:
        language_model: that would answer.
        prompt: (1, n, width), the start of a dialogue, see `LanguageModel.prompt_embeddings`.
        question: the first one.
        answers: any number of texts; one without tokens gets minus infinity.

    Raises:
        DialogueTooLongError: the longest answer does not fit behind the question.
        DeviceError: the model computed values that are not numbers.
    """
    template = language_model.template
    asked = language_model.embed([language_model.encode(template.first_turn(question))])
    ids = [language_model.encode(template.answer_space + answer) for answer in answers]
    longest = max(map(len, ids), default=0)
    if not longest:
        return [float("-inf")] * len(ids)
    start = torch.cat([prompt, asked.to(prompt)], dim=1)
    if start.shape[1] + longest > language_model.context_length:
        raise DialogueTooLongError(
            f"question and answer have {start.shape[1] + longest} tokens, the language model reads "
            f"{language_model.context_length}; tell less before the question"
        )
    # What follows an answer changes nothing before it, so that any token may fill the row up.
    rows = [(each + [0] * longest)[: longest - 1] for each in ids]
    row = start.expand(len(ids), -1, -1)
    if longest > 1:
        row = torch.cat([row, language_model.embed(rows).to(row)], dim=1)
    logits = language_model.last_logits(row, longest).float()
    if logits.isnan().any():
        raise DeviceError(
            "the language model computed values that are not numbers; load it with "
            "dtype='float32' or 'bfloat16'"
        )
    mass = logits.log_softmax(dim=-1)
    found = []
    for number, tokens in enumerate(ids):
        wanted = torch.tensor(tokens, dtype=torch.long, device=mass.device)
        each = mass[number, : len(tokens)].gather(1, wanted[:, None])
        found.append(float(each.mean()) if tokens else float("-inf"))
    return found
