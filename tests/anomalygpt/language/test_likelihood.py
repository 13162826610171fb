"""How likely a language model finds given answers."""

from __future__ import annotations

import pytest
import torch

from anomalygpt import AnomalyGPT, DialogueTooLongError
from anomalygpt.language.likelihood import answer_likelihoods

ANSWERS = ["yes", "no, there is nothing", "a"]
QUESTION = "What is it?"


@pytest.fixture
def prompt(assistant: AnomalyGPT) -> torch.Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return assistant.language_model.prompt_embeddings(torch.randn(1, 1, 32), None)


def test_likelihoods_are_those_of_token_after_token(assistant: AnomalyGPT, prompt) -> None:
    """One answer after the other and one token at a time, with the dialogue's own cache."""
    from transformers import DynamicCache

    model = assistant.language_model
    found = answer_likelihoods(model, prompt, QUESTION, ANSWERS)
    for answer, value in zip(ANSWERS, found, strict=True):
        ids = model.encode(model.template.answer_space + answer)
        cache = DynamicCache()
        asked = model.embed([model.encode(model.template.first_turn(QUESTION))])
        logits = model.next_logits(torch.cat([prompt, asked], dim=1), cache)
        told = []
        for token in ids:
            told.append(float(logits.log_softmax(dim=-1)[0, token]))
            logits = model.next_logits(model.embed([[token]]), cache)
        assert value == pytest.approx(sum(told) / len(told), abs=1e-4)


def test_an_answer_is_as_likely_beside_others_as_alone(assistant: AnomalyGPT, prompt) -> None:
    model = assistant.language_model
    together = answer_likelihoods(model, prompt, QUESTION, ANSWERS)
    alone = [answer_likelihoods(model, prompt, QUESTION, [answer])[0] for answer in ANSWERS]
    assert together == pytest.approx(alone, abs=1e-4)


def test_empty_answers_and_too_long_ones(assistant: AnomalyGPT, prompt) -> None:
    model = assistant.language_model
    assert answer_likelihoods(model, prompt, QUESTION, [""]) == [float("-inf")]
    assert answer_likelihoods(model, prompt, QUESTION, []) == []
    with pytest.raises(DialogueTooLongError, match="tell less before the question"):
        answer_likelihoods(model, prompt, QUESTION, ["long " * 600])
